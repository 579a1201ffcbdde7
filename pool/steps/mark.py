"""A mark on a picture: where it stands, how often, how strong; not what it shows."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pool.steps.colour import in_colour, rounded
from pool.steps.gravity import Compass, offset
from pool.steps.resize import stretched
from pool.steps.rotate import Angle, turned, turned_size
from pool.steps.step import MAX_SIDE, Settings, Size

if TYPE_CHECKING:
    import pyvips

Opacity = Annotated[float, Field(ge=0, le=1, json_schema_extra={"unit": "part"})]


class Mark(Settings):
    """Where a mark stands. It is never larger than the picture within the margin."""

    gravity: Compass = Field(default="southeast", description="Where the mark stands.")
    margin: Annotated[int, Field(ge=0, le=MAX_SIDE, json_schema_extra={"unit": "px"})] = Field(
        default=16, description="Free room to the picture's edges; between marks, with tile."
    )
    opacity: Opacity = Field(default=1.0, description="1 covers what is under it, 0 shows nothing.")
    rotate: Angle = Field(default=0.0, description="Degrees clockwise.")
    tile: bool = Field(default=False, description="Repeat it over the whole picture.")


def room(picture: Size, mark: Mark) -> Size:
    """What the margin leaves of the picture; of a small picture at least a pixel."""
    return Size(
        picture.width - 2 * _margin(picture.width, mark),
        picture.height - 2 * _margin(picture.height, mark),
    )


def drawn(
    image: "pyvips.Image", mark: Mark, make: Callable[[Size], "pyvips.Image | None"]
) -> "pyvips.Image":
    """The image with what `make` gives for the room there is, in sRGB with alpha; None: nothing."""
    picture = Size(image.width, image.height)
    overlay = make(room(picture, mark)) if mark.opacity else None
    if overlay is None:
        return image
    overlay = _faded(_turned(overlay, mark.rotate, room(picture, mark)), mark.opacity)
    overlay = overlay.copy_memory()  # small, and asked for line by line, again and again
    image = in_colour(image)
    if mark.tile:
        return _laid(image, _tiled(overlay, mark, picture))
    free = room(picture, mark)
    left, top = offset(Size(overlay.width, overlay.height), free, mark.gravity)
    left, top = left + _margin(picture.width, mark), top + _margin(picture.height, mark)
    under = image.crop(left, top, overlay.width, overlay.height)
    return image.insert(_laid(under, overlay), left, top)


def shrunk(image: "pyvips.Image", room: Size) -> "pyvips.Image":
    """The image as it is, or made just small enough for the room."""
    return stretched(image, shrunk_size(Size(image.width, image.height), room))


def shrunk_size(size: Size, room: Size) -> Size:
    part = min(1.0, room.width / size.width, room.height / size.height)
    return Size(max(1, int(size.width * part)), max(1, int(size.height * part)))


def _margin(side: int, mark: Mark) -> int:
    return min(mark.margin, (side - 1) // 2)


def _turned(overlay: "pyvips.Image", angle: float, room: Size) -> "pyvips.Image":
    if angle % 360 == 0:
        return shrunk(overlay, room)
    before = Size(overlay.width, overlay.height)
    after = turned_size(before, angle)
    part = min(1.0, room.width / after.width, room.height / after.height)
    smaller = Size(max(1, int(before.width * part)), max(1, int(before.height * part)))
    return shrunk(turned(stretched(overlay, smaller), angle, [0, 0, 0, 0]), room)


def _faded(overlay: "pyvips.Image", opacity: float) -> "pyvips.Image":
    if opacity == 1:
        return overlay
    alpha = rounded(overlay[3] * opacity)
    return overlay[:3].bandjoin(alpha).copy(interpretation="srgb")


def _tiled(overlay: "pyvips.Image", mark: Mark, picture: Size) -> "pyvips.Image":
    # A tile as large as the picture shows once; a margin beyond that would only cost memory.
    across = min(overlay.width + mark.margin, picture.width)
    down = min(overlay.height + mark.margin, picture.height)
    left, top = (across - overlay.width) // 2, (down - overlay.height) // 2
    tile = overlay.embed(left, top, across, down).copy_memory()
    rows = tile.replicate(-(-picture.width // across), -(-picture.height // down))
    return rows.crop(0, 0, picture.width, picture.height)


def _laid(image: "pyvips.Image", overlay: "pyvips.Image") -> "pyvips.Image":
    done = image.composite2(overlay, "over")
    return done if image.hasalpha() else done[:3]
