"""Resize: bring the picture to a size or into a box."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pool.steps.step import Frame, Settings, Side, Size, Step

if TYPE_CHECKING:
    import pyvips

Gravity = Literal[
    "center",
    "north",
    "northeast",
    "east",
    "southeast",
    "south",
    "southwest",
    "west",
    "northwest",
    "attention",
    "entropy",
]

# Halves of the free room left of and above the picture: 0 at the near edge, 1 centred, 2 far.
COMPASS: dict[str, tuple[int, int]] = {
    "center": (1, 1),
    "north": (1, 0),
    "northeast": (2, 0),
    "east": (2, 1),
    "southeast": (2, 2),
    "south": (1, 2),
    "southwest": (0, 2),
    "west": (0, 1),
    "northwest": (0, 0),
}


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
        return _scale(image, whole)
    if resize.fit == "contain":
        return _pad(_scale(image, whole), resize.gravity, frame)
    if whole.width > frame.before.width or whole.height > frame.before.height:
        # Cut first when enlarging: a strip scaled to cover a box could be larger than memory.
        part = _fit(frame.after, Size(image.width, image.height), is_outside=False)
        return _scale(_cut(image, part, resize.gravity), frame.after)
    return _cut(_scale(image, whole), frame.after, resize.gravity)


def _wanted(before: Size, resize: Resize) -> Size:
    if resize.width is None:
        assert resize.height is not None  # Resize refuses neither
        return Size(_round(before.width, resize.height, before.height), resize.height)
    if resize.height is None:
        return Size(resize.width, _round(before.height, resize.width, before.width))
    box = Size(resize.width, resize.height)
    if resize.fit == "fill":
        return box
    if resize.fit == "cover":
        box = _covered_box(before, box, enlarge=resize.enlarge)
    return _fit(before, box, is_outside=resize.fit in ("cover", "outside"))


def _covered_box(before: Size, box: Size, *, enlarge: bool) -> Size:
    fits = box.width <= before.width and box.height <= before.height
    return box if enlarge or fits else _fit(box, before, is_outside=False)


def _fit(size: Size, box: Size, *, is_outside: bool) -> Size:
    """`size` scaled in its ratio to the largest inside the box, or the smallest outside it."""
    is_wider = size.width * box.height >= size.height * box.width
    if is_wider != is_outside:
        return Size(box.width, _round(size.height, box.width, size.width))
    return Size(_round(size.width, box.height, size.height), box.height)


def _round(side: int, numerator: int, denominator: int) -> int:
    """side * numerator / denominator in whole numbers, halves up, at least 1."""
    return max(1, (2 * side * numerator + denominator) // (2 * denominator))


def _scale(image: "pyvips.Image", target: Size) -> "pyvips.Image":
    if (image.width, image.height) == (target.width, target.height):
        return image
    across, down = target.width / image.width, target.height / image.height
    if not image.hasalpha():
        return image.resize(across, vscale=down)
    # Colour under transparent pixels must not bleed into the edges: weigh it by alpha meanwhile.
    return image.premultiply().resize(across, vscale=down).unpremultiply().cast(image.format)


def _cut(image: "pyvips.Image", box: Size, gravity: str) -> "pyvips.Image":
    if gravity not in COMPASS:
        # It looks at the whole picture before it cuts, so the picture is read twice.
        return image.copy_memory().smartcrop(box.width, box.height, interesting=gravity)
    across, down = COMPASS[gravity]
    left = (image.width - box.width) * across // 2
    top = (image.height - box.height) * down // 2
    return image.crop(left, top, box.width, box.height)


def _pad(image: "pyvips.Image", gravity: str, frame: Frame) -> "pyvips.Image":
    red, green, blue = frame.background
    if image.interpretation == "b-w" and not red == green == blue:
        image = image.colourspace("srgb")
    colours = image.bands - (1 if image.hasalpha() else 0)
    background = [red, green, blue][:colours] + [255] * (image.bands - colours)
    across, down = COMPASS[gravity]
    box = frame.after
    left = (box.width - image.width) * across // 2
    top = (box.height - image.height) * down // 2
    return image.embed(left, top, box.width, box.height, extend="background", background=background)


STEP = Step(apply=apply, size=size, scales=True, streams=True)
