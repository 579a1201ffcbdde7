"""One `system` message as a page for people, or as one line for a log."""

from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from server.cli.sending.show import size

_BLOCKS = " ▁▂▃▄▅▆▇█"
_MOST_LANES = 24
_MOST_CODES = 6


def page(told: dict[str, Any], server: str) -> Group:
    """All of it, worst first."""
    return Group(
        Text.from_markup(f"[bold]{escape(server)}[/]  {told['at'][11:19]} UTC   Ctrl-C ends it"),
        Text(),
        _numbers(told),
        Text(),
        Text.from_markup(f"completed in 15 min  [green]{sparks(told['history']['completed'])}[/]"),
        Text.from_markup(f"failed               [red]{sparks(told['history']['failed'])}[/]"),
        Text(),
        _lanes(told),
        Text(),
        _codes("refused in the last hour", told["rejected"]),
        _codes("failed in the last hour", told["errors"]),
    )


def line(told: dict[str, Any]) -> str:
    """Time, waiting, running, rates and latencies, apart by tabs."""
    queue, rate, latency = told["queue"], told["throughput"], told["latencyMs"]
    return "\t".join(
        (
            told["at"],
            f"waiting {_waiting(queue)}",
            f"processing {queue['processing']}",
            f"completed/s {rate['completedPerS']:g}",
            f"failed/s {rate['failedPerS']:g}",
            f"p95 {_ms(latency['p95'])}",
        )
    )


def sparks(numbers: list[int]) -> str:
    """A letter a number, as high as it is beside the largest."""
    most = max(numbers, default=0)
    if not most:
        return "·" * len(numbers)
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[-(-number * top // most)] for number in numbers)


def _numbers(told: dict[str, Any]) -> Table:
    queue, rate, latency = told["queue"], told["throughput"], told["latencyMs"]
    table = Table.grid(padding=(0, 3))
    oldest = queue["oldestAgeS"]
    waiting = f"{_waiting(queue)} of {queue['maxDepth']}"
    table.add_row(
        "[dim]waiting[/]",
        waiting + ("" if oldest is None else f", oldest {oldest:.0f} s"),
        "[dim]processing[/]",
        f"{queue['processing']}, {queue['delayed']} delayed",
        "[dim]to fetch[/]",
        str(queue["fetch"] + queue["fetchBulk"]),
    )
    table.add_row(
        "[dim]per second[/]",
        f"{rate['completedPerS']:g} done, {rate['failedPerS']:g} failed",
        "[dim]latency[/]",
        " ".join(f"{name} {_ms(value)}" for name, value in latency.items()),
        "[dim]quarantine[/]",
        _alarm(queue["quarantined"]),
    )
    redis, storage = told["redis"], told["storage"]
    redis_says = "[red]away[/]" if redis["latencyMs"] is None else f"{redis['latencyMs']:g} ms"
    free = storage["freeBytes"]
    table.add_row(
        "[dim]Redis[/]",
        f"{size(redis['usedBytes'] or 0)}, {redis_says}",
        f"[dim]{escape(storage['kind'])}[/]",
        "?" if free is None else f"{size(free)} free",
        "[dim]sockets[/]",
        str(told["sockets"]),
    )
    return table


def _lanes(told: dict[str, Any]) -> Table:
    table = Table("node", "lane", "state", "job", "stage", "memory", "jobs", "restarts", box=None)
    shown = 0
    for node in told["nodes"]:
        name = f"[red]{node['node']} silent[/]" if node["isGone"] else node["node"]
        for lane in node["lanes"][: _MOST_LANES - shown]:
            shown += 1
            progress = lane.get("progress")
            stage = f"{lane['stage']} {progress} %" if lane.get("stage") else ""
            table.add_row(
                *(name, lane["name"], lane["state"], lane.get("jobId") or "", stage),
                *(size(lane["rssBytes"]), str(lane["jobs"]), _alarm(lane["restarts"])),
            )
    return table


def _codes(title: str, counts: dict[str, int]) -> Text:
    found = sorted(counts.items(), key=lambda one: -one[1])[:_MOST_CODES]
    told = ", ".join(f"{code} {count}" for code, count in found) or "none"
    return Text.from_markup(f"[dim]{title}[/]  {escape(told)}")


def _waiting(queue: dict[str, Any]) -> int:
    return int(queue["interactive"] + queue["bulk"] + queue["ai"])


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _alarm(count: int) -> str:
    return f"[yellow]{count}[/]" if count else "0"
