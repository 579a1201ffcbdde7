"""The kinds of file that can be written: what each can hold, its quality when none is asked."""

from dataclasses import dataclass
from typing import Literal

FormatName = Literal["jpeg", "png", "webp", "avif", "gif", "tiff"]


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """One kind of file; `quality` is None where none can be chosen."""

    extension: str
    has_alpha: bool
    has_frames: bool
    can_be_lossless: bool
    max_side: int
    quality: int | None


# 80 is where JPEG and WebP stop showing blocks on photographs; AVIF at 50 looks like them at 80.
# max_side is the format's own bound (JPEG, PNG and TIFF: that of libjpeg, AVIF: of the encoder).
FORMATS: dict[FormatName, OutputFormat] = {
    "jpeg": OutputFormat("jpg", False, False, False, max_side=65_500, quality=80),
    "png": OutputFormat("png", True, False, True, max_side=65_500, quality=None),
    "webp": OutputFormat("webp", True, True, True, max_side=16_383, quality=80),
    "avif": OutputFormat("avif", True, False, True, max_side=16_384, quality=50),
    "gif": OutputFormat("gif", True, True, False, max_side=65_500, quality=None),
    "tiff": OutputFormat("tif", True, False, True, max_side=65_500, quality=None),
}

ANIMATED = ("gif", "webp")  # kinds of source whose frames are shown one after the other


AUTO: FormatName = "webp"  # what format "auto" means, wherever it can hold the picture


def chosen(max_side: int, *, has_alpha: bool) -> FormatName:
    """What format "auto" means for a picture this long."""
    if max_side <= FORMATS[AUTO].max_side:
        return AUTO
    return "png" if has_alpha else "jpeg"
