"""Crop: cut a rectangle out of the picture as displayed."""

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pool.fault import Fault, Refused
from pool.steps.gravity import Gravity
from pool.steps.ratio import Aspect, aspect_size, fit
from pool.steps.resize import cut
from pool.steps.step import MAX_SIDE, Frame, Settings, Side, Size, Step

if TYPE_CHECKING:
    import pyvips

Offset = Annotated[int, Field(ge=0, le=MAX_SIDE, json_schema_extra={"unit": "px"})]


class Crop(Settings):
    """A rectangle inside the picture as displayed, that is after its EXIF orientation and trim.

    Either a box, with width and height, or the largest part that has an aspect.
    """

    x: Offset = Field(default=0, description="Pixels from the left edge of the picture.")
    y: Offset = Field(default=0, description="Pixels from the top edge of the picture.")
    width: Side | None = Field(default=None, description="Width of the box.")
    height: Side | None = Field(default=None, description="Height of the box.")
    aspect: Aspect | None = Field(
        default=None, description="Width to height of the largest part to keep, without a box."
    )
    gravity: Gravity = Field(
        default="center",
        description=(
            "Which part of that aspect is kept. attention keeps what draws the eye, entropy where "
            "most is going on."
        ),
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        has_box = self.width is not None and self.height is not None
        says_box = bool(self.x or self.y or self.width or self.height)
        if (self.aspect is None and not has_box) or (self.aspect is not None and says_box):
            got = "both" if self.aspect else "width or height alone" if says_box else "neither"
            wanted = "expected either width and height, or aspect, got {got}"
            raise PydanticCustomError("whole", wanted, {"got": got})
        if self.aspect is None and self.gravity != "center":
            wanted = "expected aspect with gravity {gravity}, got a box"
            raise PydanticCustomError("whole", wanted, {"gravity": self.gravity})
        return self


def size(before: Size, crop: Crop) -> Size:
    """The box's own size; one that reaches past an edge is refused, never moved or cut."""
    if crop.aspect is not None:
        return fit(aspect_size(crop.aspect), before, is_outside=False)
    width, height = crop.width or before.width, crop.height or before.height  # both are there
    right, bottom = crop.x + width, crop.y + height
    if right > before.width:
        raise Refused(_outside("x + crop.width", "wide", before.width, right))
    if bottom > before.height:
        raise Refused(_outside("y + crop.height", "high", before.height, bottom))
    return Size(width, height)


def apply(image: "pyvips.Image", crop: Crop, frame: Frame) -> "pyvips.Image":
    """Cut the rectangle; on a smaller decode, the nearest whole pixels to it."""
    across = image.width / frame.before.width
    down = image.height / frame.before.height
    if crop.aspect is not None:
        width = max(1, round(frame.after.width * across))
        return cut(image, Size(width, max(1, round(frame.after.height * down))), crop.gravity)
    left = min(round(crop.x * across), image.width - 1)
    top = min(round(crop.y * down), image.height - 1)
    right = min(max(left + 1, round((crop.x + frame.after.width) * across)), image.width)
    bottom = min(max(top + 1, round((crop.y + frame.after.height) * down)), image.height)
    return image.crop(left, top, right - left, bottom - top)


def _outside(sides: str, word: str, limit: int, actual: int) -> Fault:
    detail = f"crop.{sides} is {actual}, but the picture is only {limit} pixels {word}"
    return Fault("crop_outside", detail, limit=limit, actual=actual)


STEP = Step(apply=apply, size=size, scales=True, streams=True)
