"""What tells a Prometheus of this node: rows on all areas, in one registry."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

from pool import Lane, engine_version
from server.edge.health import HealthHandler
from server.edge.metrics import of_front, of_jobs, of_node, of_queue
from server.edge.metrics.handler import Metrics
from server.edge.metrics.requests import RequestCounts
from server.edge.metrics.rows import AnyRow
from server.edge.metrics.whole import Whole
from server.jobs.counts.overview import overview
from server.jobs.timing import TimedRedis
from server.live.feed import Feed
from server.ops.journal import Journal
from server.ops.loop_lag import LoopLag
from server.ops.machine import free_bytes
from server.wiring.front import Front
from server.wiring.ground import Ground
from server.wiring.running import Running


@dataclass(frozen=True, slots=True)
class Measuring:
    """The metrics, and what has to run for them."""

    metrics: Metrics
    lag: LoopLag


def build_measuring(
    ground: Ground,
    running: Running,
    journal: Journal | None,
    feed: Feed,
    *,
    front: Front | None,
    probe: Lane | None,
    health: HealthHandler,
) -> Measuring:
    """front, probe: None on a worker, which then tells nothing of them."""
    requests, lag = RequestCounts(), LoopLag()
    whole = Whole(partial(overview, ground.redis, ground.queue.scripts))
    rows = [
        *of_node.request_rows(requests, ground.queue.tally.ever),
        *_rows_of_jobs(ground, running, whole, probe),
        *of_node.record_rows(journal, whole),
        *of_node.own_rows(
            lag,
            version=version("safelight"),
            libvips=engine_version().rpartition("/")[2],
            role=ground.settings.server.role,
        ),
        *(_rows_of_front(front, feed) if front else ()),
    ]
    return Measuring(Metrics(rows, requests, whole, health.checks), lag)


def _rows_of_jobs(
    ground: Ground, running: Running, whole: Whole, probe: Lane | None
) -> Iterator[AnyRow]:
    settings, queue = ground.settings, ground.queue
    yield from of_jobs.job_rows(queue.tally.ever)
    yield from of_jobs.lane_rows(running.lanes, probe, running.dispatcher)
    yield from of_jobs.network_rows(running.speeds)
    yield from of_queue.queue_rows(
        whole, max_depth=settings.queue.max_depth, max_urls=settings.fetch.max_waiting
    )
    yield from of_queue.redis_rows(whole)
    yield from of_queue.webhook_rows(whole)
    if isinstance(ground.redis, TimedRedis):
        yield from of_node.command_rows(ground.redis.times)
    yield from of_node.storage_rows(
        ground.storage,
        lambda: free_bytes(ground.data_dir),
        min_free_bytes=settings.storage.min_free_bytes,
        trash=queue.trash,
    )


def _rows_of_front(front: Front, feed: Feed) -> Iterator[AnyRow]:
    yield from of_front.live_rows(feed, front.sockets, front.streams)
    yield from of_front.hot_rows(front.hosting.hot)
    yield from of_front.derive_rows(front.hosting.derive)
    yield from of_front.fetch_rows(front.incoming.fetcher)
    yield from of_front.sending_rows(front.webhooks.sender)
