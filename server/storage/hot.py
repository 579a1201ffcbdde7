"""Small files that are asked for often, whole and in memory; the rest is the storage's.

A key in the storage is never used for a second time, so what is here is never wrong. What may be
answered from it is decided before: by the head of a picture, which goes with the picture.
"""

import asyncio
from collections import OrderedDict

from server.storage.storage import Storage


class HotFiles:
    """At most `max_bytes` of files of `max_file_bytes` at most; the longest unasked goes first."""

    def __init__(self, storage: Storage, *, max_bytes: int, max_file_bytes: int) -> None:
        self._storage = storage
        self._max_bytes = max_bytes
        self.max_file_bytes = min(max_file_bytes, max_bytes)
        self.bytes = 0
        """What all of them take."""
        self.hits = self.misses = 0
        """How often a file was here when it was wanted, and how often it had to be read."""
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._reading: dict[str, asyncio.Task[bytes]] = {}

    @property
    def count(self) -> int:
        """How many files are here."""
        return len(self._files)

    def get(self, key: str) -> bytes | None:
        """A file that is here."""
        content = self._files.get(key)
        if content is not None:
            self._files.move_to_end(key)
            self.hits += 1
        return content

    async def read(self, key: str, size: int) -> bytes:
        """A file of `size` bytes, at most max_file_bytes; many who want the same read it once.

        Raises FileNotFoundError, or StorageFailed.
        """
        content = self.get(key)
        if content is not None:
            return content
        self.misses += 1
        reading = self._reading.get(key)
        if reading is None:
            reading = asyncio.create_task(self._read(key, size))
            self._reading[key] = reading
            reading.add_done_callback(lambda task: self._end(key, task))
        return await asyncio.shield(reading)

    def forget(self, key: str) -> None:
        """The file goes from the storage."""
        self._reading.pop(key, None)  # it may still come; it is not kept then
        content = self._files.pop(key, None)
        if content is not None:
            self.bytes -= len(content)

    async def _read(self, key: str, size: int) -> bytes:
        me = asyncio.current_task()
        content = b"".join([piece async for piece in self._storage.read(key, length=size)])
        if self._reading.get(key) is me:
            self._files[key] = content
            self.bytes += len(content)
            while self.bytes > self._max_bytes:
                _, oldest = self._files.popitem(last=False)
                self.bytes -= len(oldest)
        return content

    def _end(self, key: str, task: "asyncio.Task[bytes]") -> None:
        if self._reading.get(key) is task:
            del self._reading[key]
        if not task.cancelled():
            task.exception()  # whoever asked was told; if all of them have left, nobody need be
