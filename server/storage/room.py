"""How much room the disk of the data folder has: spool, Redis and local storage share it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from server.refusals import DiskFull


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """A folder, and how many bytes its file system must keep free."""

    folder: Path
    min_free_bytes: int

    def refuse_if_low(self, arriving_bytes: int = 0) -> None:
        """Say DiskFull before bytes come that would leave too little room."""
        free = shutil.disk_usage(self.folder).free - arriving_bytes
        if free < self.min_free_bytes:
            raise DiskFull(
                f"{max(0, free)} bytes would be free, {self.min_free_bytes} must stay free.",
                limit=self.min_free_bytes,
                actual=max(0, free),
            )
