"""Normalise: stretch brightness over the whole range, from black to white."""

from typing import TYPE_CHECKING

from pool.steps.colour import luma, mapped, rounded, split
from pool.steps.step import Frame, Size, Step

if TYPE_CHECKING:
    import pyvips

CUT_OFF = 0.01  # of the pixels, at either end: single specks do not decide


def size(before: Size, normalise: bool) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", normalise: bool, frame: Frame) -> "pyvips.Image":
    """One straight line for all colours, so that they keep their hue."""
    if not normalise:
        return image
    image = image.copy_memory()  # looked at as a whole, then read again
    low, high = _ends(_counts(image))
    if high <= low:
        return image
    return mapped(image, lambda value: (value * 255 - low) / (high - low))


def _counts(image: "pyvips.Image") -> list[float]:
    """How many pixels have each brightness; clear ones do not count."""
    colours, alpha = split(image)
    shades = rounded(luma(colours))
    if alpha is None:
        histogram = shades.hist_find()
    else:
        histogram = ((alpha > 0) / 255).hist_find_indexed(shades, combine="sum")
    counts: list[float] = [row for row in histogram.tolist()[0]]
    return counts


def _ends(counts: list[float]) -> tuple[int, int]:
    """The darkest and the lightest shade that count."""
    enough = CUT_OFF * sum(counts)
    return _first(counts, enough), len(counts) - 1 - _first(counts[::-1], enough)


def _first(counts: list[float], enough: float) -> int:
    total = 0.0
    for place, count in enumerate(counts):
        total += count
        if total > enough:
            return place
    return 0


STEP = Step(apply=apply, size=size)
