"""The spool: where bytes lie while they come in and while a worker has them.

A file in `incoming/` is also a note that a job of that name is about to exist: it is removed only
after the job was admitted or refused, so what a crash leaves behind can be told apart.
"""

import asyncio
import hashlib
import io
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from server.refusals import EmptyBody, TooLarge

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

P = ParamSpec("P")
T = TypeVar("T")

# One write for many network reads: each is a hop to a thread.
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
        refuse_if_low: Callable[[], None],
    ) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        self.work = folder / "work"
        self._max_upload_bytes = max_upload_bytes
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

    @asynccontextmanager
    async def workdir(self, job_id: str, token: int) -> AsyncIterator[Path]:
        """An empty folder for one attempt of one job; gone afterwards."""
        async with self.workplace(job_id, token) as folder:
            folder.mkdir()
            yield folder

    @asynccontextmanager
    async def workplace(self, job_id: str, token: int) -> AsyncIterator[Path]:
        """Where such a folder may be, for who lets the storage make it; gone afterwards.

        The loop would wait for the folder as long as for what others write to the disk.
        """
        folder = self.work / f"{job_id}.{token}"
        try:
            yield folder
        finally:  # in a thread: each removal may wait for what others write to the disk
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _write(self, path: Path, chunks: AsyncIterator[bytes]) -> tuple[int, str]:
        """A visit to a thread costs more than most of its work: a file of one block takes one."""
        async with aclosing(self._blocks(chunks)) as blocks:
            block = await anext(blocks)
            self._refuse_if_low()  # before the disk is full for Redis, too
            if len(block) < _BLOCK_BYTES:
                return len(block), await _to_its_end(_write_whole, path, block)
            with _HashedFile(path) as file:
                while block:
                    await _to_its_end(file.write, block)
                    self._refuse_if_low()
                    block = await anext(blocks, b"")
                await _to_its_end(os.fsync, file.fileno())
                return file.tell(), file.digest.hexdigest()

    async def _blocks(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes | bytearray]:
        """At least one; the last may be short or empty. Whoever gives chunks minds their pace."""
        received, block = 0, bytearray()
        async for chunk in chunks:
            received += len(chunk)
            self._refuse_too_large(received)
            block += chunk
            if len(block) >= _BLOCK_BYTES:
                yield block
                block = bytearray()
        yield block

    def _refuse_too_large(self, received: int) -> None:
        limit = self._max_upload_bytes
        if received > limit:
            raise TooLarge(
                f"A picture may have {limit} bytes; more than that came.",
                limit=limit,
                actual=received,
            )


class _HashedFile(io.FileIO):
    """A new file without a buffer, with the digest of what is written to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "xb")
        self.digest = hashlib.sha256()

    def write(self, block: "ReadableBuffer") -> int:
        """All of it, or OSError: without a buffer it may stop halfway where the disk is full."""
        left = memoryview(block)
        self.digest.update(left)
        while left:
            left = left[super().write(left) :]
        return len(memoryview(block))


async def _to_its_end(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """In a thread; whoever is cancelled waits for it, so that it touches no file after him."""
    work = asyncio.create_task(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


def _write_whole(path: Path, content: bytes | bytearray) -> str:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def _adopted(spooled: Spooled, path: Path) -> Spooled:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    spooled.path.unlink(missing_ok=True)  # of an earlier attempt that was not admitted
    spooled.path.hardlink_to(path)
    return replace(spooled, bytes=size, digest=digest)
