"""Bars beside one another as SVG, from what `--json` has written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

WIDTH, NAMES, BAR, ROOM = 720, 275, 18, 26
COLOURS = ("#c0392b", "#7f8c8d", "#b8a27a")
PAPER = 'font-family="sans-serif" font-size="12" fill="#777"'


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart: its parts lie one behind the other."""

    name: str
    parts: Sequence[float]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of one unit, drawn from zero up; `kinds` names the parts."""

    title: str
    bars: Sequence[Bar]
    kinds: Sequence[str] = ()


def draw_all(measured: Path, folder: Path) -> list[Path]:
    """A drawing for each of NAME.json that is there; returns the files that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, charts_of in CHARTS.items():
        source = measured / f"{name}.json"
        if source.exists():
            target = folder / f"{name}.svg"
            target.write_text(drawing(charts_of(json.loads(source.read_text()))), encoding="utf-8")
            written.append(target)
    return written


def drawing(charts: Sequence[Chart]) -> str:
    """A whole SVG file; readable on light and on dark paper."""
    parts, top = [], 20
    for chart in charts:
        parts.append(_chart(chart, top))
        top += 34 + ROOM * len(chart.bars)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" {PAPER}>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _chart(chart: Chart, top: int) -> str:
    most = max((sum(bar.parts) for bar in chart.bars), default=0) or 1.0
    scale = (WIDTH - NAMES - 70) / most
    kinds = " + ".join(chart.kinds)
    title = chart.title + (f": {kinds}" if kinds else "")
    lines = [f'<text x="0" y="{top}" font-weight="bold">{escape(title)}</text>']
    for row, bar in enumerate(chart.bars):
        y, x = top + 10 + row * ROOM, float(NAMES)
        lines.append(f'<text x="0" y="{y + 13}">{escape(bar.name)}</text>')
        for part, colour in zip(bar.parts, COLOURS, strict=False):
            width = part * scale
            lines.append(
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'
            )
            x += width
        lines.append(f'<text x="{x + 6:.1f}" y="{y + 13}">{sum(bar.parts):.4g}</text>')
    return "\n".join(lines)


def _throughput(found: Mapping[str, Any]) -> list[Chart]:
    bare, served = found["bare"], found["served"]
    rates = {"bare libvips": bare["pictures_per_s"]} | {
        name: one["pictures_per_s"] for name, one in served.items()
    }
    spent = [Bar("bare libvips", [bare["cpu_ms"]])]
    for name, one in served.items():
        cpu = one["cpu_ms"]
        spent.append(Bar(name, [cpu["workers"], cpu["server"] + cpu["redis"]]))
    return [
        Chart("CPU ms a picture", spent, ("workers", "server and Redis")),
        Chart("pictures a second", [Bar(name, [_middle(of)]) for name, of in rates.items()]),
    ]


def _latency(found: Mapping[str, Any]) -> list[Chart]:
    charts = []
    for share in next(iter(found["served"].values()))["by_load_ms"]:
        bars = [
            Bar(f"{name}, {at}", [one["by_load_ms"][share][at]])
            for name, one in found["served"].items()
            for at in ("p50", "p95", "p99")
        ]
        charts.append(Chart(f"ms to the completed event at {float(share):.0%} load", bars))
    return charts


def _fanout(found: Mapping[str, Any]) -> list[Chart]:
    rows = [
        (f"{name}, {count}", one)
        for name, by_count in found["served"].items()
        for count, one in by_count.items()
        if "failed" not in one
    ]
    told = [Bar(name, [one["spread_ms"]["p99"]]) for name, one in rows]
    held = [Bar(name, [one["bytes_a_socket"] / 1024]) for name, one in rows]
    return [Chart("ms until 99 % of the sockets are told", told), Chart("KiB a socket", held)]


def _overload(found: Mapping[str, Any]) -> list[Chart]:
    served = found["served"]
    answers = [
        Bar(name, [one["completed"], one["refused"], len(one["failed"])])
        for name, one in served.items()
    ]
    memory = [
        Bar(f"{name}, {when}", [one["pss_bytes"][when] / (1 << 20)])
        for name, one in served.items()
        for when in ("before", "peak")
    ]
    kinds = ("completed", "answered 429", "anything else")
    return [
        Chart("uploads at five times the capacity", answers, kinds),
        Chart("memory, MiB", memory),
    ]


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


CHARTS = {
    "throughput": _throughput,
    "throughput-small": _throughput,
    "latency": _latency,
    "fanout": _fanout,
    "overload": _overload,
}
