"""Many lines that say the same are told a few times and then counted, so no outage fills a disk."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

WINDOW_S = 10.0
_MOST_KINDS = 500

Kind = tuple[str, str, str, str]
"""Level, logger, event and code of a line."""


class Alike:
    """Counts lines of a kind in windows that begin with the first of them."""

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """most: lines of a kind in a window; 0: all. clock: seconds."""
        self._most = most
        self._clock = clock
        self._seen: OrderedDict[Kind, tuple[float, int]] = OrderedDict()
        """When a window began, and how many lines it has; the oldest window first."""

    @property
    def is_on(self) -> bool:
        """Whether anything is ever dropped."""
        return self._most > 0

    def admits(self, kind: Kind) -> bool:
        """Whether one more line of this kind is to be written; call due() before."""
        began, count = self._seen.get(kind, (self._clock(), 0))
        self._seen[kind] = began, count + 1  # the order is that of the beginnings
        return count < self._most

    def due(self) -> Iterator[tuple[Kind, int, float]]:
        """Of windows that are over: the kind, how many lines were dropped, and seconds."""
        now = self._clock()
        while self._seen:
            kind, (began, count) = next(iter(self._seen.items()))
            if now - began < WINDOW_S and len(self._seen) <= _MOST_KINDS:
                return
            del self._seen[kind]
            if count > self._most:
                yield kind, count - self._most, now - began
