"""The spool: where bytes lie while they come in and while a worker has them.

A file in `incoming/` is also a note that a job of that name is about to exist: it is removed only
after the job was admitted or refused, so what a crash leaves behind can be told apart.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiofiles

from server.refusals import CutShort, EmptyBody, TooLarge, UploadTooSlow

# One write for many network reads: each is a hop to a thread. Small enough to hash in passing.
_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Spooled:
    """A file that came in whole: synced to disk, hashed (SHA-256)."""

    job_id: str
    name: str
    path: Path
    bytes: int
    digest: str


class Spool:
    """Two folders on the same file system as the storage."""

    def __init__(
        self,
        folder: Path,
        *,
        max_upload_bytes: int,
        stall_timeout_s: float,
        refuse_if_low: Callable[[], None],
    ) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        self.work = folder / "work"
        self._max_upload_bytes = max_upload_bytes
        self._stall_timeout_s = stall_timeout_s
        self._refuse_if_low = refuse_if_low

    def prepare(self) -> None:
        """Make the folders; what workers left behind is removed, nobody works yet."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True, exist_ok=True)
        self.incoming.mkdir(parents=True, exist_ok=True)

    async def receive(self, job_id: str, name: str, chunks: AsyncIterator[bytes]) -> Spooled:
        """Write a stream to disk while hashing it; a refused one leaves nothing behind."""
        path = self.incoming / job_id
        try:
            received, digest = await self._write(path, chunks)
            if received == 0:
                raise EmptyBody("Expected a picture, got no bytes.")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Spooled(job_id, name, path, received, digest)

    async def adopt(self, job_id: str, name: str, path: Path) -> Spooled:
        """Take a whole, synced file of this disk as if it had come in; it stays there, too."""
        incoming = self.incoming / job_id
        return await asyncio.to_thread(_adopted, Spooled(job_id, name, incoming, 0, ""), path)

    def discard(self, job_id: str) -> None:
        """Remove an incoming file: its job is admitted or refused."""
        (self.incoming / job_id).unlink(missing_ok=True)

    def leftovers(self) -> list[str]:
        """Ids of jobs that were about to exist when the server died."""
        return sorted(path.name for path in self.incoming.iterdir())

    @contextmanager
    def workdir(self, job_id: str, token: int) -> Iterator[Path]:
        """An empty folder for one attempt of one job; gone afterwards."""
        folder = self.work / f"{job_id}.{token}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _write(self, path: Path, chunks: AsyncIterator[bytes]) -> tuple[int, str]:
        received, digest, block = 0, hashlib.sha256(), bytearray()
        async with aiofiles.open(path, "xb") as file:
            async for chunk in self._unless_stalled(chunks):
                received += len(chunk)
                self._refuse_too_large(received)
                block += chunk
                if len(block) >= _BLOCK_BYTES:
                    self._refuse_if_low()  # before the disk is full for Redis, too
                    digest.update(block)
                    await file.write(block)
                    block = bytearray()
            digest.update(block)
            await file.write(block)
            await file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        return received, digest.hexdigest()

    def _refuse_too_large(self, received: int) -> None:
        limit = self._max_upload_bytes
        if received > limit:
            raise TooLarge(
                f"A picture may have {limit} bytes; more than that came.",
                limit=limit,
                actual=received,
            )

    async def _unless_stalled(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._stall_timeout_s):
                    chunk = await anext(chunks, b"")
            except TimeoutError as error:
                raise UploadTooSlow(f"No bytes came for {self._stall_timeout_s:g} s.") from error
            except ConnectionError as error:
                raise CutShort("The connection ended before the picture did.") from error
            if not chunk:
                return
            yield chunk


def _adopted(spooled: Spooled, path: Path) -> Spooled:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    spooled.path.unlink(missing_ok=True)  # of an earlier attempt that was not admitted
    spooled.path.hardlink_to(path)
    return replace(spooled, bytes=size, digest=digest)
