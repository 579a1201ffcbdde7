"""What one job takes of memory beside what pool/cost.py foretells: a fresh child for every row."""

import asyncio
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import track

from bench.report import Report, Row
from pool import (
    Fault,
    Header,
    Lane,
    LaneSettings,
    Limits,
    Outcome,
    ProbeTask,
    Recipe,
    Task,
    memory_bytes,
    parse_recipe,
)

if TYPE_CHECKING:
    import pyvips

MIB = 1 << 20
SIZES = {"0.3": (640, 480), "3": (2000, 1500), "12": (4000, 3000), "48": (8000, 6000)}
SIZES |= {"100": (11_600, 8_700)}
FORMATS = ("jpeg", "png", "webp", "avif", "heif", "gif", "tiff")
LIMITS = Limits(10**9, 65_500, 10**9, 500, FORMATS)
SETTINGS = {"memory_kill_bytes": 16 << 30, "hard_grace_s": 120.0}
MAPPED = ("jpeg", "webp")  # libvips maps such files; the kernel drops their pages when it must
BUDGET = (0.9, 2.0)  # foretold over measured

# How a kind of source is written: from an image of three bands.
KINDS: dict[str, tuple[str, Callable[["pyvips.Image", str], None]]] = {
    "JPEG": ("jpg", lambda image, path: image.jpegsave(path, Q=90)),
    "JPEG progressive": ("jpg", lambda image, path: image.jpegsave(path, Q=90, interlace=True)),
    "JPEG progressive 4:2:0": (
        "jpg",
        lambda image, path: image.jpegsave(path, Q=90, interlace=True, subsample_mode="on"),
    ),
    "JPEG on its side": ("jpg", lambda image, path: _turned(image).jpegsave(path, Q=90)),
    "PNG": ("png", lambda image, path: image.pngsave(path, compression=1)),
    "PNG 16 bit": (
        "png",
        lambda image, path: image.colourspace("rgb16").pngsave(path, compression=1),
    ),
    "PNG interlaced": (
        "png",
        lambda image, path: image.pngsave(path, compression=1, interlace=True),
    ),
    "PNG alpha": ("png", lambda image, path: image.bandjoin(image[0]).pngsave(path, compression=1)),
    "WebP": ("webp", lambda image, path: image.webpsave(path, effort=0)),
    "WebP lossless": ("webp", lambda image, path: image.webpsave(path, effort=0, lossless=True)),
    "AVIF": ("avif", lambda image, path: image.heifsave(path, compression="av1", effort=0)),
    "GIF": ("gif", lambda image, path: image.gifsave(path, effort=1)),
    "GIF, 20 frames of a ninth": (
        "gif",
        lambda image, path: _film(image, 20).gifsave(path, effort=1),
    ),
    "TIFF strips": ("tif", lambda image, path: image.tiffsave(path)),
    "TIFF tiles": ("tif", lambda image, path: image.tiffsave(path, tile=True)),
}
WIDTHS = (320, 640, 960, 1280, 1920)
RECIPES: dict[str, dict[str, Any]] = {
    "800 px WebP": {"resize": {"width": 800}, "format": "webp"},
    "800 px AVIF": {"resize": {"width": 800}, "format": "avif"},
    "800 px, attention": {
        "resize": {"width": 800, "height": 800, "fit": "cover", "gravity": "attention"},
        "format": "webp",
    },
    "5 variants": {
        "format": "webp",
        "variants": [{"name": str(w), "resize": {"width": w}} for w in WIDTHS],
    },
    "same size JPEG": {"format": "jpeg"},
    "rotated JPEG": {"rotate": {"angle": 90}, "format": "jpeg"},
    "same size WebP": {"format": "webp"},
    "same size AVIF": {"format": "avif"},
}
STEPS: dict[str, dict[str, Any]] = {  # what holds more than its output, or adds transparency
    "crop by attention, 800 px": {
        "crop": {"aspect": "1:1", "gravity": "attention"},
        "resize": {"width": 800},
        "format": "webp",
    },
    "rotated 12.5° JPEG": {"rotate": {"angle": 12.5}, "format": "jpeg"},
    "rotated 12.5°, clear, PNG": {
        "rotate": {"angle": 12.5, "color": "#00000000"},
        "format": "png",
    },
    "round WebP": {"round": {"radius": 50}, "format": "webp"},
    "padded JPEG": {"pad": {"aspect": "1:1"}, "format": "jpeg"},
    "blurred by 250, JPEG": {"blur": {"sigma": 250}, "format": "jpeg"},
    "denoised JPEG": {"denoise": {}, "format": "jpeg"},
}
RECIPES |= STEPS
SLOW = (("48", "same size AVIF"), ("100", "same size AVIF"), ("100", "same size WebP"))
EVERY_SIZE = (
    "JPEG",
    "JPEG progressive",
    "JPEG progressive 4:2:0",
    "PNG",
)  # of the others 3 and 12 MP


@dataclass(frozen=True, slots=True)
class Measured:
    """One job; bytes. `peak` is VmHWM without the mapped source, `pss` the worker's own share."""

    kind: str
    megapixels: str
    recipe: str
    fresh: int
    peak: int
    pss: int
    source: int
    foretold: int

    @property
    def ratio(self) -> float:
        return self.foretold / self.peak


def memory() -> Report:
    """Every kind of source to 800 px, JPEG through every recipe; pictures are drawn."""
    with tempfile.TemporaryDirectory(prefix="safelight-bench-") as name:
        rows = list(_rows())
        measured = [
            asyncio.run(_measure(Path(name), *row)) for row in track(rows, description="measuring")
        ]
    return Report(
        f"memory of one job, {len(rows)} jobs",
        tuple(map(_row, measured)),
        {"jobs": [asdict(one) for one in measured]},
    )


def _rows() -> Iterator[tuple[str, str, str]]:
    for megapixels in SIZES:
        for recipe in RECIPES:
            is_wanted = recipe not in STEPS or megapixels in ("3", "12")
            if is_wanted and (megapixels, recipe) not in SLOW:
                yield "JPEG", megapixels, recipe
    for kind in KINDS:
        for megapixels in SIZES if kind in EVERY_SIZE[1:] else ("3", "12"):
            if kind != "JPEG" and not (kind == "GIF, 20 frames of a ninth" and megapixels == "12"):
                yield kind, megapixels, "800 px WebP"


async def _measure(folder: Path, kind: str, megapixels: str, recipe_name: str) -> Measured:
    source = await asyncio.to_thread(_source, folder, kind, megapixels)
    recipe = parse_recipe(RECIPES[recipe_name])
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=spool) as name:
        path = Path(name) / "source"
        os.link(source, path)
        header, fresh, peak, pss = await _developed(spool, path, recipe)
    size = source.stat().st_size
    return Measured(
        kind=kind,
        megapixels=megapixels,
        recipe=recipe_name,
        fresh=fresh,
        peak=peak - size if header.format in MAPPED else peak,
        pss=pss,
        source=size,
        foretold=memory_bytes(header, recipe),
    )


async def _developed(spool: Path, source: Path, recipe: Recipe) -> tuple[Header, int, int, int]:
    """The header; VmHWM of the fresh child; VmHWM and the highest PSS seen after one job."""
    settings = LaneSettings(spool=str(spool), **SETTINGS)
    lane = Lane("measured", on_progress=lambda _: None, settings=settings)
    await lane.start()
    try:
        pid = lane.pid or 0
        fresh = _field(pid, "status", "VmHWM")
        out = source.parent / "out"
        out.mkdir()
        task = Task("job", 1, str(source), recipe, str(out), LIMITS, deadline_s=120.0)
        working = asyncio.create_task(lane.develop([task]))
        pss = 0
        while not working.done():
            pss = max(pss, _field(pid, "smaps_rollup", "Pss"))
            await asyncio.wait([working], timeout=0.01)
        [outcome] = working.result()
        if not isinstance(outcome, Outcome) or outcome.fault:
            raise RuntimeError(f"{source}: {outcome}")
        peak = _field(pid, "status", "VmHWM")
        header = await lane.probe(ProbeTask(str(source), LIMITS))
    finally:
        await lane.close()
    if isinstance(header, Fault):
        raise RuntimeError(f"{source}: {header}")
    return header, fresh, peak, pss


def _field(pid: int, file: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/{file}").read_text(), re.M)
    return int(found[1]) * 1024 if found else 0


def _row(one: Measured) -> Row:
    low, high = BUDGET
    value = f"{one.peak / MIB:.0f} MiB, foretold {one.foretold / MIB:.0f}, {one.ratio:.2f}"
    name = f"{one.megapixels} MP {one.kind} → {one.recipe}"
    return Row(name, value, f"{low:g} to {high:g}", low <= one.ratio <= high)


def _source(folder: Path, kind: str, megapixels: str) -> Path:
    """A drawn file, made once."""
    ending, write = KINDS[kind]
    path = folder / f"{kind} {megapixels}.{ending}"
    if not path.exists():
        width, height = SIZES[megapixels]
        if kind == "GIF, 20 frames of a ninth":
            width, height = width // 3, height // 3
        write(_drawn(width, height), str(path))
    return path


def _drawn(width: int, height: int) -> "pyvips.Image":
    """Soft shapes and a sensor's noise, one tile of it again and again."""
    # Imported here: the report needs no libvips, and a child has its own.
    import pyvips

    bands = [
        pyvips.Image.gaussnoise(80, 60, mean=120, sigma=40, seed=seed)
        .resize(25, kernel="cubic")
        .crop(0, 0, 2000, 1500)
        + pyvips.Image.gaussnoise(2000, 1500, sigma=3, mean=0, seed=9 + seed)
        for seed in range(3)
    ]
    tile = bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb").copy_memory()
    return tile.replicate(-(-width // 2000), -(-height // 1500)).crop(0, 0, width, height)


def _turned(image: "pyvips.Image") -> "pyvips.Image":
    image = image.copy()
    image.set_type(_integer(), "orientation", 6)
    return image


def _film(image: "pyvips.Image", frames: int) -> "pyvips.Image":
    import pyvips

    # The saver drops frames that are alike.
    film = pyvips.Image.arrayjoin([image.wrap(x=7 * at) for at in range(frames)], across=1).copy()
    film.set_type(_integer(), "page-height", image.height)
    return film


def _integer() -> int:
    import pyvips

    return int(pyvips.GValue.gint_type)
