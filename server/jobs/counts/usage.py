"""What each client has used of its quotas, counted in Redis so that all nodes agree."""

import math
from dataclasses import dataclass

import orjson
from redis.asyncio import Redis

from server.jobs.scripts import Scripts


@dataclass(frozen=True, slots=True)
class Allowance:
    """The quotas of every client; 0 is no limit."""

    requests: int
    window_s: int
    bytes_per_day: int
    jobs: int

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to count."""
        return bool(self.requests or self.bytes_per_day or self.jobs)


@dataclass(frozen=True, slots=True)
class Meter:
    """How one quota stands: `requests`, `bytes` or `jobs`. `wait_s` says that it is used up."""

    name: str
    limit: int
    left: int
    reset_s: int
    wait_s: int | None


class Usage:
    """Counts what clients use."""

    def __init__(self, redis: Redis, allowance: Allowance) -> None:
        self._scripts = Scripts(redis, {})
        self._allowance = allowance

    async def take(self, client: str, *, requests: int, size: int, jobs: int) -> list[Meter]:
        """Count requests, bytes and coming jobs, or nothing at all when one has no room for it."""
        allowed = self._allowance
        text = await self._scripts.quota(
            args=[
                *(client, allowed.requests, allowed.window_s * 1000, allowed.bytes_per_day),
                *(requests, size, allowed.jobs, jobs),
            ]
        )
        return [
            Meter(
                name=found["name"],
                limit=int(found["limit"]),
                left=int(found["left"]),
                reset_s=_seconds(found["reset_ms"]),
                wait_s=_seconds(found["wait_ms"]) if "wait_ms" in found else None,
            )
            for found in orjson.loads(text)
        ]


def _seconds(milliseconds: float) -> int:
    return max(1, math.ceil(milliseconds / 1000))
