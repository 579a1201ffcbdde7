"""Grayscale: as light as before, without colour."""

from typing import TYPE_CHECKING

from pool.steps.step import Frame, Size, Step

if TYPE_CHECKING:
    import pyvips


def size(before: Size, grayscale: bool) -> Size:
    """Colours change, not the size."""
    return before


def apply(image: "pyvips.Image", grayscale: bool, frame: Frame) -> "pyvips.Image":
    """Brightness is summed up in linear light, as the eye does; the file gets one band."""
    return image.colourspace("b-w") if grayscale else image


STEP = Step(apply=apply, size=size, streams=True)
