"""What one task works with: its order, its reporter, and the clock of its stages."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, time

from pool.ai.bench import Bench
from pool.progress import Reporter
from pool.records import Lap, Stage, Task


@dataclass(slots=True)
class Desk:
    """One per task."""

    task: Task
    reporter: Reporter
    bench: Bench
    timings_ms: dict[str, float] = field(default_factory=dict)
    began_s: float = field(default_factory=time)
    laps: list[Lap] = field(default_factory=list)

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """A stage, or more of it; its time adds up."""
        self.reporter.enter(stage)
        began = perf_counter()
        try:
            yield
        finally:
            taken_ms = (perf_counter() - began) * 1000
            self.timings_ms[stage.value] = self.timings_ms.get(stage.value, 0.0) + taken_ms
            if stage is not Stage.ENCODING:  # each file of that has a lap of its own
                self.lap(stage.value)

    def lap(self, name: str) -> None:
        """All since the lap before was this; two of one name that follow one another are one."""
        if self.laps and self.laps[-1].name == name:
            self.laps.pop()
        self.laps.append(Lap(name, time()))
