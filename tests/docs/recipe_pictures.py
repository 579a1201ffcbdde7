"""The pictures of docs/recipe.md: each step's example, done by the code of a worker.

`python -m tests.docs.recipe_pictures` writes them (`make recipe-pictures`): on the left what
the step was given, on the right what came. What a step needs to be seen is made first.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy
from PIL import Image, ImageDraw

from pool import Task, parse_recipe
from pool.develop import develop
from pool.kill import Kill
from pool.steps import STEPS
from tests.pool.pictures import LIMITS
from tests.pool.reference import EXAMPLES
from tests.server_process import PROJECT

FOLDER = PROJECT / "docs" / "recipe-pictures"
PHOTO = FOLDER / "coffee.jpg"
SIDE = 240  # pixels of each half's longer side
MOST_BYTES = 600_000  # of all of them
QUALITY = 72

Recipe = dict[str, Any]

# What a step is given instead of the photograph: made of it by a recipe, or by a hand below.
_BEFORE: dict[str, Recipe] = {
    "trim": {"pad": {"top": 40, "right": 60, "bottom": 40, "left": 60, "color": "#ffffff"}},
    "flatten": {"round": {"radius": 80}},
    "upscale": {"crop": {"x": 210, "y": 110, "width": 120, "height": 80}},
    "gamma": {"gamma": 0.6},
    "normalise": {"adjust": {"contrast": 0.5}},
    "clahe": {"adjust": {"contrast": 0.6}},
}
# Where the example of the page would not be seen in a picture of this size.
_SHOWN: dict[str, object] = {
    "resize": {"width": 160, "height": 160, "fit": "cover"},
    "blur": {"sigma": 4},
    "pixelate": {"block": 12},
    "sharpen": {"sigma": 1, "amount": 2},
    "text": {"text": "© 2026", "size": 48, "strokeWidth": 2},
    "pad": {"aspect": "1:1", "color": "#d8c8b0"},
}
_CHECKS = 8  # pixels a side of the squares that stand for transparency


def shown(step: str) -> object:
    """The setting with which a step is shown."""
    return _SHOWN.get(step, EXAMPLES[step])


def pictures() -> Iterator[tuple[str, bytes]]:
    """The name of each step and a WebP of it."""
    with TemporaryDirectory() as folder:
        for step in STEPS:
            yield step, _halves(Path(folder), step)


def _halves(folder: Path, step: str) -> bytes:
    before = PHOTO.read_bytes()
    if step in _BEFORE:
        before = _done(folder, before, _BEFORE[step])
    elif step in ("denoise", "enhance"):
        before = _noisy(before)
    left, right = _fitted(before), _fitted(_done(folder, before, {step: shown(step)}))
    sheet = Image.new("RGB", (2 * SIDE + 8, max(left.height, right.height)), "#ffffff")
    for place, half in ((0, left), (SIDE + 8, right)):
        sheet.paste(half, (place + (SIDE - half.width) // 2, (sheet.height - half.height) // 2))
    file = io.BytesIO()
    sheet.save(file, "WEBP", quality=QUALITY, method=6)
    return file.getvalue()


def _done(folder: Path, picture: bytes, recipe: Recipe) -> bytes:
    """What a worker makes of it, without loss."""
    (source := folder / "source").write_bytes(picture)
    (logo := folder / "logo.png").write_bytes(_logo())
    (workdir := folder / f"work-{len(list(folder.iterdir()))}").mkdir()
    checked = parse_recipe({**recipe, "format": "png"})
    assets = {"logo": str(logo)}
    task = Task("job", 1, str(source), checked, str(workdir), LIMITS, 60.0, assets=assets)
    outcome = develop(task, [].append, Kill())
    assert outcome.fault is None, outcome.fault
    return Path(outcome.outputs[0].path).read_bytes()


def _fitted(content: bytes) -> Image.Image:
    """At most SIDE wide and high, the tiny larger; squares show what is clear."""
    picture = Image.open(io.BytesIO(content)).convert("RGBA")
    scale = SIDE / max(picture.size)
    method = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    if scale < 1 or max(picture.size) <= SIDE // 2:
        picture = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), method
        )
    ground = Image.new("RGBA", picture.size, "#ffffff")
    draw = ImageDraw.Draw(ground)
    for y in range(0, picture.height, _CHECKS):
        for x in range(y // _CHECKS % 2 * _CHECKS, picture.width, 2 * _CHECKS):
            draw.rectangle((x, y, x + _CHECKS - 1, y + _CHECKS - 1), fill="#dddddd")
    return Image.alpha_composite(ground, picture).convert("RGB")


def _noisy(content: bytes) -> bytes:
    picture = numpy.asarray(Image.open(io.BytesIO(content)).convert("RGB"), dtype="float64")
    noise = numpy.random.default_rng(1).normal(0, 18, picture.shape)
    file = io.BytesIO()
    Image.fromarray(numpy.clip(picture + noise, 0, 255).astype("uint8")).save(file, "PNG")
    return file.getvalue()


def _logo() -> bytes:
    """A white ring with a red lamp in it."""
    logo = Image.new("RGBA", (240, 240))
    draw = ImageDraw.Draw(logo)
    draw.ellipse((10, 10, 230, 230), outline="white", width=22)
    draw.ellipse((80, 80, 160, 160), fill="#e03020")
    file = io.BytesIO()
    logo.save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    for name, content in pictures():
        (FOLDER / f"{name}.webp").write_bytes(content)
        print(f"{name}.webp", len(content))
