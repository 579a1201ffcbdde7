"""Resize: bring the picture to a size or into a box."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pool.steps.colour import ready_for, weighed
from pool.steps.gravity import COMPASS, Gravity, offset
from pool.steps.ratio import fit, scaled_side
from pool.steps.step import Frame, Settings, Side, Size, Step

if TYPE_CHECKING:
    import pyvips


class Resize(Settings):
    """A new size. With one side given the other follows the picture's ratio, whatever the fit.

    Sides are rounded to the nearest pixel, halves up, and are never below 1.
    """

    width: Side | None = Field(default=None, description="Width of the box.")
    height: Side | None = Field(default=None, description="Height of the box.")
    fit: Literal["inside", "outside", "cover", "contain", "fill"] = Field(
        default="inside",
        description=(
            "How the picture meets a box of both sides. inside: as large as fits, ratio kept. "
            "outside: as small as covers it, ratio kept. cover: fills it, the rest is cut off. "
            "contain: inside it, the rest is filled with background. fill: stretched to it."
        ),
    )
    enlarge: bool = Field(
        default=False,
        description=(
            "Whether the picture may become larger than it is. If not: inside and outside stop at "
            "the picture's own size; fill stops each side there; cover makes the box smaller in "
            "its own ratio until the picture covers it; contain keeps its exact box and pads more."
        ),
    )
    gravity: Gravity = Field(
        default="center",
        description=(
            "What cover keeps and where contain places the picture. attention keeps what draws "
            "the eye, entropy where most is going on; both need fit cover."
        ),
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.width is None and self.height is None:
            raise PydanticCustomError("whole", "expected width, height or both, got neither")
        if self.gravity not in COMPASS and self.fit != "cover":
            wanted = "expected fit cover with gravity {gravity}, got {fit}"
            raise PydanticCustomError("whole", wanted, {"gravity": self.gravity, "fit": self.fit})
        return self


def size(before: Size, resize: Resize) -> Size:
    """The announced size: the box for cover and contain, the scaled picture for the rest."""
    if resize.width is None or resize.height is None:
        return scaled(before, resize)
    if resize.fit == "contain":
        return Size(resize.width, resize.height)
    if resize.fit == "cover":
        return _covered_box(before, Size(resize.width, resize.height), enlarge=resize.enlarge)
    return scaled(before, resize)


def scaled(before: Size, resize: Resize) -> Size:
    """The size of the whole picture once scaled, before anything is cut off or padded."""
    wanted = _wanted(before, resize)
    if resize.enlarge:
        return wanted
    if resize.fit == "fill" and resize.width and resize.height:
        return Size(min(wanted.width, before.width), min(wanted.height, before.height))
    is_larger = wanted.width > before.width or wanted.height > before.height
    return before if is_larger else wanted


def reduction(before: Size, resize: Resize) -> float:
    """How many times smaller the picture becomes, on the side where it loses least."""
    after = scaled(before, resize)
    return min(before.width / after.width, before.height / after.height)


def apply(image: "pyvips.Image", resize: Resize, frame: Frame) -> "pyvips.Image":
    """Scale, then cut or pad to the announced size."""
    whole = scaled(frame.before, resize)
    if whole == frame.after:
        return stretched(image, whole)
    if resize.fit == "contain":
        return _pad(stretched(image, whole), resize.gravity, frame)
    if whole.width > frame.before.width or whole.height > frame.before.height:
        # Cut first when enlarging: a strip scaled to cover a box could be larger than memory.
        part = fit(frame.after, Size(image.width, image.height), is_outside=False)
        return stretched(cut(image, part, resize.gravity), frame.after)
    return cut(stretched(image, whole), frame.after, resize.gravity)


def _wanted(before: Size, resize: Resize) -> Size:
    if resize.width is None:
        assert resize.height is not None  # Resize refuses neither
        return Size(scaled_side(before.width, resize.height, before.height), resize.height)
    if resize.height is None:
        return Size(resize.width, scaled_side(before.height, resize.width, before.width))
    box = Size(resize.width, resize.height)
    if resize.fit == "fill":
        return box
    if resize.fit == "cover":
        box = _covered_box(before, box, enlarge=resize.enlarge)
    return fit(before, box, is_outside=resize.fit in ("cover", "outside"))


def _covered_box(before: Size, box: Size, *, enlarge: bool) -> Size:
    fits = box.width <= before.width and box.height <= before.height
    return box if enlarge or fits else fit(box, before, is_outside=False)


def stretched(image: "pyvips.Image", target: Size) -> "pyvips.Image":
    """The whole image resampled to a size."""
    if (image.width, image.height) == (target.width, target.height):
        return image
    across, down = target.width / image.width, target.height / image.height
    return weighed(image, lambda whole: whole.resize(across, vscale=down))


def cut(image: "pyvips.Image", box: Size, gravity: str) -> "pyvips.Image":
    """The part of a size that gravity chooses."""
    if gravity not in COMPASS:
        # It looks at the whole picture before it cuts, so the picture is read twice.
        return image.copy_memory().smartcrop(box.width, box.height, interesting=gravity)
    left, top = offset(box, Size(image.width, image.height), gravity)
    return image.crop(left, top, box.width, box.height)


def _pad(image: "pyvips.Image", gravity: str, frame: Frame) -> "pyvips.Image":
    image, values = ready_for(image, None, frame.background)
    left, top = offset(Size(image.width, image.height), frame.after, gravity)
    size = frame.after.width, frame.after.height
    return image.embed(left, top, *size, extend="background", background=values)


STEP = Step(apply=apply, size=size, scales=True, streams=True)
