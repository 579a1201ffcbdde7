"""How like its source an encoded picture looks, in the points of SSIMULACRA2: 100 is the same.

Three means of SSIM, which libvips can do in 25 ms, in the place of its 108: on photographs that
were not in the fit they come within 1.7 points of it (docs/quality.md).
"""

from math import log

import pyvips

BLOCK = 4
FLAT, ROUGH = 6.5, 58.5  # (1 % and 3 % of the range) squared, as SSIM takes them
FINE_TOLERANCE, MIDDLE_TOLERANCE, COARSE_TOLERANCE = 16, 1, 4  # times that: what noise hides
MIDDLE, COARSE = 2, 8  # times smaller
POINTS, FINE_POINTS, MIDDLE_POINTS, COARSE_POINTS = -9.035, -4.786, -4.139, -5.373
LEAST_LOSS = 1e-6


def likeness(one: pyvips.Image, other: pyvips.Image) -> float:
    """From the root of the mean square of what fine detail lost, and means of what coarser lost."""
    first, second = _light(one), _light(other)
    fine = 1 - _ssim(first, second, FINE_TOLERANCE)
    fine_loss = (fine * fine).avg() ** 0.5
    if fine_loss <= LEAST_LOSS:
        return 100.0
    middle_loss = _loss(first, second, MIDDLE, MIDDLE_TOLERANCE)
    coarse_loss = _loss(first, second, COARSE, COARSE_TOLERANCE)
    points = POINTS + FINE_POINTS * log(fine_loss + LEAST_LOSS)
    points += MIDDLE_POINTS * log(middle_loss + LEAST_LOSS)
    points += COARSE_POINTS * log(coarse_loss + LEAST_LOSS)
    return float(min(100.0, max(0.0, points)))


def _loss(one: pyvips.Image, other: pyvips.Image, times: int, tolerance: float) -> float:
    return float(max(0.0, 1 - _ssim(_smaller(one, times), _smaller(other, times), tolerance).avg()))


def _ssim(one: pyvips.Image, other: pyvips.Image, tolerance: float) -> pyvips.Image:
    """https://ece.uwaterloo.ca/~z70wang/research/ssim/ with means of blocks, as x264 takes them."""
    across, down = min(BLOCK, one.width), min(BLOCK, one.height)

    def mean(image: pyvips.Image) -> pyvips.Image:
        return image.shrink(across, down)

    mean_one, mean_other = mean(one), mean(other)
    own = mean(one * one) - mean_one * mean_one
    others = mean(other * other) - mean_other * mean_other
    shared = mean(one * other) - mean_one * mean_other
    flat, rough = FLAT * tolerance, ROUGH * tolerance
    alike = (mean_one * mean_other * 2 + flat) * (shared * 2 + rough)
    at_most = (mean_one * mean_one + mean_other * mean_other + flat) * (own + others + rough)
    return alike / at_most


def _smaller(image: pyvips.Image, times: int) -> pyvips.Image:
    return image.shrink(min(times, image.width), min(times, image.height)).copy_memory()


def _light(image: pyvips.Image) -> pyvips.Image:
    if image.hasalpha():
        image = image.flatten(background=[128.0] * (image.bands - 1))
    return image.colourspace("b-w").cast("float").copy_memory()
