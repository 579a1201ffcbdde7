"""Storage on the local disk: hard links from the spool, so that no byte is copied."""

import asyncio
import os
import shutil
from pathlib import Path

from server.refusals import DiskFull
from server.storage.storage import results_prefix


class DiskStorage:
    """Files below one folder that is on the same file system as the spool."""

    def __init__(self, folder: Path, *, min_free_bytes: int) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes

    def refuse_if_low(self, arriving_bytes: int = 0) -> None:
        """Say DiskFull before bytes come that would leave too little room."""
        free = shutil.disk_usage(self._folder).free - arriving_bytes
        if free < self._min_free_bytes:
            raise DiskFull(
                f"{max(0, free)} bytes would be free, {self._min_free_bytes} must stay free.",
                limit=self._min_free_bytes,
                actual=max(0, free),
            )

    async def put(self, key: str, path: Path) -> None:
        """See Storage.put."""
        await asyncio.to_thread(self._link_in, key, path)

    async def fetch(self, key: str, path: Path) -> None:
        """See Storage.fetch."""
        await asyncio.to_thread(os.link, self._folder / key, path)

    async def local_path(self, key: str) -> Path | None:
        """See Storage.local_path."""
        path = self._folder / key
        return path if await asyncio.to_thread(path.is_file) else None

    async def delete(self, key: str) -> None:
        """See Storage.delete."""
        await asyncio.to_thread((self._folder / key).unlink, missing_ok=True)

    async def delete_results(self, job_id: str) -> None:
        """See Storage.delete_results."""
        folder = self._folder / results_prefix(job_id)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _link_in(self, key: str, path: Path) -> None:
        target = self._folder / key
        _make_durable_folder(target.parent)
        try:
            target.hardlink_to(path)
        except FileExistsError:  # a second run of the same job: its files replace the first's
            aside = path.with_name(f".{path.name}.new")  # where a sweep finds it after a crash
            aside.unlink(missing_ok=True)
            aside.hardlink_to(path)
            aside.replace(target)
        _sync_folder(target.parent)


def _make_durable_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_durable_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
