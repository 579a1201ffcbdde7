"""What is looked at to know how this node stands, and what to do about each part."""

import asyncio
from functools import partial
from pathlib import Path

from redis.exceptions import RedisError

from pool import Engines
from server.edge.health import Facts, HealthHandler
from server.jobs.running.lanes import Lanes
from server.live.feed import Feed
from server.ops.health import Finding, Health, Part, State
from server.ops.journal import Journal
from server.ops.tracing import Sending
from server.records.database import RECORDS_FILE
from server.refusals import DiskFull
from server.storage.storage import Storage
from server.wiring.ground import Ground
from server.wiring.history import History
from server.wiring.running import Running

_REDIS_TODO = "See whether Redis runs, and its log; redis.url names it. Jobs go on when it is back."
_DISK_TODO = "Free space on the disk of server.data_dir, or see why it cannot be written."
_STORAGE_TODO = "See whether storage.url can be reached with these credentials, and its log."
_DAMAGED_TODO = (
    f"Move {RECORDS_FILE}* out of server.data_dir: the history begins anew with what waits, and"
    " `sqlite3 FILE .recover` may save the rows of the old one. Pictures and jobs go on."
)
_PROBE = ".health"


def build_health(
    ground: Ground, running: Running, feed: Feed, history: History | None
) -> HealthHandler:
    """All parts of this node; those that others of its role have no need of are left out."""
    server = ground.settings.server
    parts = [
        Part("redis", partial(_look_at_redis, ground), todo=_REDIS_TODO),
        Part("feed", partial(_look_at_feed, feed)),
        Part("storage", partial(_look_at_storage, ground.storage), todo=_STORAGE_TODO),
        Part("disk", partial(_look_at_disk, ground), todo=_DISK_TODO),
    ]
    if server.has_lanes:
        parts.append(Part("lanes", partial(_look_at_lanes, running.lanes)))
    if ground.engines.models:
        parts.append(Part("networks", partial(_look_at_networks, ground.engines), is_needed=False))
    if history is not None:
        parts.append(Part("journal", partial(_look_at_journal, history.journal)))
    if ground.tracing is not None:
        look = partial(_look_at_tracing, ground.tracing.sending)
        parts.append(Part("tracing", look, is_needed=False))
    health = Health(parts)
    ground.closing.push_async_callback(health.close)
    return HealthHandler(health, _facts(ground, running, history))


def _facts(ground: Ground, running: Running, history: History | None) -> Facts:
    settings = ground.settings
    return Facts(
        queue=ground.queue,
        redis=ground.redis,
        lanes=running.lanes,
        dispatcher=running.dispatcher,
        storage=ground.storage,
        data_dir=ground.data_dir,
        role=settings.server.role,
        min_free_bytes=settings.storage.min_free_bytes,
        journal=history.journal if history else None,
        records=history.records if history else None,
        sending=ground.tracing.sending if ground.tracing else None,
    )


async def _look_at_redis(ground: Ground) -> Finding:
    try:
        counters = await ground.queue.counters()
    except (RedisError, OSError) as error:
        trouble = f"Redis does not answer: {type(error).__name__}."
        return Finding(State.DOWN, trouble, _REDIS_TODO)
    if not int(counters.get("lanes", 0)) and not ground.settings.server.has_lanes:
        trouble = "No node of the service has a worker; what is sent waits."
        return Finding(State.DEGRADED, trouble, "Start a node with --role worker or --role all.")
    return Finding()


async def _look_at_feed(feed: Feed) -> Finding:
    if feed.connected.is_set():
        return Finding()
    trouble = "The subscription to Redis is lost; events come late."
    return Finding(State.DOWN, trouble, "It connects again by itself when Redis answers.")


async def _look_at_storage(storage: Storage) -> Finding:
    try:
        await storage.check()
    except OSError:
        trouble = f"The storage ({storage.kind}) does not take or give pictures."
        return Finding(State.DOWN, trouble, _STORAGE_TODO)
    return Finding()


async def _look_at_disk(ground: Ground) -> Finding:
    """Whether a file can be written; a disk that is full or read-only says so only then."""
    try:
        ground.storage.refuse_if_low()
        await asyncio.to_thread(_write_and_remove, ground.data_dir / _PROBE)
    except DiskFull as full:
        return Finding(State.DOWN, full.detail, _DISK_TODO)
    except OSError as error:
        trouble = f"The data folder cannot be written: {error.strerror or type(error).__name__}."
        return Finding(State.DOWN, trouble, _DISK_TODO)
    return Finding()


def _write_and_remove(path: Path) -> None:
    path.write_bytes(b"ok\n")
    path.unlink(missing_ok=True)


async def _look_at_lanes(lanes: Lanes) -> Finding:
    alive, all_of_them = sum(lane.is_alive for lane in lanes.all), len(lanes.all)
    if alive == all_of_them:
        return Finding()
    trouble = f"{all_of_them - alive} of {all_of_them} workers are not up."
    todo = "They are started again by themselves; the log says why they died."
    return Finding(State.DEGRADED if alive else State.DOWN, trouble, todo)


async def _look_at_networks(engines: Engines) -> Finding:
    """Pictures are made without them, too: by the classic engine, which the jobs say."""
    if not engines.unfit:
        return Finding()
    broken = "; ".join(f"{name}: {why}" for name, why in engines.unfit.items())
    todo = "Install the package again; until then `auto` is classic, and `ai` is refused."
    return Finding(State.DEGRADED, f"Networks do not work here: {broken}.", todo)


async def _look_at_journal(journal: Journal) -> Finding:
    """Records that cannot be written make nothing unready until the journal is full of them."""
    if journal.is_written and not journal.is_behind:
        return Finding()
    trouble = f"The history's database does not take records; {journal.length} wait."
    todo = "See whether the database of records.url runs and has room."
    if journal.is_damaged:
        trouble = f"The history's file {RECORDS_FILE} is damaged; {journal.length} records wait."
        todo = _DAMAGED_TODO
    return Finding(State.DOWN if journal.is_behind else State.DEGRADED, trouble, todo)


async def _look_at_tracing(sending: Sending) -> Finding:
    if not sending.trouble:
        return Finding()
    trouble = f"Traces are lost ({sending.failed + sending.dropped} spans): {sending.trouble}."
    return Finding(State.DEGRADED, trouble, "See whether the collector of tracing.endpoint runs.")
