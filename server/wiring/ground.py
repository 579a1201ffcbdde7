"""What every node stands on: its folder, Redis, the storage and the queue."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from pool import Engines, Limits
from server.config import Settings
from server.jobs.connection import command_client, feed_client
from server.jobs.fitness import refuse_unfit
from server.jobs.outbox import OutboxRules
from server.jobs.queue import JobQueue
from server.jobs.trail.notebook import Notebook
from server.jobs.trail.spans import Tracer
from server.ops.lock import data_dir_lock
from server.ops.machine import memory_budget_bytes
from server.ops.networks import engines_of
from server.ops.tracing import Tracing, open_tracing
from server.ops.valkey import EmbeddedValkey
from server.storage.opening import open_storage
from server.storage.spool import Spool
from server.storage.storage import Storage


@dataclass(frozen=True, slots=True)
class Ground:
    """The parts that all others are given. `closing`: what must be closed, in reverse."""

    settings: Settings
    closing: AsyncExitStack
    data_dir: Path
    redis: Redis
    feed_redis: Redis
    watchers: tuple[asyncio.Task[None], ...]
    """Tasks that live as long as what they watch; one that ends is a part that died."""
    storage: Storage
    spool: Spool
    queue: JobQueue
    notebook: Notebook
    tracing: Tracing | None
    """None where nothing is traced."""

    engines: Engines
    """The networks that the settings and the installed packages give."""

    @property
    def tracer(self) -> Tracer | None:
        """Who makes spans; None where nobody does."""
        return None if self.tracing is None else self.tracing.tracer

    @property
    def assets(self) -> dict[str, str]:
        """Names of watermarks and fonts, and where their files lie."""
        return {name: str(path.resolve()) for name, path in self.settings.assets.items()}

    @property
    def limits(self) -> Limits:
        """What a picture may be at most, and by which networks it may be made."""
        return Limits(**self.settings.limits.model_dump(), engines=self.engines)

    @property
    def budget_bytes(self) -> int:
        """What the jobs in work may need together."""
        return self.settings.pool.memory_budget_bytes or memory_budget_bytes()


async def lay_ground(settings: Settings, closing: AsyncExitStack) -> Ground:
    """Take the data folder, connect, and open storage and queue."""
    data_dir = settings.server.data_dir.resolve()
    closing.enter_context(data_dir_lock(data_dir))
    tracing = await open_tracing(settings.tracing, node=_node_name(data_dir), closing=closing)
    redis, feed_redis, watchers = await _connect(settings, data_dir, closing)
    storage = open_storage(settings.storage, data_dir)
    spool = Spool(
        data_dir / "spool",
        max_upload_bytes=settings.upload.max_upload_bytes,
        refuse_if_low=storage.refuse_if_low,
    )
    spool.prepare()
    closing.push_async_callback(spool.tidy)
    queue = JobQueue(
        redis,
        settings.queue,
        node=_node_name(data_dir),
        keep_s=settings.images.keep_s,
        keep_original_s=settings.images.keep_original_s or None,
        most_unsettled=settings.quota.jobs,
        has_records=settings.records.enabled,
        outbox=OutboxRules.of(settings.webhooks),
    )
    await queue.prepare()
    return Ground(
        settings=settings,
        closing=closing,
        data_dir=data_dir,
        redis=redis,
        feed_redis=feed_redis,
        watchers=watchers,
        storage=storage,
        spool=spool,
        queue=queue,
        notebook=Notebook(),
        tracing=tracing,
        engines=engines_of(settings.ai),
    )


async def _connect(
    settings: Settings, data_dir: Path, closing: AsyncExitStack
) -> tuple[Redis, Redis, tuple[asyncio.Task[None], ...]]:
    """The clients for commands and for the subscription, and who watches a Redis of our own."""
    own, enter = settings.redis, closing.enter_async_context
    url, watchers = own.url, []
    if not url:
        valkey = await enter(
            EmbeddedValkey(data_dir, fsync=own.fsync, maxmemory_bytes=own.max_memory_bytes)
        )
        url = valkey.url
        if valkey.watcher is not None:
            watchers.append(valkey.watcher)
    commands = await enter(command_client(url, timeout_s=own.timeout_s))
    if own.url:
        await refuse_unfit(commands)
    feed = await enter(feed_client(url, timeout_s=own.timeout_s))
    return commands, feed, tuple(watchers)


def _node_name(data_dir: Path) -> str:
    """A name that stays the same over restarts, so that a node finds its own leases again."""
    path = data_dir / "node"
    if not path.exists():
        path.write_text(f"{uuid.uuid4().hex}\n")
    return path.read_text().strip()
