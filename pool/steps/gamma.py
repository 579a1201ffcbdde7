"""Gamma: make the middle tones lighter or darker; black and white stay."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pool.steps.colour import mapped
from pool.steps.step import Frame, Size, Step

if TYPE_CHECKING:
    import pyvips

Gamma = Annotated[float, Field(ge=0.1, le=10, json_schema_extra={"unit": "exponent"})]


def size(before: Size, gamma: float) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", gamma: float, frame: Frame) -> "pyvips.Image":
    """Every sample, from 0 to 1, to the power of 1 / gamma."""
    return mapped(image, lambda value: float(value ** (1 / gamma)))


STEP = Step(apply=apply, size=size, streams=True)
