"""GET /ws: one browser's WebSocket. It names the jobs it watches and gets their events.

One task reads. What a browser is told goes straight to its connection while that has taken in all
before; for one that has not, a task takes the newest from its mailbox once there is room, so that a
browser that reads slowly gets fewer events and costs nobody else anything.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from aiohttp import WSCloseCode, WSMsgType, web
from redis.exceptions import RedisError

from server.config.sections import LiveSettings
from server.live.feed import Feed
from server.live.frame import text_frame
from server.live.mailbox import Event
from server.live.sent import Sent
from server.live.system import TOPIC, System
from server.live.system_mail import SocketMailbox
from server.refusals import BadRequest, NotFound, Refusal, ScopeMissing, Unavailable

log = structlog.get_logger(__name__)

_MAX_MESSAGE_BYTES = 16 * 1024
_GOODBYE_S = 2.0
# What a browser names beside its API key, which it can send in no other header.
_PROTOCOL = "safelight"

MayWatch = Callable[[web.Request, str], Awaitable[bool]]
"""Whether the one who opened the socket may have the events of a job or batch, or of a topic."""


class Sockets:
    """All WebSockets of this process."""

    def __init__(
        self, feed: Feed, settings: LiveSettings, may_watch: MayWatch, system: System
    ) -> None:
        self._feed = feed
        self._system = system
        self._may_watch = may_watch
        self._settings = settings
        self._open: set[_Connection] = set()
        self.sent = Sent()

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """The handler of GET /ws."""
        if self.count >= self._settings.max_sockets:
            raise Unavailable(
                f"At most {self._settings.max_sockets} sockets may be open.", retry_after_s=10
            )
        connection = _Connection(
            request,
            self._feed,
            self._settings,
            may_watch=self._may_watch,
            system=self._system,
            sent=self.sent,
        )
        self._open.add(connection)
        try:
            return await connection.run()
        finally:
            self._open.discard(connection)

    async def close_all(self) -> None:
        """Tell every browser that we are going away; it will come back by itself."""
        await asyncio.gather(
            *(
                connection.close(WSCloseCode.GOING_AWAY, "the server is stopping")
                for connection in tuple(self._open)
            )
        )


class _Connection:
    __slots__ = (
        *("_feed", "_is_sending", "_mailbox", "_may_watch", "_request", "_sent", "_settings"),
        *("_socket", "_system", "_transport", "_watched", "_writer"),
    )

    def __init__(
        self,
        request: web.Request,
        feed: Feed,
        settings: LiveSettings,
        *,
        may_watch: MayWatch,
        system: System,
        sent: Sent,
    ) -> None:
        self._request = request
        self._system = system
        self._sent = sent
        self._may_watch = may_watch
        self._transport = request.transport  # the request forgets it when it is closed
        self._socket = web.WebSocketResponse(
            heartbeat=settings.ping_s,
            max_msg_size=_MAX_MESSAGE_BYTES,
            compress=False,
            protocols=(_PROTOCOL,),
        )
        self._feed = feed
        self._settings = settings
        self._mailbox = SocketMailbox(send_at_once=self._send_at_once, wake=self._wake)
        self._writer: asyncio.Task[None] | None = None  # only while something waits
        self._is_sending = False
        self._watched: set[str] = set()

    async def run(self) -> web.WebSocketResponse:
        """Serve this browser until either side ends it."""
        if not self._socket.can_prepare(self._request):
            raise BadRequest("This address speaks WebSocket; connect with ws:// or wss://.")
        await self._socket.prepare(self._request)
        try:
            async for message in self._socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._answer(message.data)
        except (TimeoutError, ConnectionError):
            pass  # it does not take its answers, or went while one was sent
        finally:
            if self._writer is not None:
                self._writer.cancel()
                await asyncio.gather(self._writer, return_exceptions=True)
            for watched_id in self._watched:
                self._feed.unsubscribe(watched_id, self._mailbox)
            self._system.unwatch(self._mailbox)
            if not self._socket.closed or self._socket.close_code == WSCloseCode.ABNORMAL_CLOSURE:
                self._cut_off()
        return self._socket

    async def close(self, code: WSCloseCode, reason: str) -> None:
        """Say goodbye; who does not answer in time, or takes in nothing at all, is cut off."""
        if not self._socket.prepared:
            return
        # A task of its own: aiohttp lets a wait for the same full buffer be cancelled by another.
        goodbye = asyncio.create_task(self._socket.close(code=code, message=reason.encode()))
        await asyncio.wait([goodbye], timeout=_GOODBYE_S)
        if not goodbye.done() or goodbye.cancelled():
            self._cut_off()
        goodbye.cancel()
        await asyncio.gather(goodbye, return_exceptions=True)

    def _cut_off(self) -> None:
        """What it has not read is dropped: a transport that is merely closed keeps it for ever."""
        if self._transport is not None:
            self._transport.abort()

    def _send_at_once(self, event: Event) -> bool:
        """Whether it went: no task for a browser that has taken in all before."""
        transport = self._transport
        if transport is None or self._is_sending or self._socket.closed:
            return False
        if transport.is_closing() or transport.get_write_buffer_size():
            return False
        transport.write(text_frame(event.payload))
        self._sent.events += 1
        return True

    def _wake(self) -> None:
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        """Send what is newest; a browser that does not read for too long is let go."""
        try:
            while self._mailbox.is_filled:
                await self._send_all(await self._mailbox.take_payloads())
            self._writer = None
        except TimeoutError:
            log.info("a socket does not read and is cut off")
            self._sent.cut_off += 1
            self._cut_off()
        except ConnectionError:
            return  # the reader ends by itself and tidies up

    async def _send_all(self, payloads: list[bytes]) -> None:
        """Apart from the loop that waits for more: its variables would keep the last one alive."""
        self._is_sending = True
        for payload in payloads:
            await self._send(payload)
            self._sent.events += 1
        self._is_sending = False

    async def _send(self, payload: bytes) -> None:
        async with asyncio.timeout(self._settings.send_timeout_s):
            await self._socket.send_frame(payload, WSMsgType.TEXT)

    async def _answer(self, text: str | bytes) -> None:
        ask = _Ask("", "", "")
        try:
            ask = _understand(text)
            await self._follow(ask)
        except Refusal as refusal:
            await self._send_problem(ask, refusal)
        except (RedisError, OSError) as error:
            log.warning("Redis does not answer", error=str(error))
            await self._send_problem(ask, Unavailable("Redis does not answer."))

    async def _follow(self, ask: "_Ask") -> None:
        if ask.topic and ask.kind == "subscribe":
            if not await self._may_watch(self._request, ask.topic):
                raise ScopeMissing(f"The topic '{ask.topic}' needs a key with the scope 'admin'.")
            await self._system.watch(self._mailbox)
        elif ask.topic:
            self._system.unwatch(self._mailbox)
        elif ask.kind == "subscribe":
            await self._subscribe(ask.watched_id)
        else:
            self._unsubscribe(ask.watched_id)

    async def _subscribe(self, watched_id: str) -> None:
        limit = self._settings.max_watched_per_socket
        if len(self._watched | {watched_id}) > limit:
            raise BadRequest(
                f"One socket may watch {limit} jobs; open another or watch the batch.",
                limit=limit,
                actual=len(self._watched) + 1,
            )
        if not await self._may_watch(self._request, watched_id):
            raise _unknown(watched_id)  # before any event can come
        self._watched.add(watched_id)
        try:
            await self._feed.subscribe(watched_id, self._mailbox)
            is_known = await self._feed.snapshot(watched_id, self._mailbox)
        except BaseException:
            self._unsubscribe(watched_id)  # what was answered with an error sends no events
            raise
        if not is_known:
            self._unsubscribe(watched_id)
            raise _unknown(watched_id)

    def _unsubscribe(self, watched_id: str) -> None:
        self._watched.discard(watched_id)
        self._feed.unsubscribe(watched_id, self._mailbox)

    async def _send_problem(self, ask: "_Ask", refusal: Refusal) -> None:
        problem = {
            "type": f"/problems/{refusal.code}",
            "title": refusal.title,
            "status": refusal.status,
            "detail": refusal.detail,
            **({} if refusal.limit is None else {"limit": refusal.limit, "actual": refusal.actual}),
        }
        subject = {"topic": ask.topic} if ask.topic else {"jobId": ask.watched_id}
        message = {"type": "error", **subject, "problem": problem}
        await self._send(orjson.dumps(message))


def _unknown(watched_id: str) -> NotFound:
    return NotFound(f"There is no job or batch '{watched_id}'.")


@dataclass(frozen=True, slots=True)
class _Ask:
    """What a browser wants: `topic` or `watched_id` says of what, the other is ""."""

    kind: str
    watched_id: str
    topic: str


def _understand(text: str | bytes) -> _Ask:
    try:
        message: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest('Expected JSON such as {"type":"subscribe","jobId":"…"}.') from error
    kind = message.get("type") if isinstance(message, dict) else None
    if kind not in ("subscribe", "unsubscribe"):
        raise BadRequest("type: expected 'subscribe' or 'unsubscribe'.")
    if "topic" in message:
        if message["topic"] != TOPIC:
            raise BadRequest(f"topic: expected '{TOPIC}'.")
        return _Ask(kind, "", TOPIC)
    watched_id = message.get("jobId")
    if not isinstance(watched_id, str) or not 1 <= len(watched_id) <= 64:
        raise BadRequest("jobId: expected the id of a job or batch.")
    return _Ask(kind, watched_id, "")
