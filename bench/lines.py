"""Line charts as SVG, one panel below the other over the same time."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, GAP = 720, 90, 70, 12, 34


@dataclass(frozen=True, slots=True)
class Panel:
    """One curve, drawn from zero up."""

    title: str
    values: Sequence[float]


def drawing(unit: str, at: Sequence[float], panels: Sequence[Panel]) -> str:
    """A whole SVG file; readable on light and on dark paper."""
    height = len(panels) * (HEIGHT + GAP) + 30
    parts = [_panel(at, panel, top=GAP + row * (HEIGHT + GAP)) for row, panel in enumerate(panels)]
    end = f"{at[-1]:.0f} {unit}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12" fill="#777">\n'
        + "\n".join(parts)
        + f'\n<text x="{LEFT}" y="{height - 8}">0</text>'
        f'<text x="{WIDTH - RIGHT}" y="{height - 8}" text-anchor="end">{escape(end)}</text>\n'
        "</svg>\n"
    )


def _panel(at: Sequence[float], panel: Panel, *, top: int) -> str:
    most = max(*panel.values, 1e-9)
    across = (WIDTH - LEFT - RIGHT) / at[-1]
    points = " ".join(
        f"{LEFT + x * across:.1f},{top + HEIGHT * (1 - y / most):.1f}"
        for x, y in zip(at, panel.values, strict=True)
    )
    bottom = top + HEIGHT
    return (
        f'<text x="{LEFT}" y="{top - 8}">{escape(panel.title)}</text>'
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most:.4g}</text>'
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>'
        f'<path d="M{LEFT} {top}V{bottom}H{WIDTH - RIGHT}" fill="none" stroke="#999"/>'
        f'<polyline points="{points}" fill="none" stroke="#c0392b" stroke-width="1.5"/>'
    )
