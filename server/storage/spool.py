"""The spool: where bytes lie while they come in and while a worker has them.

A file in `incoming/` is also a note that a job of that name is about to exist: it is removed only
after the job was admitted or refused, so what a crash leaves behind can be told apart.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from server.refusals import EmptyBody, TooLarge
from server.storage.threads import in_thread, to_its_end

# One write for many network reads: each is a hop to a thread.
_BLOCK_BYTES = 1024 * 1024
_LARGE_BYTES = 16 * 1024
_MORE_MAY_BE_LEFT_S = 0.1
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

Block = list[bytes | bytearray]
"""About a MiB of a file, in pieces."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A file that came in whole, hashed (SHA-256). Whoever stores it has it synced."""

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
        self._left: list[Path] = []
        self._removal: asyncio.Task[None] | None = None

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
        return await in_thread(_adopted, Spooled(job_id, name, incoming, 0, ""), path)

    def discard(self, job_id: str) -> None:
        """Remove an incoming file: its job is admitted or refused."""
        (self.incoming / job_id).unlink(missing_ok=True)

    def leftovers(self) -> list[str]:
        """Ids of jobs that were about to exist when the server died."""
        return sorted(path.name for path in self.incoming.iterdir())

    @asynccontextmanager
    async def workdir(self, job_id: str, token: int) -> AsyncIterator[Path]:
        """An empty folder for one attempt of one job; gone afterwards."""
        folder = self.work / f"{job_id}.{token}"
        try:
            folder.mkdir()
            yield folder
        finally:  # in a thread: each removal may wait for what others write to the disk
            await in_thread(_remove, [folder])

    @contextmanager
    def workplace(self, job_id: str, token: int) -> Iterator[Path]:
        """Where such a folder may be, for who lets the storage make it; gone soon afterwards.

        The loop would wait for the folder as long as for what others write to the disk. Many are
        removed in one visit to a thread.
        """
        folder = self.work / f"{job_id}.{token}"
        try:
            yield folder
        finally:
            self._left.append(folder)
            if self._removal is None:
                self._removal = asyncio.create_task(self._remove_left(), name="spool: removal")

    async def tidy(self) -> None:
        """Returns when no folder is left that was worked in."""
        if self._removal is not None:
            await asyncio.shield(self._removal)

    async def _remove_left(self) -> None:
        try:
            while self._left:
                await asyncio.sleep(_MORE_MAY_BE_LEFT_S)
                folders, self._left = self._left, []
                await in_thread(_remove, folders)
        finally:
            self._removal = None

    async def _write(self, path: Path, chunks: AsyncIterator[bytes]) -> tuple[int, str]:
        """A visit to a thread costs more than most of its work: one for each block."""
        file = _HashedFile(path)
        async with aclosing(self._blocks(chunks)) as blocks:
            try:
                async for block in blocks:
                    self._refuse_if_low()  # before the disk is full for Redis, too
                    await to_its_end(in_thread(file.add, block))
            finally:
                file.close()
        return file.bytes, file.digest.hexdigest()

    async def _blocks(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[Block]:
        """Large chunks are kept as they are, since to put them together is to copy them; of small
        ones there may be too many. Whoever gives chunks minds their pace.
        """
        received, held, block = 0, 0, Block()
        async for chunk in chunks:
            received += len(chunk)
            self._refuse_too_large(received)
            if len(chunk) >= _LARGE_BYTES:
                block.append(chunk)
            elif block and isinstance(block[-1], bytearray):
                block[-1] += chunk
            else:
                block.append(bytearray(chunk))
            held += len(chunk)
            if held >= _BLOCK_BYTES:
                yield block
                held, block = 0, Block()
        if block:
            yield block

    def _refuse_too_large(self, received: int) -> None:
        limit = self._max_upload_bytes
        if received > limit:
            raise TooLarge(
                f"A picture may have {limit} bytes; more than that came.",
                limit=limit,
                actual=received,
            )


class _HashedFile:
    """A new file, with the size and the digest of what was written to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self.digest = hashlib.sha256()
        self.bytes = 0

    def add(self, block: Block) -> None:
        """Write it behind the others."""
        if self._descriptor is None:
            self._descriptor = os.open(self._path, _NEW_FILE, 0o666)
        for piece in block:
            left = memoryview(piece)
            while left:  # a write may stop halfway where the disk is full
                left = left[os.write(self._descriptor, left) :]
            self.digest.update(piece)
            self.bytes += len(piece)

    def close(self) -> None:
        """Let go of it, as far as it came."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _remove(folders: Sequence[Path]) -> None:
    """What cannot be removed now goes with the next start."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _adopted(spooled: Spooled, path: Path) -> Spooled:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    spooled.path.unlink(missing_ok=True)  # of an earlier attempt that was not admitted
    spooled.path.hardlink_to(path)
    return replace(spooled, bytes=size, digest=digest)
