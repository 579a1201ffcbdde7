"""Ratios: sizes scaled in whole numbers, and the text that names an aspect."""

from typing import Annotated

from pydantic import Field

from pool.steps.step import Size

Aspect = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$", examples=["16:9"])]


def aspect_size(aspect: str) -> Size:
    width, _, height = aspect.partition(":")
    return Size(int(width), int(height))


def fit(size: Size, box: Size, *, is_outside: bool) -> Size:
    """`size` scaled in its ratio to the largest inside the box, or the smallest outside it."""
    is_wider = size.width * box.height >= size.height * box.width
    if is_wider != is_outside:
        return Size(box.width, scaled_side(size.height, box.width, size.width))
    return Size(scaled_side(size.width, box.height, size.height), box.height)


def scaled_side(side: int, numerator: int, denominator: int) -> int:
    """side * numerator / denominator in whole numbers, halves up, at least 1."""
    return max(1, (2 * side * numerator + denominator) // (2 * denominator))
