"""One finished image as one file: encoded, on the disk for certain, with its digest."""

import os
from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path
from typing import Any

import pyvips
from pyvips.enums import ForeignKeep

from pool.formats import FORMATS, FormatName
from pool.recipe import WrittenVariant
from pool.records import Output

# Measured on 800 px photographs (CPU ms, KB, PSNR):
# jpeg: baseline 2.5, 57, 37.7; optimal codes, table 3 5.0, 52, 37.9; progressive 6.8, 51; trellis
#   24, 50, 37.3. Smaller and better for 2.5 ms, and a baseline file opens with less memory.
# webp: effort 2 22, 41.6, 37.7; 4 43, 40.3, 38.1; 6 109, 38.3, 38.0. 4 is also what peers use.
# avif: effort 1 78, 21.8, 35.9; 2 112, 21.6, 36.0; 3 190, 20.5, 36.3; 4 770, 20.2, 36.5. Nothing
#   can stop this encoder once it runs, one more reason for a quick setting.
# png: the paeth filter takes 40 for 21 ms and writes 522 for 852 KB.
OPTIONS: dict[FormatName, dict[str, object]] = {
    "jpeg": {"optimize_coding": True, "quant_table": 3},
    "webp": {"effort": 4},
    "avif": {"compression": "av1", "effort": 2},
    "png": {"compression": 6, "filter": "paeth"},
}

# Beyond this, optimal codes cost too much memory: the encoder then holds 6 bytes for each pixel.
MOST_OPTIMISED_PIXELS = 16_000_000

KEPT = ForeignKeep.EXIF | ForeignKeep.XMP | ForeignKeep.IPTC | ForeignKeep.ICC
# The camera's own small picture, which shows what a crop was to hide.
EMBEDDED_THUMBNAIL = ("exif-ifd1-", "jpeg-thumbnail-data")


def save(image: pyvips.Image, variant: WrittenVariant, workdir: str, *, metadata: str) -> Output:
    """Write a fitted image into `workdir`; once it returns the file survives a power cut."""
    path = Path(workdir) / f"{variant.name}.{FORMATS[variant.format].extension}"
    _write(image, variant, str(path), KEPT if metadata == "keep" else ForeignKeep.NONE)
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
        os.fsync(file.fileno())
    return Output(
        variant=variant.name,
        path=str(path),
        format=variant.format,
        width=image.width,
        height=image.height,
        bytes=size,
        digest=digest,
    )


def fitted(
    image: pyvips.Image, variant: WrittenVariant, background: tuple[int, int, int]
) -> pyvips.Image:
    """The image as its format can hold it, as a copy whose metadata may be written."""
    if image.hasalpha() and not FORMATS[variant.format].has_alpha:
        if image.interpretation == "b-w" and len(set(background)) > 1:
            image = image.colourspace("srgb")
        image = image.flatten(background=list(background)[: image.bands - 1])
    image = image.copy()
    for field in image.get_fields():
        if field.startswith(EMBEDDED_THUMBNAIL):
            image.remove(field)
    return image


def _write(image: pyvips.Image, variant: WrittenVariant, path: str, keep: int) -> None:
    # Any: each saver has options of its own.
    options: dict[str, Any] = {**OPTIONS[variant.format], "keep": keep}
    if variant.format == "jpeg" and image.width * image.height > MOST_OPTIMISED_PIXELS:
        options["optimize_coding"] = False
    if variant.quality is not None:
        options["Q"] = variant.quality
    SAVERS[variant.format](image, path, **options)


SAVERS: dict[FormatName, Callable[..., None]] = {
    "jpeg": pyvips.Image.jpegsave,
    "png": pyvips.Image.pngsave,
    "webp": pyvips.Image.webpsave,
    "avif": pyvips.Image.heifsave,
}
