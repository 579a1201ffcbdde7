"""The box inside a picture's border, found in its pixels before anything is planned."""

from dataclasses import replace

import pyvips

from pool.desk import Desk
from pool.open import Opening, load, opening, upright
from pool.records import Header, Stage
from pool.steps import Crop
from pool.steps.trim import find


def trimmed(desk: Desk, header: Header) -> Crop | None:
    """What trim leaves, of an animation by its first frame; None if the recipe has no trim.

    The file is read once more for it: that costs time, but no memory for the whole picture.
    """
    recipe = desk.task.recipe
    if recipe.trim is None:
        return None
    way = opening(desk.task.source, header, 1.0, is_cropped=False)
    way = replace(way, page=recipe.page or 0)
    with desk.stage(Stage.DECODING):
        corner = _opened(desk, way).getpoint(0, 0)
        return find(_opened(desk, way), corner, recipe.trim)


def _opened(desk: Desk, way: Opening) -> pyvips.Image:
    image = load(way)
    desk.reporter.watch(image, share=0.0)
    return upright(image, way, desk.task.recipe.color)
