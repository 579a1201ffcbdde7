"""One browser's WebSocket once it is open: it names the jobs it watches and gets their events.

What it is told goes straight to its connection while that has taken in all before; for one that has
not, the newest waits in its mailbox until there is room, so that a browser that reads slowly gets
fewer events and costs nobody else anything. Ten thousand of them are open at a time, so a
connection has a task, a timer or a future only while it needs one.
"""

import asyncio
from collections.abc import Callable

import orjson
import structlog
from aiohttp import WSCloseCode, WSMsgType
from redis.exceptions import RedisError

from server.config.sections import LiveSettings
from server.live.asked import NOTHING, Ask, understand
from server.live.frame import close_frame, control_frame, text_frame
from server.live.mailbox import Event
from server.live.received import Malformed, Message, Received
from server.live.sent import Sent
from server.live.watching import Watching
from server.refusals import Refusal, Unavailable

log = structlog.get_logger(__name__)

_MAX_MESSAGE_BYTES = 16 * 1024
_GOODBYE_S = 2.0
_NEVER = float("-inf")


class Connection(asyncio.Protocol):
    """Takes a transport over by begin()."""

    __slots__ = (
        *("_answering", "_asked_s", "_deadline", "_heard_s", "_is_closing", "_is_deaf", "_is_full"),
        *("_is_held", "_left", "_loop", "_received", "_room", "_sent", "_settings", "_transport"),
        *("_turns", "watching"),
    )
    watching: Watching
    """Set right after it was made: the two know each other."""

    def __init__(
        self,
        settings: LiveSettings,
        sent: Sent,
        *,
        turns: asyncio.Semaphore,
        left: Callable[["Connection"], None],
    ) -> None:
        """turns: who asks Redis takes one; left: is told when it has ended."""
        self._settings = settings
        self._sent = sent
        self._turns = turns
        self._left = left
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = Received(_MAX_MESSAGE_BYTES)
        self._answering: asyncio.Task[None] | None = None  # while something was asked
        self._deadline: asyncio.TimerHandle | None = None  # while something must happen soon
        self._room: asyncio.Future[None] | None = None  # while an answer waits until it can go
        self._is_full = False  # the browser has not taken in all that was sent
        self._is_held = False  # nothing is read from it
        self._is_deaf = False  # nothing it says is understood any more
        self._is_closing = False  # a goodbye was said
        self._heard_s, self._asked_s = self._loop.time(), _NEVER

    def begin(self, transport: asyncio.Transport, tail: bytes) -> None:
        """tail: what came right behind the handshake."""
        self._transport = transport
        transport.set_write_buffer_limits(high=1, low=0)  # told as soon as anything is left over
        transport.set_protocol(self)
        if tail:
            self.data_received(tail)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol, as for the four below."""
        if self._is_deaf:
            return
        self._heard_s = self._loop.time()
        self._received.add(data)
        if self._answering is None:
            self._go_on()
        else:
            self._hold()

    def eof_received(self) -> None:
        """The transport closes itself."""

    def pause_writing(self) -> None:
        """It does not take in what was sent; before long it must."""
        self._is_full = True
        if not self._is_closing:
            self._end_after(self._settings.send_timeout_s, self._give_up)

    def resume_writing(self) -> None:
        """It has taken in all."""
        self._is_full = False
        if not self._is_closing:
            self._cancel_deadline()
        self._make_room()
        self.wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing more will come or go."""
        self._transport = None
        self._is_closing = True
        self._cancel_deadline()
        self._make_room()
        self._left(self)
        if self._answering is None:
            self.watching.end()

    def close(self, code: WSCloseCode, reason: str = "") -> None:
        """Say goodbye; who does not answer in time, or takes in nothing at all, is cut off."""
        self._say_goodbye(close_frame(code, reason))

    def cut_off(self) -> None:
        """What it has not read is dropped: a transport that is merely closed keeps it for ever."""
        if self._transport is not None:
            self._transport.abort()

    def beat(self, now_s: float) -> None:
        """Ask one that has been silent for long whether it is there; let go one that is not."""
        transport, ping_s = self._transport, self._settings.ping_s
        if transport is None or self._is_closing or self._is_full or self._answering is not None:
            return
        if now_s - self._heard_s < ping_s:
            return
        if self._asked_s <= self._heard_s:
            self._asked_s = now_s
            transport.write(control_frame(WSMsgType.PING))
        elif now_s - self._asked_s >= ping_s / 2:
            self.cut_off()

    def send_at_once(self, event: Event) -> bool:
        """Whether it went: no waiting for a browser that has taken in all before."""
        if self._transport is None or self._is_full or self._is_closing:
            return False
        self._transport.write(text_frame(event.payload))
        self._sent.events += 1
        return True

    def wake(self) -> None:
        """Send what waits, one by one while each is taken in at once."""
        while self._transport is not None and not self._is_full and not self._is_closing:
            payload = self.watching.mailbox.take_payload()
            if payload is None:
                return
            self._transport.write(text_frame(payload))
            self._sent.events += 1

    def _go_on(self) -> None:
        message = self._take()
        if message is None or (message.kind == WSMsgType.PONG and self._received.is_empty):
            return
        self._answering = self._loop.create_task(self._answer_all(message))
        self._answering.add_done_callback(self._note_answered)

    def _take(self) -> Message | None:
        """The next message; None: there is no whole one, or can be none any more."""
        try:
            return self._received.take()
        except Malformed as error:
            self._break_with(error)
        return None

    async def _answer_all(self, message: Message | None) -> None:
        """One after the other, with a turn of the loop for everybody else after each."""
        while message is not None and self._transport is not None:
            if message.kind == WSMsgType.CLOSE:
                self._part(message)
            elif message.kind == WSMsgType.PING:
                await self._send(control_frame(WSMsgType.PONG, message.payload))
            elif message.kind != WSMsgType.PONG and not self._is_closing:
                await self._answer(message.payload)
            await asyncio.sleep(0)
            message = self._take()

    def _note_answered(self, task: "asyncio.Task[None]") -> None:
        self._answering = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("unexpected error", exc_info=error)
            self.close(WSCloseCode.INTERNAL_ERROR)
        if self._transport is None:
            self.watching.end()
            return
        if self._is_held and not self._transport.is_closing():
            self._is_held = False
            self._transport.resume_reading()
        self._go_on()  # with what came since it looked last

    async def _answer(self, text: bytes) -> None:
        ask = NOTHING
        try:
            ask = understand(text)
            async with self._turns:
                await self.watching.follow(ask)
        except Refusal as refusal:
            await self._send_problem(ask, refusal)
        except (RedisError, OSError) as error:
            log.warning("Redis does not answer", error=str(error))
            await self._send_problem(ask, Unavailable("Redis does not answer."))

    async def _send_problem(self, ask: Ask, refusal: Refusal) -> None:
        problem = {
            "type": f"/problems/{refusal.code}",
            "title": refusal.title,
            "status": refusal.status,
            "detail": refusal.detail,
            **({} if refusal.limit is None else {"limit": refusal.limit, "actual": refusal.actual}),
        }
        subject = {"topic": ask.topic} if ask.topic else {"jobId": ask.watched_id}
        message = {"type": "error", **subject, "problem": problem}
        await self._send(text_frame(orjson.dumps(message)))

    async def _send(self, frame: bytes) -> None:
        """An answer waits for room, and what is asked next waits for it: none can pile up."""
        while self._is_full and self._transport is not None:
            self._room = self._loop.create_future()
            await self._room
        if self._transport is not None and not self._is_closing:
            self._transport.write(frame)

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def _part(self, goodbye: Message) -> None:
        """The browser has said goodbye, or has answered ours."""
        try:
            self._say_goodbye(close_frame(goodbye.close_code))
        except Malformed as error:
            self._break_with(error)
        if self._transport is not None:
            self._transport.close()  # once it has taken in all

    def _break_with(self, error: Malformed) -> None:
        self._is_deaf = True
        self.close(error.code, str(error))

    def _say_goodbye(self, frame: bytes) -> None:
        if self._transport is None or self._is_closing:
            return
        self._is_closing = True
        self._end_after(_GOODBYE_S, self.cut_off)
        self._transport.write(frame)

    def _give_up(self) -> None:
        log.info("a socket does not read and is cut off")
        self._sent.cut_off += 1
        self.cut_off()

    def _hold(self) -> None:
        if self._transport is not None and not self._is_held:
            self._is_held = True
            self._transport.pause_reading()

    def _end_after(self, seconds: float, end: Callable[[], None]) -> None:
        self._cancel_deadline()
        self._deadline = self._loop.call_later(seconds, end)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
