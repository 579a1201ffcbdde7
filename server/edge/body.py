"""The body of a request as it comes: never more of it than is allowed, never silent for long."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from aiohttp import StreamReader, web

from server.refusals import BadRequest, CutShort, TooLarge, UploadTooSlow

# What one part may spend on lines: its boundary and headers, and what stands before the first.
_MAX_LINE_BYTES = 32 * 1024
_PIECE_BYTES = 64 * 1024

T = TypeVar("T")


class Body:
    """Reads a request's stream; has what aiohttp's MultipartReader asks of one."""

    def __init__(self, stream: StreamReader, *, max_bytes: int, stall_timeout_s: float) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._stall_timeout_s = stall_timeout_s
        self._line_bytes = 0

    async def read(self, size: int = -1) -> bytes:
        """What has come, `size` bytes at most; none at the end."""
        is_whole = self._stream.exception() is None
        if size > 0 and is_whole and (ready := self._stream.read_nowait(size)):
            self._refuse_too_large()
            return ready  # without the timer that a wait costs
        return await self._taken(self._stream.read(size))

    async def whole(self) -> bytes:
        """All of it, for bodies that may be small only."""
        content = bytearray()
        while chunk := await self.read(_PIECE_BYTES):
            content += chunk
        return bytes(content)

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        """One line of a part's head. Lines cost more than bytes, so they are bounded too."""
        line = await self._taken(self._stream.readline(max_line_length=max_line_length))
        self._line_bytes += len(line)
        if self._line_bytes > _MAX_LINE_BYTES:
            raise BadRequest("The multipart body is not well formed: its headers have no end.")
        return line

    def next_part(self) -> None:
        """A part's head is read: the next may have as many lines again."""
        self._line_bytes = 0

    def at_eof(self) -> bool:
        """Whether all of it was read."""
        return self._stream.at_eof()

    def unread_data(self, data: bytes) -> None:
        """Take back what was read too far."""
        self._stream.unread_data(data)

    async def _taken(self, reading: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._stall_timeout_s):
                taken = await reading
        except TimeoutError as error:
            raise UploadTooSlow(f"No bytes came for {self._stall_timeout_s:g} s.") from error
        except ConnectionError as error:
            raise CutShort("The connection ended before the body did.") from error
        except web.RequestPayloadError as error:
            raise BadRequest("The body does not keep to its own encoding or length.") from error
        self._refuse_too_large()
        return taken

    def _refuse_too_large(self) -> None:
        if self._stream.total_bytes > self._max_bytes:
            raise TooLarge(
                f"A request may have {self._max_bytes} bytes; more than that came.",
                limit=self._max_bytes,
                actual=self._stream.total_bytes,
            )
