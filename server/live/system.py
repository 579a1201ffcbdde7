"""The topic `system` of GET /ws: how the whole service stands, and every move of a job in it.

Each node publishes its part once a second, a few words long while nobody listens anywhere: the
answer to the PUBLISH says so. Moves are published by the scripts that make them; the one
subscription of this process asks for both only while somebody here watches.
"""

import asyncio
import time
from dataclasses import replace

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.jobs import names
from server.jobs.counts.overview import Overview, overview
from server.jobs.queue import JobQueue
from server.live.feed import Feed
from server.live.system_mail import SocketMailbox
from server.live.system_message import Bounds, Known, system_message
from server.live.system_moves import Moves
from server.live.system_part import NodePart, Report, short
from server.refusals import Unavailable

log = structlog.get_logger(__name__)

TOPIC = "system"
EVERY_S = 1.0
FLUSH_S = 0.1
GONE_AFTER_S = 3.0
FORGOTTEN_AFTER_S = 15.0
_PATIENCE_S = 1.0  # with a Redis that does not answer: who watches shall hear of it
_MOST_NODES = 200  # that are shown
_SILENT = b""


class System:
    """Who watches the service as a whole, and what they are told."""

    def __init__(
        self,
        redis: Redis,
        feed: Feed,
        queue: JobQueue,
        report: Report,
        bounds: Bounds,
        *,
        most_watchers: int,
    ) -> None:
        self._redis = redis
        self._feed = feed
        self._queue = queue
        self._report = report
        self._bounds = bounds
        self._most_watchers = most_watchers
        self._watchers: set[SocketMailbox] = set()
        self._parts: dict[str, tuple[float, NodePart]] = {}
        self._moves = Moves(report.dispatcher.lane_of)
        self._has_moves = asyncio.Event()
        self._overview = Overview()
        self._is_heard = False
        self._own = short(queue.node)

    async def watch(self, mailbox: SocketMailbox) -> None:
        """Let a mailbox have the topic from now on; the first message is in it at once."""
        if mailbox not in self._watchers and len(self._watchers) >= self._most_watchers:
            raise Unavailable(
                f"At most {self._most_watchers} sockets of a node may watch the whole service.",
                limit=self._most_watchers,
                actual=len(self._watchers) + 1,
                retry_after_s=10,
            )
        is_first = not self._watchers
        self._watchers.add(mailbox)
        if is_first:
            await self._feed.tap(names.SYSTEM, self._note_part)
            await self._feed.tap(names.MOVED, self._note_move)
        mailbox.put_state(await self._message())

    def unwatch(self, mailbox: SocketMailbox) -> None:
        """Stop it; with the last one nothing more is asked of Redis."""
        if mailbox not in self._watchers:
            return
        self._watchers.discard(mailbox)
        mailbox.forget_system()
        if not self._watchers:
            self._feed.untap(names.SYSTEM)
            self._feed.untap(names.MOVED)
            self._parts.clear()
            self._moves.take()

    async def run(self) -> None:
        """Tell for as long as the process lives."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish_for_ever())
            group.create_task(self._tell_for_ever())
            group.create_task(self._flush_for_ever())

    async def _publish_for_ever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    was_heard, self._is_heard = self._is_heard, await self._publish()
                    if self._is_heard and not was_heard:
                        self._is_heard = await self._publish()
            except (RedisError, OSError, TimeoutError) as error:
                log.debug("this node's part is not told", error=str(error))  # the next will be
            await asyncio.sleep(EVERY_S)

    async def _publish(self) -> bool:
        """Whether anybody listens."""
        payload = self._report.part().to_json() if self._is_heard else _SILENT
        return bool(await self._redis.publish(names.SYSTEM, payload))

    async def _tell_for_ever(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            if self._watchers:
                payload = await self._message()
                for mailbox in tuple(self._watchers):
                    mailbox.put_state(payload)

    async def _flush_for_ever(self) -> None:
        while True:
            await self._has_moves.wait()
            await asyncio.sleep(FLUSH_S)
            self._has_moves.clear()
            moves, dropped = self._moves.take()
            for mailbox in tuple(self._watchers):
                mailbox.put_moves(moves, dropped)

    async def _message(self) -> bytes:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                self._overview = await overview(self._redis, self._queue.scripts)
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("Redis does not tell how it stands", error=str(error))
            self._overview = replace(self._overview, latency_ms=None)
        return system_message(self._overview, self._nodes(), self._bounds)

    def _nodes(self) -> list[Known]:
        """This node as it stands, the others as they told last."""
        now = time.monotonic()
        self._parts = {
            node: (at, part)
            for node, (at, part) in self._parts.items()
            if now - at < FORGOTTEN_AFTER_S
        }
        others = [Known(part, now - at >= GONE_AFTER_S) for at, part in self._parts.values()]
        return [Known(self._report.part(), is_gone=False), *others]

    def _note_part(self, text: str) -> None:
        if not text:
            return  # of a node that did not know yet that we listen
        try:
            part = NodePart.from_json(text)
        except (ValueError, TypeError, KeyError) as error:
            log.debug("a node's part is not understood", error=str(error))  # another version
            return
        if part.node == self._own:
            return
        if part.node in self._parts or len(self._parts) < _MOST_NODES:
            self._parts[part.node] = (time.monotonic(), part)

    def _note_move(self, line: str) -> None:
        self._moves.add(line)
        self._has_moves.set()
