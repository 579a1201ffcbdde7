"""What Redis knows of the whole service, asked at most once a second, whoever scrapes."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from redis.exceptions import RedisError

from server.jobs.counts.overview import Overview

log = structlog.get_logger(__name__)

_FRESH_S = 1.0
_PATIENCE_S = 2.0  # Prometheus waits ten seconds by default; the rest of the answer is ready


class Whole:
    """`overview` is None while Redis does not answer: what was true before says nothing."""

    def __init__(self, ask: Callable[[], Awaitable[Overview]]) -> None:
        self._ask = ask
        self._asked_at = -_FRESH_S
        self._asking = asyncio.Lock()
        self.overview: Overview | None = None

    async def refresh(self) -> None:
        """Look, unless that was done a moment ago."""
        async with self._asking:
            if time.monotonic() - self._asked_at < _FRESH_S:
                return
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    self.overview = await self._ask()
            except (RedisError, OSError, TimeoutError) as error:
                log.debug("Redis does not tell how it stands", error=str(error))  # the metric does
                self.overview = None
            self._asked_at = time.monotonic()
