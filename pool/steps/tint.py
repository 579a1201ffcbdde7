"""Tint: the picture in shades of one colour."""

from array import array
from typing import TYPE_CHECKING

from pydantic import Field

from pool.steps.colour import PlainColour, joined, rgba, split
from pool.steps.step import Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips

WHITE = 100.0  # lightness


class Tint(Settings):
    """Black stays black and white white; shades as light as the colour become the colour."""

    color: PlainColour = Field(description="The colour of the middle tones.")


def size(before: Size, tint: Tint) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", tint: Tint, frame: Frame) -> "pyvips.Image":
    """Each shade of grey by a table."""
    shades, alpha = split(image.colourspace("b-w"))
    return joined(shades.maplut(_table(rgba(tint.color)[:3])), alpha)


def _table(colour: list[int]) -> "pyvips.Image":
    """A colour for each of 256 greys, of the same lightness, on lines through CIE Lab."""
    import pyvips

    greys = pyvips.Image.new_from_memory(bytes(range(256)), 256, 1, 1, "uchar")
    light = greys.copy(interpretation="b-w").colourspace("lab")[0].tolist()[0]
    wanted = pyvips.Image.new_from_memory(bytes(colour), 1, 1, 3, "uchar")
    middle, a, b = wanted.copy(interpretation="srgb").colourspace("lab").getpoint(0, 0)
    rows = array("f")
    for lightness in light:
        part = _nearness(lightness, middle)
        rows.extend((lightness, a * part, b * part))
    table = pyvips.Image.new_from_memory(rows.tobytes(), 256, 1, 3, "float")
    return table.copy(interpretation="lab").colourspace("srgb").copy_memory()


def _nearness(lightness: float, middle: float) -> float:
    """1 at the colour, falling to 0 at black and at white."""
    if lightness <= middle:
        return lightness / middle if middle else 1.0
    return (WHITE - lightness) / (WHITE - middle)


STEP = Step(apply=apply, size=size, streams=True)
