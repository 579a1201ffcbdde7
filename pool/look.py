"""What a page shows before the picture is there, and what finds its like: from 32 x 32 pixels."""

from base64 import b64encode
from collections import Counter

import pyvips

from pool.frames import first_frame, still
from pool.plan import Plan
from pool.records import Look
from pool.thumbhash import thumbhash

LOOKED_AT = 32  # pixels of the longer side; a ThumbHash has waves of up to a seventh of it


def look(image: pyvips.Image, plan: Plan) -> Look:
    """The placeholders of a finished picture that is held in memory."""
    if plan.frames > 1:
        image = first_frame(image, plan.frames)
    small = _small(still(image))
    pixels = bytes(small.write_to_memory())
    return Look(
        thumbhash=b64encode(thumbhash(small.width, small.height, pixels)).decode(),
        dominant_colour=_dominant(pixels),
        width=plan.size.width,
        height=plan.size.height,
        dhash=_dhash(small),
    )


def _small(image: pyvips.Image) -> pyvips.Image:
    """RGBA in sRGB of at most 32 pixels a side: means of whole blocks, then of what is left."""
    times = max(image.width, image.height) // LOOKED_AT
    if times > 1:
        image = image.shrink(min(times, image.width), min(times, image.height))
    if image.get_typeof("icc-profile-data") and image.interpretation == "srgb":
        image = image.icc_transform("srgb", embedded=True, depth=8)
    image = image.colourspace("srgb")
    if not image.hasalpha():
        image = image.bandjoin(255)
    side = max(image.width, image.height)
    if side > LOOKED_AT:
        across = max(1, round(image.width * LOOKED_AT / side)) / image.width
        down = max(1, round(image.height * LOOKED_AT / side)) / image.height
        image = image.resize(across, vscale=down, kernel="linear")
    return image.cast("uchar").copy_memory()


def _dominant(pixels: bytes) -> str:
    """The mean of the fullest of 512 boxes of colours; clear pixels have none."""
    seen = [pixels[at : at + 3] for at in range(0, len(pixels), 4) if pixels[at + 3] > 127]
    if not seen:
        return "#ffffff"
    boxes = Counter((r >> 5, g >> 5, b >> 5) for r, g, b in seen)
    fullest = boxes.most_common(1)[0][0]
    members = [one for one in seen if tuple(value >> 5 for value in one) == fullest]
    return "#" + "".join(
        f"{round(sum(band) / len(members)):02x}" for band in zip(*members, strict=True)
    )


def _dhash(small: pyvips.Image) -> str:
    """64 bits: whether each of 9 x 8 grey fields is lighter than the one to its right."""
    grey = small.flatten(background=[255, 255, 255]).colourspace("b-w")
    fields = grey.resize(9 / grey.width, vscale=8 / grey.height, kernel="linear")
    values = bytes(fields.cast("uchar").write_to_memory())
    bits = [values[9 * y + x] > values[9 * y + x + 1] for y in range(8) for x in range(8)]
    return f"{sum(bit << (63 - place) for place, bit in enumerate(bits)):016x}"
