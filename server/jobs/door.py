"""Whether more may come in: how full the queue is, and what the scripts found at its door."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis.asyncio import Redis

from server.config.sections import QueueSettings
from server.jobs import names
from server.refusals import IdempotencyBusy, QueueFull, QuotaExceeded

_LONGEST_WAIT_S = 60
_FULL_FOR_S = 0.05  # who comes so soon after another was refused is not worth a question to Redis
_ROOM_FOR_S = 0.2  # nor who comes so soon after there was room for more than have come since


@dataclass(frozen=True, slots=True)
class Load:
    """How full the queue is; drain_ms is the time until one more job has left it."""

    depth: int
    waiting_bytes: int
    drain_ms: float


class Door:
    """Refuses early where it can be known. The script that admits has the last word."""

    def __init__(self, redis: Redis, settings: QueueSettings, *, most_unsettled: int) -> None:
        """most_unsettled: jobs of one client that may wait or be in work; 0 is any number."""
        self.max_depth = settings.max_depth
        self.spool_limit_bytes = settings.spool_max_bytes if settings.overload == "spool" else 0
        """What may wait beyond max_depth; 0: nothing."""
        self.most_unsettled = most_unsettled
        self.refuse_if_behind: Callable[[], None] = lambda: None
        """Raises when the ends of jobs cannot be written down, so that no new ones shall come."""
        self._redis = redis
        self._last = Load(0, 0, 0.0)
        self._last_until = 0.0
        self._let_in = 0
        """Requests and jobs since then, rather too many: no look is trusted for too long."""

    async def refuse_if_full(self) -> None:
        """Say QueueFull before a body is read when it can be known."""
        self.refuse_if_behind()
        load = await self._lately()
        if load.depth < self.max_depth or load.waiting_bytes < self.spool_limit_bytes:
            self._let_in += 1
            return
        raise self.full(load.depth, load.waiting_bytes, self.max_depth / 10 * load.drain_ms)

    async def _lately(self) -> Load:
        """As it stands, or a moment ago where that cannot have changed what is said of it."""
        was_full = self._last.depth >= self.max_depth
        has_room = self._last.depth + self._let_in < self.max_depth
        if time.monotonic() >= self._last_until or not (was_full or has_room):
            load = await self.load()
            fresh_s = _FULL_FOR_S if load.depth >= self.max_depth else _ROOM_FOR_S
            self._last, self._last_until, self._let_in = load, time.monotonic() + fresh_s, 0
        return self._last

    async def expected_wait_s(self) -> float:
        """How long a job that came now would wait, by the mean time of a job and all lanes."""
        load = await self.load()
        return load.depth * load.drain_ms / 1000

    async def load(self) -> Load:
        """How full the queue is."""
        fields = [
            *map(names.waiting_count, names.LANE_CLASSES),
            "waiting_bytes",
            "mean_ms",
            "lanes",
        ]
        found = await self._redis.hmget(names.QUEUE, fields)
        *waiting, waiting_bytes, mean_ms, lanes = (int(value or 0) for value in found)
        return Load(sum(waiting), waiting_bytes, (mean_ms or 1000) / max(1, lanes))

    def heed(self, verdict: int, unsettled: int, wait_ms: float, *, arriving: int) -> None:
        """Raises what door.lua has found against an admission."""
        self._let_in += arriving
        if verdict == -1:
            raise IdempotencyBusy("The same request was admitted just now.", retry_after_s=1)
        if verdict != -2:
            return
        limit, wait_s = self.most_unsettled, _seconds(wait_ms)
        raise QuotaExceeded(
            f"Each client may have {limit} jobs that wait or are in work; you have {unsettled} and"
            f" bring {arriving}. Send it again in {wait_s} s.",
            limit=limit,
            actual=unsettled + arriving,
            retry_after_s=wait_s,
        )

    def full(self, depth: int, waiting_bytes: int, wait_ms: float) -> QueueFull:
        """What to say when there is no room."""
        wait_s = _seconds(wait_ms)
        limit, actual = self.max_depth, depth
        detail = f"At most {limit} pictures may wait and {depth} do"
        if self.spool_limit_bytes:
            limit, actual = self.spool_limit_bytes, waiting_bytes
            detail += f", with {actual} of the {limit} bytes that may wait on disk"
        return QueueFull(
            f"{detail}. Send it again in {wait_s} s.",
            limit=limit,
            actual=actual,
            retry_after_s=wait_s,
        )


def _seconds(wait_ms: float) -> int:
    return max(1, min(_LONGEST_WAIT_S, math.ceil(wait_ms / 1000)))
