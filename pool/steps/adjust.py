"""Adjust: brightness, contrast, saturation and hue, as the CSS filters of these names do it.

https://www.w3.org/TR/filter-effects-1/#FilterPrimitivesOverview
"""

from math import cos, radians, sin
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pool.steps.colour import is_coloured, joined, mapped, recombined, split
from pool.steps.rotate import Angle
from pool.steps.step import Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips

Factor = Annotated[float, Field(ge=0, le=10, json_schema_extra={"unit": "times"})]
Matrix = list[list[float]]

# Red, green and blue of a shade as bright as the colour, in the words of that page.
SHADE = (0.213, 0.715, 0.072)
HUE_COSINE = ((0.787, -0.715, -0.072), (-0.213, 0.285, -0.072), (-0.213, -0.715, 0.928))
HUE_SINE = ((-0.213, -0.715, 0.928), (0.143, 0.140, -0.283), (-0.787, 0.715, 0.072))


class Adjust(Settings):
    """Brightness first, then contrast, saturation, hue; a preview by CSS filters looks the same."""

    brightness: Factor = Field(default=1.0, description="Each colour times this; 0 is black.")
    contrast: Factor = Field(
        default=1.0, description="Distance from middle grey times this; 0 is all grey."
    )
    saturation: Factor = Field(
        default=1.0, description="Distance from the pixel's own grey times this; 0 is grey."
    )
    hue: Angle = Field(default=0.0, description="Turn around the colour circle.")


def size(before: Size, adjust: Adjust) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", adjust: Adjust, frame: Frame) -> "pyvips.Image":
    """A curve for brightness and contrast, a matrix for saturation and hue."""
    if adjust.brightness != 1 or adjust.contrast != 1:
        image = mapped(image, lambda value: _curve(value, adjust))
    if (adjust.saturation == 1 and adjust.hue % 360 == 0) or not is_coloured(image):
        return image
    colours, alpha = split(image)
    matrix = _product(_hue(adjust.hue), _saturation(adjust.saturation))
    return joined(recombined(colours, matrix), alpha)


def _curve(value: float, adjust: Adjust) -> float:
    bright = min(value * adjust.brightness, 1.0)
    return (bright - 0.5) * adjust.contrast + 0.5


def _saturation(amount: float) -> Matrix:
    return [
        [
            shade * (1 - amount) + (amount if row == column else 0)
            for column, shade in enumerate(SHADE)
        ]
        for row in range(3)
    ]


def _hue(angle: float) -> Matrix:
    across, down = cos(radians(angle)), sin(radians(angle))
    return [
        [
            SHADE[column] + HUE_COSINE[row][column] * across + HUE_SINE[row][column] * down
            for column in range(3)
        ]
        for row in range(3)
    ]


def _product(one: Matrix, other: Matrix) -> Matrix:
    columns = list(zip(*other, strict=True))
    return [
        [sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in one
    ]


STEP = Step(apply=apply, size=size, streams=True)
