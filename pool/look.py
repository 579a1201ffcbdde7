"""What a page shows before the picture is there, and what finds its like: from a tiny copy."""

from base64 import b64encode
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import compress, pairwise
from math import ceil, floor

import pyvips

from pool.frames import first_frame, still
from pool.plan import Plan
from pool.records import Look
from pool.thumbhash import thumbhash

# Pixels of the longer side. A ThumbHash has waves of up to a seventh of it and a dHash nine fields;
# with 24 both take twice the time and come no nearer to what they say of 100.
LOOKED_AT = 16

_BOX = bytes(value >> 5 for value in range(256))  # eight steps of each colour
_OPAQUE_FROM = 128
_ACROSS, _DOWN = 9, 8
_LUMA = (299, 587, 114)  # parts of a thousand
_LEAST_STEP = 0.001  # of sums of whole numbers: less is an error of the floating point


@dataclass(frozen=True, slots=True)
class Small:
    """A tiny copy: one byte a pixel in each plane, row by row."""

    width: int
    height: int
    red: bytes
    green: bytes
    blue: bytes
    alpha: bytes | None  # None where all is opaque


def look(image: pyvips.Image, plan: Plan) -> Look:
    """The placeholders of a finished picture that is held in memory."""
    small = _small(still(first_frame(image, plan.frames)) if plan.frames > 1 else image)
    planes = (small.red, small.green, small.blue)
    return Look(
        thumbhash=b64encode(thumbhash(small.width, small.height, planes, small.alpha)).decode(),
        dominant_colour=_dominant(small),
        width=plan.size.width,
        height=plan.size.height,
        dhash=_dhash(small),
    )


def _small(image: pyvips.Image) -> Small:
    """Means of whole blocks, in sRGB."""
    times = ceil(max(image.width, image.height) / LOOKED_AT)
    if times > 1:
        image = image.shrink(min(times, image.width), min(times, image.height), ceil=True)
    if image.interpretation != "srgb":
        image = image.colourspace("srgb")
    elif image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, depth=8)
    pixels = bytes(image.write_to_memory())
    bands = image.bands
    red, green, blue = (pixels[band::bands] for band in range(3))
    alpha = pixels[3::bands] if bands > 3 else b""
    is_clear = alpha and min(alpha) < 255
    return Small(image.width, image.height, red, green, blue, alpha if is_clear else None)


def _dominant(small: Small) -> str:
    """The mean of the fullest of 512 boxes of colours; clear pixels have none."""
    planes: tuple[bytes, ...] = (small.red, small.green, small.blue)
    if small.alpha is not None:
        seen = [value >= _OPAQUE_FROM for value in small.alpha]
        planes = tuple(bytes(compress(plane, seen)) for plane in planes)
    if not planes[0]:
        return "#ffffff"
    boxes = list(zip(*(plane.translate(_BOX) for plane in planes), strict=True))
    fullest = Counter(boxes).most_common(1)[0][0]
    members = [place for place, box in enumerate(boxes) if box == fullest]
    return "#" + "".join(
        f"{round(sum(map(plane.__getitem__, members)) / len(members)):02x}" for plane in planes
    )


def _dhash(small: Small) -> str:
    """64 bits: whether each of 9 x 8 fields is lighter than the one to its right, on white."""
    light, width = _light(small), small.width
    bits = 0
    for weights in _weights(small.height, _DOWN):
        sums = [0.0] * width
        for row, weight in weights:
            line = light[row * width : (row + 1) * width]
            sums = [value + weight * more for value, more in zip(sums, line, strict=True)]
        fields = [sum(sums[x] * weight for x, weight in part) for part in _weights(width, _ACROSS)]
        for one, other in pairwise(fields):
            bits = bits << 1 | (one - other > _LEAST_STEP)
    return f"{bits:016x}"


def _light(small: Small) -> list[int]:
    """How bright each pixel is, as stored, times 1000 (and 255 with alpha)."""
    red, green, blue = _LUMA
    planes = zip(small.red, small.green, small.blue, strict=True)
    light = [red * r + green * g + blue * b for r, g, b in planes]
    if small.alpha is None:
        return light
    white = sum(_LUMA) * 255
    return [one * a + white * (255 - a) for one, a in zip(light, small.alpha, strict=True)]


@cache  # of the few sizes that a worker meets
def _weights(length: int, count: int) -> list[list[tuple[int, float]]]:
    """For each of so many equal parts of a line its pixels, and how much of each lies in it."""
    ends = [place * length / count for place in range(count + 1)]
    return [
        [(at, min(end, at + 1) - max(start, at)) for at in range(floor(start), ceil(end))]
        for start, end in pairwise(ends)
    ]
