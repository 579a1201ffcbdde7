"""Rows on the whole service, as Redis counts it: the same on each node that is asked."""

from collections.abc import Callable, Iterable

from server.edge.metrics.rows import AnyRow, Values, counter_of, gauge
from server.edge.metrics.whole import Whole
from server.jobs import names
from server.jobs.counts.overview import Overview
from server.jobs.outbox import COUNTS

_CLASSES = (*names.LANE_CLASSES, *names.FETCH_CLASSES)
_AGED = (*_CLASSES, "quarantined")
_ENDS = ("completed", "failed", "cancelled")
# Levels of reuse, and the counters that the scripts keep of them.
_REUSED = {"bytes": "same_bytes", "in_progress": "joined", "result": "reused"}


def queue_rows(whole: Whole, *, max_depth: int, max_urls: int) -> list[AnyRow]:
    """Jobs that wait, are in work, and were."""

    def of(read: Callable[[Overview], Values]) -> Callable[[], Values]:
        return lambda: None if whole.overview is None else read(whole.overview)

    def counters(of_names: Iterable[tuple[str, str]]) -> Callable[[], Values]:
        return of(lambda o: {word: float(o.counters.get(name, 0)) for word, name in of_names})

    return [
        gauge(
            "queue_waiting_jobs",
            "Jobs that wait, by class; fetch and fetch-bulk are URLs.",
            of(lambda o: {one: o.waiting.get(one, 0) for one in _CLASSES}),
            "class",
        ),
        gauge(
            "queue_oldest_age_seconds",
            "How long the first in line has waited, by class; quarantined: has lain there.",
            of(lambda o: {one: o.ages_s.get(one, 0.0) for one in _AGED}),
            "class",
        ),
        gauge("queue_processing_jobs", "Jobs that nodes hold.", of(lambda o: o.processing)),
        gauge("queue_delayed_jobs", "Jobs before their next attempt.", of(lambda o: o.delayed)),
        gauge("queue_quarantined_jobs", "Jobs given up for now.", of(lambda o: o.quarantined)),
        gauge(
            "queue_waiting_bytes",
            "What the pictures that wait take on disk.",
            of(lambda o: float(o.counters.get("waiting_bytes", 0))),
        ),
        gauge("queue_max_jobs", "How many pictures may wait.", lambda: max_depth),
        gauge("queue_max_urls", "How many URLs may wait.", lambda: max_urls),
        gauge(
            "queue_mean_job_seconds",
            "Mean time that a lane has a job, of late.",
            of(lambda o: o.mean_ms / 1000),
        ),
        counter_of("queue_admitted", "Jobs ever let in.", of(lambda o: o.admitted)),
        counter_of(
            "queue_rejected",
            "Jobs that were refused because the queue was full.",
            of(lambda o: float(o.counters.get("rejected", 0))),
        ),
        counter_of(
            "queue_ended",
            "Jobs that ever ended, by state.",
            counters([(one, one) for one in _ENDS]),
            "state",
        ),
        counter_of(
            "dedup_hits",
            "What was not done twice, by level: bytes stored once, work joined in progress,"
            " result made before.",
            counters([*_REUSED.items()]),
            "level",
        ),
    ]


def redis_rows(whole: Whole) -> list[AnyRow]:
    """Redis itself."""

    def of(read: Callable[[Overview], float]) -> Callable[[], Values]:
        return lambda: None if whole.overview is None else read(whole.overview)

    return [
        gauge(
            "redis_up",
            "Whether Redis has answered this scrape.",
            lambda: float(whole.overview is not None),
        ),
        gauge("redis_used_memory_bytes", "What Redis holds.", of(lambda o: o.used_bytes)),
        gauge(
            "redis_max_memory_bytes",
            "What it may hold; 0: no limit is set.",
            of(lambda o: o.max_bytes),
        ),
        gauge(
            "redis_ping_seconds",
            "How long it took to answer this scrape's PING.",
            of(lambda o: (o.latency_ms or 0.0) / 1000),
        ),
    ]


def webhook_rows(whole: Whole) -> list[AnyRow]:
    """Webhooks of all nodes."""

    def outcomes() -> Values:
        told = whole.overview
        return None if told is None else {one: told.webhooks.get(one, 0) for one in COUNTS}

    return [
        gauge(
            "webhooks_waiting",
            "Webhooks on their way.",
            lambda: None if whole.overview is None else whole.overview.webhooks_waiting,
        ),
        counter_of("webhooks", "What became of webhooks.", outcomes, "outcome"),
    ]
