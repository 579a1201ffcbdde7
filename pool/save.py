"""One finished image as one file: encoded, with its digest."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path
from typing import Any

import pyvips
from pyvips.enums import ForeignKeep

from pool.colour import with_profile
from pool.formats import FORMATS, FormatName
from pool.plan import Plan
from pool.quality import Sought, fit_bytes, seek
from pool.recipe import Recipe
from pool.records import Output
from pool.variants import WrittenVariant

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
    "gif": {"effort": 5},
    "tiff": {"compression": "deflate", "predictor": "horizontal"},
}
BEST: dict[FormatName, dict[str, object]] = {
    "jpeg": {"trellis_quant": True, "overshoot_deringing": True, "optimize_scans": True},
    "webp": {"effort": 6},
    "avif": {"effort": 3},
    "png": {"compression": 9},
    "gif": {"effort": 8},
    "tiff": {},
}

# Beyond this, optimal codes (and the trellis, which needs them) cost too much memory: the encoder
# then holds 6 bytes for each pixel. A progressive file costs them in any case.
MOST_OPTIMISED_PIXELS = 16_000_000

KEPT = ForeignKeep.EXIF | ForeignKeep.XMP | ForeignKeep.IPTC | ForeignKeep.ICC
# The camera's own small picture, which shows what a crop was to hide.
EMBEDDED_THUMBNAIL = ("exif-ifd1-", "jpeg-thumbnail-data")


def save(
    image: pyvips.Image, plan: Plan, recipe: Recipe, workdir: str, check: Callable[[], None]
) -> Output:
    """Write a fitted image into `workdir`.

    `check` is asked between two encodings, and raises if the task is to stop.
    """
    variant = plan.variant
    path = _path(workdir, variant)
    quality = variant.quality

    def write(image: pyvips.Image, quality: int | None, path: Path) -> int:
        check()
        options = options_of(variant, recipe, image.width * image.height)
        SAVERS[variant.format](image, str(path), **options, **_q(quality))
        return path.stat().st_size

    sought = Sought(None, None)
    if quality == "auto":
        sought = seek(image, variant.format, plan.frames, path, write)
        quality = sought.quality
    size = write(image, quality, path)
    if variant.max_bytes is not None and size > variant.max_bytes:
        fitted = fit_bytes(variant, quality, size, lambda lower: write(image, lower, path))
        sought = Sought(fitted, None)
    output = Output(
        variant=variant.name,
        path=str(path),
        format=variant.format,
        width=image.width,
        height=image.height // plan.frames,
        bytes=0,
        digest="",
        frames=plan.frames,
        quality=sought.quality,
        score=sought.score,
    )
    return _settled(output)


def copy(output: Output, variant: WrittenVariant, workdir: str) -> Output:
    """The same file again under another name."""
    path = _path(workdir, variant)
    shutil.copyfile(output.path, path)
    return _settled(replace(output, variant=variant.name, path=str(path)))


def fitted(image: pyvips.Image, plan: Plan, recipe: Recipe) -> pyvips.Image:
    """The image as its format can hold it, as a copy whose metadata may be written."""
    background = list(plan.background)
    if image.hasalpha() and not FORMATS[plan.variant.format].has_alpha:
        if image.interpretation == "b-w" and len(set(background)) > 1:
            image = image.colourspace("srgb")
        image = image.flatten(background=background[: image.bands - 1])
    image = with_profile(image, recipe.color)
    if plan.variant.format == "gif" and recipe.color != "srgb":  # it can hold no profile
        image = image.icc_transform("srgb", embedded=True, depth=8).copy()
    for field in image.get_fields():
        if field.startswith(EMBEDDED_THUMBNAIL):
            image.remove(field)
    return image


def options_of(variant: WrittenVariant, recipe: Recipe, pixels: int) -> dict[str, Any]:
    """What the saver is told, but for the quality. Any: each saver has options of its own."""
    options: dict[str, Any] = {**OPTIONS[variant.format]}
    # Who has the quality sought wants small files, and the encoder to take its time.
    if recipe.effort == "best" or (variant.quality == "auto" and variant.format != "avif"):
        options |= BEST[variant.format]
    if variant.format == "jpeg":
        if pixels > MOST_OPTIMISED_PIXELS:
            options = OPTIONS["jpeg"] | {"optimize_coding": False}
        options["interlace"] = recipe.progressive
    if variant.format == "png" and recipe.palette:
        options |= {"palette": True, "filter": "none"}
    if variant.is_lossless and variant.format in ("webp", "avif"):
        options["lossless"] = True
    options["keep"] = KEPT if recipe.metadata == "keep" else ForeignKeep.NONE
    if recipe.color != "srgb":
        options["keep"] |= ForeignKeep.ICC
    return options


def _q(quality: int | None) -> dict[str, int]:
    return {} if quality is None else {"Q": quality}


def _path(workdir: str, variant: WrittenVariant) -> Path:
    return Path(workdir) / f"{variant.name}.{FORMATS[variant.format].extension}"


def _settled(output: Output) -> Output:
    with Path(output.path).open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
    return replace(output, bytes=size, digest=digest)


SAVERS: dict[FormatName, Callable[..., None]] = {
    "jpeg": pyvips.Image.jpegsave,
    "png": pyvips.Image.pngsave,
    "webp": pyvips.Image.webpsave,
    "avif": pyvips.Image.heifsave,
    "gif": pyvips.Image.gifsave,
    "tiff": pyvips.Image.tiffsave,
}
