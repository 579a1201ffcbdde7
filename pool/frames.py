"""The frames of an animation: libvips holds them as one tall image, one below the other."""

from collections.abc import Callable

import pyvips

OF_ANIMATIONS = ("page-height", "n-pages", "delay", "gif-delay", "loop", "gif-loop")


def still(image: pyvips.Image) -> pyvips.Image:
    """A copy that no saver takes for an animation, however high it becomes."""
    image = image.copy()
    for field in OF_ANIMATIONS:
        if image.get_typeof(field):
            image.remove(field)
    return image


def each_frame(
    roll: pyvips.Image, frames: int, apply: Callable[[pyvips.Image], pyvips.Image]
) -> pyvips.Image:
    """What `apply` makes of the frames, as a roll with the delays of the old one."""
    height = roll.height // frames
    made = [apply(roll.crop(0, height * at, roll.width, height)) for at in range(frames)]
    after = pyvips.Image.arrayjoin(made, across=1).copy()
    for field in OF_ANIMATIONS:
        if roll.get_typeof(field):
            after.set_type(roll.get_typeof(field), field, roll.get(field))
    after.set_type(pyvips.GValue.gint_type, "page-height", made[0].height)
    return after


def first_frame(roll: pyvips.Image, frames: int) -> pyvips.Image:
    return roll.crop(0, 0, roll.width, roll.height // frames)
