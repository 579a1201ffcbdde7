"""Sepia: the browns of an old photograph, as the CSS filter sepia(1)."""

from typing import TYPE_CHECKING

from pool.steps.colour import in_colour, joined, recombined, split
from pool.steps.step import Frame, Size, Step

if TYPE_CHECKING:
    import pyvips

# https://www.w3.org/TR/filter-effects-1/#sepiaEquivalent
MATRIX = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))


def size(before: Size, sepia: bool) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", sepia: bool, frame: Frame) -> "pyvips.Image":
    """Every colour by one matrix."""
    if not sepia:
        return image
    colours, alpha = split(in_colour(image))
    return joined(recombined(colours, MATRIX), alpha)


STEP = Step(apply=apply, size=size, streams=True)
