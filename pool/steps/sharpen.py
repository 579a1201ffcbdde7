"""Sharpen: by an unsharp mask on brightness, so that edges get no coloured seams."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pool.steps.blur import softened
from pool.steps.colour import joined, luma, split
from pool.steps.step import Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips


class Sharpen(Settings):
    """What is finer than sigma gets stronger by amount."""

    sigma: Annotated[float, Field(ge=0.3, le=20, json_schema_extra={"unit": "px"})] = Field(
        default=1.0, description="How fine the detail is that gets stronger."
    )
    amount: Annotated[float, Field(ge=0, le=10, json_schema_extra={"unit": "times"})] = Field(
        default=0.8, description="How much of the detail is added once more."
    )


def size(before: Size, sharpen: Sharpen) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", sharpen: Sharpen, frame: Frame) -> "pyvips.Image":
    """Add the difference between brightness and its blur; clear pixels have no say in it."""
    colours, alpha = split(image)
    shades = luma(colours).cast("float")
    if alpha is None:
        soft = softened(shades, sharpen.sigma)
    else:
        both = shades.bandjoin(alpha).copy(interpretation="b-w")
        soft = softened(both.premultiply(), sharpen.sigma).unpremultiply()[0]
    return joined(colours + (shades - soft) * sharpen.amount, alpha)


STEP = Step(apply=apply, size=size)
