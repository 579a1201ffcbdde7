"""Pictures made for the tests: each says in its pixels what it must look like when developed."""

from math import log10
from pathlib import Path

import pyvips

from pool import Limits, Outcome, Progress, Task, parse_recipe
from pool.develop import develop
from pool.kill import Kill
from pool.vips import prepare

prepare(1)

FORMATS = ("jpeg", "png", "webp", "avif", "heif", "gif", "tiff")
LIMITS = Limits(
    max_pixels=100_000_000,
    max_side=65_500,
    max_output_pixels=50_000_000,
    max_frames=100,
    formats=FORMATS,
)
RED, GREEN, BLUE, WHITE = (220, 20, 20), (20, 200, 20), (20, 20, 220), (240, 240, 240)


def quarters(width: int, height: int) -> pyvips.Image:
    """Red and green above, blue and white below: any turn or mirroring shows."""
    left, top = width // 2, height // 2
    red = plain(left, top, RED)
    green = plain(width - left, top, GREEN)
    blue = plain(left, height - top, BLUE)
    white = plain(width - left, height - top, WHITE)
    above = red.join(green, "horizontal")
    return above.join(blue.join(white, "horizontal"), "vertical").copy_memory()


def plain(width: int, height: int, colour: tuple[int, ...]) -> pyvips.Image:
    image = pyvips.Image.black(width, height, bands=len(colour)) + list(colour)
    return image.cast("uchar").copy(interpretation="srgb")


def waves(width: int, height: int) -> pyvips.Image:
    """Soft detail at every place, as a photograph has."""
    place = pyvips.Image.xyz(width, height)
    bands = [
        ((place[0] * (3 + band) + place[1] * (5 - band)) * 0.8 + 120 * band).sin() * 100 + 128
        for band in range(3)
    ]
    return bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb").copy_memory()


def noise(width: int, height: int) -> pyvips.Image:
    """Slow to encode."""
    bands = [
        pyvips.Image.gaussnoise(width, height, mean=128, sigma=50, seed=7 + n) for n in range(3)
    ]
    return bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb").copy_memory()


def developed(
    source: Path,
    recipe: object,
    *,
    limits: Limits = LIMITS,
    reports: list[Progress] | None = None,
    kill: Kill | None = None,
) -> Outcome:
    """The outcome of a recipe, with its files in a new folder beside the source."""
    workdir = source.parent / f"out-{len(list(source.parent.iterdir()))}"
    workdir.mkdir()
    task = Task("job", 1, str(source), parse_recipe(recipe), str(workdir), limits, 60.0)
    return develop(task, [].append if reports is None else reports.append, kill or Kill())


def only(outcome: Outcome) -> pyvips.Image:
    """The one picture of an outcome, decoded."""
    assert outcome.fault is None, outcome.fault
    (output,) = outcome.outputs
    return decoded(output.path)


def decoded(path: str) -> pyvips.Image:
    loaders = {
        ".jpg": pyvips.Image.jpegload,
        ".png": pyvips.Image.pngload,
        ".webp": pyvips.Image.webpload,
        ".avif": pyvips.Image.heifload,
        ".gif": pyvips.Image.gifload,
        ".tif": pyvips.Image.tiffload,
    }
    return loaders[Path(path).suffix](path).copy_memory()


def corners(image: pyvips.Image) -> list[list[float]]:
    """The colours in the middle of the quarters: two above, left first, and two below."""
    across, down = image.width // 4, image.height // 4
    places = [(1, 1), (3, 1), (1, 3), (3, 3)]
    return [image.getpoint(across * x, down * y)[:3] for x, y in places]


def is_near(found: list[float], wanted: tuple[float, ...] | list[float], by: float = 12) -> bool:
    return all(abs(one - other) <= by for one, other in zip(found, wanted, strict=True))


def are_near(found: list[list[float]], wanted: list[tuple[int, int, int]], by: float = 12) -> bool:
    return all(is_near(one, other, by) for one, other in zip(found, wanted, strict=True))


def psnr(one: pyvips.Image, other: pyvips.Image) -> float:
    error = ((one.cast("float") - other.cast("float")) ** 2).avg()
    return 99.0 if error == 0 else 10 * log10(255 * 255 / error)
