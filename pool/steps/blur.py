"""Blur: soften the whole picture by a Gaussian."""

from math import ceil, sqrt
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pool.steps.colour import weighed
from pool.steps.step import Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips

Sigma = Annotated[float, Field(ge=0.3, le=250, json_schema_extra={"unit": "px"})]

LEAST_PART = 0.002  # where the bell curve is cut off, of its height
# A strong blur is made on a smaller picture, so that it costs no more than a weak one. Within 2
# levels of 255 of the slow way on noise, within a third of one on a photograph.
SIGMA_OF_SMALLER = 3.0
HELD_FROM = 4  # times smaller: little memory, and lines asked for again are not made again


class Blur(Settings):
    """As strong at the end as it says: a resize comes before it."""

    sigma: Sigma = Field(description="Width of the bell curve that a point becomes.")


def size(before: Size, blur: Blur) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", blur: Blur, frame: Frame) -> "pyvips.Image":
    """Colour and alpha alike."""
    return weighed(image, lambda whole: softened(whole, blur.sigma))


def softened(image: "pyvips.Image", sigma: float) -> "pyvips.Image":
    """The image through a Gaussian, whatever its bands are, as floats.

    In whole numbers libvips is ten times faster, and up to three levels too light or too dark.
    """
    shrink = int(sigma / SIGMA_OF_SMALLER)
    if shrink < 2:
        return image.gaussblur(sigma, min_ampl=LEAST_PART, precision="float")
    return _softened_small(image, sigma, shrink)


def _softened_small(image: "pyvips.Image", sigma: float, shrink: int) -> "pyvips.Image":
    import pyvips

    # Lengthened by its own edge lines, in whole blocks, or the blocks there would say too much.
    edge = ceil(3 * sigma / shrink) * shrink
    width = ceil((image.width + edge) / shrink) * shrink + edge
    height = ceil((image.height + edge) / shrink) * shrink + edge
    long = image.embed(edge, edge, width, height, extend="copy").cast("float")
    # Blocks and lines between their middles blur by themselves: by so much the curve is narrower.
    rest = sqrt(sigma**2 - (shrink**2 - 1) / 12 - shrink**2 / 6)
    small = long.shrink(shrink, shrink).gaussblur(
        rest / shrink, min_ampl=LEAST_PART, precision="float"
    )
    if shrink >= HELD_FROM:
        small = small.copy_memory()
    middle = (shrink - 1) / 2  # of a block's first pixel and its last
    return small.affine(
        [shrink, 0, 0, shrink],
        interpolate=pyvips.Interpolate.new("bilinear"),
        odx=middle,
        ody=middle,
        oarea=[edge, edge, image.width, image.height],
        extend="copy",
    )


STEP = Step(apply=apply, size=size)
