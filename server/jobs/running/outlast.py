"""Moves that outlast a Redis which is away for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.exceptions import (
    ClusterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Refusals of a Redis that may answer otherwise a moment later; LOADING is a lost connection to us.
_PASSING = (OutOfMemoryError, ReadOnlyError, ClusterDownError, TryAgainError, NoScriptError)
_PASSING_CODES = ("BUSY", "MISCONF", "NOREPLICAS")  # those without a class


async def until_redis_answers(move: Callable[[], Awaitable[T]]) -> T:
    """Moves are safe to repeat; what is done is not thrown away because Redis restarts.

    What Redis refuses for good is raised: the attempt is lost and its lease runs out.
    """
    delay_s = 0.1
    while True:
        try:
            return await move()
        except (RedisError, OSError) as error:
            if _is_for_good(error):
                raise
            log.warning("waiting for Redis", error=str(error))
            await asyncio.sleep(delay_s)
            delay_s = min(2.0, delay_s * 2)


def _is_for_good(error: Exception) -> bool:
    """An error of a script, or a key that is not what it should be: no later time makes it well."""
    if not isinstance(error, ResponseError) or isinstance(error, _PASSING):
        return False
    return not str(error).startswith(_PASSING_CODES)
