"""How like its source an encoded picture looks, in the points of SSIMULACRA2: 100 is the same.

Two means of SSIM, which libvips can do in 20 ms, in the place of its 108: on the photographs they
come within 2.5 points of it (docs/quality.md).
"""

from math import log

import pyvips

BLOCK = 4
FLAT, ROUGH = 6.5, 58.5  # (1 % and 3 % of the range) squared, as SSIM takes them
FINE_TOLERANCE, COARSE_TOLERANCE = 16, 4  # times that: what noise hides
POINTS, FINE_POINTS, COARSE_POINTS = 1.5, -4.06, -8.0
LEAST_LOSS = 1e-6


def likeness(one: pyvips.Image, other: pyvips.Image) -> float:
    """From the root of the mean square of what fine detail lost, and the mean of what coarse."""
    first, second = _light(one), _light(other)
    fine = 1 - _ssim(first, second, FINE_TOLERANCE)
    coarse = 1 - _ssim(_quartered(first), _quartered(second), COARSE_TOLERANCE)
    fine_loss, coarse_loss = (fine * fine).avg() ** 0.5, coarse.avg()
    if fine_loss <= LEAST_LOSS:
        return 100.0
    points = POINTS + FINE_POINTS * log(fine_loss) + COARSE_POINTS * log(coarse_loss + LEAST_LOSS)
    return float(min(100.0, max(0.0, points)))


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


def _quartered(image: pyvips.Image) -> pyvips.Image:
    return image.shrink(min(4, image.width), min(4, image.height)).copy_memory()


def _light(image: pyvips.Image) -> pyvips.Image:
    if image.hasalpha():
        image = image.flatten(background=[128.0] * (image.bands - 1))
    return image.colourspace("b-w").cast("float").copy_memory()
