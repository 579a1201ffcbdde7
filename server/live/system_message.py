"""The parts of all nodes and what Redis counts, as the one message that watchers get."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import orjson

from server.jobs.counts import tally
from server.jobs.counts.histogram import percentile_ms
from server.jobs.counts.overview import Overview
from server.live.system_moves import public_class
from server.live.system_part import LanePart, NodePart

_WEBHOOKS = {
    "born": "born",
    "delivered": "delivered",
    "retried": "retried",
    "given_up": "givenUp",
    "gone": "gone",
}
_PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What does not change while the service runs. Sizes in bytes."""

    max_depth: int
    max_urls: int
    storage_kind: str
    min_free_bytes: int
    max_journal: int | None
    """None: no records are kept."""


@dataclass(frozen=True, slots=True)
class Known:
    """A node's newest part, and whether it has gone silent since."""

    part: NodePart
    is_gone: bool


def system_message(overview: Overview, nodes: Iterable[Known], bounds: Bounds) -> bytes:
    """What a watcher is sent."""
    known = sorted(nodes, key=lambda one: one.part.node)
    alive = [one.part for one in known if not one.is_gone]
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    free = [part.free_bytes for part in alive if part.free_bytes is not None]
    latency = _merged(part.latency for part in alive)
    message = {
        "type": "system",
        "at": moment,
        "queue": _queue(overview, bounds),
        "throughput": _throughput(_merged(part.moved for part in alive)),
        "history": _history(part.history for part in alive),
        "latencyMs": {
            name: _rounded(percentile_ms(latency, share)) for name, share in _PERCENTILES.items()
        },
        "admitted": overview.admitted,
        "rejected": dict(_merged(part.rejected for part in alive)),
        "errors": dict(_merged(part.errors for part in alive)),
        "nodes": [_node(one) for one in known],
        "storage": {
            "kind": bounds.storage_kind,
            "freeBytes": min(free, default=None),
            "minFreeBytes": bounds.min_free_bytes,
        },
        "redis": {
            "usedBytes": overview.used_bytes,
            "maxBytes": overview.max_bytes,
            "latencyMs": overview.latency_ms,
        },
        "records": {
            "waiting": overview.journal,
            "isWritten": all(part.is_written for part in alive),
            "limit": bounds.max_journal,
        },
        "webhooks": {
            "waiting": overview.webhooks_waiting,
            **{public: overview.webhooks.get(name, 0) for name, public in _WEBHOOKS.items()},
        },
        "sockets": sum(part.sockets for part in alive),
    }
    return orjson.dumps(message)


def _queue(overview: Overview, bounds: Bounds) -> dict[str, Any]:
    return {
        **{public_class(name): waiting for name, waiting in overview.waiting.items()},
        "processing": overview.processing,
        "delayed": overview.delayed,
        "quarantined": overview.quarantined,
        "maxDepth": bounds.max_depth,
        "maxUrls": bounds.max_urls,
        "oldestAgeS": overview.oldest_age_s,
        "meanMs": overview.mean_ms,
    }


def _throughput(moved: Mapping[str, int]) -> dict[str, float]:
    def rate(name: str) -> float:
        return round(moved.get(name, 0) / tally.RATE_S, 2)

    return {
        "completedPerS": rate(tally.COMPLETED),
        "failedPerS": rate(tally.FAILED),
        "bytesInPerS": rate(tally.BYTES_IN),
        "bytesOutPerS": rate(tally.BYTES_OUT),
    }


def _history(told: Iterable[Iterable[tuple[int, int, int, float | None]]]) -> dict[str, Any]:
    """Steps of all nodes, oldest first, the last one just over. p95Ms: of the slowest node."""
    newest = int(time.time() / tally.STEP_S) - 1
    completed, failed = [0] * tally.STEPS, [0] * tally.STEPS
    slowest: list[float | None] = [None] * tally.STEPS
    for step, done, wrong, p95_ms in chain.from_iterable(told):
        place = tally.STEPS - 1 - (newest - step)
        if 0 <= place < tally.STEPS:
            completed[place] += done
            failed[place] += wrong
            if p95_ms is not None:
                slowest[place] = max(slowest[place] or 0.0, round(p95_ms, 1))
    return {"stepS": tally.STEP_S, "completed": completed, "failed": failed, "p95Ms": slowest}


def _node(known: Known) -> dict[str, Any]:
    part = known.part
    return {
        "node": part.node,
        "role": part.role,
        "isGone": known.is_gone,
        "lanes": [_lane(lane, is_gone=known.is_gone) for lane in part.lanes],
        "fetching": part.fetching,
        "rssBytes": part.rss_bytes,
        "budgetBytes": part.budget_bytes,
        "budgetUsedBytes": part.budget_used_bytes,
    }


def _lane(lane: LanePart, *, is_gone: bool) -> dict[str, Any]:
    return {
        "name": lane.name,
        "state": "gone" if is_gone else lane.state,
        "jobId": lane.job_id,
        "stage": lane.stage,
        "progress": lane.progress,
        "rssBytes": lane.rss_bytes,
        "jobs": lane.jobs,
        "restarts": sum(lane.restarts.values()),
        "restartReasons": lane.restarts,
    }


def _merged(counts: Iterable[Mapping[Any, int]]) -> Counter[Any]:
    """Any: names in one case, buckets in another."""
    found: Counter[Any] = Counter()
    for one in counts:
        found.update(one)
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
