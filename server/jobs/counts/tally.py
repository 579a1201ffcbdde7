"""What this node has done lately: jobs ended, bytes, durations, refusals. Counts alone, bounded."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from server.jobs.counts.ever import Ever
from server.jobs.counts.histogram import bucket_of, percentile_ms
from server.jobs.job import Job, JobState

Key = TypeVar("Key", str, int)

RATE_S = 10
"""Rates are those of so many whole seconds."""
STEP_S, STEPS = 10, 90
"""The history: so many seconds a step, so many steps."""
_LATENCY_STEPS = 6
_CODES_SLOT_S, _CODES_SLOTS = 60, 60
_MOST_KEYS = 300  # of a slot: more than there are buckets, or codes

COMPLETED, FAILED, BYTES_IN, BYTES_OUT = "completed", "failed", "bytes_in", "bytes_out"


class Window(Generic[Key]):
    """Counts of the last while, in slots of time that are forgotten one after the other."""

    def __init__(self, slot_s: float, slots: int, clock: Callable[[], float]) -> None:
        self._slot_s = slot_s
        self._clock = clock
        self._slots: deque[tuple[int, Counter[Key]]] = deque(maxlen=slots + 1)

    def add(self, key: Key, amount: int = 1) -> None:
        """Count something that happens now."""
        number = self._now()
        if not self._slots or self._slots[-1][0] != number:
            self._slots.append((number, Counter()))
        counts = self._slots[-1][1]
        if key in counts or len(counts) < _MOST_KEYS:
            counts[key] += amount

    def total(self, *, last: int = 0, is_whole: bool = False) -> Counter[Key]:
        """Of the last slots (0: all); is_whole: without the present one, which is not over yet."""
        most = last or self._slots.maxlen or 1
        now = self._now()
        found: Counter[Key] = Counter()
        for number, counts in self._slots:
            if now - most < number <= now - is_whole:
                found.update(counts)
        return found

    def over(self) -> dict[int, Counter[Key]]:
        """The slots that are over, by number; those in which nothing happened are left out."""
        now, most = self._now(), self._slots.maxlen or 1
        return {number: counts for number, counts in self._slots if now - most < number < now}

    def _now(self) -> int:
        return int(self._clock() / self._slot_s)


@dataclass(frozen=True, slots=True)
class Recent:
    """One node's counts. `moved`: jobs and bytes of RATE_S seconds; `latency`: jobs of the last
    minute by bucket; `rejected`, `errors`: by code, of the last hour. `history`: steps in which
    something ended: number of the step since 1970, completed, failed, 95th percentile in ms."""

    moved: dict[str, int]
    latency: dict[int, int]
    rejected: dict[str, int]
    errors: dict[str, int]
    history: list[tuple[int, int, int, float | None]]


class Tally:
    """Counts what happens on this node."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._moved: Window[str] = Window(1, RATE_S, clock)
        # By the time of day, so that those of several nodes fit together.
        self._latency: Window[int] = Window(STEP_S, STEPS, wall_clock)
        self._ended: Window[str] = Window(STEP_S, STEPS, wall_clock)
        self._rejected: Window[str] = Window(_CODES_SLOT_S, _CODES_SLOTS, clock)
        self._errors: Window[str] = Window(_CODES_SLOT_S, _CODES_SLOTS, clock)
        self.ever = Ever()
        """The same and more since the start."""

    def arrived(self, bytes_in: int, media_format: str) -> None:
        """A picture of so many bytes came in."""
        self._moved.add(BYTES_IN, bytes_in)
        self.ever.files_in.add(media_format)
        self.ever.bytes_in.add(media_format, amount=bytes_in)

    def reused(self, jobs: int) -> None:
        """Jobs were complete as they came, by results that were there."""
        if jobs:
            self._count(COMPLETED, jobs)
            self._latency.add(0, jobs)
            self.ever.ended.add(JobState.COMPLETED, "", amount=jobs)

    def made(self, media_format: str, bytes_out: int) -> None:
        """A file of so many bytes was made for a job that has completed."""
        self._moved.add(BYTES_OUT, bytes_out)
        self.ever.files_out.add(media_format)
        self.ever.bytes_out.add(media_format, amount=bytes_out)

    def ended(self, job: Job, state: JobState, *, code: str, jobs: int) -> None:
        """A job was settled here; `jobs`: it and those that ended with it. code: of a failure."""
        self.ever.ended.add(state, code, amount=jobs)
        if state is JobState.COMPLETED:
            taken_ms = time.time() * 1000 - job.created_ms
            self._count(COMPLETED, jobs)
            self._latency.add(bucket_of(taken_ms), jobs)
            self.ever.durations.add(max(0.0, taken_ms / 1000), job.queue_class)
        elif state is JobState.FAILED:
            self._note_failed(code, jobs)

    def failed(self, code: str) -> None:
        """A job that cannot be read was ended here."""
        self.ever.ended.add(JobState.FAILED, code)
        self._note_failed(code, 1)

    def refused(self, code: str) -> None:
        """A request was refused for want of room, of quota or by a limit."""
        self._rejected.add(code)

    def went_wrong(self, code: str) -> None:
        """A request failed by a fault of ours."""
        self._errors.add(code)

    def recent(self) -> Recent:
        """The counts as they stand."""
        return Recent(
            moved=dict(self._moved.total(is_whole=True)),
            latency=dict(self._latency.total(last=_LATENCY_STEPS)),
            rejected=dict(self._rejected.total()),
            errors=dict(self._errors.total()),
            history=self._history(),
        )

    def _note_failed(self, code: str, jobs: int) -> None:
        self._count(FAILED, jobs)
        self._errors.add(code, jobs)

    def _count(self, what: str, jobs: int) -> None:
        self._moved.add(what, jobs)
        self._ended.add(what, jobs)

    def _history(self) -> list[tuple[int, int, int, float | None]]:
        latency = self._latency.over()
        return [
            (step, ended[COMPLETED], ended[FAILED], percentile_ms(latency.get(step, {}), 0.95))
            for step, ended in self._ended.over().items()
        ]
