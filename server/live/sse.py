"""GET /events/{id}: the events of one job or batch as server-sent events, for an EventSource.

The same feed and the same latest-wins mailbox as the WebSocket: a slow reader gets fewer events
and costs nobody else anything. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio

import structlog
from aiohttp import web

from server.config.sections import LiveSettings
from server.jobs.job import Batch
from server.live.feed import Feed
from server.live.mailbox import Event, Mailbox
from server.live.sent import Sent
from server.live.watching import Watcher
from server.refusals import NotFound, Unavailable

log = structlog.get_logger(__name__)

_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would wait until it has a buffer full
}
_PING = b":\n\n"
_LONGEST_ID = 64
_MOST_DIGITS = 18
_GOODBYE_S = 1.0


class EventStreams:
    """All event streams of this process."""

    def __init__(self, feed: Feed, settings: LiveSettings, watcher: Watcher) -> None:
        self._feed = feed
        self._settings = settings
        self._watcher = watcher
        self._open: set[_Stream] = set()
        self.sent = Sent()
        self._is_closing = False

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The handler of GET /events/{id}."""
        if self.count >= self._settings.max_streams:
            raise Unavailable(
                f"At most {self._settings.max_streams} event streams may be open.",
                retry_after_s=10,
            )
        stream = _Stream(request, self._settings, self.sent)
        if self._is_closing:
            return await stream.send_away()
        self._open.add(stream)
        try:
            return await self._serve(request, stream)
        finally:
            self._open.discard(stream)

    async def close_all(self) -> None:
        """End every stream; the browsers come back by themselves, with the id they had last."""
        self._is_closing = True
        for stream in tuple(self._open):
            stream.close()

    async def _serve(self, request: web.Request, stream: "_Stream") -> web.StreamResponse:
        watched_id = request.match_info["id"]
        if len(watched_id) > _LONGEST_ID:
            raise _unknown(watched_id[:_LONGEST_ID])
        if not await self._watcher(request)(watched_id):
            raise _unknown(watched_id)
        async with self._feed.watch(watched_id) as mailbox:
            if not await self._feed.snapshot(watched_id, mailbox):
                raise _unknown(watched_id)
            [present] = await mailbox.take()
            told = _Told(last_event_id(request.headers.get("Last-Event-ID", "")), present)
            if present.subject.is_settled and not told.is_news(present):
                return web.Response(status=204)  # an EventSource comes back after anything else
            return await stream.run(present, mailbox, told)


class _Told:
    """What the client has been told: nothing is sent again that it knows."""

    def __init__(self, revision: int, present: Event) -> None:
        self._revision = revision
        self._payload = present.payload if present.revision == revision else b""

    def is_news(self, event: Event) -> bool:
        """The same revision may be news, too: another place in the queue."""
        if event.revision == self._revision:
            return event.payload != self._payload
        return event.revision > self._revision

    def note(self, event: Event) -> None:
        """It has been sent."""
        self._revision, self._payload = event.revision, event.payload


class _Stream:
    def __init__(self, request: web.Request, settings: LiveSettings, sent: Sent) -> None:
        self._request = request
        self._sent = sent
        self._transport = request.transport  # the request forgets it when it is closed
        self._settings = settings
        self._response = web.StreamResponse(headers=_HEADERS)
        self._telling: asyncio.Task[None] | None = None
        self._is_closed = False

    async def run(self, present: Event, mailbox: Mailbox, told: _Told) -> web.StreamResponse:
        """Tell until the job has ended, the client is gone or the server stops."""
        await self._response.prepare(self._request)
        self._telling = asyncio.create_task(self._tell(present, mailbox, told))
        try:
            if not self._is_closed:
                await asyncio.wait([self._telling])
        finally:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self._end(self._telling)
        return self._response

    async def send_away(self) -> web.StreamResponse:
        """An answer that makes the browser come back: after an error it would not."""
        await self._response.prepare(self._request)
        await self._send(self._retry())
        await self._response.write_eof()
        return self._response

    def close(self) -> None:
        """End it between two events."""
        self._is_closed = True
        if self._telling is not None:
            self._telling.cancel()

    async def _tell(self, event: Event, mailbox: Mailbox, told: _Told) -> None:
        await self._send(self._retry())
        while True:
            if told.is_news(event):
                await self._send(frame(event))
                self._sent.events += 1
                told.note(event)
            if event.subject.is_settled:
                return
            event = await self._next(mailbox)

    async def _next(self, mailbox: Mailbox) -> Event:
        """A silent stream is pinged; that is also how a client that has gone is noticed."""
        while True:
            try:
                async with asyncio.timeout(self._settings.stream_ping_s):
                    return (await mailbox.take())[-1]
            except TimeoutError:
                await self._send(_PING)

    async def _send(self, data: bytes) -> None:
        async with asyncio.timeout(self._settings.send_timeout_s):
            await self._response.write(data)

    async def _end(self, telling: "asyncio.Task[None]") -> None:
        """Raises what nobody foresaw."""
        error = None if telling.cancelled() else telling.exception()
        if error is not None and not isinstance(error, TimeoutError | ConnectionError):
            raise error
        try:
            if error is None:
                async with asyncio.timeout(_GOODBYE_S):
                    await self._response.write_eof()
                return
        except (TimeoutError, ConnectionError):
            log.debug("an event stream ends without a goodbye")
        if isinstance(error, TimeoutError):
            log.info("an event stream is not read and is cut off")
            self._sent.cut_off += 1
        if self._transport is not None:
            self._transport.abort()  # merely closed, it would keep what is not read for ever

    def _retry(self) -> bytes:
        return b"retry: %d\n\n" % round(self._settings.stream_retry_s * 1000)


def frame(event: Event) -> bytes:
    """One event on the wire; the payload is JSON without line breaks."""
    kind = b"batch" if isinstance(event.subject, Batch) else b"job"
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.revision, kind, event.payload)


def last_event_id(header: str) -> int:
    """The revision that the client has; -1 where it has none, or says what we never did."""
    if header.isascii() and header.isdecimal() and len(header) <= _MOST_DIGITS:
        return int(header)
    return -1


def _unknown(watched_id: str) -> NotFound:
    return NotFound(f"There is no job or batch '{watched_id}'; it may have expired.")
