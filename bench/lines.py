"""Line charts as SVG, one panel below the other, all over the same time."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, GAP = 720, 90, 70, 12, 34
COLOURS = ("#c0392b", "#2e86c1", "#27ae60")


@dataclass(frozen=True, slots=True)
class Curve:
    """What one side did: `values` at the times `at`."""

    name: str
    at: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Panel:
    """Some curves of one unit, drawn from zero up."""

    title: str
    curves: Sequence[Curve]


def drawing(unit: str, panels: Sequence[Panel]) -> str:
    """A whole SVG file; readable on light and on dark paper. The first panel's curves are named."""
    height = len(panels) * (HEIGHT + GAP) + 48
    end = max(curve.at[-1] for panel in panels for curve in panel.curves)
    parts = [_panel(end, panel, top=GAP + row * (HEIGHT + GAP)) for row, panel in enumerate(panels)]
    foot = height - 26
    parts.append(f'<text x="{LEFT}" y="{foot}">0</text>')
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{foot}" text-anchor="end">{end:.0f} {escape(unit)}</text>'
    )
    for place, (curve, colour) in enumerate(zip(panels[0].curves, COLOURS, strict=False)):
        x = place * WIDTH / len(COLOURS)
        parts.append(f'<rect x="{x:.0f}" y="{height - 15}" width="10" height="3" fill="{colour}"/>')
        parts.append(f'<text x="{x + 15:.0f}" y="{height - 9}">{escape(curve.name)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12" fill="#777">\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(end: float, panel: Panel, *, top: int) -> str:
    most = max(1e-9, *(value for curve in panel.curves for value in curve.values))
    across = (WIDTH - LEFT - RIGHT) / end
    bottom = top + HEIGHT
    drawn = []
    for curve, colour in zip(panel.curves, COLOURS, strict=False):
        points = " ".join(
            f"{LEFT + x * across:.1f},{top + HEIGHT * (1 - y / most):.1f}"
            for x, y in zip(curve.at, curve.values, strict=True)
        )
        drawn.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
    return (
        f'<text x="{LEFT}" y="{top - 8}">{escape(panel.title)}</text>'
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most:.4g}</text>'
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>'
        f'<path d="M{LEFT} {top}V{bottom}H{WIDTH - RIGHT}" fill="none" stroke="#999"/>'
        + "".join(drawn)
    )
