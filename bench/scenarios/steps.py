"""What each step costs, how soon a stop is obeyed in it, and five widths beside five jobs."""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import track

from bench import photos as pictures
from bench.report import Report, Row, at_most
from pool import Fault, Lane, LaneSettings, Limits, Outcome, Task, parse_recipe
from pool.steps import STEPS, Frame, Size, Steps

if TYPE_CHECKING:
    import pyvips

SIZES = {"1 MP": (1224, 816), "12 MP": (4240, 2832)}
LIMITS = Limits(10**9, 65_500, 10**9, 500, ("jpeg", "png"))
ROUNDS = 2
MOST_PHOTOS = 5
WIDTHS = (320, 640, 960, 1280, 1920)
FIVE_WIDTHS_BUDGET = 0.60
STOP_BUDGET_MS = 100.0
STOPS = (0.6,)  # parts of the time that the work takes

# Settings that people ask for, and those that take longest.
USUAL: dict[str, Any] = {
    "trim": {"threshold": 10},
    "crop": {"aspect": "1:1", "gravity": "attention"},
    "resize": {"width": 800},
    "rotate": {"angle": 12.5},
    "flip": True,
    "flop": True,
    "flatten": {},
    "denoise": {"strength": 12},
    "normalise": True,
    "clahe": {"window": 64},
    "gamma": 1.4,
    "adjust": {"brightness": 1.1, "saturation": 1.2, "hue": -10},
    "grayscale": True,
    "sepia": True,
    "tint": {"color": "#a05028"},
    "blur": {"sigma": 4},
    "sharpen": {"sigma": 1},
    "pixelate": {"block": 12},
    "pad": {"aspect": "1:1"},
    "watermark": {"asset": "logo", "scale": 0.2, "opacity": 0.6},
    "text": {"text": "© 2026", "size": 48, "strokeWidth": 2},
    "round": {"radius": 24},
}
MEASURED = [step for step in STEPS if step in USUAL]  # networks have a bench of their own
HEAVIEST = USUAL | {
    "resize": {"width": 4000, "enlarge": True},
    "rotate": {"angle": 45},
    "clahe": {"window": 128, "maxSlope": 100},
    "blur": {"sigma": 250},
    "sharpen": {"sigma": 20},
    "pixelate": {"block": 1000},
    "watermark": {"asset": "logo", "scale": 0.05, "tile": True, "rotate": 30},
    "text": {"text": "© 2026 " * 60, "size": 200, "strokeWidth": 20},
    "round": {"circle": True},
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One step; CPU milliseconds at each size, and the wall milliseconds of the slowest stop."""

    step: str
    cpu_ms: dict[str, float]
    stop_ms: float
    how: str


def steps(folder: Path | None) -> Report:
    """Every step alone on a picture that stands in memory; then stopped inside a lane."""
    with tempfile.TemporaryDirectory(prefix="safelight-bench-") as name:
        work = Path(name)
        assets = {"logo": str(_logo(work))}
        images = {size: _drawn(*pixels) for size, pixels in SIZES.items()}
        costs = {
            step: {size: _cost(step, image, assets) for size, image in images.items()}
            for step in track(MEASURED, description="measuring steps")
        }
        stops = asyncio.run(_stops(work, assets))
        photos = pictures.in_folder(folder) if folder else pictures.generate(work / "p", "large")
        photos = photos[:MOST_PHOTOS]
        ratios = {kind: _five_widths(photos, kind, work) for kind in ("webp", "jpeg")}
    measured = [Measured(step, costs[step], *stops[step]) for step in MEASURED]
    return Report(
        "steps: CPU ms of 1 and 12 MP; the slowest stop at the heaviest settings of 12 MP",
        (
            *map(_row, measured),
            *(
                at_most(f"five widths over five jobs, {kind}: CPU", ratio, FIVE_WIDTHS_BUDGET)
                for kind, ratio in ratios.items()
            ),
        ),
        {
            "steps": [
                {"step": one.step, "cpuMs": one.cpu_ms, "stopMs": one.stop_ms, "how": one.how}
                for one in measured
            ],
            "fiveWidths": ratios,
        },
    )


def _row(one: Measured) -> Row:
    cost = ", ".join(f"{size} {taken:.1f}" for size, taken in one.cpu_ms.items())
    is_kept = one.stop_ms <= STOP_BUDGET_MS
    stop = f"{cost}; stopped after {one.stop_ms:.0f} ({one.how})"
    return Row(one.step, stop, f"stop ≤ {STOP_BUDGET_MS:g}", is_kept)


def _cost(step: str, image: "pyvips.Image", assets: dict[str, str]) -> float:
    return min(_once(step, image, assets) for _ in range(ROUNDS))


def _once(step: str, image: "pyvips.Image", assets: dict[str, str]) -> float:
    """CPU milliseconds, on one core."""
    from pool.steps.trim import find

    settings = getattr(Steps.model_validate({step: USUAL[step]}), step)
    before = Size(image.width, image.height)
    began = time.process_time()
    if step == "trim":
        find(image, image.getpoint(0, 0), settings)
    else:
        after = STEPS[step].size(before, settings)
        frame = Frame(before, after, (255, 255, 255), assets)
        STEPS[step].apply(image, settings, frame).copy_memory()
    return (time.process_time() - began) * 1000


async def _stops(work: Path, assets: dict[str, str]) -> dict[str, tuple[float, str]]:
    spool = work / "spool"
    spool.mkdir()
    source = spool / "source.png"
    await asyncio.to_thread(_drawn(*SIZES["12 MP"]).pngsave, str(source), compression=1)
    settings = LaneSettings(spool=str(spool), read_only=tuple(assets.values()))
    lane = Lane("stopped", on_progress=lambda _: None, settings=settings)
    await lane.start()
    try:
        return {
            step: await _slowest_stop(lane, spool, source, step, assets)
            for step in track(MEASURED, description="stopping steps")
        }
    finally:
        await lane.close()


async def _slowest_stop(
    lane: Lane, spool: Path, source: Path, step: str, assets: dict[str, str]
) -> tuple[float, str]:
    """Wall milliseconds from the press to the answer, and whether the child had to be killed."""

    def task() -> Task:
        recipe = parse_recipe({step: HEAVIEST[step], "format": "jpeg"})
        workdir = tempfile.mkdtemp(dir=spool)
        return Task("job", 1, str(source), recipe, workdir, LIMITS, 120.0, assets=assets)

    began = time.perf_counter()
    [outcome] = await lane.develop([task()])
    if not isinstance(outcome, Outcome) or outcome.fault is not None:
        raise RuntimeError(f"{step}: {outcome}")
    whole_s = time.perf_counter() - began
    slowest, how = 0.0, "obeyed"
    for part in STOPS:
        working = asyncio.create_task(lane.develop([task()]))
        await asyncio.wait([working], timeout=whole_s * part)
        pressed = time.perf_counter()
        lane.cancel("job")
        [answer] = await working
        taken_ms = (time.perf_counter() - pressed) * 1000
        is_stopped = isinstance(answer, Fault) or (isinstance(answer, Outcome) and answer.fault)
        if is_stopped and taken_ms > slowest:
            is_killed = taken_ms > LaneSettings().cancel_grace_s * 1000
            slowest, how = taken_ms, "killed" if is_killed else "obeyed"
    return slowest, how


def _five_widths(photos: list[Path], kind: str, work: Path) -> float:
    """CPU of one job of five widths over five jobs of one."""
    variants = [{"name": f"w{width}", "resize": {"width": width}} for width in WIDTHS]
    together: dict[str, Any] = {"format": kind, "variants": variants}
    alone = [{"format": kind, "resize": {"width": width}} for width in WIDTHS]
    ours = five = 0.0
    for photo in track(photos, description=f"five widths, {kind}"):
        ours += _developed_s(photo, together, work)
        five += sum(_developed_s(photo, recipe, work) for recipe in alone)
    return ours / five


def _developed_s(photo: Path, recipe: dict[str, Any], work: Path) -> float:
    from pool.develop import develop
    from pool.kill import Kill

    out = tempfile.mkdtemp(dir=work)
    task = Task("job", 1, str(photo), parse_recipe(recipe), out, LIMITS, 600.0)
    began = time.process_time()
    outcome = develop(task, lambda _: None, Kill())
    if outcome.fault is not None:
        raise RuntimeError(f"{photo}: {outcome.fault.detail}")
    return time.process_time() - began


def _drawn(width: int, height: int) -> "pyvips.Image":
    """Soft shapes, and a sensor's noise."""
    # Imported here: the report needs no libvips.
    import pyvips

    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
    bands = [
        pyvips.Image.gaussnoise(80, 60, mean=120, sigma=40, seed=seed)
        .resize(max(width / 80, height / 60) * 1.05, kernel="cubic")
        .crop(0, 0, width, height)
        + pyvips.Image.gaussnoise(width, height, sigma=3, mean=0, seed=9 + seed)
        for seed in range(3)
    ]
    image = bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")
    return image.copy_memory()


def _logo(folder: Path) -> Path:
    import pyvips

    path = folder / "logo.png"
    disc = (pyvips.Image.xyz(200, 200) - [100, 100]).abs() < 80
    colours = pyvips.Image.black(200, 200).bandjoin([0, 0]).linear(1, [220, 40, 40])
    alpha = disc[0] & disc[1]
    colours.bandjoin(alpha).cast("uchar").copy(interpretation="srgb").pngsave(str(path))
    return path
