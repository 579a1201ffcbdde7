"""What kind of picture it is, by its pixels: what format "auto" decides with."""

from dataclasses import replace
from math import ceil

import pyvips

from pool.formats import FORMATS
from pool.plan import Plan

# Of a sample of at most this many pixels a side, taken as they are. Photographs of 800 px have
# 4,000 to 15,000 different colours in it, drawings and screens without photographs below 200.
SAMPLED_SIDE = 128
FEW_COLOURS, FEW_GREYS = 256, 32
LOOKED_AT_ONCE = 512  # pixels


def decided(image: pyvips.Image, plan: Plan) -> Plan:
    """The plan, without loss where the picture is a drawing: there that is also smaller."""
    variant = plan.variant
    if not variant.is_open or plan.frames > 1 or not has_few_colours(image):
        return plan
    kind = variant.format if FORMATS[variant.format].can_be_lossless else "png"
    return replace(plan, variant=replace(variant, format=kind, is_lossless=True, quality=None))


def has_few_colours(image: pyvips.Image) -> bool:
    """Looks at as much of the sample as it needs: of a photograph some hundred pixels."""
    across, down = ceil(image.width / SAMPLED_SIDE), ceil(image.height / SAMPLED_SIDE)
    pixels = bytes(image.subsample(across, down).write_to_memory())
    most = FEW_GREYS if image.bands <= 2 else FEW_COLOURS
    step = image.bands
    different: set[bytes] = set()
    for start in range(0, len(pixels), LOOKED_AT_ONCE * step):
        part = pixels[start : start + LOOKED_AT_ONCE * step]
        different.update(part[at : at + step] for at in range(0, len(part), step))
        if len(different) > most:
            return False
    return True
