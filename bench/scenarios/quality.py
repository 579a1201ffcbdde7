"""Quality "auto" beside a fixed quality: how many bytes less, and how the worst picture looks.

Where the package ssimulacra2 is installed the files are also judged by it: our own score is an
estimate of it.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

from rich.progress import track

from bench import dots
from bench import photos as pictures
from bench.report import Report, Row
from pool import Limits, Outcome, Task, parse_recipe

if TYPE_CHECKING:
    import pyvips

FORMATS = ("jpeg", "webp", "avif")
FIXED_QUALITY = 80
WIDTH = 800
LIMITS = Limits(10**9, 65_500, 10**9, 500, ("jpeg", "png"))
LEAST_SAVED = 0.25


@dataclass(frozen=True, slots=True)
class Measured:
    """One picture in one format, once with each quality."""

    photo: str
    format: str
    quality: int
    fixed_bytes: int
    auto_bytes: int
    fixed_score: float
    auto_score: float
    fixed_cpu_s: float
    auto_cpu_s: float
    fixed_real: float | None = None  # by SSIMULACRA2 itself
    auto_real: float | None = None


def quality(folder: Path | None, plot: Path | None = None) -> Report:
    """All pictures of a folder, or drawn ones, at 800 px; `plot` is an SVG file to write."""
    with tempfile.TemporaryDirectory(prefix="safelight-bench-") as name:
        work = Path(name)
        photos = (
            pictures.in_folder(folder) if folder else pictures.generate(work / "drawn", "mixed")
        )
        rows = [(photo, kind) for photo in photos for kind in FORMATS]
        measured = [
            _measure(photo, kind, work / f"{number}")
            for number, (photo, kind) in enumerate(track(rows, description="measuring"))
        ]
    if plot is not None:
        plot.write_text(_plot(measured))
    return Report(
        f"quality auto beside {FIXED_QUALITY}, {len(photos)} pictures of {WIDTH} px",
        tuple(row for kind in FORMATS for row in _rows(kind, measured)),
        {"pictures": [asdict(one) for one in measured]},
    )


def _measure(photo: Path, kind: str, work: Path) -> Measured:
    reference, _ = _made(photo, {"format": "png"}, work / "reference")
    fixed, fixed_s = _made(photo, {"format": kind, "quality": FIXED_QUALITY}, work / "fixed")
    auto, auto_s = _made(photo, {"format": kind, "quality": "auto"}, work / "auto")
    return Measured(
        photo=photo.name,
        format=kind,
        quality=auto.outputs[0].quality or 0,
        fixed_bytes=fixed.outputs[0].bytes,
        auto_bytes=auto.outputs[0].bytes,
        fixed_score=_score(reference, fixed),
        auto_score=_score(reference, auto),
        fixed_cpu_s=fixed_s,
        auto_cpu_s=auto_s,
        fixed_real=_real(reference, fixed, work),
        auto_real=_real(reference, auto, work),
    )


def _made(photo: Path, manner: dict[str, object], work: Path) -> tuple[Outcome, float]:
    # Imported here: the driver and the report need no libvips.
    from pool.develop import develop
    from pool.kill import Kill

    work.mkdir(parents=True)
    recipe = parse_recipe({"resize": {"width": WIDTH}, **manner})
    task = Task("job", 1, str(photo), recipe, str(work), LIMITS, 600.0)
    began = process_time()
    outcome = develop(task, lambda _: None, Kill())
    if outcome.fault is not None:
        raise RuntimeError(f"{photo}: {outcome.fault.detail}")
    return outcome, process_time() - began


def _score(reference: Outcome, other: Outcome) -> float:
    from pool.likeness import likeness

    return likeness(_decoded(reference), _decoded(other))


def _real(reference: Outcome, other: Outcome, work: Path) -> float | None:
    """SSIMULACRA2's own score, by the Python package; None where it is not installed."""
    if find_spec("ssimulacra2") is None:
        return None
    from ssimulacra2 import compute_ssimulacra2

    path = work / "decoded.png"
    _decoded(other).pngsave(str(path), compression=0, keep="none")
    return float(compute_ssimulacra2(reference.outputs[0].path, str(path)))


def _decoded(outcome: Outcome) -> "pyvips.Image":
    from pool.probe import LOADERS

    output = outcome.outputs[0]
    return LOADERS[output.format](output.path)


def _rows(kind: str, measured: list[Measured]) -> Iterator[Row]:
    ours = [one for one in measured if one.format == kind]
    fixed, auto = sum(one.fixed_bytes for one in ours), sum(one.auto_bytes for one in ours)
    saved = 1 - auto / fixed
    is_kept = saved >= LEAST_SAVED
    text = f"{fixed:,} to {auto:,} bytes: {saved:.1%} fewer"
    yield Row(f"{kind}: bytes", text, f"≥ {LEAST_SAVED:.0%} fewer", is_kept)
    worst_fixed = min(one.fixed_score for one in ours)
    worst_auto = min(one.auto_score for one in ours)
    text = f"{worst_fixed:.2f} to {worst_auto:.2f}"
    yield Row(f"{kind}: worst score", text, "no lower", worst_auto >= worst_fixed)
    real = [(one.fixed_real, one.auto_real) for one in ours]
    if all(before is not None for before, _ in real):
        worst = [min(column) for column in zip(*real, strict=True)]
        mean = [sum(column) / len(real) for column in zip(*real, strict=True)]
        text = f"{worst[0]:.1f} to {worst[1]:.1f}; mean {mean[0]:.1f} to {mean[1]:.1f}"
        yield Row(f"{kind}: worst by SSIMULACRA2", text, "no lower", worst[1] >= worst[0])
    lowest, highest = min(one.quality for one in ours), max(one.quality for one in ours)
    yield Row(f"{kind}: qualities chosen", f"{lowest} to {highest}")
    cpu = sum(one.auto_cpu_s for one in ours) / sum(one.fixed_cpu_s for one in ours)
    yield Row(f"{kind}: CPU time", f"{cpu:.1f} times")


def _plot(measured: list[Measured]) -> str:
    """Each file by its size and its likeness: those of auto stand in one line, lower or higher."""
    kinds = []
    for kind in FORMATS:
        ours = [one for one in measured if one.format == kind]
        fixed = [(one.fixed_bytes / 1000, one.fixed_score) for one in ours]
        auto = [(one.auto_bytes / 1000, one.auto_score) for one in ours]
        kinds += [
            dots.Kind(f"{kind}, fixed {FIXED_QUALITY}", fixed, is_hollow=True),
            dots.Kind(f"{kind}, auto", auto),
        ]
    return dots.drawing("kB", "score", kinds)
