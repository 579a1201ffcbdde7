"""THE wiring: parts are built here in order and closed in reverse. Nobody else sees all of them."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import structlog
from redis.asyncio import Redis

from pool import Lane, LaneSettings, Limits, parse_recipe
from server.config import Settings
from server.edge.access.cors import Cors
from server.edge.access.gate import Gate, refuse_unguarded
from server.edge.access.idempotency import Idempotency
from server.edge.access.quota import Quotas
from server.edge.access.sign import Doorman
from server.edge.health import HealthHandler
from server.intake.direct.events import StorageEvents
from server.intake.direct.presign import Presign
from server.intake.fetch.download import Downloader
from server.intake.fetch.fetcher import Fetcher
from server.intake.fetch.guard import Guard
from server.intake.fetch.job import JobFetcher
from server.intake.fetch.session import guarded_session
from server.intake.ordering import Ordering
from server.intake.same import Sameness
from server.intake.tus.uploads import TusUploads
from server.intake.upload import Intake
from server.jobs import names
from server.jobs.carry import Carrier
from server.jobs.connection import command_client, feed_client
from server.jobs.direct import DirectUploads
from server.jobs.dispatcher import Dispatcher
from server.jobs.fitness import refuse_unfit
from server.jobs.lanes import Lanes
from server.jobs.leases import Leases
from server.jobs.links import Links
from server.jobs.once import OnceBook
from server.jobs.progress import ProgressBoard
from server.jobs.queue import JobQueue
from server.jobs.speeds import Speeds
from server.jobs.urls import UrlQueue
from server.jobs.usage import Allowance, Usage
from server.live.feed import Feed
from server.live.sockets import Sockets
from server.live.sse import EventStreams
from server.ops.journal import Journal
from server.ops.lock import data_dir_lock
from server.ops.machine import cores, memory_budget_bytes
from server.ops.networks import Networks, engines_of
from server.ops.valkey import EmbeddedValkey
from server.records.database import open_database
from server.records.store import Records, RecordsAway
from server.signing import Signer, load_keys, signing_file
from server.storage.bucket import BucketStorage
from server.storage.opening import open_storage
from server.storage.spool import Spool

log = structlog.get_logger(__name__)


class Parts:
    """All parts of one running server; `async with` builds them and closes them in reverse."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.watchers: list[asyncio.Task[None]] = []
        """Tasks that live as long as what they watch; one that ends is a part that died."""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with self._stack:
            await self._build()
            self._stack = self._stack.pop_all()  # all of it stands; else what stood is closed
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def _build(self) -> None:
        settings = self.settings
        refuse_unguarded(settings)
        data_dir = settings.server.data_dir.resolve()
        self._stack.enter_context(data_dir_lock(data_dir))
        redis, feed_redis = await self._connect(data_dir)
        self.storage = open_storage(settings.storage, data_dir)
        self.spool = Spool(
            data_dir / "spool",
            max_upload_bytes=settings.upload.max_upload_bytes,
            stall_timeout_s=settings.upload.stall_timeout_s,
            refuse_if_low=self.storage.refuse_if_low,
        )
        self.spool.prepare()
        self.queue = JobQueue(
            redis,
            settings.queue,
            node=_node_name(data_dir),
            keep_s=settings.images.keep_s,
            keep_original_s=settings.images.keep_original_s or None,
            most_unsettled=settings.quota.jobs,
            has_records=settings.records.enabled,
        )
        await self.queue.prepare()
        await self._build_records(redis, data_dir)
        self.progress = ProgressBoard(self.queue, interval_s=settings.live.progress_interval_s)
        await self._build_pool()
        self._build_gate(redis, data_dir)
        self._build_direct(redis)
        await self._build_fetching(redis)
        self.feed = Feed(feed_redis, self.queue, settings.live, self.links)
        self.feed.listen(names.WAKE, self._wake)
        self.feed.listen(names.CANCEL, self._cancel)
        self.sockets = Sockets(self.feed, settings.live, self.gate.may_watch)
        self.streams = EventStreams(self.feed, settings.live, self.gate.may_watch)
        self.health = HealthHandler(self.queue, self.feed, self.lanes, self.storage, self.journal)

    async def _connect(self, data_dir: Path) -> tuple[Redis, Redis]:
        settings, enter = self.settings.redis, self._stack.enter_async_context
        url = settings.url
        if not url:
            valkey = await enter(
                EmbeddedValkey(
                    data_dir, fsync=settings.fsync, maxmemory_bytes=settings.max_memory_bytes
                )
            )
            url = valkey.url
            if valkey.watcher is not None:
                self.watchers.append(valkey.watcher)
        commands = await enter(command_client(url, timeout_s=settings.timeout_s))
        if settings.url:
            await refuse_unfit(commands)
        feed = await enter(feed_client(url, timeout_s=settings.timeout_s))
        return commands, feed

    async def _build_records(self, redis: Redis, data_dir: Path) -> None:
        """The history; a database that does not answer is waited for, but not at start."""
        settings = self.settings.records
        self.records: Records | None = None
        self.journal: Journal | None = None
        if not settings.enabled:
            return
        engine = open_database(settings.url, data_dir)
        self.records = Records(engine, query_timeout_s=settings.query_timeout_s)
        self._stack.push_async_callback(self.records.close)
        try:
            await self.records.prepare()
        except RecordsAway as error:
            log.warning("the history's database does not answer", error=str(error))
        self.journal = Journal(
            redis,
            self.records,
            settings,
            node=_node_name(data_dir),
            timeout_s=self.settings.redis.timeout_s,
        )
        self.queue.refuse_if_behind = self.journal.refuse_if_behind

    async def _build_pool(self) -> None:
        settings = self.settings
        engines = engines_of(settings.ai)
        limits = Limits(**settings.limits.model_dump(), engines=engines)
        self.speeds = Speeds(
            engines,
            deadline_s=settings.pool.deadline_s,
            deadline_times=settings.ai.deadline_times,
        )
        assets = _assets(settings)
        budget_bytes = settings.pool.memory_budget_bytes or memory_budget_bytes()
        probe = await self._start_lanes()
        await self.networks.prepare(self.speeds)
        self.intake = Intake(
            spool=self.spool,
            storage=self.storage,
            queue=self.queue,
            probe=probe,
            limits=limits,
            budget_bytes=min(budget_bytes, settings.pool.memory_kill_bytes),
            assets=assets,
            sameness=Sameness(
                self.queue,
                assets,
                enabled=settings.dedup.enabled,
                public_images=settings.auth.public_images,
                engines=engines,
            ),
        )
        self.tus = TusUploads(self.intake, settings.tus, max_bytes=settings.upload.max_upload_bytes)
        self.carrier = Carrier(
            queue=self.queue,
            spool=self.spool,
            storage=self.storage,
            progress=self.progress,
            settings=settings.queue,
            limits=limits,
            speeds=self.speeds,
            assets=assets,
            public_images=settings.auth.public_images,
        )
        self.dispatcher = Dispatcher(
            self.queue,
            self.lanes,
            self.carrier.carry,
            budget_bytes=budget_bytes,
            networks=self.networks_at_once if engines.models else 0,
        )
        self.leases = Leases(
            self.queue,
            self.dispatcher,
            self.carrier,
            lanes=self.lanes,
            lease_s=settings.queue.lease_s,
        )

    @property
    def networks_at_once(self) -> int:
        """How many jobs of neural networks this node runs at a time."""
        return self.settings.ai.concurrency or max(1, self.lanes.most // 2)

    async def _start_lanes(self) -> Lane:
        """Bring up the first lanes, and the one that only reads headers, which is returned."""
        pool = self.settings.pool
        settings = LaneSettings(
            spool=str(self.spool.folder),
            read_only=(*_assets(self.settings).values(), *_model_paths(self.settings)),
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
        self.networks = Networks(make_lane, must_fit=bool(self.settings.ai.models))
        return probe

    def _build_gate(self, redis: Redis, data_dir: Path) -> None:
        """Who may do what, how much, and safely twice."""
        settings = self.settings
        if settings.redis.url and not settings.signing.keys:
            log.warning("signing.keys is empty: what this node signs, no other node accepts")
        public = settings.auth.public_images
        allowance = Allowance(**settings.quota.model_dump())
        self.signer = Signer(load_keys(settings.signing.keys, signing_file(data_dir)))
        self.links = Links(self.signer, url_s=settings.signing.url_s, public_images=public)
        self.doorman = Doorman(self.signer, public_images=public)
        self.quotas = Quotas(Usage(redis, allowance), allowance)
        self.idempotency = Idempotency(OnceBook(redis), settings.idempotency)
        self.cors = Cors(settings.cors)
        self.gate = Gate(
            settings.auth, self.queue, cors=self.cors, quotas=self.quotas, doorman=self.doorman
        )

    def _build_direct(self, redis: Redis) -> None:
        """What takes in pictures that clients or others bring to the storage themselves."""
        settings = self.settings
        records = DirectUploads(
            redis,
            max_pending=settings.presign.max_pending,
            keep_s=settings.presign.keep_s,
            lease_s=settings.queue.lease_s,
        )
        self.presign = Presign(self.intake, records, self.storage, settings.presign)
        self.storage_events: StorageEvents | None = None
        if isinstance(self.storage, BucketStorage):
            recipe = settings.presets.get(settings.hooks.preset) or parse_recipe({})
            self.storage_events = StorageEvents(
                self.presign,
                records,
                self.storage,
                drop_prefix=settings.hooks.prefix,
                recipe=recipe.canonical(),
            )

    async def _build_fetching(self, redis: Redis) -> None:
        """What takes in pictures that clients only name."""
        settings = self.settings.fetch
        guard = Guard(settings)
        self.ordering = Ordering(guard, self.queue)
        self.urls = UrlQueue(redis, self.queue, settings, self.settings.queue)
        session = await self._stack.enter_async_context(guarded_session(guard, settings))
        max_bytes = self.settings.upload.max_upload_bytes
        jobs = JobFetcher(
            urls=self.urls,
            queue=self.queue,
            intake=self.intake,
            downloader=Downloader(session, guard, settings, max_bytes=max_bytes),
            settings=settings,
        )
        beat_s = self.settings.queue.lease_s / 3
        self.fetcher = Fetcher(self.urls, self.queue, jobs, settings, beat_s=beat_s)
        self.leases.renew_also(self.fetcher)

    def _wake(self, message: str) -> None:
        self.dispatcher.wake(message)
        self.fetcher.wake(message)

    def _cancel(self, job_id: str) -> None:
        self.dispatcher.cancel(job_id)
        self.fetcher.cancel(job_id)


def _model_paths(settings: Settings) -> list[str]:
    return [str(model.path.resolve()) for model in settings.ai.models.values()]


def _assets(settings: Settings) -> dict[str, str]:
    """Names of watermarks and fonts, and where their files lie."""
    return {name: str(path.resolve()) for name, path in settings.assets.items()}


def _node_name(data_dir: Path) -> str:
    """A name that stays the same over restarts, so that a node finds its own leases again."""
    path = data_dir / "node"
    if not path.exists():
        path.write_text(f"{uuid.uuid4().hex}\n")
    return path.read_text().strip()
