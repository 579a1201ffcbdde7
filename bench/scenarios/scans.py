"""Progressive JPEGs without scans that do not show: the error foretold and true, the work saved."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import log10
from pathlib import Path
from statistics import median
from time import process_time
from typing import TYPE_CHECKING

from rich.progress import track

from bench import photos as pictures
from bench.report import Report, Row, at_least

if TYPE_CHECKING:
    import pyvips

WIDTHS = (200, 400, 800, 1600)
LEAST_REDUCTION = 1.5
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Thinned:
    """One photograph made smaller with and without its spare scans; decibels are PSNR."""

    photo: str
    width: int
    scans: int
    left: float  # of its bytes
    foretold_db: float
    measured_db: float
    decoding: float  # CPU time over that of the whole file, scaling included


def scans(folder: Path | None) -> Report:
    """All progressive JPEG files of a folder, or drawn ones."""
    with tempfile.TemporaryDirectory(prefix="safelight-bench-") as name:
        photos = pictures.in_folder(folder) if folder else _drawn(Path(name))
        asked = [(photo, width) for photo in photos for width in WIDTHS]
        found = [
            one
            for photo, width in track(asked, description="measuring")
            for one in _thinned(photo, width)
        ]
    return Report(
        "progressive JPEG without the scans that a smaller picture does not need",
        tuple(row for width in WIDTHS for row in _rows(width, found)),
        {"pictures": [asdict(one) for one in found]},
    )


def _drawn(folder: Path) -> list[Path]:
    import pyvips  # not above: the other scenarios leave libvips to their processes

    drawn = []
    for photo in pictures.generate(folder, "mixed"):
        path = folder / f"progressive-{photo.name}"
        pyvips.Image.jpegload(str(photo)).jpegsave(str(path), Q=90, interlace=True)
        drawn.append(path)
    return drawn


def _thinned(photo: Path, width: int) -> Iterator[Thinned]:
    from pool.scans import Unlike, read_scans
    from pool.thinned import mean_square_error, spare_scans, thinned

    whole = photo.read_bytes()
    try:
        jpeg = read_scans(whole)
    except Unlike:
        return
    reduction = jpeg.width / width
    spare = spare_scans(jpeg, reduction)
    part = thinned(str(photo), reduction)
    if reduction < LEAST_REDUCTION or part is None:
        return
    error = sum(mean_square_error(jpeg, scan, reduction) for scan in spare)
    (one, with_s), (other, without_s) = _smaller(whole, reduction), _smaller(part, reduction)
    off = ((one.cast("float") - other.cast("float")) ** 2).avg()
    yield Thinned(
        photo=photo.name,
        width=width,
        scans=len(spare),
        left=len(part) / len(whole),
        foretold_db=_psnr(error),
        measured_db=_psnr(off),
        decoding=without_s / with_s,
    )


def _smaller(content: bytes, reduction: float) -> "tuple[pyvips.Image, float]":
    """Decoded at full size and scaled: the least CPU time of some rounds."""
    import pyvips

    taken_s = []
    for _ in range(ROUNDS):
        began = process_time()
        image = pyvips.Image.jpegload_buffer(content, access="sequential")
        image = image.resize(1 / reduction).copy_memory()
        taken_s.append(process_time() - began)
    return image, min(taken_s)


def _psnr(error: float) -> float:
    return 10 * log10(255**2 / max(error, 0.1))  # less is rounding


def _rows(width: int, found: Sequence[Thinned]) -> Iterator[Row]:
    from pool.thinned import LEAST_PSNR_DB

    ours = [one for one in found if one.width == width]
    if not ours:
        return
    measured = [one.measured_db for one in ours]
    apart = [one.measured_db - one.foretold_db for one in ours]
    of = f"{width} px, {len(ours)} pictures"
    yield at_least(f"{of}: PSNR, the worst", min(measured), LEAST_PSNR_DB - 2, " dB")
    yield Row(f"{of}: PSNR, the middle", f"{median(measured):.1f} dB")
    yield Row(f"{of}: measured over foretold", f"{min(apart):+.1f} to {max(apart):+.1f} dB")
    yield Row(f"{of}: bytes that are read", f"{sum(one.left for one in ours) / len(ours):.0%}")
    decoding = sum(one.decoding for one in ours) / len(ours)
    yield Row(f"{of}: CPU over the whole file's", f"{decoding:.2f}")
