"""ThumbHash: a picture in some 25 bytes, from which a browser paints a blurred one.

Written from the description and reference at https://evanw.github.io/thumbhash/.
"""

from collections.abc import Sequence
from functools import cache
from math import cos, floor, pi
from operator import mul

HIGHEST_SIDE = 100

_PARTS = [1.0 / 255 * value for value in range(256)]  # of an opaque pixel

# Red, green and blue, a byte a pixel in each.
Planes = tuple[bytes, bytes, bytes]


def thumbhash(width: int, height: int, planes: Planes, alpha: bytes | None = None) -> bytes:
    """The hash of a picture, colours not premultiplied, row by row; alpha None: all is opaque."""
    if max(width, height) > HIGHEST_SIDE:
        raise ValueError(f"expected at most {HIGHEST_SIDE} pixels a side, got {width} x {height}")
    light, yellow, red = _channels(planes, alpha)
    has_alpha = alpha is not None
    most = 5 if has_alpha else 7
    across = max(1, _round(most * width / max(width, height)))
    down = max(1, _round(most * height / max(width, height)))
    size = (width, height)
    l_mean, l_parts, l_scale = _transformed(light, size, max(3, across), max(3, down))
    p_mean, p_parts, p_scale = _transformed(yellow, size, 3, 3)
    q_mean, q_parts, q_scale = _transformed(red, size, 3, 3)
    is_landscape = width > height
    first = _round(63 * l_mean) | _round(31.5 + 31.5 * p_mean) << 6
    first |= _round(31.5 + 31.5 * q_mean) << 12 | _round(31 * l_scale) << 18 | has_alpha << 23
    second = (down if is_landscape else across) | _round(63 * p_scale) << 3
    second |= _round(63 * q_scale) << 9 | is_landscape << 15
    head = first.to_bytes(3, "little") + second.to_bytes(2, "little")
    parts = l_parts + p_parts + q_parts
    if alpha is not None:
        opacity = [value / 255 for value in alpha]
        a_mean, a_parts, a_scale = _transformed(opacity, size, 5, 5)
        head += bytes([_round(15 * a_mean) | _round(15 * a_scale) << 4])
        parts += a_parts
    return head + _packed([_round(15 * part) for part in parts])


def _channels(planes: Planes, alpha: bytes | None) -> tuple[list[float], list[float], list[float]]:
    """Light, yellow against blue, red against green; laid over the mean colour."""
    if alpha is None:
        red, green, blue = ([_PARTS[value] for value in plane] for plane in planes)
    else:
        opacity = [value / 255 for value in alpha]
        whole = sum(opacity)
        red, green, blue = (_laid_over_mean(plane, opacity, whole) for plane in planes)
    rgb = list(zip(red, green, blue, strict=True))
    return (
        [(r + g + b) / 3 for r, g, b in rgb],
        [(r + g) / 2 - b for r, g, b in rgb],
        [r - g for r, g, _ in rgb],
    )


def _laid_over_mean(band: bytes, alpha: list[float], whole: float) -> list[float]:
    mean = sum(a / 255 * value for value, a in zip(band, alpha, strict=True)) / (whole or 1)
    return [mean * (1 - a) + a / 255 * value for value, a in zip(band, alpha, strict=True)]


def _transformed(
    channel: Sequence[float], size: tuple[int, int], across: int, down: int
) -> tuple[float, list[float], float]:
    """Mean, the slowest waves from 0 to 1, and their scale; rows first, so that it costs little."""
    width, height = size
    rows = [channel[y * width : (y + 1) * width] for y in range(height)]
    by_row = [[sum(map(mul, row, wave)) for row in rows] for wave in _waves(width, across)]
    waves_y = _waves(height, down)
    found = [
        sum(map(mul, by_row[cx], waves_y[cy])) / (width * height)
        for cy in range(down)
        for cx in range(across)
        if cx * down < across * (down - cy)
    ]
    mean, waves = found[0], found[1:]
    scale = max(map(abs, waves), default=0.0)
    if scale:
        waves = [0.5 + 0.5 / scale * wave for wave in waves]
    return mean, waves, scale


@cache  # of the few sizes that a worker meets
def _waves(length: int, count: int) -> list[list[float]]:
    """The slowest cosines over a line of so many pixels."""
    return [[cos(pi / length * c * (x + 0.5)) for x in range(length)] for c in range(count)]


def _packed(nibbles: list[int]) -> bytes:
    padded = nibbles + [0] * (len(nibbles) % 2)
    return bytes(low | high << 4 for low, high in zip(padded[::2], padded[1::2], strict=True))


def _round(value: float) -> int:
    """Halves up, as the reference rounds."""
    return floor(value + 0.5)
