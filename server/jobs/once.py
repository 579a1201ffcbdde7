"""Idempotency keys in Redis: under each the one answer that its requests get.

The answer that is promised when jobs are admitted is written by the very script that admits them,
so no crash can leave jobs without their key, or let a second request admit them again.
"""

from dataclasses import dataclass

from redis.asyncio import Redis

from server.jobs.scripts import Scripts


@dataclass(frozen=True, slots=True)
class Promise:
    """What goes with an admission under a key: the answer should no better one be kept."""

    name: str
    fingerprint: str
    holder: str
    answer: str
    is_final: bool
    """No better answer will come: the promise is the answer."""
    busy_ms: int
    keep_ms: int


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key stands for another request."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Another request holds the key, for `left_ms` at most."""

    left_ms: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The request was answered so."""

    answer: str


class OnceBook:
    """Takes, answers and gives back idempotency keys."""

    def __init__(self, redis: Redis) -> None:
        self._scripts = Scripts(redis, {})

    async def begin(
        self, name: str, *, fingerprint: str, holder: str, hold_ms: int
    ) -> Mismatch | Busy | Answered | None:
        """Take the key for a while; None: it is taken and the request may go on."""
        verdict, *more = await self._scripts.once_begin(args=[name, fingerprint, holder, hold_ms])
        if verdict == "mismatch":
            return Mismatch()
        if verdict == "busy":
            return Busy(int(more[0]))
        if verdict == "answered":
            return Answered(more[0])
        return None

    async def end(self, name: str, *, holder: str, answer: str) -> None:
        """Keep the answer ('' keeps what was promised); without admitted jobs the key is free."""
        await self._scripts.once_end(args=[name, holder, answer])
