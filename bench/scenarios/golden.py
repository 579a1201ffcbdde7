"""Our pictures beside those of ImageMagick and Pillow: the same wish, nearly the same pixels."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report import Report, Row
from pool import Limits, Task, parse_recipe

if TYPE_CHECKING:
    from PIL.Image import Image

LIMITS = Limits(10**9, 65_500, 10**9, 500, ("jpeg", "png"))
# Debian 12 calls it so; a newer one is `magick`.
MAGICK = ("magick", "convert-im6.q16")

Draw = Callable[["Image"], "Image"]


@dataclass(frozen=True, slots=True)
class Case:
    """One wish: our recipe, ImageMagick's arguments, Pillow's calls, and how far we may differ.

    `tolerance` is the mean of each sample's difference, of 255; where the size differs there is
    none that would do.
    """

    name: str
    recipe: dict[str, Any]
    magick: tuple[str, ...]
    pillow: Draw
    tolerance: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Between ours and another's picture; mean and largest of the samples' differences."""

    case: str
    peer: str
    ours: tuple[int, int]
    theirs: tuple[int, int]
    mean: float
    largest: int
    tolerance: float

    @property
    def is_near(self) -> bool:
        return self.ours == self.theirs and self.mean <= self.tolerance


def magick() -> str | None:
    """The program, where it is installed."""
    return next((found for name in MAGICK if (found := shutil.which(name))), None)


def golden(photo: Path | None) -> Report:
    """Every case with both."""
    with tempfile.TemporaryDirectory(prefix="safelight-bench-") as name:
        work = Path(name)
        source = photo or _photo(work)
        found = [one for case in cases() for one in differences(case, source, work)]
    note = () if magick() else (Row("ImageMagick", "not installed: left out"),)
    return Report(
        f"golden: beside ImageMagick and Pillow, {source.name}",
        (*note, *map(_row, found)),
        {
            "differences": [
                {"case": one.case, "peer": one.peer, "mean": one.mean, "largest": one.largest}
                for one in found
            ]
        },
    )


def _row(one: Difference) -> Row:
    size = f"{one.ours[0]} x {one.ours[1]}"
    if one.ours != one.theirs:
        size += f", theirs {one.theirs[0]} x {one.theirs[1]}"
    value = f"{size}: mean {one.mean:.2f}, largest {one.largest}"
    return Row(f"{one.case}, {one.peer}", value, f"≤ {one.tolerance:g}", one.is_near)


def differences(case: Case, source: Path, work: Path) -> Iterator[Difference]:
    """Of one case: beside Pillow, and beside ImageMagick where it is installed."""
    from PIL import Image

    ours = _developed(case, source, work)
    with Image.open(source) as picture:
        yield _difference(case, "Pillow", ours, case.pillow(picture))
    if program := magick():
        path = work / "magick.png"
        command = [program, str(source), *case.magick, f"PNG24:{path}"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        with Image.open(path) as picture:
            yield _difference(case, "ImageMagick", ours, picture)


def _developed(case: Case, source: Path, work: Path) -> "Image":
    from PIL import Image

    from pool.develop import develop
    from pool.kill import Kill

    out = tempfile.mkdtemp(dir=work)
    recipe = parse_recipe({"format": "png", **case.recipe})
    outcome = develop(Task("job", 1, str(source), recipe, out, LIMITS, 60.0), _unheard, Kill())
    if outcome.fault is not None:
        raise RuntimeError(f"{case.name}: {outcome.fault.detail}")
    with Image.open(outcome.outputs[0].path) as picture:
        return picture.convert("RGB")


def _unheard(_: object) -> None:
    """Progress that nobody follows."""


def _difference(case: Case, peer: str, ours: "Image", theirs: "Image") -> Difference:
    from PIL import ImageChops, ImageStat

    theirs = theirs.convert("RGB")
    if ours.size != theirs.size:
        mean, largest = 255.0, 255
    else:
        apart = ImageChops.difference(ours, theirs)
        mean = sum(ImageStat.Stat(apart).mean) / 3
        largest = max(int(high) for _, high in apart.getextrema())
    return Difference(case.name, peer, ours.size, theirs.size, mean, largest, case.tolerance)


def cases() -> tuple[Case, ...]:
    """What all three can do."""
    from PIL import Image, ImageFilter, ImageOps

    def scaled(width: int, height: int) -> Draw:
        return lambda image: image.resize((width, height), Image.Resampling.LANCZOS)

    def gamma(image: Image.Image) -> Image.Image:
        return image.point(lambda value: round(255 * (value / 255) ** (1 / 1.4)))

    return (
        Case(
            "fill 300 x 200",
            {"resize": {"width": 300, "height": 200, "fit": "fill"}},
            ("-filter", "Lanczos", "-resize", "300x200!"),
            scaled(300, 200),
            tolerance=2.5,
        ),
        Case(
            "cover 200 x 200",
            {"resize": {"width": 200, "height": 200, "fit": "cover"}},
            (
                "-filter",
                "Lanczos",
                "-resize",
                "200x200^",
                "-gravity",
                "center",
                "-extent",
                "200x200",
            ),
            lambda image: ImageOps.fit(image, (200, 200), Image.Resampling.LANCZOS),
            tolerance=2.5,
        ),
        Case(
            "crop 200 x 100 at 30, 40",
            {"crop": {"x": 30, "y": 40, "width": 200, "height": 100}},
            ("-crop", "200x100+30+40", "+repage"),
            lambda image: image.crop((30, 40, 230, 140)),
            tolerance=0.0,
        ),
        Case("flip", {"flip": True}, ("-flip",), ImageOps.flip, tolerance=0.0),
        Case("flop", {"flop": True}, ("-flop",), ImageOps.mirror, tolerance=0.0),
        Case(
            "rotate by 90°",
            {"rotate": {"angle": 90}},
            ("-rotate", "90"),
            lambda image: image.transpose(Image.Transpose.ROTATE_270),
            tolerance=0.0,
        ),
        Case(
            "pad by 20",
            {"pad": {"top": 20, "right": 20, "bottom": 20, "left": 20, "color": "#336699"}},
            ("-bordercolor", "#336699", "-border", "20"),
            lambda image: ImageOps.expand(image, 20, "#336699"),
            tolerance=0.0,
        ),
        Case(
            "gamma 1.4",
            {"gamma": 1.4},
            ("-gamma", "1.4"),
            gamma,
            tolerance=0.6,
        ),
        Case(
            "blur 4",
            {"blur": {"sigma": 4}},
            ("-virtual-pixel", "edge", "-gaussian-blur", "0x4"),
            lambda image: image.filter(ImageFilter.GaussianBlur(4)),
            tolerance=1.0,
        ),
        Case(
            "grayscale",
            {"grayscale": True},
            ("-colorspace", "Gray"),
            lambda image: image.convert("L"),
            tolerance=3.0,  # ours weighs light, theirs the stored values: bright colours differ
        ),
    )


def _photo(folder: Path) -> Path:
    """Soft shapes with edges, without loss, so that decoders cannot differ."""
    from PIL import Image, ImageDraw, ImageFilter

    noise = Image.effect_noise((480, 320), 60).resize((640, 427), Image.Resampling.BICUBIC)
    tints = [noise.filter(ImageFilter.GaussianBlur(blur)) for blur in (3, 5, 8)]
    image = Image.merge("RGB", tints)
    draw = ImageDraw.Draw(image)
    for step in range(8):
        box = (40 + 70 * step, 60 + 30 * step, 100 + 70 * step, 140 + 30 * step)
        draw.ellipse(box, fill=(30 * step, 255 - 25 * step, 120))
    path = folder / "shapes.png"
    image.save(path)
    return path
