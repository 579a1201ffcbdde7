"""Upscale: two or four times as many pixels a side, by a network that has seen what detail is."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from pool.ai.engines import ENGINE_TEXT, MODEL_TEXT, Engine, ModelName
from pool.fault import Fault, Refused
from pool.steps.colour import in_colour, is_coloured, joined, luma, rounded, split, weighed
from pool.steps.step import MAX_SIDE, Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips


class Upscale(Settings):
    """More pixels, before the picture is brought to the size that resize asks for."""

    factor: Annotated[
        Literal[2, 4], Field(json_schema_extra={"unit": "times", "minimum": 2, "maximum": 4})
    ] = Field(description="How many times longer each side becomes: 2 or 4.")
    engine: Engine = Field(default="auto", description=ENGINE_TEXT)
    model: ModelName | None = Field(default=None, description=MODEL_TEXT)


def size(before: Size, upscale: Upscale) -> Size:
    """Each side by the factor; Refused beyond the longest side there can be."""
    after = Size(before.width * upscale.factor, before.height * upscale.factor)
    longest = max(after.width, after.height)
    if longest > MAX_SIDE:
        detail = f"upscale would make a side of {longest} pixels; at most {MAX_SIDE} are made"
        raise Refused(Fault("output_too_large", detail, MAX_SIDE, longest))
    return after


def apply(image: "pyvips.Image", upscale: Upscale, frame: Frame) -> "pyvips.Image":
    """By the network, in as many passes as it takes; alpha by Lanczos."""
    after = frame.after
    model = frame.bench.network("upscale", upscale)
    if model is None:
        return weighed(image, lambda whole: _lanczos(whole, after))
    _, alpha = split(image)
    colours = in_colour(image)[:3]
    while colours.width < after.width:
        colours = frame.bench.run("upscale", colours, model)
    if colours.width > after.width:  # a network of a larger scale than is asked for
        colours = rounded(_lanczos(colours, after))
    large = None if alpha is None else rounded(_lanczos(alpha, after))
    return joined(colours if is_coloured(image) else luma(colours), large)


def _lanczos(image: "pyvips.Image", after: Size) -> "pyvips.Image":
    across, down = after.width / image.width, after.height / image.height
    return image.resize(across, vscale=down, kernel="lanczos3")


STEP = Step(apply=apply, size=size)
