"""A source file as an upright image in sRGB or grey, decoded no larger than needed."""

from dataclasses import dataclass

import pyvips

from pool.colour import to_srgb
from pool.probe import LOADERS
from pool.records import Header

# The decoder may shrink while this factor is left to the resampler. Measured on the photographs
# against a full decode: from 1.5 up 42 dB or better (most 45 to 55), at 1.2 down to 34, at 1.0
# down to 22 dB, for a tenth less time than the 2.0 that libvips leaves.
LEFT_TO_RESAMPLER = 1.5
# A crop box is rounded to pixels of the smaller decode: at 2.0 an edge moves by at most a quarter
# of an output pixel.
LEFT_AFTER_CROP = 2.0

TURNED_OVER = range(3, 9)  # EXIF orientations that need the last line of the file first


@dataclass(frozen=True, slots=True)
class Opening:
    """How to open a source: its kind, and by how much the decoder shrinks."""

    path: str
    format: str
    orientation: int
    shrink: int

    @property
    def needs_copy(self) -> bool:
        """Whether the decoded picture must stand in memory to be turned upright."""
        return self.orientation in TURNED_OVER


def opening(path: str, header: Header, reduction: float, *, is_cropped: bool) -> Opening:
    """Choose the decoder's shrink for a picture needed `reduction` times smaller at most."""
    left = LEFT_AFTER_CROP if is_cropped else LEFT_TO_RESAMPLER
    room = reduction / left
    shrinks = (8, 4, 2) if header.format in ("jpeg", "webp") else ()
    shrink = next((shrink for shrink in shrinks if shrink <= room), 1)
    return Opening(path, header.format, header.orientation, shrink)


def load(way: Opening) -> pyvips.Image:
    """Open lazily, lines from top to bottom; damage is an error and never a grey area."""
    shrunk: dict[str, float] = {}
    if way.shrink > 1:
        shrunk = {"shrink": way.shrink} if way.format == "jpeg" else {"scale": 1 / way.shrink}
    return LOADERS[way.format](way.path, access="sequential", fail_on="error", **shrunk)


def upright(image: pyvips.Image, way: Opening) -> pyvips.Image:
    """Colours and orientation of a loaded image put right."""
    image = to_srgb(image)
    if way.orientation == 1:
        return image
    # Decoded small, it is cheap to hold; a turn reads across the lines.
    return (image.copy_memory() if way.needs_copy else image).autorot()
