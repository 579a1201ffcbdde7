"""THE wiring: parts are built here in order and closed in reverse. Nobody else sees all of them."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from ipaddress import ip_network
from pathlib import Path
from typing import Self

import structlog
from redis.asyncio import Redis

from pool import Lane, LaneSettings, Limits, parse_recipe
from server.config import Settings
from server.config.sections import FetchSettings
from server.config.webhooks import WebhookSettings
from server.edge.access.cors import Cors
from server.edge.access.gate import Gate, refuse_unguarded
from server.edge.access.idempotency import Idempotency
from server.edge.access.quota import Quotas
from server.edge.access.sign import Doorman
from server.edge.health import HealthHandler
from server.edge.hosting.derive import Derive
from server.edge.incoming.callbacks import Callbacks
from server.intake.deriving import Deriving
from server.intake.direct.events import StorageEvents
from server.intake.direct.presign import Presign
from server.intake.fetch.download import Downloader
from server.intake.fetch.fetcher import Fetcher
from server.intake.fetch.guard import Guard
from server.intake.fetch.job import JobFetcher
from server.intake.fetch.session import AddressRefused, guarded_session
from server.intake.ordering import Ordering
from server.intake.same import Sameness
from server.intake.tus.uploads import TusUploads
from server.intake.upload import Intake
from server.jobs import names
from server.jobs.connection import command_client, feed_client
from server.jobs.counts.usage import Allowance, Usage
from server.jobs.derived import DerivedJobs
from server.jobs.direct import DirectUploads
from server.jobs.fitness import refuse_unfit
from server.jobs.heads import Heads
from server.jobs.links import Links
from server.jobs.once import OnceBook
from server.jobs.outbox import Outbox, OutboxRules
from server.jobs.queue import JobQueue
from server.jobs.running.carry import Carrier
from server.jobs.running.dispatcher import Dispatcher
from server.jobs.running.lanes import Lanes
from server.jobs.running.leases import Leases
from server.jobs.running.progress import ProgressBoard
from server.jobs.running.speeds import Speeds
from server.jobs.trail.notebook import Notebook
from server.jobs.urls import UrlQueue
from server.live.feed import Feed
from server.live.sockets import Sockets
from server.live.sse import EventStreams
from server.live.system import System
from server.live.system_message import Bounds
from server.live.system_part import Report
from server.live.webhooks.post import Poster
from server.live.webhooks.secrets import Secrets, secrets_file
from server.live.webhooks.sender import Ways, WebhookSender
from server.ops.journal import Journal
from server.ops.lock import data_dir_lock
from server.ops.machine import cores, free_bytes, memory_budget_bytes, own_rss_bytes
from server.ops.networks import Networks, engines_of
from server.ops.valkey import EmbeddedValkey
from server.records.database import open_database
from server.records.store import Records, RecordsAway
from server.signing import Signer, load_keys, signing_file
from server.storage.bucket import BucketStorage
from server.storage.hot import HotFiles
from server.storage.opening import open_storage
from server.storage.spool import Spool

log = structlog.get_logger(__name__)


class Parts:
    """All parts of one running server; `async with` builds them and closes them in reverse."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.notebook = Notebook()
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
            outbox=OutboxRules.of(settings.webhooks),
        )
        await self.queue.prepare()
        await self._build_records(redis, data_dir)
        self.progress = ProgressBoard(self.queue, interval_s=settings.live.progress_interval_s)
        await self._build_pool()
        self._build_gate(redis, data_dir)
        self._build_direct(redis)
        await self._build_fetching(redis)
        await self._build_webhooks(redis, data_dir)
        self.feed = Feed(feed_redis, self.queue, settings.live, self.links, self.notebook)
        self.feed.listen(names.WAKE, self._wake)
        self.feed.listen(names.CANCEL, self._cancel)
        self.feed.listen(names.DELIVER, self.webhooks.wake)
        self._build_hosting()
        self.feed.listen(names.GONE, self.forget)
        self._build_system(redis, data_dir)
        self.sockets = Sockets(self.feed, settings.live, self.gate.may_watch, self.system)
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
            notebook=self.notebook,
        )
        self.queue.door.refuse_if_behind = self.journal.refuse_if_behind

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
            notebook=self.notebook,
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
            notebook=self.notebook,
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

    async def _build_webhooks(self, redis: Redis, data_dir: Path) -> None:
        """What tells others of ends. What strangers name is guarded like what they have fetched;
        the operator's own endpoints may lie in a private network."""
        settings = self.settings.webhooks
        if settings.endpoints and self.settings.redis.url and not settings.secrets:
            log.warning("webhooks.secrets is empty: each node signs with a secret of its own")
        self.outbox = Outbox(redis, self.queue.scripts)
        strangers, own = reach_of_callbacks(settings), reach_of_endpoints(settings)
        guard = Guard(strangers)
        self.callbacks = Callbacks(guard, self.outbox, settings)
        self.webhook_secrets = Secrets(
            settings, file=secrets_file(data_dir), has_api_keys=bool(self.settings.auth.keys)
        )
        posters = []
        for one, reach in ((guard, strangers), (Guard(own), own)):
            session = await self._stack.enter_async_context(guarded_session(one, reach))
            posters.append(Poster(session, timeout_s=settings.timeout_s, refusal=AddressRefused))
        self.webhooks = WebhookSender(
            self.outbox,
            Ways(*posters),
            self.webhook_secrets,
            settings,
            links_at=lambda at_s: Links(
                self.signer,
                url_s=settings.url_s,
                public_images=self.settings.auth.public_images,
                base=settings.public_url,
                clock=lambda: at_s,
            ),
            notebook=self.notebook,
        )

    def _build_system(self, redis: Redis, data_dir: Path) -> None:
        """What tells an operator how all of it stands."""
        settings = self.settings
        report = Report(
            node=self.queue.node,
            lanes=self.lanes,
            dispatcher=self.dispatcher,
            progress=self.progress,
            tally=self.queue.tally,
            records=self.journal,
            own_rss=own_rss_bytes,
            free=lambda: free_bytes(data_dir),
            fetching=lambda: len(self.fetcher.held),
            sockets=lambda: self.sockets.count,
        )
        bounds = Bounds(
            max_depth=settings.queue.max_depth,
            max_urls=settings.fetch.max_waiting,
            storage_kind=self.storage.kind,
            min_free_bytes=settings.storage.min_free_bytes,
            max_journal=self.journal.limit if self.journal else None,
        )
        self.system = System(
            redis,
            self.feed,
            self.queue,
            report,
            bounds,
            most_watchers=settings.live.max_system_watchers,
        )

    def _build_hosting(self) -> None:
        """What answers for pictures that are asked for often."""
        settings = self.settings.hosting
        self.hot = HotFiles(
            self.storage, max_bytes=settings.hot_bytes, max_file_bytes=settings.hot_file_bytes
        )
        self.heads = Heads(
            self.queue,
            most=settings.hot_pictures,
            fresh_s=settings.hot_s,
            era=lambda: self.feed.era,
        )

        jobs = DerivedJobs(self.queue, self.settings.derived, self.settings.queue)
        deriving = Deriving(self.intake, jobs)
        self._stack.push_async_callback(deriving.close)
        self.derive = Derive(
            jobs,
            deriving,
            self.queue,
            heads=self.heads,
            feed=self.feed,
            settings=self.settings.derived,
        )

    def forget(self, image_id: str) -> None:
        """A picture's files go: answer no more from what is remembered of it."""
        job = self.heads.forget(image_id)
        for variant in job.variants if job is not None else ():
            self.hot.forget(variant.key)

    def _wake(self, message: str) -> None:
        """Most news are for one of them only: names.WAKE."""
        if message != "fetchers":
            self.dispatcher.wake()
        if message != "lanes":
            self.fetcher.wake()

    def _cancel(self, job_id: str) -> None:
        self.dispatcher.cancel(job_id)
        self.fetcher.cancel(job_id)


def reach_of_callbacks(settings: WebhookSettings) -> FetchSettings:
    """Where clients may have us send webhooks, in the words of the guard."""
    return FetchSettings(
        allow_networks=settings.allow_networks,
        deny_hosts=settings.deny_hosts,
        ports=settings.ports,
        connect_timeout_s=settings.timeout_s,
        stall_timeout_s=settings.timeout_s,
        total_timeout_s=settings.timeout_s,
    )


def reach_of_endpoints(settings: WebhookSettings) -> FetchSettings:
    """The operator's own word is good for every address but those that hand out credentials."""
    everywhere = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    reach = reach_of_callbacks(settings)
    return reach.model_copy(update={"allow_networks": everywhere, "deny_hosts": (), "ports": (0,)})


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
