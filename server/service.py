"""The life of one running server: what runs for ever, the open doors, and a clean end."""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

import structlog
from aiohttp import web

from server.app import Parts
from server.config import Settings
from server.edge.metrics.requests import ACCESS
from server.ops import supervisor
from server.ops.janitor import Janitor
from server.ops.logs import tell_alike_for_ever
from server.routes import application, aside
from server.wiring.front import Front

log = structlog.get_logger(__name__)

# Bytes of a refused body are read for this long, so that the client sees the answer, not a reset.
_LINGER_S = 2.0
# Of the request line: `options` of a raw upload stand in it.
_MAX_LINE_BYTES = 80 * 1024
# A part that is told to end and goes on is told again.
_CANCEL_AGAIN_S = 0.5
_MOST_CANCELS = 10
# After the grace: how long those who still wait for an answer may hold up the end.
_SHUTDOWN_S = 2.0
_YOUNG_MOST = 5000  # objects that may come before garbage is looked for among them


class Service:
    """One server from its start to its end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._parts = Parts(settings)
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._owned: list[asyncio.Task[None]] = []

    async def run(self, announce: Callable[[str], None]) -> None:
        """Serve until a signal comes; `announce` is told the address once it answers.

        Raises PartDied when something that must live has died.
        """
        self._watch_signals()
        async with self._parts as parts, AsyncExitStack() as doors:
            self._owned.extend(parts.ground.watchers)
            await self._start(parts)
            _keep_what_is_built()
            announce(await self._open_doors(doors))
            died = await self._wait_for_the_end()
            await self._wind_down(parts)
        if died is not None:
            raise PartDied(f"{died.get_name()} ended unexpectedly") from died.exception()

    async def _start(self, parts: Parts) -> None:
        """Go on where the last run ended, and start what runs for ever."""
        running = parts.running
        self._own(parts.feed.run(), "feed")
        await parts.feed.connected.wait()
        await running.leases.take_back()
        if parts.front is not None:
            await self._start_front(parts.front)
        self._own(running.leases.run(), "leases")
        if parts.history is not None:
            self._own(parts.history.journal.run(), "journal")
        self._own(running.progress.run(), "progress")
        self._own(parts.system.run(), "system")
        self._own(running.dispatcher.run(), "dispatcher")
        self._own(running.lanes.run(), "lanes")
        if self._settings.server.has_lanes:
            self._own(running.networks.run(running.speeds), "networks")
        self._own(_janitor(parts).run(), "janitor")
        self._own(tell_alike_for_ever(), "logs")
        self._own(parts.health.health.run(), "health")
        self._own(parts.measuring.lag.run(), "loop lag")

    async def _start_front(self, front: Front) -> None:
        incoming = front.incoming
        await incoming.intake.doubts.sweep_leftovers()
        await incoming.tus.prepare()
        self._own(incoming.intake.doubts.run(), "intake")
        self._own(incoming.tus.run(), "tus")
        self._own(incoming.presign.run(), "presign")
        self._own(incoming.fetcher.run(), "fetcher")
        self._own(front.webhooks.sender.run(), "webhooks")
        self._own(front.sockets.run(), "sockets")

    async def _open_doors(self, doors: AsyncExitStack) -> str:
        """Answer HTTP from now on; returns the address."""
        runner = web.AppRunner(
            application(self._parts),
            access_log=ACCESS,
            access_log_class=self._parts.measuring.metrics.requests.logger_class(),
            lingering_time=_LINGER_S,
            shutdown_timeout=_SHUTDOWN_S,
            max_line_size=_MAX_LINE_BYTES,
        )
        await runner.setup()
        doors.push_async_callback(runner.cleanup)
        server = self._settings.server
        await web.TCPSite(runner, server.host, server.port, backlog=1024).start()
        await self._open_side_door(doors)
        host, port = runner.addresses[0][:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def _open_side_door(self, doors: AsyncExitStack) -> None:
        """Where metrics have an address of their own."""
        settings = self._settings.metrics
        if not (settings.enabled and settings.port):
            return
        runner = web.AppRunner(aside(self._parts), access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        doors.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, settings.host, settings.port).start()

    async def _wait_for_the_end(self) -> asyncio.Task[None] | None:
        """Returns the part that died, or None when a signal asked us to stop."""
        stopping = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait([stopping, *self._owned], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        died = next((task for task in self._owned if task in done), None)
        if died is not None:
            log.error("a part died, stopping", part=died.get_name(), exc_info=died.exception())
        return died

    async def _wind_down(self, parts: Parts) -> None:
        """Take nothing new, let the lanes finish for a while, hand the rest back."""
        supervisor.tell(supervisor.STOPPING)
        log.info("stopping", grace_s=self._settings.server.grace_s)
        parts.health.is_draining = True
        with suppress(TimeoutError):  # a load balancer sees it meanwhile, and sends elsewhere
            async with asyncio.timeout(self._settings.server.drain_delay_s):
                await self._hurrying.wait()
        if parts.front is not None:
            parts.front.incoming.intake.is_closed = True
        draining = asyncio.create_task(self._drain(parts, self._settings.server.grace_s))
        hurrying = asyncio.create_task(self._hurrying.wait())
        await asyncio.wait([draining, hurrying], return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        draining.cancel()
        unfinished = await parts.running.dispatcher.stop()
        if parts.front is not None:
            unfinished += await parts.front.incoming.fetcher.stop()
        await parts.running.carrier.hand_back(unfinished)
        if parts.front is not None:
            await asyncio.gather(
                parts.front.sockets.close_all(),
                parts.front.streams.close_all(),
                parts.front.webhooks.sender.drain(_SHUTDOWN_S),
            )
        if parts.history is not None:
            await parts.history.journal.catch_up(within_s=_SHUTDOWN_S)
        await self._end_parts()
        log.info("stopped", handed_back=len(unfinished))

    async def _end_parts(self) -> None:
        """A cancellation can be lost in a client's code at the moment an answer comes: insist."""
        pending = set(self._owned)
        for _ in range(_MOST_CANCELS):
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)
            if not pending:
                return
        log.error("parts do not end", parts=[task.get_name() for task in pending])

    async def _drain(self, parts: Parts, grace_s: float) -> None:
        """Whoever serves a picture may be slow, and asking again costs nothing but time."""
        draining = [parts.running.dispatcher.drain(grace_s)]
        if parts.front is not None:
            draining.append(parts.front.incoming.fetcher.drain(min(grace_s, _SHUTDOWN_S)))
        await asyncio.gather(*draining)

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._owned.append(asyncio.create_task(work, name=name))

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._take_signal)

    def _take_signal(self) -> None:
        """The first asks us to stop, the second to do it now."""
        if self._stopping.is_set():
            self._hurrying.set()
        self._stopping.set()


def _keep_what_is_built() -> None:
    """It stays to the end, and no collection of garbage shall walk it again.

    What each request leaves is mostly let go of by its counts, so the young are looked at seldom.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_MOST, 20, 20)


def _janitor(parts: Parts) -> Janitor:
    ground = parts.ground
    return Janitor(
        ground.queue,
        ground.storage,
        ground.settings.images,
        incoming=ground.spool.leftovers,
    )


class PartDied(Exception):
    """A part that must live as long as the process has ended."""
