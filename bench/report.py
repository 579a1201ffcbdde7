"""The figures of a run: as a table for people, as JSON for programs."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, and the budget it has to keep if there is one."""

    name: str
    value: str
    budget: str = ""
    is_kept: bool | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a scenario has measured."""

    title: str
    rows: tuple[Row, ...]
    figures: dict[str, Any]


def at_most(name: str, value: float, budget: float, unit: str = "") -> Row:
    """A figure that must not be above its budget."""
    return Row(name, f"{value:.3g}{unit}", f"≤ {budget:g}{unit}", value <= budget)


def at_least(name: str, value: float, budget: float, unit: str = "") -> Row:
    """A figure that must not be below its budget."""
    return Row(name, f"{value:.3g}{unit}", f"≥ {budget:g}{unit}", value >= budget)


def spread(values: Sequence[float]) -> str:
    """The median and the ends of what the rounds gave."""
    return f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds."""
    cuts = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [*seconds] * 99
    return {f"p{at}": round(cuts[at - 1] * 1000, 1) for at in (50, 95, 99)}


def in_words(percentiles: dict[str, float]) -> str:
    """Percentiles on one line."""
    return ", ".join(f"{name} {value:g}" for name, value in percentiles.items())


def show(report: Report) -> None:
    """Print it; what is over its budget stands out."""
    table = Table(title=report.title, title_justify="left")
    for heading in ("figure", "value", "budget"):
        table.add_column(heading)
    for row in report.rows:
        style = {None: None, True: "green", False: "bold red"}[row.is_kept]
        table.add_row(row.name, row.value, row.budget, style=style)
    Console(width=WIDTH).print(table)


def write(report: Report, path: Path) -> None:
    """The figures with what they were measured on."""
    machine = {
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": os.getloadavg(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"scenario": report.title, "machine": machine, **report.figures}
    path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
