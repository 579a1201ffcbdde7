"""A picture that comes beside the one in work, such as a watermark; opened with the same care."""

from collections.abc import Callable

import pyvips

from pool.fault import Fault, Refused
from pool.open import load, opening, upright
from pool.probe import LOADERS, read_header
from pool.records import Limits, ProbeTask
from pool.steps.colour import in_colour
from pool.steps.resize import stretched
from pool.steps.step import Size

LIMITS = Limits(
    max_pixels=50_000_000,
    max_side=20_000,
    max_output_pixels=50_000_000,
    max_frames=1000,
    formats=tuple(LOADERS),
)


def picture(path: str, name: str, size_for: Callable[[Size], Size]) -> pyvips.Image:
    """The picture upright, in sRGB with alpha, at the size wanted for its own; held in memory."""
    try:
        header = read_header(ProbeTask(path, LIMITS))
        if isinstance(header, Fault):
            raise Refused(Fault("asset_unreadable", f"{name}: {header.detail}"))
        own = Size(header.width, header.height)
        wanted = size_for(own)
        reduction = min(own.width / wanted.width, own.height / wanted.height)
        way = opening(path, header, reduction, is_cropped=False)
        image = stretched(in_colour(upright(load(way), way)), wanted)
        return (image if image.hasalpha() else image.bandjoin(255)).copy_memory()
    except OSError as error:
        raise Refused(Fault("asset_not_found", f"{name} cannot be read")) from error
    except pyvips.Error as error:
        raise Refused(Fault("asset_unreadable", f"{name} is damaged or no picture")) from error
