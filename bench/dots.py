"""Dots of several kinds on one plane, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 60, 130, 20, 44
COLOURS = ("#c0392b", "#2e86c1", "#27ae60", "#8e44ad")
RADIUS = 3.5


@dataclass(frozen=True, slots=True)
class Kind:
    """Points (across, up) of one kind; hollow ones are drawn as rings."""

    name: str
    points: Sequence[tuple[float, float]]
    is_hollow: bool = False


def drawing(across: str, up: str, kinds: Sequence[Kind]) -> str:
    """A whole SVG file; readable on light and on dark paper. A pair of kinds shares a colour."""
    xs = [x for kind in kinds for x, _ in kind.points]
    ys = [y for kind in kinds for _, y in kind.points]
    low_x, high_x, low_y, high_y = min(xs), max(xs), min(ys), max(ys)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        part_x = (x - low_x) / ((high_x - low_x) or 1)
        part_y = (y - low_y) / ((high_y - low_y) or 1)
        return LEFT + part_x * wide, TOP + (1 - part_y) * high

    parts = [f'<path d="M{LEFT} {TOP}V{TOP + high}H{LEFT + wide}" fill="none" stroke="#999"/>']
    for number, kind in enumerate(kinds):
        colour = COLOURS[number // 2 % len(COLOURS)]
        paint = f'fill="none" stroke="{colour}"' if kind.is_hollow else f'fill="{colour}"'
        top = TOP + 10 + 18 * number
        legend = LEFT + wide + 14
        parts.append(f'<circle cx="{legend}" cy="{top - 4}" r="{RADIUS}" {paint}/>')
        parts.append(f'<text x="{legend + 10}" y="{top}">{escape(kind.name)}</text>')
        for x, y in (place(*point) for point in kind.points):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" {paint}/>')
    foot = TOP + high + 16
    parts += [
        f'<text x="{LEFT}" y="{foot}">{low_x:.4g}</text>',
        f'<text x="{LEFT + wide}" y="{foot}" text-anchor="end">{high_x:.4g}</text>',
        f'<text x="{LEFT + wide / 2}" y="{foot + 16}" text-anchor="middle">{escape(across)}</text>',
        f'<text x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{high_y:.4g}</text>',
        f'<text x="{LEFT - 6}" y="{TOP + high}" text-anchor="end">{low_y:.4g}</text>',
        f'<text x="{LEFT}" y="{TOP - 6}">{escape(up)}</text>',
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#777">\n' + "\n".join(parts) + "\n</svg>\n"
    )
