"""Pixelate: make blocks of one colour, of the whole picture or of a region to hide."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pool.fault import Fault, Refused
from pool.steps.colour import weighed
from pool.steps.step import MAX_SIDE, Frame, Settings, Side, Size, Step

if TYPE_CHECKING:
    import pyvips

Offset = Annotated[int, Field(ge=0, le=MAX_SIDE, json_schema_extra={"unit": "px"})]


class Region(Settings):
    """A rectangle of the picture as it is at this step: after crop, resize and rotate."""

    x: Offset = Field(default=0, description="Pixels from the left edge.")
    y: Offset = Field(default=0, description="Pixels from the top edge.")
    width: Side = Field(description="Width of the region.")
    height: Side = Field(description="Height of the region.")


class Pixelate(Settings):
    """Blocks begin at the top left; those at the other edges may be smaller."""

    block: Annotated[int, Field(ge=2, le=1000, json_schema_extra={"unit": "px"})] = Field(
        default=16, description="Side of a block."
    )
    region: Region | None = Field(
        default=None, description="What becomes blocks; left out: all. It must lie inside."
    )


def size(before: Size, pixelate: Pixelate) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", pixelate: Pixelate, frame: Frame) -> "pyvips.Image":
    """Every block its mean; a region that reaches out is refused: it would hide the wrong part."""
    region = pixelate.region
    if region is None:
        return _blocks(image, pixelate.block)
    right, bottom = region.x + region.width, region.y + region.height
    if right > image.width or bottom > image.height:
        raise Refused(_outside(Size(image.width, image.height), right, bottom))
    part = image.crop(region.x, region.y, region.width, region.height)
    return image.insert(_blocks(part, pixelate.block), region.x, region.y)


def _blocks(image: "pyvips.Image", block: int) -> "pyvips.Image":
    across, down = -(-image.width // block), -(-image.height // block)
    # What is beyond the edge repeats it, so that all blocks are whole.
    whole = image.embed(0, 0, across * block, down * block, extend="copy")
    small = weighed(whole, lambda even: even.cast("float").shrink(block, block))
    return small.zoom(block, block).crop(0, 0, image.width, image.height)


def _outside(picture: Size, right: int, bottom: int) -> Fault:
    if right > picture.width:
        side, word, limit, actual = "x + pixelate.region.width", "wide", picture.width, right
    else:
        side, word, limit, actual = "y + pixelate.region.height", "high", picture.height, bottom
    detail = f"pixelate.region.{side} is {actual}, but the picture is only {limit} pixels {word}"
    return Fault("region_outside", detail, limit=limit, actual=actual)


STEP = Step(apply=apply, size=size)
