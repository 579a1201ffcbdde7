"""Trim: cut off a border of one colour. The box is found in the pixels, before sizes are known."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pool.steps import crop
from pool.steps.colour import PlainColour, in_colour, is_coloured, rgba
from pool.steps.crop import Crop
from pool.steps.step import Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips

# What differs is no border if so many pixels of it lie within so many lines: dust does not count.
# (find_trim of libvips has a median for that: 2.6 s for 12 MP, and it loses lines one pixel wide.)
LEAST_PIXELS, LINES = 3, 3


class Trim(Settings):
    """A border goes as far as whole lines and columns are like its colour.

    Where everything is, nothing is cut.
    """

    threshold: Annotated[int, Field(ge=0, le=254, json_schema_extra={"unit": "levels"})] = Field(
        default=10,
        description="How far, of 255, a colour may be from the border's and still belong to it.",
    )
    color: PlainColour | None = Field(
        default=None,
        description="Colour of the border; left out: that of the top left corner, or clear there.",
    )


def find(image: "pyvips.Image", corner: list[float], trim: Trim) -> Crop:
    """The box of what is no border; `corner` is the top left pixel of the picture."""
    if trim.color is not None:
        image, border = in_colour(image), [float(value) for value in rgba(trim.color)[:3]]
    elif image.hasalpha() and corner[-1] <= trim.threshold:
        image, border = image[image.bands - 1], [0.0]
    else:
        border = corner[: 3 if is_coloured(image) else 1]
    columns, rows = _differing(image, border, trim.threshold).project()
    left, right = _ends(columns.tolist()[0])
    top, bottom = _ends([total for [total] in rows.tolist()])
    if left is None or right is None or top is None or bottom is None:
        return Crop(width=image.width, height=image.height)
    return Crop(x=left, y=top, width=right - left + 1, height=bottom - top + 1)


def _differing(image: "pyvips.Image", border: list[float], threshold: int) -> "pyvips.Image":
    """One band: 255 where any colour is farther from the border's than the threshold."""
    import pyvips

    if image.hasalpha():
        image = image.flatten(background=border)
    table = bytes(
        255 if abs(value - own) > threshold else 0 for value in range(256) for own in border
    )
    lut = pyvips.Image.new_from_memory(table, 256, 1, len(border), "uchar")
    return image.maplut(lut).bandbool("or")


def _ends(sums: list[float]) -> tuple[int | None, int | None]:
    """The first and the last line that is no border, by the sum of each line."""
    counts = [total / 255 for total in sums]
    near = [sum(counts[place : place + LINES]) for place in range(len(counts))]
    inner = [
        place
        for place, count in enumerate(counts)
        if count and max(near[max(0, place - LINES + 1) : place + 1]) >= LEAST_PIXELS
    ]
    return (inner[0], inner[-1]) if inner else (None, None)


def size(before: Size, trim: Trim | Crop) -> Size:
    """The box once it is found; until then all of the picture, which is the most it can be."""
    return before if isinstance(trim, Trim) else crop.size(before, trim)


def apply(image: "pyvips.Image", box: Crop, frame: Frame) -> "pyvips.Image":
    """Cut the box that was found."""
    return crop.apply(image, box, frame)


STEP = Step(apply=apply, size=size, scales=True, streams=True)
