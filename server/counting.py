"""Numbers that only grow: kept by the part that counts, read by GET /metrics.

All of it on the event loop's thread, so there is no lock and one more costs a fraction of a
microsecond. The words that something is counted under are few and the service's own, never an id;
whatever goes wrong with that, there are never more than `most` of them.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

Words = tuple[str, ...]

OTHER = "other"
"""What is counted under it would have been one word too many."""
_MOST = 300

QUICK_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)
"""Of a command to Redis or of a small file: 0.1 ms to 2.5 s."""
REQUEST_S = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Of a request: 2.5 ms to a minute, the longest that one may wait for a result."""
STAGE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Of a part of a job's way."""
JOB_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Of a job from its admission to its end: much of it may be waiting."""


class Counts:
    """How much of what, by words for `labels`."""

    __slots__ = ("_counts", "_most", "labels")

    def __init__(self, *labels: str, most: int = _MOST, known: Sequence[str | Words] = ()) -> None:
        """known: what is told as 0 before it has happened, so that its first time is a change."""
        self.labels = labels
        self._most = most
        self._counts: dict[Words, float] = {
            (one,) if isinstance(one, str) else one: 0 for one in known
        }
        if not labels:
            self._counts[()] = 0

    def add(self, *words: str, amount: float = 1) -> None:
        """Something happened."""
        counts = self._counts
        if words in counts:
            counts[words] += amount
        elif len(counts) < self._most:
            counts[words] = amount
        else:
            rest = (OTHER,) * len(words)
            counts[rest] = counts.get(rest, 0) + amount

    def all(self) -> Mapping[Words, float]:
        """As they stand."""
        return self._counts

    def __getitem__(self, words: Words) -> float:
        return self._counts.get(words, 0)


class Durations:
    """How long, in seconds: how many took at most each of `bounds`, and the sum, by words."""

    __slots__ = ("_held", "_most", "bounds", "labels")

    def __init__(
        self,
        *labels: str,
        bounds: Sequence[float],
        most: int = _MOST,
        known: Sequence[str | Words] = (),
    ) -> None:
        self.labels = labels
        self.bounds = tuple(bounds)
        self._most = most
        self._held: dict[Words, list[float]] = {}
        for one in known if labels else [()]:
            self._begin((one,) if isinstance(one, str) else one)

    def add(self, seconds: float, *words: str) -> None:
        """Something took so long."""
        held = self._held.get(words) or self._begin(words)
        held[bisect_left(self.bounds, seconds)] += 1
        held[-1] += seconds

    @contextmanager
    def timed(self, *words: str) -> Iterator[None]:
        """What is done meanwhile counts, also when it fails."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(time.perf_counter() - began, *words)

    def all(self) -> Iterator[tuple[Words, list[float], float]]:
        """Words, how many took at most each bound and (last) how many there were, their seconds."""
        for words, held in self._held.items():
            sums, below = [], 0.0
            for count in held[:-1]:
                below += count
                sums.append(below)
            yield words, sums, held[-1]

    def count(self, *words: str) -> int:
        """How many there were."""
        held = self._held.get(words)
        return 0 if held is None else int(sum(held[:-1]))

    def _begin(self, words: Words) -> list[float]:
        if words not in self._held and len(self._held) >= self._most:
            words = (OTHER,) * len(words)
        return self._held.setdefault(words, [0.0] * (len(self.bounds) + 2))
