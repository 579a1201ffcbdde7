"""GET /ws: one browser's WebSocket. It names the jobs it watches and gets their events.

One task reads, one writes; the writer takes the newest from its mailbox, so a browser that reads
slowly gets fewer events and costs nobody else anything.
"""

import asyncio
from typing import Any

import orjson
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from server.config import LiveSettings
from server.live.feed import Feed
from server.live.mailbox import Mailbox
from server.refusals import BadRequest, NotFound, Refusal, Unavailable

log = structlog.get_logger(__name__)

_MAX_MESSAGE_BYTES = 16 * 1024


class Sockets:
    """All WebSockets of this process."""

    def __init__(self, feed: Feed, settings: LiveSettings) -> None:
        self._feed = feed
        self._settings = settings
        self._open: set[web.WebSocketResponse] = set()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """The handler of GET /ws."""
        if len(self._open) >= self._settings.max_sockets:
            raise Unavailable(
                f"At most {self._settings.max_sockets} sockets may be open.", retry_after_s=10
            )
        socket = web.WebSocketResponse(
            heartbeat=self._settings.ping_s, max_msg_size=_MAX_MESSAGE_BYTES, compress=False
        )
        await socket.prepare(request)
        self._open.add(socket)
        connection = _Connection(socket, self._feed, self._settings)
        try:
            await connection.run()
        finally:
            self._open.discard(socket)
            connection.forget_all()
        return socket

    async def close_all(self) -> None:
        """Tell every browser that we are going away; it will come back by itself."""
        closing = [
            socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server is stopping")
            for socket in tuple(self._open)
        ]
        await asyncio.gather(*closing, return_exceptions=True)


class _Connection:
    def __init__(self, socket: web.WebSocketResponse, feed: Feed, settings: LiveSettings) -> None:
        self._socket = socket
        self._feed = feed
        self._settings = settings
        self._mailbox = Mailbox()
        self._watched: set[str] = set()

    async def run(self) -> None:
        writer = asyncio.create_task(self._write())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._answer(message.data)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def forget_all(self) -> None:
        for watched_id in self._watched:
            self._feed.unsubscribe(watched_id, self._mailbox)

    async def _write(self) -> None:
        """Send what is newest; a browser that does not read for too long is let go."""
        try:
            while True:
                for event in await self._mailbox.take():
                    async with asyncio.timeout(self._settings.send_timeout_s):
                        await self._socket.send_str(event.payload.decode())
        except TimeoutError:
            log.info("a socket does not read and is closed")
            await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"reads too slowly")
        except ConnectionError:
            return  # the reader ends by itself and tidies up

    async def _answer(self, text: str) -> None:
        watched_id = ""
        try:
            kind, watched_id = _understand(text)
            if kind == "subscribe":
                await self._subscribe(watched_id)
            else:
                self._unsubscribe(watched_id)
        except Refusal as refusal:
            await self._send_problem(watched_id, refusal)

    async def _subscribe(self, watched_id: str) -> None:
        if len(self._watched) >= self._settings.max_watched_per_socket:
            limit = self._settings.max_watched_per_socket
            raise BadRequest(
                f"One socket may watch {limit} jobs; open another or watch the batch.",
                limit=limit,
                actual=len(self._watched) + 1,
            )
        self._watched.add(watched_id)
        await self._feed.subscribe(watched_id, self._mailbox)
        if not await self._feed.snapshot(watched_id, self._mailbox):
            self._unsubscribe(watched_id)
            raise NotFound(f"There is no job or batch '{watched_id}'.")

    def _unsubscribe(self, watched_id: str) -> None:
        self._watched.discard(watched_id)
        self._feed.unsubscribe(watched_id, self._mailbox)

    async def _send_problem(self, watched_id: str, refusal: Refusal) -> None:
        problem = {
            "type": f"/problems/{refusal.code}",
            "title": refusal.title,
            "status": refusal.status,
            "detail": refusal.detail,
        }
        message = {"type": "error", "jobId": watched_id, "problem": problem}
        await self._socket.send_str(orjson.dumps(message).decode())


def _understand(text: str) -> tuple[str, str]:
    try:
        message: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest('Expected JSON such as {"type":"subscribe","jobId":"…"}.') from error
    kind = message.get("type") if isinstance(message, dict) else None
    watched_id = message.get("jobId") if isinstance(message, dict) else None
    if kind not in ("subscribe", "unsubscribe"):
        raise BadRequest("type: expected 'subscribe' or 'unsubscribe'.")
    if not isinstance(watched_id, str) or not 1 <= len(watched_id) <= 64:
        raise BadRequest("jobId: expected the id of a job or batch.")
    return kind, watched_id
