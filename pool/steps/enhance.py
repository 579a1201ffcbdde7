"""Enhance: take away noise and what JPEG left behind and keep what is sharp, by a network.

The classic engine measures the noise, smooths by that much (see denoise), and sharpens a little.
Noise: J. Immerkaer, Fast Noise Variance Estimation, 1996.
"""

import math
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pool.ai.engines import ENGINE_TEXT, MODEL_TEXT, Engine, ModelName
from pool.steps.colour import in_colour, is_coloured, joined, luma, split
from pool.steps.denoise import Denoise
from pool.steps.denoise import apply as smooth
from pool.steps.sharpen import Sharpen
from pool.steps.sharpen import apply as sharpen
from pool.steps.step import Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips

LEAST_NOISE = 1.5  # levels of 255; below it there is nothing to take away
CAUTION = 1.5  # strength to this power is done, so that half strength leaves clean pictures alone
SMOOTHED = 3.5  # the guided filter's strength for each level of noise: best PSNR on photographs
SHARPENED = 0.4  # at strength 1, of what is finer than 0.7 px, where there is little noise
SHARPENED_BELOW = 4.0


class Enhance(Settings):
    """Noise and JPEG artefacts go, detail stays; no size changes. On the picture as resized."""

    strength: Annotated[float, Field(ge=0, le=1, json_schema_extra={"unit": "of all"})] = Field(
        default=1.0, description="1 changes all that is found; 0.5 about a third of it."
    )
    engine: Engine = Field(default="auto", description=ENGINE_TEXT)
    model: ModelName | None = Field(default=None, description=MODEL_TEXT)


def size(before: Size, enhance: Enhance) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", enhance: Enhance, frame: Frame) -> "pyvips.Image":
    """By the network, on three bands of colour; alpha stays as it is."""
    model = frame.bench.network("enhance", enhance)
    if model is None:
        return _classic(image, enhance.strength, frame)
    _, alpha = split(image)
    colours = in_colour(image)[:3]
    made = frame.bench.run("enhance", colours, model, strength=enhance.strength**CAUTION)
    return joined(made if is_coloured(image) else luma(made), alpha)


def _classic(image: "pyvips.Image", strength: float, frame: Frame) -> "pyvips.Image":
    held = image.copy_memory()
    noise = noise_of(held)
    made = held
    if noise > LEAST_NOISE:
        made = smooth(made, Denoise(strength=min(100.0, SMOOTHED * noise)), frame)
    if noise < SHARPENED_BELOW:
        made = sharpen(made, Sharpen(sigma=0.7, amount=SHARPENED), frame)
    if strength == 1:
        return made
    colours, alpha = split(held)
    changed, _ = split(made)
    part = strength**CAUTION
    return joined(colours * (1 - part) + changed * part, alpha)


def noise_of(image: "pyvips.Image") -> float:
    """The deviation of white noise in brightness, in levels of 255; too high for fine texture."""
    import pyvips

    if min(image.width, image.height) < 3:
        return 0.0
    mask = pyvips.Image.new_from_array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    difference = luma(split(image)[0]).cast("float").conv(mask, precision="float").abs()
    return float(difference.avg()) * math.sqrt(math.pi / 2) / 6


STEP = Step(apply=apply, size=size)
