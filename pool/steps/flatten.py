"""Flatten: put a colour under the transparent parts."""

from typing import TYPE_CHECKING

from pydantic import Field

from pool.steps.colour import PlainColour, ready_for
from pool.steps.step import Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips


class Flatten(Settings):
    """No transparency is left; a picture without any stays as it is."""

    color: PlainColour | None = Field(
        default=None, description="What comes under it; left out: the recipe's background."
    )


def size(before: Size, flatten: Flatten) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", flatten: Flatten, frame: Frame) -> "pyvips.Image":
    """Lay the picture over the colour."""
    if not image.hasalpha():
        return image
    image, values = ready_for(image, flatten.color, frame.background)
    return image.flatten(background=values[:-1])


STEP = Step(apply=apply, size=size, streams=True)
