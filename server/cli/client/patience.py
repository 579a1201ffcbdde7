"""How long a busy or absent server is waited for, by all who send at once."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from server.cli.client.problem import Problem

T = TypeVar("T")

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 20.0
_JITTER = 0.2  # of a pause; not all come back at the same moment


class Patience:
    """One line for all requests: what one is told with 429 holds the others back, too.

    It ends when nothing at all has gone well for `limit_s`.
    """

    def __init__(self, limit_s: float, tell: Callable[[str], None]) -> None:
        self._limit_s = limit_s
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._went_well_at = self._loop.time()
        self._held_until = 0.0

    async def ask(self, request: Callable[[], Awaitable[T]]) -> T:
        """The request's answer, asked for again while that may help. Raises its last Problem."""
        failures = 0
        while True:
            if (left_s := self._held_until - self._loop.time()) > 0:
                await asyncio.sleep(left_s)
                continue  # it may have been put off again meanwhile
            try:
                answer = await request()
            except Problem as problem:
                if not problem.may_pass:
                    self._went_well_at = self._loop.time()  # a no is an answer, too
                    raise
                self._hold(problem, failures)
                failures += 1
            else:
                self._went_well_at = self._loop.time()
                return answer

    def _hold(self, problem: Problem, failures: int) -> None:
        """Put everybody's next request off, or raise the problem when that would be too long."""
        now = self._loop.time()
        pause_s = problem.retry_after_s
        if pause_s is None:
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(failures, 10))
        pause_s *= 1 + random.uniform(0, _JITTER)
        if now + pause_s > self._went_well_at + self._limit_s:
            raise problem
        if now + pause_s > self._held_until:
            if self._held_until < now:
                self._tell(f"{problem.title}; again in {pause_s:.0f} s")
            self._held_until = now + pause_s
