"""One step on one picture in memory, and pictures as arrays to compare it with."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from pool.recipe import parse_recipe
from pool.steps import STEPS, Frame, Size

# Any: pixels, of whatever kind the computation needs.
Pixels = NDArray[Any]


def done(
    name: str,
    pixels: Pixels,
    settings: object,
    *,
    background: tuple[int, int, int] = (255, 255, 255),
    assets: Mapping[str, str] | None = None,
) -> Pixels:
    """What the step makes of the pixels; its size is the announced one."""
    step, checked = STEPS[name], getattr(parse_recipe({name: settings}), name)
    image = picture(pixels)
    before = Size(image.width, image.height)
    after = step.size(before, checked)
    made = step.apply(image, checked, Frame(before, after, background, assets or {}))
    assert (made.width, made.height) == (after.width, after.height)
    assert made.format == "uchar"
    assert made.interpretation == ("b-w" if made.bands < 3 else "srgb")
    return array(made)


def picture(pixels: Pixels) -> pyvips.Image:
    """Grey with one or two bands, sRGB with three or four."""
    pixels = np.asarray(pixels, dtype=np.uint8)
    image = pyvips.Image.new_from_array(np.atleast_3d(pixels))
    return image.copy(interpretation="srgb" if image.bands > 2 else "b-w")


def array(image: pyvips.Image) -> Pixels:
    return np.atleast_3d(image.numpy())


def noise(height: int, width: int, bands: int, seed: int = 3) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, bands), dtype=np.uint8)


def soft(height: int, width: int, bands: int = 3) -> Pixels:
    """Waves, as a photograph has them: no two neighbours far apart."""
    down, across = np.mgrid[0:height, 0:width]
    waves = [np.sin(across / (9 + band) + down / (13 - band)) * 90 + 128 for band in range(bands)]
    return np.rint(np.stack(waves, axis=2)).astype(np.uint8)


def plain(height: int, width: int, *values: int) -> Pixels:
    return np.full((height, width, len(values)), values, dtype=np.uint8)


def difference(one: Pixels, other: Pixels) -> float:
    """The largest of any sample."""
    return float(np.abs(one.astype(float) - other.astype(float)).max())


def red_on_clear_green(height: int = 40, width: int = 40) -> Pixels:
    """Opaque red on the left; on the right green that nobody may ever see."""
    pixels = plain(height, width, 0, 255, 0, 0)
    pixels[:, : width // 2] = (255, 0, 0, 255)
    return pixels


def has_no_fringe(pixels: Pixels) -> bool:
    """Whether all that shows of red_on_clear_green is pure red."""
    shown = pixels[pixels[..., 3] > 8]
    return bool((shown[:, 0] >= 250).all() and (shown[:, 1:3] <= 5).all())
