"""Crop: cut a rectangle out of the picture as displayed."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pool.fault import Fault, Refused
from pool.steps.step import MAX_SIDE, Frame, Settings, Side, Size, Step

if TYPE_CHECKING:
    import pyvips

Offset = Annotated[int, Field(ge=0, le=MAX_SIDE, json_schema_extra={"unit": "px"})]


class Crop(Settings):
    """A rectangle inside the picture as displayed, that is after its EXIF orientation."""

    x: Offset = Field(default=0, description="Pixels from the left edge of the picture.")
    y: Offset = Field(default=0, description="Pixels from the top edge of the picture.")
    width: Side = Field(description="Width of the rectangle.")
    height: Side = Field(description="Height of the rectangle.")


def size(before: Size, crop: Crop) -> Size:
    """The rectangle's own size; one that reaches past an edge is refused, never moved or cut."""
    right, bottom = crop.x + crop.width, crop.y + crop.height
    if right > before.width:
        raise Refused(_outside("x + crop.width", "wide", before.width, right))
    if bottom > before.height:
        raise Refused(_outside("y + crop.height", "high", before.height, bottom))
    return Size(crop.width, crop.height)


def apply(image: "pyvips.Image", crop: Crop, frame: Frame) -> "pyvips.Image":
    """Cut the rectangle; on a smaller decode, the nearest whole pixels to it."""
    across = image.width / frame.before.width
    down = image.height / frame.before.height
    left = min(round(crop.x * across), image.width - 1)
    top = min(round(crop.y * down), image.height - 1)
    right = min(max(left + 1, round((crop.x + crop.width) * across)), image.width)
    bottom = min(max(top + 1, round((crop.y + crop.height) * down)), image.height)
    return image.crop(left, top, right - left, bottom - top)


def _outside(sides: str, word: str, limit: int, actual: int) -> Fault:
    detail = f"crop.{sides} is {actual}, but the picture is only {limit} pixels {word}"
    return Fault("crop_outside", detail, limit=limit, actual=actual)


STEP = Step(apply=apply, size=size, scales=True, streams=True)
