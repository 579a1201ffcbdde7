"""A progressive JPEG without the scans that a smaller picture has no need of.

Such a file tells its coefficients first roughly, and the bits that are left in scans of their own
at the end. Those last bits cost as much to decode as all that goes before, and hardly show once
the picture is made smaller. How much they would show is told before anything is decoded: from the
length of a scan, how many coefficients it changes; from the quantisation table, by how much; from
the reduction, what of it passes the resampler. docs/quality.md has what was measured beside it.
"""

import mmap
from functools import cache
from itertools import pairwise
from math import cos, pi, sin
from pathlib import Path

from pool.scans import BLOCK_SIDE, ZIGZAG, ProgressiveJpeg, Scan, Unlike, read_scans

LEAST_PSNR_DB = 43.0  # of the smaller picture, beside the same with every scan
BITS_A_CHANGE = 3  # of a scan: a run, a sign, and corrections of what was not 0 before
MOST_BYTES = 32 * 1024 * 1024  # of a file, since what is left of it is held in memory
MOST_BYTES_A_PIXEL = 1

_PLANES = (1, 3)  # grey or a colour and its differences: four are print
_FREQUENCIES = 64  # that a wave is asked for; half of them mirror the others
_STEPS = 8  # of a reduction of 1: as finely as it is told apart


def thinned(path: str, reduction: float) -> bytes | None:
    """The file as far as a picture `reduction` times smaller needs it.

    None: it is needed whole, or damaged, cut off, too large or of another kind.
    """
    if not 0 < Path(path).stat().st_size <= MOST_BYTES:
        return None
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        try:
            jpeg = read_scans(content)  # type: ignore[arg-type]  # sliced and searched like bytes
        except Unlike:
            return None
        spare = spare_scans(jpeg, reduction)
        most = jpeg.width * jpeg.height * MOST_BYTES_A_PIXEL
        if not spare or len(content) > most or len(jpeg.planes) not in _PLANES:
            return None
        edges = [0, *(edge for scan in spare for edge in (scan.begin, scan.end)), jpeg.end]
        return b"".join(content[begin:end] for begin, end in list(pairwise(edges))[::2])


def spare_scans(jpeg: ProgressiveJpeg, reduction: float) -> list[Scan]:
    """Those to leave out, in the file's order: from the last, while their sum stays in bounds."""
    room = 255**2 / 10 ** (LEAST_PSNR_DB / 10)
    spare: list[Scan] = []
    kept: list[Scan] = []
    for scan in reversed(jpeg.scans):
        is_left = scan.is_refinement and scan.first > 0  # the mean of a block is always needed
        error = mean_square_error(jpeg, scan, reduction) if is_left else room
        if error < room and not any(later.goes_on_from(scan) for later in kept):
            room -= error
            spare.insert(0, scan)
        else:
            kept.append(scan)
    return spare


def mean_square_error(jpeg: ProgressiveJpeg, scan: Scan, reduction: float) -> float:
    """How far the smaller picture is off without a scan of one component, in steps of 8 bits."""
    [name] = scan.planes
    plane = jpeg.planes[name]
    across = plane.across / max(one.across for one in jpeg.planes.values())
    down = plane.down / max(one.down for one in jpeg.planes.values())
    blocks = jpeg.width * jpeg.height * across * down / BLOCK_SIDE**2
    changes = (scan.end - scan.begin) * 8 / blocks / BITS_A_CHANGE  # in a block
    passes_across, passes_down = _passing(reduction * across), _passing(reduction * down)
    table, bit = jpeg.tables[plane.table], 1 << scan.after
    error = 0.0
    for place in range(scan.first, scan.last + 1):  # the slowest waves change first
        row, column = ZIGZAG[place]
        step = bit * table[place]
        error += min(1.0, changes) * step**2 * passes_down[row] * passes_across[column]
        changes -= 1
        if changes <= 0:
            break
    return error / BLOCK_SIDE**2


def _passing(reduction: float) -> tuple[float, ...]:
    most = _FREQUENCIES * _STEPS  # beyond half of it nothing passes but the mean
    return _passing_step(min(max(_STEPS, int(reduction * _STEPS)), most))


@cache  # of some hundred
def _passing_step(reduction: int) -> tuple[float, ...]:
    """Of each wave of a block the part of its energy that a smaller picture can still show."""
    highest = _FREQUENCIES * _STEPS // (2 * reduction)
    return tuple(sum(spectrum[: highest + 1]) / sum(spectrum) for spectrum in _spectra())


@cache
def _spectra() -> list[list[float]]:
    frequencies = range(_FREQUENCIES // 2 + 1)
    return [[_energy(wave, place) for place in frequencies] for wave in range(BLOCK_SIDE)]


def _energy(wave: int, frequency: int) -> float:
    """Of a wave of the block's transform, in a line that is empty beside the block."""
    shape = [cos(pi / BLOCK_SIDE * wave * (x + 0.5)) for x in range(BLOCK_SIDE)]
    turn = 2 * pi * frequency / _FREQUENCIES
    real = sum(value * cos(turn * x) for x, value in enumerate(shape))
    imaginary = sum(value * sin(turn * x) for x, value in enumerate(shape))
    is_mirrored = 0 < frequency < _FREQUENCIES // 2
    return (real**2 + imaginary**2) * (2 if is_mirrored else 1)
