"""The lowest quality that will do: for the eye (`seek`), or for a number of bytes (`fit_bytes`).

docs/quality.md says why this measure, and what it saves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyvips

from pool.fault import Fault, Refused
from pool.formats import FormatName
from pool.frames import first_frame, still
from pool.likeness import likeness
from pool.probe import LOADERS
from pool.variants import WrittenVariant

# SSIMULACRA2 calls 70 high quality. WebP's is that of the worst photograph at a fixed 80: with the
# target of the others it would save much less beside what people use.
TARGETS: dict[FormatName, float] = {"jpeg": 70.5, "webp": 66.5, "avif": 70.5}
RANGES: dict[FormatName, tuple[int, int]] = {"jpeg": (40, 95), "webp": (40, 97), "avif": (30, 92)}
MOST_TRIALS = 6
LOWEST_QUALITY = 5  # to fit a number of bytes
MOST_FITTINGS = 6

# A larger picture is judged by tiles of it, at their full size: a smaller copy is another picture.
JUDGED_SIDE = 704
TILES = 4
TILE_SIDE = JUDGED_SIDE // TILES  # a multiple of the blocks of every encoder

Write = Callable[[pyvips.Image, int | None, Path], int]  # how many bytes were written


@dataclass(frozen=True, slots=True)
class Sought:
    """The quality found, and how near to the picture it comes."""

    quality: int | None
    score: float | None


def seek(image: pyvips.Image, kind: FormatName, frames: int, path: Path, write: Write) -> Sought:
    """The lowest quality at which the picture still looks right, from a few trials on a sample."""
    part = sample(image, frames)
    trial = path.with_name(f"{path.stem}.trial{path.suffix}")
    low, high = RANGES[kind]
    found: Sought | None = None
    try:
        for _ in range(MOST_TRIALS):
            quality = (low + high) // 2
            write(part, quality, trial)
            score = likeness(part, LOADERS[kind](str(trial)))
            if score >= TARGETS[kind]:
                found, high = Sought(quality, round(score, 2)), quality - 1
            else:
                low = quality + 1
            if low > high:
                break
    finally:
        trial.unlink(missing_ok=True)
    return found or Sought(RANGES[kind][1], None)


def fit_bytes(
    variant: WrittenVariant, quality: int | None, size: int, write: Callable[[int], int]
) -> int:
    """The highest quality below `quality` whose file fits; it is what was written last."""
    most = variant.max_bytes or 0
    if quality is None:
        raise Refused(_too_small(variant, size, "without loss"))
    low, high = LOWEST_QUALITY, quality - 1
    smallest = write(low) if low <= high else size
    if smallest > most:
        raise Refused(_too_small(variant, smallest, "at the lowest quality"))
    best = last = low
    low += 1
    for _ in range(MOST_FITTINGS):
        if low > high:
            break
        last = (low + high) // 2
        if write(last) <= most:
            best, low = last, last + 1
        else:
            high = last - 1
    if last != best:
        write(best)
    return best


def sample(image: pyvips.Image, frames: int) -> pyvips.Image:
    """What is judged: the picture itself, or as many tiles spread over it."""
    image = still(first_frame(image, frames) if frames > 1 else image)
    if image.width * image.height <= JUDGED_SIDE * JUDGED_SIDE:
        return image.copy_memory()
    if min(image.width, image.height) < TILE_SIDE * TILES:
        width, height = min(image.width, JUDGED_SIDE), min(image.height, JUDGED_SIDE)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return image.crop(left, top, width, height).copy_memory()
    across = (image.width - TILE_SIDE) / (TILES - 1)
    down = (image.height - TILE_SIDE) / (TILES - 1)
    tiles = [
        image.crop(int(across * x), int(down * y), TILE_SIDE, TILE_SIDE)
        for y in range(TILES)
        for x in range(TILES)
    ]
    return pyvips.Image.arrayjoin(tiles, across=TILES).copy_memory()


def _too_small(variant: WrittenVariant, actual: int, how: str) -> Fault:
    detail = (
        f"variant {variant.name} has {actual} bytes {how}; at most {variant.max_bytes} are wanted"
    )
    return Fault("max_bytes_too_small", detail, limit=variant.max_bytes, actual=actual)
