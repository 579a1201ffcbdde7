"""One request at a time may touch an unfinished upload, and a newer one asks the older to stop.

A connection that died without a word looks alive to the server. Its client is back on another one
and must not wait until the first has timed out.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.refusals import UploadInterrupted, UploadLocked


class Turn:
    """The right to touch an upload, until somebody asks for it."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._is_asked = False
        self._reading: asyncio.Timeout | None = None

    def ask(self) -> None:
        """Let whoever waits for bytes stop waiting. Work on bytes that are there is not broken."""
        self._is_asked = True
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def read(self, chunks: AsyncIterator[bytes]) -> bytes:
        """The next bytes, none at the end. Raises UploadInterrupted when somebody asks."""
        if self._is_asked:
            raise UploadInterrupted(_INTERRUPTED)
        try:
            async with asyncio.timeout(None) as self._reading:
                return await anext(chunks, b"")
        except TimeoutError as error:
            raise UploadInterrupted(_INTERRUPTED) from error
        finally:
            self._reading = None


class Turns:
    """Who has the turn at which upload."""

    def __init__(self, *, wait_s: float) -> None:
        self._wait_s = wait_s
        self._held: dict[str, Turn] = {}

    def is_taken(self, upload_id: str) -> bool:
        """Whether a request is at this upload."""
        return upload_id in self._held

    @asynccontextmanager
    async def take(self, upload_id: str) -> AsyncIterator[Turn]:
        """Have the turn. Raises UploadLocked when nobody gives it up in time."""
        try:
            async with asyncio.timeout(self._wait_s):
                while (holder := self._held.get(upload_id)) is not None:
                    holder.ask()
                    await holder.ended.wait()
        except TimeoutError as error:
            raise UploadLocked(
                f"Another request is at this upload and did not end in {self._wait_s:g} s.",
                retry_after_s=1,
            ) from error
        turn = self._held[upload_id] = Turn()
        try:
            yield turn
        finally:
            del self._held[upload_id]
            turn.ended.set()


_INTERRUPTED = "Another request asked for this upload; this one was stopped, its bytes are kept."
