"""Storage on the local disk: hard links from the spool, so that no byte is copied."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import aiofiles

from server.storage.room import DiskRoom
from server.storage.storage import StorageFailed, Stored, results_prefix
from server.storage.threads import in_thread
from server.storage.timed import Operations, timed, timed_to_first

_PIECE_BYTES = 256 * 1024
_LIST_AT_ONCE = 1000
_SHARED_DEPTH = 2  # results/xx; a job's own folder is below


class DiskStorage:
    """Files below one folder that is on the same file system as the spool."""

    kind = "disk"
    is_near = True

    def __init__(self, folder: Path, *, min_free_bytes: int) -> None:
        self._folder = folder
        self._durable = {""}  # folders of many jobs whose own entry is synced, below ours
        self.operations = Operations()
        self.refuse_if_low = DiskRoom(folder, min_free_bytes).refuse_if_low

    @timed("put")
    async def put(self, key: str, path: Path) -> None:
        """See Storage.put. Side by side: one commit of the file system may serve all syncs."""
        deeds = in_thread(_sync, path), in_thread(self._link_in, key, path)
        outcomes = await asyncio.gather(*deeds, return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    @timed("fetch")
    async def fetch(self, key: str, path: Path) -> None:
        """See Storage.fetch."""
        await in_thread(_link_out, self._folder / key, path)

    async def local_path(self, key: str) -> Path | None:
        """See Storage.local_path."""
        path = self._folder / key
        return path if await in_thread(path.is_file) else None

    @timed_to_first("read")
    async def read(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes]:
        """See Storage.read."""
        path = self._folder / key
        if length is not None and length <= _PIECE_BYTES:
            yield await in_thread(_read_at, path, start, length)
            return
        async with aiofiles.open(path, "rb") as file:
            await file.seek(start)
            left = length
            while left is None or left > 0:
                piece = await file.read(_PIECE_BYTES if left is None else min(left, _PIECE_BYTES))
                if not piece:
                    break
                left = None if left is None else left - len(piece)
                yield piece
        if left:
            raise StorageFailed(f"{path.name} is {left} bytes shorter than when it was stored")

    @timed("head")
    async def head(self, key: str) -> Stored | None:
        """See Storage.head."""
        try:
            found = await in_thread((self._folder / key).stat)
        except FileNotFoundError:
            return None
        return _stored(key, found)

    async def objects(self, prefix: str) -> AsyncIterator[Stored]:
        """See Storage.objects."""
        found = self._walk(self._folder / prefix)
        while some := await in_thread(lambda: [*islice(found, _LIST_AT_ONCE)]):
            for one in some:
                yield one

    @timed("delete")
    async def delete(self, key: str) -> None:
        """See Storage.delete."""
        await in_thread((self._folder / key).unlink, missing_ok=True)

    @timed("delete")
    async def delete_results(self, job_id: str) -> None:
        """See Storage.delete_results."""
        folder = self._folder / results_prefix(job_id)
        await in_thread(shutil.rmtree, folder, ignore_errors=True)

    async def abort_half_puts(self, *, older_than_s: float) -> int:
        """A link is there or not; what is half-written lies in the spool."""
        return 0

    async def sign(self, method: Literal["GET", "HEAD", "PUT"], key: str, expires_s: int) -> str:
        """The disk has no address of its own."""
        return ""

    async def check(self) -> None:
        """See Storage.check."""
        if not await in_thread(os.access, self._folder, os.W_OK | os.X_OK):
            raise StorageFailed(f"{self._folder} cannot be written")

    def _walk(self, folder: Path) -> Iterator[Stored]:
        for root, _, names in os.walk(folder):
            for name in names:
                path = Path(root, name)
                try:
                    found = path.stat()
                except FileNotFoundError:  # removed since its folder was read
                    continue
                yield _stored(path.relative_to(self._folder).as_posix(), found)

    def _link_in(self, key: str, path: Path) -> None:
        """Whoever dies in the midst of it leaves a name of which nobody has been told."""
        target = self._folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(path)
        except FileExistsError:  # a second run of the same job: its files replace the first's
            _sync(path)
            aside = path.with_name(f".{path.name}.new")  # where a sweep finds it after a crash
            aside.unlink(missing_ok=True)
            aside.hardlink_to(path)
            aside.replace(target)
        self._sync_folders(key.rpartition("/")[0])

    def _sync_folders(self, folder: str) -> None:
        """The one with the new file, and those above in which a folder may be new."""
        of_many = []
        while True:
            _sync(f"{self._folder}/{folder}")
            if folder in self._durable:
                break
            if folder.count("/") < _SHARED_DEPTH:
                of_many.append(folder)
            folder = folder.rpartition("/")[0]
        self._durable.update(of_many)


def _link_out(path: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    os.link(path, target)


def _read_at(path: Path, start: int, length: int) -> bytes:
    """A small piece in one visit to a thread: opened, read and closed there."""
    with path.open("rb") as file:
        file.seek(start)
        piece = file.read(length)
    if len(piece) < length:
        raise StorageFailed(f"{path.name} is shorter than it was when it was stored")
    return piece


def _stored(key: str, found: os.stat_result) -> Stored:
    etag = f'"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"'
    return Stored(key, found.st_size, found.st_mtime_ns // 1_000_000, etag)


def _sync(path: Path | str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
