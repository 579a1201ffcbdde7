"""What was seen over a long time: as rows with their budgets, as figures, as curves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

from bench import lines, tree
from bench.client import Answers
from bench.report import Report, Row, at_most, in_words, percentiles_ms
from bench.services import OURS

MIB = 1024 * 1024
BUDGET_GROWTH_MIB = 8
BUDGET_REDIS_MIB = 1
SETTLED_AFTER = 0.2
"""The share of the busy time after which nothing should grow any more."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses: pictures in all, and a second; how long each is kept."""

    jobs: int
    rate: float
    peers: bool = False
    plot: Path | None = None
    keep_s: int = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """How things stood; memory is PSS in MiB, but of Redis what it has allocated."""

    at_s: float
    completed: int
    all_mib: float
    server_mib: float
    redis_mib: float
    redis_keys: int
    open_files: int
    pictures: int
    """Files of them."""
    disk_mib: float


@dataclass(frozen=True, slots=True)
class Side:
    """Of one service. `samples[:busy_to]`: while pictures came; the last: when all is forgotten."""

    samples: Sequence[Sample]
    busy_to: int
    answers: Answers
    cpu: tree.Cpu


def report_of(options: Options, found: Mapping[str, Side]) -> Report:
    """Ours has budgets; the peers are what it is held beside."""
    rows = [row for name, side in found.items() for row in _rows(name, side, options)]
    figures = {
        "jobs": options.jobs,
        "rate": options.rate,
        "served": {name: _figures(side, options) for name, side in found.items()},
    }
    title = f"soak, {options.jobs} pictures, {options.rate:g} a second"
    return Report(title, tuple(rows), figures)


def _figures(side: Side, options: Options) -> dict[str, Any]:
    before, busy, after = side.samples[0], side.samples[: side.busy_to], side.samples[-1]
    return {
        "completed": len(side.answers.taken_s),
        "refused": side.answers.refused,
        "failed": side.answers.failed,
        "upload_to_event_ms": percentiles_ms(side.answers.taken_s),
        "cpu_ms": side.cpu.total / options.jobs * 1000,
        "start": asdict(before),
        "most": {name: max(getattr(one, name) for one in busy) for name in _NAMES},
        "end": asdict(after),
        "slope_kib_per_1000": slope_kib_per_1000(busy),
        "server_growth_mib": _grown(busy, "server_mib"),
        "samples": [asdict(one) for one in side.samples],
    }


_NAMES = ("all_mib", "server_mib", "redis_mib", "redis_keys", "open_files", "pictures", "disk_mib")


def slope_kib_per_1000(busy: Sequence[Sample]) -> float:
    """KiB of all processes for each 1,000 pictures, by least squares, once it has warmed up."""
    warm = busy[int(len(busy) * SETTLED_AFTER) :]
    if len({one.completed for one in warm}) < 2:
        return 0.0
    done = [one.completed / 1000 for one in warm]
    return linear_regression(done, [one.all_mib * 1024 for one in warm]).slope


def _grown(busy: Sequence[Sample], name: str) -> float:
    """From the second tenth to the last."""
    tenth = max(1, len(busy) // 10)
    early, late = busy[tenth : 2 * tenth] or busy[:1], busy[-tenth:]
    return median(getattr(one, name) for one in late) - median(getattr(one, name) for one in early)


def _rows(name: str, side: Side, options: Options) -> Iterator[Row]:
    found, is_ours = _figures(side, options), name == OURS
    start, most, end = found["start"], found["most"], found["end"]

    def way(figure: str, form: str = ".1f") -> str:
        return " → ".join(format(one[figure], form) for one in (start, most, end))

    failed = len(found["failed"])
    yield Row(f"[bold]{name}[/]", "at the start → at most → all forgotten")
    yield Row("completed, refused, failed", f"{found['completed']}, {found['refused']}, {failed}")
    yield Row("upload to completed event, ms", in_words(found["upload_to_event_ms"]))
    yield Row("CPU ms a picture", f"{found['cpu_ms']:.1f}")
    yield Row("memory of all, MiB (PSS)", way("all_mib"))
    yield Row("its slope, KiB for 1,000 pictures", f"{found['slope_kib_per_1000']:.0f}")
    yield Row("the server alone, MiB (PSS)", way("server_mib"))
    growth = "its growth, second tenth → last"
    if is_ours:
        yield at_most(growth, found["server_growth_mib"], BUDGET_GROWTH_MIB, " MiB")
    else:
        yield Row(growth, f"{found['server_growth_mib']:.2f} MiB")
    yield Row("open files of all", way("open_files", "d"))
    yield Row("Redis, allocated MiB", way("redis_mib"))
    yield Row("keys in Redis", way("redis_keys", "d"))
    yield Row("files of pictures", way("pictures", "d"))
    yield Row("disk, MiB, with Redis' log and the history", way("disk_mib"))
    if is_ours:
        left = end["redis_mib"] - start["redis_mib"]
        yield at_most("Redis keeps", left, BUDGET_REDIS_MIB, " MiB")
        yield at_most("files of pictures left", end["pictures"], 0)


def drawing(found: Mapping[str, Side]) -> str:
    """What could grow, over time."""

    def panel(title: str, name: str) -> lines.Panel:
        curves = [
            lines.Curve(
                who,
                [one.at_s for one in side.samples],
                [getattr(one, name) for one in side.samples],
            )
            for who, side in found.items()
        ]
        return lines.Panel(title, curves)

    panels = [
        panel("all processes, PSS MiB", "all_mib"),
        panel("server alone, PSS MiB", "server_mib"),
        panel("Redis, allocated MiB", "redis_mib"),
        panel("keys in Redis", "redis_keys"),
        panel("files of pictures", "pictures"),
        panel("open files", "open_files"),
    ]
    return lines.drawing("seconds", panels)
