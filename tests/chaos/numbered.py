"""Pictures that carry a number in their colour, through any resize and any encoder."""

import io
from functools import cache

import numpy
from PIL import Image

WIDTH, HEIGHT = 640, 480
LEVELS, LOWEST, STEP = 13, 20, 18  # 13 cubed is 2197 numbers, far enough apart for JPEG and WebP
RECIPE = {
    "resize": {"width": 160},
    "variants": [{"name": "exact", "format": "png"}, {"name": "small", "format": "webp"}],
}
SIZE = (160, 120)


def picture(number: int) -> bytes:
    """A JPEG of 0.3 MP: grain around one colour."""
    pixels = numpy.clip(_grain() + numpy.array(_colour(number)), 0, 255).astype("uint8")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def number_of(result: bytes) -> int:
    """The number of a result; AssertionError when it is not one of ours, whole and in size."""
    image = Image.open(io.BytesIO(result)).convert("RGB")
    assert image.size == SIZE, image.size
    mean = numpy.asarray(image, dtype="float").mean(axis=(0, 1))
    digits = [(value - LOWEST) / STEP for value in mean]
    assert all(abs(digit - round(digit)) < 0.3 for digit in digits), mean
    return sum(round(digit) * LEVELS**place for place, digit in enumerate(digits))


def _colour(number: int) -> tuple[int, ...]:
    assert 0 <= number < LEVELS**3
    return tuple(LOWEST + STEP * (number // LEVELS**place % LEVELS) for place in range(3))


@cache
def _grain() -> "numpy.typing.NDArray[numpy.int16]":
    grain = numpy.random.default_rng(7).integers(-10, 11, (HEIGHT, WIDTH, 1), dtype="int16")
    return numpy.repeat(grain, 3, axis=2)
