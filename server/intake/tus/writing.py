"""The bytes of one request on their way to the file of a resumable upload."""

import asyncio
import hashlib
import os
import time
from dataclasses import dataclass
from typing import BinaryIO

from server.intake.tus.resumable import Resumable
from server.refusals import ChecksumMismatch, TooLarge

# One write for many network reads: each is a hop to a thread.
_BLOCK_BYTES = 1024 * 1024
# What a kill may cost a client of one request: the bytes since the last sync.
_SYNC_EVERY_BYTES = 8 * 1024 * 1024
_SYNC_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the bytes of one request must come to."""

    algorithm: str
    digest: bytes


class Writing:
    """Collects, writes, syncs and checks; what counts is decided by whoever has it."""

    def __init__(self, file: BinaryIO, upload: Resumable, checksum: Checksum | None) -> None:
        self.upload = upload
        self._file = file
        self._checksum = checksum
        self._hash = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
        self._block = bytearray()
        self._offset = upload.offset
        self._synced_offset, self._synced_at = upload.offset, time.monotonic()

    def take(self, chunk: bytes) -> bool:
        """Bytes have come; returns whether enough are there to be written."""
        received = self._offset + len(self._block) + len(chunk)
        if received > self.upload.length:
            raise TooLarge(
                f"{self.upload.length} bytes were announced by Upload-Length; more than that came.",
                limit=self.upload.length,
                actual=received,
            )
        self._block += chunk
        return len(self._block) >= _BLOCK_BYTES

    @property
    def is_sync_due(self) -> bool:
        """Whether so much came since the last sync that a kill should not cost it."""
        if self._checksum is not None:
            return False
        arrived = self._offset + len(self._block) - self._synced_offset
        late = time.monotonic() - self._synced_at >= _SYNC_EVERY_S
        return arrived >= _SYNC_EVERY_BYTES or (late and arrived > 0)

    async def write(self) -> None:
        """Bring what was taken to the file."""
        block, self._block = self._block, bytearray()
        await asyncio.to_thread(self._write_whole, block)
        self._offset += len(block)

    async def sync(self) -> int:
        """Bring all of it to the disk; returns the offset that counts then."""
        await self.write()
        await asyncio.to_thread(os.fdatasync, self._file.fileno())
        self._synced_offset, self._synced_at = self._offset, time.monotonic()
        return self._offset

    def check(self) -> None:
        """Say ChecksumMismatch when all came and is not what was announced."""
        if (
            self._checksum is not None
            and self._hash
            and self._hash.digest() != self._checksum.digest
        ):
            raise ChecksumMismatch(
                f"The bytes do not come to the {self._checksum.algorithm} of Upload-Checksum;"
                " none of them is kept. Send them again."
            )

    def _write_whole(self, block: bytearray) -> None:
        """An unbuffered file may take less than it is given."""
        if self._hash is not None:
            self._hash.update(block)
        rest = memoryview(block)
        while rest:
            rest = rest[self._file.write(rest) :]
