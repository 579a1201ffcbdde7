"""One row a metric: its name, type, meaning and labels, and where its values are read.

Nothing is counted here. The parts keep their own numbers, and a scrape reads them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from server.counting import Counts, Durations, Words

PREFIX = "safelight_"

Values = Mapping[Words, float] | Mapping[str, float] | float | None
"""By words of its labels, or of the only label, or without any; None: not known just now."""


@dataclass(frozen=True, slots=True)
class Row:
    """A metric without its prefix; a counter without `_total`."""

    kind: type[CounterMetricFamily] | type[GaugeMetricFamily]
    name: str
    text: str
    labels: Words
    read: Callable[[], Values]

    def family(self) -> Metric:
        """As it stands."""
        family = self.kind(PREFIX + self.name, self.text, labels=self.labels)
        values = self.read()
        if isinstance(values, int | float):
            family.add_metric((), values)
        elif values is not None:
            for words, value in values.items():
                family.add_metric((words,) if isinstance(words, str) else words, value)
        return family


@dataclass(frozen=True, slots=True)
class HistogramRow:
    """Durations in seconds."""

    name: str
    text: str
    durations: Durations

    def family(self) -> Metric:
        """As it stands."""
        durations = self.durations
        bounds = [*map(str, durations.bounds), "+Inf"]
        family = HistogramMetricFamily(PREFIX + self.name, self.text, labels=durations.labels)
        for words, sums, seconds in durations.all():
            family.add_metric(words, list(zip(bounds, sums, strict=True)), seconds)
        return family


AnyRow = Row | HistogramRow


def counter(name: str, text: str, counts: Counts) -> Row:
    """What a part has counted."""
    return Row(CounterMetricFamily, name, text, counts.labels, counts.all)


def counter_of(name: str, text: str, read: Callable[[], Values], *labels: str) -> Row:
    """A number that only grows and is kept elsewhere."""
    return Row(CounterMetricFamily, name, text, labels, read)


def gauge(name: str, text: str, read: Callable[[], Values], *labels: str) -> Row:
    """What goes up and down."""
    return Row(GaugeMetricFamily, name, text, labels, read)


def histogram(name: str, text: str, durations: Durations) -> HistogramRow:
    """How long something takes."""
    return HistogramRow(name, text, durations)


class Table(Collector):
    """All rows, for a registry."""

    def __init__(self, rows: Iterable[AnyRow]) -> None:
        self._rows = tuple(rows)

    def describe(self) -> Iterable[Metric]:
        """Their names, so that a second row of a name is refused; nothing is read for it."""
        return [
            (one.kind if isinstance(one, Row) else HistogramMetricFamily)(
                PREFIX + one.name, one.text, labels=()
            )
            for one in self._rows
        ]

    def collect(self) -> Iterable[Metric]:
        """Read all of it."""
        return [row.family() for row in self._rows]
