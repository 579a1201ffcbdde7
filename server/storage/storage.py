"""What the rest of the service asks of a storage: bytes that stay, under a key.

Keys are made here and nowhere else; no client's name ever becomes a path.
"""

from pathlib import Path
from typing import Protocol


class Storage(Protocol):
    """Originals and results. Every method raises OSError when the storage fails."""

    def refuse_if_low(self, arriving_bytes: int = 0) -> None:
        """Raise DiskFull when too little room would be left."""

    async def put(self, key: str, path: Path) -> None:
        """Keep a local file's bytes under a key; when this returns they survive a crash.

        The file must be synced and is left where it is; an older file of the key is replaced.
        """

    async def fetch(self, key: str, path: Path) -> None:
        """Make the bytes of a key readable at a local path."""

    async def local_path(self, key: str) -> Path | None:
        """Where the bytes lie on this machine's disk, or None when there are none."""

    async def delete(self, key: str) -> None:
        """Remove a key; one that is not there is fine."""

    async def delete_results(self, job_id: str) -> None:
        """Remove every result of a job, also of attempts that stored some and did not end."""


def original_key(job_id: str) -> str:
    """Where the picture as it came is kept."""
    return f"originals/{job_id[:2]}/{job_id}"


def result_key(job_id: str, file_name: str) -> str:
    """Where one output file of a job is kept."""
    return f"{results_prefix(job_id)}{file_name}"


def results_prefix(job_id: str) -> str:
    """What the keys of all output files of a job begin with."""
    return f"results/{job_id[:2]}/{job_id}/"
