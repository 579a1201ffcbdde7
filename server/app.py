"""THE wiring: every part is built here in order and closed in reverse, and every route stands here.

Nobody else sees all of it.
"""

import asyncio
import signal
import uuid
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from redis.asyncio import Redis

from pool import Lane, LaneSettings, Limits
from server.config import Settings
from server.edge.health import HealthHandler
from server.edge.images import ImageHandler
from server.edge.page import PageHandler, get_recipe_schema
from server.edge.problems import tell_problems
from server.edge.status import StatusHandler
from server.edge.upload import UploadHandler
from server.intake.upload import Intake
from server.jobs import names
from server.jobs.carry import Carrier
from server.jobs.connection import command_client, feed_client
from server.jobs.dispatcher import Dispatcher
from server.jobs.fitness import refuse_unfit
from server.jobs.lanes import Lanes
from server.jobs.leases import Leases
from server.jobs.progress import ProgressBoard
from server.jobs.queue import JobQueue
from server.live.feed import Feed
from server.live.sockets import Sockets
from server.ops.janitor import Janitor
from server.ops.lock import data_dir_lock
from server.ops.machine import cores, memory_budget_bytes
from server.ops.valkey import EmbeddedValkey
from server.storage.disk import DiskStorage
from server.storage.spool import Spool

log = structlog.get_logger(__name__)

# Bytes of a refused body are read for this long, so that the client sees the answer, not a reset.
_LINGER_S = 2.0
# Of the request line: `options` of a raw upload stand in it.
_MAX_LINE_BYTES = 80 * 1024
# After the grace: how long those who still wait for an answer may hold up the end.
_SHUTDOWN_S = 2.0


class Service:
    """All parts of one running server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._owned: list[asyncio.Task[None]] = []

    async def run(self, announce: Callable[[str], None]) -> None:
        """Serve until a signal comes; `announce` is told the address once it answers.

        Raises PartDied when something that must live has died.
        """
        self._watch_signals()
        async with self._stack:
            await self._build()
            await self._open_doors(announce)
            died = await self._wait_for_the_end()
            await self._wind_down()
        if died is not None:
            raise PartDied(f"{died.get_name()} ended unexpectedly") from died.exception()

    async def _build(self) -> None:
        settings = self._settings
        data_dir = settings.server.data_dir.resolve()
        self._stack.enter_context(data_dir_lock(data_dir))
        redis, feed_redis = await self._connect(data_dir)
        self.storage = DiskStorage(data_dir, min_free_bytes=settings.storage.min_free_bytes)
        self.spool = Spool(
            data_dir / "spool",
            max_upload_bytes=settings.upload.max_upload_bytes,
            stall_timeout_s=settings.upload.stall_timeout_s,
            refuse_if_low=self.storage.refuse_if_low,
        )
        self.spool.prepare()
        self.queue = JobQueue(
            redis, settings.queue, node=_node_name(data_dir), keep_s=settings.images.keep_s
        )
        await self.queue.prepare()
        self.progress = ProgressBoard(self.queue, interval_s=settings.live.progress_interval_s)
        await self._build_pool()
        self.feed = Feed(feed_redis, self.queue, settings.live)
        self.feed.listen(names.WAKE, self.dispatcher.wake)
        self.feed.listen(names.CANCEL, self.dispatcher.cancel)
        self.sockets = Sockets(self.feed, settings.live)
        self.health = HealthHandler(self.queue, self.feed, self.lanes)

    async def _connect(self, data_dir: Path) -> tuple[Redis, Redis]:
        settings, enter = self._settings.redis, self._stack.enter_async_context
        url = settings.url
        if not url:
            valkey = await enter(
                EmbeddedValkey(
                    data_dir, fsync=settings.fsync, maxmemory_bytes=settings.max_memory_bytes
                )
            )
            url = valkey.url
            if valkey.watcher is not None:
                self._owned.append(valkey.watcher)
        commands = await enter(command_client(url, timeout_s=settings.timeout_s))
        if settings.url:
            await refuse_unfit(commands)
        feed = await enter(feed_client(url, timeout_s=settings.timeout_s))
        return commands, feed

    async def _build_pool(self) -> None:
        settings = self._settings
        limits = Limits(**settings.limits.model_dump())
        assets = _assets(settings)
        budget_bytes = settings.pool.memory_budget_bytes or memory_budget_bytes()
        probe = await self._start_lanes()
        self.intake = Intake(
            spool=self.spool,
            storage=self.storage,
            queue=self.queue,
            probe=probe,
            limits=limits,
            budget_bytes=min(budget_bytes, settings.pool.memory_kill_bytes),
            assets=assets,
        )
        self.carrier = Carrier(
            queue=self.queue,
            spool=self.spool,
            storage=self.storage,
            progress=self.progress,
            settings=settings.queue,
            limits=limits,
            deadline_s=settings.pool.deadline_s,
            assets=assets,
        )
        self.dispatcher = Dispatcher(
            self.queue,
            self.lanes,
            self.carrier.carry,
            budget_bytes=budget_bytes,
        )
        self.leases = Leases(
            self.queue,
            self.dispatcher,
            self.carrier,
            lanes=self.lanes,
            lease_s=settings.queue.lease_s,
        )

    async def _start_lanes(self) -> Lane:
        """Bring up the first lanes, and the one that only reads headers, which is returned."""
        pool = self._settings.pool
        settings = LaneSettings(
            spool=str(self.spool.folder),
            read_only=tuple(_assets(self._settings).values()),
            hard_grace_s=pool.hard_grace_s,
            max_tasks_per_child=pool.max_tasks_per_child,
            max_rss_bytes=pool.max_rss_bytes,
            memory_kill_bytes=pool.memory_kill_bytes,
        )

        def make_lane(name: str) -> Lane:
            return Lane(name, on_progress=self.progress.receive, settings=settings)

        probe = make_lane("probe")
        self.lanes = Lanes(make_lane, self.queue, pool, most=pool.max_lanes or cores())
        self._stack.push_async_callback(self.lanes.close)
        self._stack.push_async_callback(probe.close)
        await asyncio.gather(self.lanes.start(), probe.start())
        return probe

    async def _open_doors(self, announce: Callable[[str], None]) -> None:
        """Go on where the last run ended, start what runs for ever, answer HTTP."""
        self._own(self.feed.run(), "feed")
        await self.feed.connected.wait()
        await self.leases.take_back()
        await self.intake.sweep_leftovers()
        self._own(self.intake.run(), "intake")
        self._own(self.leases.run(), "leases")
        self._own(self.progress.run(), "progress")
        self._own(self.dispatcher.run(), "dispatcher")
        self._own(self.lanes.run(), "lanes")
        self._own(Janitor(self.queue, self.storage).run(), "janitor")
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            lingering_time=_LINGER_S,
            shutdown_timeout=_SHUTDOWN_S,
            max_line_size=_MAX_LINE_BYTES,
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        server = self._settings.server
        await web.TCPSite(runner, server.host, server.port, backlog=1024).start()
        host, port = runner.addresses[0][:2]
        announce(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    def _application(self) -> web.Application:
        upload = UploadHandler(self.intake, self.feed, self._settings)
        status = StatusHandler(self.queue, self.feed, self._settings.upload)
        images = ImageHandler(self.queue, self.storage)
        page = PageHandler()
        app = web.Application(middlewares=[tell_problems])
        app.add_routes(
            [
                web.post("/upload", upload.post, expect_handler=upload.expect),
                web.get("/status/{id}", status.get_status),
                web.get("/jobs", status.get_jobs),
                web.get("/job/{id}", status.get_job),
                web.delete("/job/{id}", status.delete_job),
                web.post("/job/{id}/retry", status.retry_job),
                web.get("/image/{id}", images.get),
                web.get("/image/{id}/{variant}", images.get),
                web.get("/ws", self.sockets.serve),
                web.get("/schema/recipe", get_recipe_schema),
                web.get("/livez", self.health.get_livez),
                web.get("/readyz", self.health.get_readyz),
                web.get("/health", self.health.get_health),
                web.get("/", page.get_page),
                web.get("/web/{path:.+}", page.get_asset),
            ]
        )
        return app

    async def _wait_for_the_end(self) -> asyncio.Task[None] | None:
        """Returns the part that died, or None when a signal asked us to stop."""
        stopping = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait([stopping, *self._owned], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        died = next((task for task in self._owned if task in done), None)
        if died is not None:
            log.error("a part died, stopping", part=died.get_name(), exc_info=died.exception())
        return died

    async def _wind_down(self) -> None:
        """Take nothing new, let the lanes finish for a while, hand the rest back."""
        log.info("stopping", grace_s=self._settings.server.grace_s)
        self.health.is_draining = True
        self.intake.is_closed = True
        draining = asyncio.create_task(self.dispatcher.drain(self._settings.server.grace_s))
        hurrying = asyncio.create_task(self._hurrying.wait())
        await asyncio.wait([draining, hurrying], return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        draining.cancel()
        unfinished = await self.dispatcher.stop()
        await self.carrier.hand_back(unfinished)
        await self.sockets.close_all()
        for task in self._owned:
            task.cancel()
        await asyncio.gather(*self._owned, return_exceptions=True)
        log.info("stopped", handed_back=len(unfinished))

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


class PartDied(Exception):
    """A part that must live as long as the process has ended."""


def _assets(settings: Settings) -> dict[str, str]:
    """Names of watermarks and fonts, and where their files lie."""
    return {name: str(path.resolve()) for name, path in settings.assets.items()}


def _node_name(data_dir: Path) -> str:
    """A name that stays the same over restarts, so that a node finds its own leases again."""
    path = data_dir / "node"
    if not path.exists():
        path.write_text(f"{uuid.uuid4().hex}\n")
    return path.read_text().strip()
