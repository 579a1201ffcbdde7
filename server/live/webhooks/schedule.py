"""When a webhook that failed is tried again, and when it is given up. Pure."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_JITTER = 0.2  # of each pause, on top: receivers that fail together are not asked together again


@dataclass(frozen=True, slots=True)
class Schedule:
    """The pauses between attempts, in seconds; after the last of them there is one attempt more."""

    pauses_s: Sequence[float]
    max_retry_after_s: float
    chance: Callable[[], float] = random.random

    @property
    def attempts(self) -> int:
        """How often a webhook is tried, at most."""
        return len(self.pauses_s) + 1

    def pause_s(self, attempts: int, retry_after_s: float | None) -> float | None:
        """How long to wait after so many attempts; None: give up.

        A receiver may ask for more time than the schedule has, within bounds, but not for less:
        it would be asked seven times within a minute, and then never again.
        """
        if attempts >= self.attempts:
            return None
        pause_s = self.pauses_s[attempts - 1] * (1 + _JITTER * self.chance())
        return max(pause_s, self.asked_s(retry_after_s))

    def asked_s(self, retry_after_s: float | None) -> float:
        """What a Retry-After counts, in seconds; 0 without one."""
        return min(retry_after_s or 0.0, self.max_retry_after_s)
