"""Rotate: turn the picture clockwise by quarter turns."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from pool.steps.step import Frame, Settings, Size, Step

if TYPE_CHECKING:
    import pyvips


def _is_integer(value: object) -> object:
    """Equal is not enough for a Literal here: False is not 0 and 90.0 is not 90 in our JSON."""
    if type(value) is not int:
        raise ValueError("not an integer")
    return value


class Rotate(Settings):
    """A turn clockwise, after EXIF orientation and resize."""

    angle: Annotated[Literal[0, 90, 180, 270], BeforeValidator(_is_integer)] = Field(
        description="Degrees clockwise.", json_schema_extra={"unit": "°"}
    )


def size(before: Size, rotate: Rotate) -> Size:
    """A quarter turn changes width and height over."""
    return before.turned() if rotate.angle in (90, 270) else before


def apply(image: "pyvips.Image", rotate: Rotate, frame: Frame) -> "pyvips.Image":
    """Turn without resampling."""
    return image.rot(f"d{rotate.angle}") if rotate.angle else image


STEP = Step(apply=apply, size=size)
