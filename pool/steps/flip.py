"""Flip: mirror the picture top to bottom."""

from typing import TYPE_CHECKING

from pool.steps.step import Frame, Size, Step

if TYPE_CHECKING:
    import pyvips


def size(before: Size, flip: bool) -> Size:
    """Mirroring keeps the size."""
    return before


def apply(image: "pyvips.Image", flip: bool, frame: Frame) -> "pyvips.Image":
    """Mirror without resampling."""
    return image.flipver() if flip else image


STEP = Step(apply=apply, size=size)
