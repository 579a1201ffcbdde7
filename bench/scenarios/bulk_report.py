"""What was seen of long lists: as rows with their budgets, as figures, as curves."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import lines, tree
from bench.report import Report, Row, at_most
from bench.services import OURS

MIB = 1024 * 1024
BUDGET_BYTES = 700
BUDGET_GROWTH_MIB = 24


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses: URLs that wait, pictures that are developed."""

    urls: int
    developed: int
    peers: bool = False
    plot: Path | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """How things stood; memory is PSS in MiB, but of Redis what it has allocated."""

    at_s: float
    server_mib: float
    all_mib: float
    redis_mib: float


@dataclass(slots=True)
class Side:
    """Of one service. `samples[:waited_to]`: until the first list was stopped."""

    samples: list[Sample] = field(default_factory=list)
    waited_to: int = 0
    admitted_per_s: float = 0.0
    redis_bytes_a_job: float = 0.0
    status_ms: float = 0.0
    cancel_s: float = 0.0
    developed_s: float = 0.0
    cpu: tree.Cpu = field(default_factory=tree.Cpu)
    completed: int = 0
    failed: int = 0


def report_of(options: Options, found: Mapping[str, Side]) -> Report:
    """Ours has budgets; the peers are what it is held beside."""
    rows = [row for name, side in found.items() for row in _rows(name, side, options)]
    figures = {
        "urls": options.urls,
        "developed": options.developed,
        "served": {name: _figures(side, options) for name, side in found.items()},
    }
    title = f"bulk, {options.urls} URLs that wait, then {options.developed} that are developed"
    return Report(title, tuple(rows), figures)


def _figures(side: Side, options: Options) -> dict[str, Any]:
    cpu_ms = {part: getattr(side.cpu, part) / options.developed * 1000 for part in tree.PARTS}
    return asdict(side) | {
        "cpu_ms": cpu_ms,
        "pictures_per_s": options.developed / side.developed_s,
        "server_growth_mib": _growth_mib(side),
    }


def _rows(name: str, side: Side, options: Options) -> Iterator[Row]:
    figures, is_ours = _figures(side, options), name == OURS
    before, waiting = side.samples[0], side.samples[: side.waited_to]
    bytes_a_job = "Redis, bytes a job that waits"
    growth = "the server's growth meanwhile"
    yield Row(f"[bold]{name}[/]", "")
    yield Row("URLs admitted a second", f"{side.admitted_per_s:.0f}")
    if is_ours:
        yield at_most(bytes_a_job, side.redis_bytes_a_job, BUDGET_BYTES)
        yield at_most(growth, _growth_mib(side), BUDGET_GROWTH_MIB, " MiB")
    else:
        yield Row(bytes_a_job, f"{side.redis_bytes_a_job:.0f}")
        yield Row(growth, f"{_growth_mib(side):.1f} MiB")
    most = max(one.all_mib for one in waiting)
    yield Row("memory of all before, at most, MiB (PSS)", f"{before.all_mib:.0f}, {most:.0f}")
    yield Row("to ask how the list stands, ms", f"{side.status_ms:.0f}")
    yield Row("to stop what waits, s", f"{side.cancel_s:.1f}")
    yield Row("completed, failed", f"{side.completed}, {side.failed}")
    yield Row("pictures a second", f"{figures['pictures_per_s']:.1f}")
    cpu_ms = figures["cpu_ms"]
    around = cpu_ms["server"] + cpu_ms["redis"]
    yield Row(
        "CPU ms a picture, of it server and Redis", f"{sum(cpu_ms.values()):.1f}, {around:.1f}"
    )
    most = max(one.all_mib for one in side.samples[side.waited_to :])
    yield Row("memory of all meanwhile, at most, MiB", f"{most:.0f}")


def _growth_mib(side: Side) -> float:
    before, *waiting = side.samples[: side.waited_to]
    return max(one.server_mib for one in waiting) - before.server_mib


def drawing(found: Mapping[str, Side]) -> str:
    """Memory over the time of both lists."""

    def panel(title: str, attribute: str) -> lines.Panel:
        curves = [
            lines.Curve(
                name,
                [one.at_s for one in side.samples],
                [getattr(one, attribute) for one in side.samples],
            )
            for name, side in found.items()
        ]
        return lines.Panel(title, curves)

    panels = [
        panel("server alone, PSS MiB", "server_mib"),
        panel("all processes, PSS MiB", "all_mib"),
        panel("Redis, allocated MiB", "redis_mib"),
    ]
    return lines.drawing("seconds", panels)
