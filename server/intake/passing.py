"""A stopwatch for one picture on its way in."""

from collections.abc import AsyncIterator

from server.jobs.counts.ever import Ever
from server.jobs.trail.way import Arriving, Came, now_ms


class Passing:
    """Each method notes that a station was left; `text` is what the job's hash keeps of it."""

    def __init__(self, came: Came | None) -> None:
        """came: the request that brings it; None: nobody asks, and its way begins now."""
        self._asked_ms = now_ms() if came is None else came.at_ms
        self._first_byte_ms = self._last_byte_ms = 0.0
        self._spooled_ms = self._probed_ms = self._storing_ms = 0.0
        self._is_fetched = came is None
        self._arriving: Arriving | None = None

    async def watched(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes; when the first and the last came is noted."""
        async for chunk in chunks:
            self._last_byte_ms = now_ms()
            self._first_byte_ms = self._first_byte_ms or self._last_byte_ms
            yield chunk

    def spooled(self) -> None:
        """It lies in the spool, whole."""
        self._spooled_ms = now_ms()
        # Bytes that were on this machine already did not come in pieces.
        self._first_byte_ms = self._first_byte_ms or self._spooled_ms
        self._last_byte_ms = self._last_byte_ms or self._spooled_ms

    def probed(self) -> None:
        """Its header was read."""
        self._probed_ms = now_ms()

    def storing(self) -> None:
        """Its original is about to go to the storage."""
        self._storing_ms = now_ms()

    def text(self) -> str:
        """All of it; called when the original is stored and the script is about to be sent."""
        stored_ms = now_ms()
        self._arriving = Arriving(
            asked_ms=self._asked_ms,
            first_byte_ms=self._first_byte_ms,
            last_byte_ms=self._last_byte_ms,
            spooled_ms=self._spooled_ms,
            probed_ms=self._probed_ms,
            storing_ms=self._storing_ms,
            stored_ms=stored_ms,
        )
        return self._arriving.text()

    @property
    def has_no_bytes(self) -> bool:
        """None came, and so it was here already."""
        return not self._first_byte_ms

    def tell(self, ever: Ever) -> None:
        """It is a job now: let its times be counted."""
        if self._arriving is not None:
            ever.came_in(self._arriving, now_ms(), is_fetched=self._is_fetched)
