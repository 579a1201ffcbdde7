"""CLAHE: lift contrast place by place, without making noise of plain areas."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pool.steps.colour import joined, luma, rounded, split
from pool.steps.step import Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips


class Clahe(Settings):
    """Contrast-limited adaptive histogram equalisation, of brightness alone."""

    window: Annotated[int, Field(ge=3, le=128, json_schema_extra={"unit": "px"})] = Field(
        default=64, description="Side of the square around each pixel that it is compared with."
    )
    max_slope: Annotated[int, Field(ge=0, le=100, json_schema_extra={"unit": "times"})] = Field(
        default=3, alias="maxSlope", description="How much contrast may grow at most; 0: any."
    )


def size(before: Size, clahe: Clahe) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", clahe: Clahe, frame: Frame) -> "pyvips.Image":
    """Equalise brightness and add what it gained to each colour, which so keep their hue."""
    colours, alpha = split(image)
    shades = rounded(luma(colours))
    window = min(clahe.window, image.width), min(clahe.window, image.height)
    gain = shades.hist_local(*window, max_slope=clahe.max_slope) - shades
    return joined(colours + gain, alpha)


STEP = Step(apply=apply, size=size)
