"""How the whole queue and its Redis stand, for who watches all of it: one script, two commands."""

import time
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from server.jobs import names
from server.jobs.scripts import Scripts

_MOST_CLIENTS = 50  # of each class, whose oldest job is looked at
_CLASSES = (*names.LANE_CLASSES, *names.FETCH_CLASSES)


@dataclass(frozen=True, slots=True)
class Overview:
    """Counters of the queue, ages in seconds, sizes in bytes. Zeros where nothing is known yet.

    latency_ms: of one small command; None: Redis did not answer, and the rest is older.
    """

    waiting: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_CLASSES, 0))
    processing: int = 0
    admitted: int = 0
    delayed: int = 0
    quarantined: int = 0
    journal: int = 0
    oldest_age_s: float | None = None
    mean_ms: float = 0.0
    used_bytes: int = 0
    max_bytes: int = 0
    latency_ms: float | None = None
    webhooks_waiting: int = 0
    webhooks: dict[str, int] = field(default_factory=dict)
    """Since the beginning: born, delivered, retried, given_up, gone ..."""
    counters: dict[str, str] = field(default_factory=dict)
    """All of the queue's, as they stand: completed, reused, joined ..."""
    ages_s: dict[str, float] = field(default_factory=dict)
    """How long the first of a class has waited; `quarantined`, `journal`: of what is there longest.
    Only where something waits."""


async def overview(redis: Redis, scripts: Scripts) -> Overview:
    """Ask Redis. Raises what redis-py raises."""
    started = time.perf_counter()
    await redis.ping()
    latency_ms = (time.perf_counter() - started) * 1000
    answer = await scripts.overview(args=[_MOST_CLIENTS])
    flat, delayed, quarantined, journal, oldest_ms, webhooks, told, *ages = answer
    memory: dict[str, Any] = await redis.info("memory")
    counters = dict(zip(flat[::2], flat[1::2], strict=True))

    def count(name: str) -> int:
        return int(counters.get(name, 0))

    return Overview(
        waiting={one: count(names.waiting_count(one)) for one in _CLASSES},
        processing=count("processing"),
        admitted=count("admitted"),
        delayed=delayed,
        quarantined=quarantined,
        journal=journal,
        oldest_age_s=None if oldest_ms < 0 else round(oldest_ms / 1000, 1),
        mean_ms=float(counters.get("mean_ms", 0)),
        used_bytes=int(memory.get("used_memory", 0)),
        max_bytes=int(memory.get("maxmemory", 0)),
        latency_ms=round(latency_ms, 2),
        webhooks_waiting=webhooks,
        webhooks={name: int(times) for name, times in zip(told[::2], told[1::2], strict=True)},
        counters={str(name): str(value) for name, value in counters.items()},
        ages_s=_ages_s(*ages),
    )


def _ages_s(flat: list[Any], dead_ms: int, journal_ms: int) -> dict[str, float]:
    ages_ms = dict(zip(flat[::2], flat[1::2], strict=True))
    ages_ms |= {"quarantined": dead_ms, "journal": journal_ms}
    return {str(name): age / 1000 for name, age in ages_ms.items() if age >= 0}
