"""What the rest of the service asks of a storage: bytes that stay, under a key.

Keys are made here and nowhere else; no client's name ever becomes a path.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from server.storage.timed import Operations

_PUTS_AT_ONCE = 4


class StorageFailed(OSError):
    """The storage cannot be reached, refuses us, or broke off; trying again later may help."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a storage knows of one object: its size, when it was written (ms since 1970 UTC).

    `etag` changes with the bytes. `media_type` is what whoever wrote it said; None: not asked.
    """

    key: str
    bytes: int
    modified_ms: int
    etag: str
    media_type: str | None = None


class Storage(Protocol):
    """Originals and results. Every method raises OSError when the storage fails.

    A key that is not there raises FileNotFoundError where bytes are wanted.
    """

    kind: str
    """disk, s3, gcs or azure."""
    is_near: bool
    """On this machine's disk: what is put and deleted again has cost nobody anything."""
    operations: Operations
    """How long they take and how often they fail."""

    def refuse_if_low(self, arriving_bytes: int = 0) -> None:
        """Raise DiskFull when too little room would be left on this machine's disk."""

    async def put(self, key: str, path: Path) -> None:
        """Keep a local file's bytes under a key; when this returns they survive a crash.

        The file is left where it is; an older file of the key is replaced.
        """

    async def fetch(self, key: str, path: Path) -> None:
        """Make the bytes of a key readable at a local path that is free yet.

        The path's folder is made where it is missing.
        """

    async def local_path(self, key: str) -> Path | None:
        """Where the bytes lie on this machine's disk, or None when there are none."""

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        """Pieces of a key's bytes from `start` on, `length` of them, or all that follow."""

    async def head(self, key: str) -> Stored | None:
        """What is known of a key without its bytes; None: it is not there."""

    def objects(self, prefix: str) -> AsyncIterator[Stored]:
        """Every object below a prefix that ends with a slash, in no order."""

    async def delete(self, key: str) -> None:
        """Remove a key; one that is not there is fine."""

    async def delete_results(self, job_id: str) -> None:
        """Remove every result of a job, also of attempts that stored some and did not end."""

    async def abort_half_puts(self, *, older_than_s: float) -> int:
        """End what puts of ours have begun and not ended for so long; returns how many."""

    async def sign(self, method: Literal["GET", "HEAD", "PUT"], key: str, expires_s: int) -> str:
        """A URL of the storage itself with which anybody may do this until then; "" on a disk."""

    async def check(self) -> None:
        """Return when bytes could be kept now."""


async def put_all(storage: Storage, files: Sequence[tuple[str, Path]]) -> None:
    """Put many, a few at a time. When one fails, its error comes after all others have ended."""
    if len(files) == 1:
        await storage.put(*files[0])
        return
    turns = asyncio.Semaphore(_PUTS_AT_ONCE)

    async def put(key: str, path: Path) -> None:
        async with turns:
            await storage.put(key, path)

    outcomes = await asyncio.gather(*(put(*file) for file in files), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


INCOMING = "incoming/"
ORIGINALS = "originals/"
RESULTS = "results/"


def original_key(job_id: str) -> str:
    """Where the picture as it came is kept."""
    return f"{ORIGINALS}{job_id[:2]}/{job_id}"


def result_key(job_id: str, file_name: str) -> str:
    """Where one output file of a job is kept."""
    return f"{results_prefix(job_id)}{file_name}"


def results_prefix(job_id: str) -> str:
    """What the keys of all output files of a job begin with."""
    return f"{RESULTS}{job_id[:2]}/{job_id}/"


def incoming_key(upload_id: str) -> str:
    """Where a client puts a picture by a presigned URL."""
    return f"{INCOMING}{upload_id}"
