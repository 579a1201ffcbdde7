"""Pad: add a border, by sides or up to an aspect."""

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pool.steps.colour import Colour, ready_for
from pool.steps.gravity import Compass, offset
from pool.steps.ratio import Aspect, aspect_size, fit
from pool.steps.step import MAX_SIDE, Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips

Border = Annotated[int, Field(ge=0, le=MAX_SIDE, json_schema_extra={"unit": "px"})]


class Pad(Settings):
    """A border around the picture: its sides, or the smallest that gives an aspect."""

    top: Border = Field(default=0, description="Height of the border above.")
    right: Border = Field(default=0, description="Width of the border on the right.")
    bottom: Border = Field(default=0, description="Height of the border below.")
    left: Border = Field(default=0, description="Width of the border on the left.")
    aspect: Aspect | None = Field(
        default=None, description="Width to height of the result, instead of sides."
    )
    gravity: Compass = Field(
        default="center", description="Where the picture stands in that aspect."
    )
    color: Colour | None = Field(
        default=None,
        description="Of the border: #rrggbb, or #rrggbbaa with its opacity (#00000000 is clear); "
        "left out: the recipe's background.",
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        has_sides = any((self.top, self.right, self.bottom, self.left))
        if has_sides == (self.aspect is not None):
            got = "both" if has_sides else "neither"
            wanted = "expected either top, right, bottom or left above 0, or aspect, got {got}"
            raise PydanticCustomError("whole", wanted, {"got": got})
        return self


def size(before: Size, pad: Pad) -> Size:
    """The picture and its border."""
    if pad.aspect is None:
        width = pad.left + before.width + pad.right
        return Size(width, pad.top + before.height + pad.bottom)
    box = fit(aspect_size(pad.aspect), before, is_outside=True)
    return Size(max(box.width, before.width), max(box.height, before.height))


def apply(image: "pyvips.Image", pad: Pad, frame: Frame) -> "pyvips.Image":
    """Embed the picture in its border."""
    image, values = ready_for(image, pad.color, frame.background)
    left, top = pad.left, pad.top
    if pad.aspect is not None:
        left, top = offset(Size(image.width, image.height), frame.after, pad.gravity)
    size = frame.after.width, frame.after.height
    return image.embed(left, top, *size, extend="background", background=values)


STEP = Step(apply=apply, size=size, streams=True)
