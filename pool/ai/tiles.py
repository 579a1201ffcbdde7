"""A network over a picture, tile by tile: bounded memory, true progress, a stop between two tiles.

Tiles overlap by the network's reach, so the result is that of the whole picture at once. At the
picture's own border nothing is added: there the network sees its zeros, as it would in the whole.
"""

import mmap
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyvips

from pool.ai.engines import Engines, Model, Used
from pool.ai.session import SHELF, Loaded, Tile

Pixels = npt.NDArray[np.uint8]  # height x width x 3
MOST_IN_MEMORY_BYTES = 64 * 1024 * 1024  # a larger result goes to a file of the spool


@dataclass(frozen=True, slots=True)
class Box:
    """A tile, and the larger part of the picture that it is made from."""

    left: int
    top: int
    width: int
    height: int
    from_left: int
    from_top: int
    from_width: int
    from_height: int


def boxes(width: int, height: int, model: Model) -> Iterator[Box]:
    """Every tile, top to bottom; their corners are multiples of what the network asks for."""
    side = max(model.tile // model.multiple, 1) * model.multiple
    around = -(-model.overlap // model.multiple) * model.multiple
    for top in range(0, height, side):
        for left in range(0, width, side):
            right, bottom = min(left + side, width), min(top + side, height)
            from_left, from_top = max(left - around, 0), max(top - around, 0)
            yield Box(
                left,
                top,
                right - left,
                bottom - top,
                from_left,
                from_top,
                min(right + around, width) - from_left,
                min(bottom + around, height) - from_top,
            )


def through(
    image: pyvips.Image,
    model: Model,
    engines: Engines,
    strength: float,
    tell: Callable[[int], None],
) -> tuple[pyvips.Image, Used]:
    """A picture of three eight-bit bands after the network, `scale` times as large.

    strength: how much of what the network changes is done, 0 to 1; of scale 1 only.
    tell: hears before the first tile and after each how many pixels are done; what it raises ends
    the work.
    """
    began = time.perf_counter()
    source = image.copy_memory()
    width, height, scale = source.width, source.height, model.scale
    made = _room(height * scale, width * scale)
    region = pyvips.Region.new(source)
    done = 0
    tell(done)
    for box in boxes(width, height, model):
        given = region.fetch(box.from_left, box.from_top, box.from_width, box.from_height)
        pixels = np.frombuffer(given, np.uint8).reshape(box.from_height, box.from_width, 3)
        with SHELF.lent(model, engines) as loaded:
            tile = _worked(pixels, model, loaded)
        _put(made, tile, pixels, box, scale, strength)
        done += box.width * box.height
        tell(done)
    result = pyvips.Image.new_from_memory(made, width * scale, height * scale, 3, "uchar")
    megapixels = width * height / 1e6
    used = Used("", "ai", model.name, megapixels, time.perf_counter() - began)
    return result.copy(interpretation="srgb"), used


def _worked(pixels: Pixels, model: Model, loaded: Loaded) -> Tile:
    """Height x width x 3 floats of 0 to 255."""
    height, width = pixels.shape[:2]
    below, beside = -height % model.multiple, -width % model.multiple
    if below or beside:
        pixels = np.pad(pixels, ((0, below), (0, beside), (0, 0)), mode="edge")
    mean, deviation = np.array(model.mean, np.float32), np.array(model.deviation, np.float32)
    given = (pixels.astype(np.float32) / 255 - mean) / deviation
    made = loaded.run(np.ascontiguousarray(given.transpose(2, 0, 1)[None]))
    whole = (made[0].transpose(1, 2, 0) * deviation + mean) * 255
    return np.asarray(whole[: height * model.scale, : width * model.scale], np.float32)


def _put(made: Pixels, tile: Tile, pixels: Pixels, box: Box, scale: int, strength: float) -> None:
    """Write the inner part of a tile to its place."""
    top, left = (box.top - box.from_top) * scale, (box.left - box.from_left) * scale
    height, width = box.height * scale, box.width * scale
    inner = tile[top : top + height, left : left + width]
    if scale == 1 and strength < 1:
        plain = pixels[top : top + height, left : left + width]
        inner = plain + (inner - plain) * np.float32(strength)
    to = made[box.top * scale :, box.left * scale :]
    to[:height, :width] = (inner + np.float32(0.5)).clip(0, 255).astype(np.uint8)


def _room(height: int, width: int) -> Pixels:
    """Where the result is put: memory, or a file without a name, which goes with its last use."""
    shape = (height, width, 3)
    if height * width * 3 <= MOST_IN_MEMORY_BYTES:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:
        file.truncate(height * width * 3)
        mapped = mmap.mmap(file.fileno(), height * width * 3)
    return np.frombuffer(mapped, np.uint8).reshape(shape)
