"""Rotate: turn the picture clockwise, by quarter turns without loss or by any angle."""

from math import ceil, cos, radians, sin
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pool.steps.colour import Colour, ready_for, weighed
from pool.steps.step import Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips

Angle = Annotated[float, Field(ge=-360, le=360, json_schema_extra={"unit": "°"})]

SLACK = 1e-6  # pixels; what a cosine is wrong by must not add a line


class Rotate(Settings):
    """A turn clockwise, after EXIF orientation and resize.

    Beside quarter turns the picture grows to hold all of its corners.
    """

    angle: Angle = Field(description="Degrees clockwise; below 0 to the left.")
    color: Colour | None = Field(
        default=None,
        description="Fills the corners of a free angle: #rrggbb, or #rrggbbaa with its opacity "
        "(#00000000 is clear); left out: the recipe's background.",
    )


def size(before: Size, rotate: Rotate) -> Size:
    """A quarter turn changes width and height over; a free one gives the box of the corners."""
    return turned_size(before, rotate.angle)


def apply(image: "pyvips.Image", rotate: Rotate, frame: Frame) -> "pyvips.Image":
    """Turn without resampling where that is possible."""
    if rotate.angle % 90 == 0:
        return turned(image, rotate.angle, [])
    image, values = ready_for(image, rotate.color, frame.background)
    return turned(image, rotate.angle, values)


def turned_size(before: Size, angle: float) -> Size:
    if angle % 180 == 0:
        return before
    if angle % 90 == 0:
        return before.turned()
    across, down = abs(cos(radians(angle))), abs(sin(radians(angle)))
    width = before.width * across + before.height * down
    height = before.width * down + before.height * across
    return Size(ceil(width - SLACK), ceil(height - SLACK))


def turned(image: "pyvips.Image", angle: float, corners: list[int]) -> "pyvips.Image":
    """`corners` has a value for each band; it is not looked at for a quarter turn."""
    if angle % 90 == 0:
        return image.rot(f"d{round(angle % 360)}") if angle % 360 else image
    if image.hasalpha():
        *colours, alpha = corners
        corners = [*(round(value * alpha / 255) for value in colours), alpha]
    return weighed(image, lambda upright: _affine(upright, angle, corners))


def _affine(image: "pyvips.Image", angle: float, corners: list[int]) -> "pyvips.Image":
    import pyvips

    before = Size(image.width, image.height)
    after = turned_size(before, angle)
    across, down = cos(radians(angle)), sin(radians(angle))
    return image.affine(
        [across, -down, down, across],
        interpolate=pyvips.Interpolate.new("bicubic"),
        oarea=[0, 0, after.width, after.height],
        # Around the middle of both, and of pixels: libvips counts from their centres.
        idx=0.5 - before.width / 2,
        idy=0.5 - before.height / 2,
        odx=after.width / 2 - 0.5,
        ody=after.height / 2 - 0.5,
        background=corners,
        extend="background",
    )


STEP = Step(apply=apply, size=size)
