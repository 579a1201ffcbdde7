"""Flop: mirror the picture left to right."""

from typing import TYPE_CHECKING

from pool.steps.step import Frame, Size, Step

if TYPE_CHECKING:
    import pyvips


def size(before: Size, flop: bool) -> Size:
    """Mirroring keeps the size."""
    return before


def apply(image: "pyvips.Image", flop: bool, frame: Frame) -> "pyvips.Image":
    """Mirror without resampling."""
    return image.fliphor() if flop else image


STEP = Step(apply=apply, size=size, streams=True)
