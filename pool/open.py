"""A source file as an upright image in its colour space, decoded no larger than needed."""

from dataclasses import dataclass
from pathlib import Path

import pyvips

from pool.colour import to_space
from pool.frames import each_frame, still
from pool.probe import LOADERS, PAGED
from pool.records import Header
from pool.thinned import thinned

# The decoder may shrink while this factor is left to the resampler; libvips leaves 2. Measured on
# the photographs beside a full decode: from 1.5 up 39 dB or better, most 44 to 52. Where a JPEG
# spends few bits on a pixel there is little fine detail that could go wrong, and at 1.25 it is
# still 43 dB or better (docs/quality.md).
LEFT_TO_RESAMPLER = 1.5
LEFT_WHEN_SOFT = 1.25
SOFT_BITS_A_PIXEL = 1.0
# A crop box is rounded to pixels of the smaller decode: at 2.0 an edge moves by at most a quarter
# of an output pixel.
LEFT_AFTER_CROP = 2.0

MOST_RENDERED_PIXELS = 50_000_000  # of a drawing, however large it says to be or is wanted

TURNED_OVER = range(3, 9)  # EXIF orientations that need the last line of the file first


@dataclass(frozen=True, slots=True)
class Opening:
    """How to open a source: its kind and part, and by how much the decoder shrinks."""

    path: str
    format: str
    orientation: int
    shrink: float  # below 1 for a drawing that is rendered larger than it says
    thins_for: float | None = None  # the reduction, where scans of the file may not be needed
    page: int = 0
    frames: int = 1

    @property
    def needs_copy(self) -> bool:
        """Whether the decoded picture must stand in memory to be turned upright or cut apart."""
        return self.orientation in TURNED_OVER or self.frames > 1


def opening(path: str, header: Header, reduction: float, *, is_cropped: bool) -> Opening:
    """Choose the decoder's shrink for a picture needed `reduction` times smaller at most."""
    if header.format == "svg":
        largest = (header.width * header.height / MOST_RENDERED_PIXELS) ** 0.5
        return Opening(path, header.format, 1, max(min(1.0, reduction), largest))
    left = LEFT_WHEN_SOFT if _is_soft(path, header) else LEFT_TO_RESAMPLER
    room = reduction / (LEFT_AFTER_CROP if is_cropped else left)
    shrinks = (8, 4, 2) if header.format in ("jpeg", "webp") else ()
    shrink = next((shrink for shrink in shrinks if shrink <= room), 1)
    is_thinned = header.format == "jpeg" and header.progressive and room >= 1
    thins_for = reduction if is_thinned else None
    return Opening(path, header.format, header.orientation, shrink, thins_for)


def _is_soft(path: str, header: Header) -> bool:
    bits = Path(path).stat().st_size * 8
    return header.format == "jpeg" and bits < header.width * header.height * SOFT_BITS_A_PIXEL


def load(way: Opening) -> pyvips.Image:
    """Open lazily, lines from top to bottom; damage is an error and never a grey area."""
    options: dict[str, float] = {}
    if way.shrink != 1:
        options = {"shrink": way.shrink} if way.format == "jpeg" else {"scale": 1 / way.shrink}
    if way.format in PAGED:
        options |= {"page": way.page} if way.frames == 1 else {"n": way.frames}
    content = None if way.thins_for is None else thinned(way.path, way.thins_for)
    if content is not None:
        return pyvips.Image.jpegload_buffer(
            content, access="sequential", fail_on="error", **options
        )
    return LOADERS[way.format](way.path, access="sequential", fail_on="error", **options)


def upright(image: pyvips.Image, way: Opening, space: str = "srgb") -> pyvips.Image:
    """Colours and orientation of a loaded image put right; frames stay one below the other."""
    image = to_space(image, space)
    if way.frames > 1:
        roll = image.copy_memory()
        if way.orientation == 1:
            return roll
        return each_frame(roll, way.frames, lambda frame: frame.autorot())
    image = still(image)
    if way.orientation == 1:
        image.remove("orientation")  # none, 1, or a number without meaning
        return image
    # Decoded small, it is cheap to hold; a turn reads across the lines.
    return (image.copy_memory() if way.needs_copy else image).autorot()
