"""Denoise: smooth faint detail away and keep edges, by a guided filter of the picture with itself.

K. He, J. Sun, X. Tang: Guided Image Filtering, https://arxiv.org/abs/1505.00996
"""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pool.steps.colour import joined, split
from pool.steps.step import Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips

WINDOW = 7  # pixels a side
LEAST_WEIGHT = 0.001  # of a clear pixel: where all are clear their colours count after all
TILE = 256


class Denoise(Settings):
    """Noise goes, edges stay. The time it takes does not depend on the strength."""

    strength: Annotated[float, Field(ge=1, le=100, json_schema_extra={"unit": "levels"})] = Field(
        default=10,
        description="Detail goes that differs from what is around it by less than about so many "
        "levels of 255.",
    )


def size(before: Size, denoise: Denoise) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", denoise: Denoise, frame: Frame) -> "pyvips.Image":
    """Each pixel by a straight line through its neighbours, flat where they hardly differ."""
    colours, alpha = split(image)
    weight = None if alpha is None else (alpha / 255).linear(1 - LEAST_WEIGHT, LEAST_WEIGHT)
    bands = colours.bands
    means = _means(colours.bandjoin(colours * colours), weight)
    mean, variance = means[:bands], means[bands : 2 * bands] - means[:bands] * means[:bands]
    slope = variance / (variance + denoise.strength**2)
    line = _means(slope.bandjoin(mean * (1 - slope)), weight)
    return joined(colours * line[:bands] + line[bands : 2 * bands], alpha)


def _means(values: "pyvips.Image", weight: "pyvips.Image | None") -> "pyvips.Image":
    """The mean around each pixel, kept a while: more than one thing is made of it."""
    import pyvips

    box = pyvips.Image.new_from_array([[1] * WINDOW], scale=WINDOW)
    if weight is None:
        means = values.convsep(box)
    else:
        means = (values * weight).convsep(box) / weight.convsep(box)
    return means.tilecache(
        tile_width=TILE, tile_height=TILE, max_tiles=2 * (values.width // TILE + 2), threaded=True
    )


STEP = Step(apply=apply, size=size)
