"""The kinds of file that can be written: what each can hold, its quality when none is asked."""

from dataclasses import dataclass
from typing import Literal

FormatName = Literal["jpeg", "png", "webp", "avif"]


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """One kind of file; `quality` is None where the format loses nothing."""

    extension: str
    has_alpha: bool
    max_side: int
    quality: int | None


# 80 is where JPEG and WebP stop showing blocks on photographs; AVIF at 50 looks like them at 80.
# max_side is the format's own bound (JPEG: that of libjpeg, AVIF: that of the encoder).
FORMATS: dict[FormatName, OutputFormat] = {
    "jpeg": OutputFormat(extension="jpg", has_alpha=False, max_side=65_500, quality=80),
    "png": OutputFormat(extension="png", has_alpha=True, max_side=65_500, quality=None),
    "webp": OutputFormat(extension="webp", has_alpha=True, max_side=16_383, quality=80),
    "avif": OutputFormat(extension="avif", has_alpha=True, max_side=16_384, quality=50),
}

AUTO: FormatName = "webp"  # what format "auto" means
