"""What a smaller picture costs, weighs and looks like: ours, libvips' own way, and sharp's.

Each file is judged against the whole picture, decoded at full size and scaled without loss.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from time import process_time
from typing import TYPE_CHECKING, Any

from rich.progress import track

from bench import bare, peer
from bench import photos as pictures
from bench.report import Report, Row
from pool import Limits, Task, parse_recipe

if TYPE_CHECKING:
    import pyvips

WIDTHS = (200, 400, 800, 1600)
SAME = {"format": "webp", "quality": bare.QUALITY}  # what all sides are told
OURS: dict[str, dict[str, Any]] = {
    "Safelight": SAME,
    "Safelight, its defaults": {},
    "Safelight, quality auto": {"format": "webp", "quality": "auto"},
}
WHOLE, THUMBNAIL, SHARP = "libvips, decoded whole", "libvips, thumbnail", "sharp"
EFFORT = 4
LIMITS = Limits(10**9, 65_500, 10**9, 500, ("jpeg", "png"))

# Source, target without its ending, width in pixels: the file written, and CPU seconds.
Way = Callable[[Path, Path, int], tuple[Path, float]]


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure: a folder or drawn pictures; CPU times are the least of some rounds."""

    photos: Path | None
    rounds: int
    peers: bool


@dataclass(frozen=True, slots=True)
class Made:
    """One picture of one width, made in one way; the score is that of pool/likeness.py."""

    way: str
    photo: str
    width: int
    bytes: int
    score: float
    cpu_ms: float


def looks(options: Options) -> Report:
    """All pictures at all widths below their own, the ways in turn."""
    with tempfile.TemporaryDirectory(prefix="safelight-bench-") as name, _ways(options) as ways:
        work = Path(name)
        photos = (
            pictures.in_folder(options.photos)
            if options.photos
            else pictures.generate(work / "drawn", "mixed")
        )
        asked = [(photo, width) for photo in photos for width in WIDTHS]
        made = [
            one
            for photo, width in track(asked, description="measuring")
            for one in _made(ways, photo, work, width, options.rounds)
        ]
    names = list(ways)
    rows = [row for width in WIDTHS for row in _rows(names, width, made)]
    return Report(
        f"{len(photos)} pictures, WebP {bare.QUALITY}: CPU ms, kB, score (mean, worst)",
        tuple(rows),
        {"pictures": [asdict(one) for one in made]},
    )


@contextmanager
def _ways(options: Options) -> Iterator[dict[str, Way]]:
    import pyvips  # not above: the other scenarios leave libvips to their processes

    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
    ways: dict[str, Way] = {WHOLE: _whole, THUMBNAIL: _thumbnail}
    ways |= {name: _ours(manner) for name, manner in OURS.items()}
    if not options.peers:
        yield ways
        return
    peer.install()
    program = ["node", str(peer.FOLDER / "alone.js")]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
        yield ways | {SHARP: _sharp(node)}
        assert node.stdin is not None
        node.stdin.close()


def _made(ways: dict[str, Way], photo: Path, work: Path, width: int, rounds: int) -> Iterator[Made]:
    from pool.likeness import likeness

    whole = _loaded(photo).copy_memory()
    if whole.width <= width:
        return
    best: dict[str, tuple[Path, float]] = {}
    for _ in range(rounds):
        for number, (name, way) in enumerate(ways.items()):
            path, cpu_s = way(photo, work / f"{number}", width)
            best[name] = path, min(cpu_s, best.get(name, (path, cpu_s))[1])
    for name, (path, cpu_s) in best.items():
        file = _loaded(path).copy_memory()
        wanted = whole.resize(file.width / whole.width, vscale=file.height / whole.height)
        score = likeness(wanted, file)
        yield Made(name, photo.name, width, path.stat().st_size, score, cpu_s * 1000)


def _loaded(path: Path) -> "pyvips.Image":
    from pool.probe import LOADERS

    kind = {"jpg": "jpeg"}.get(path.suffix[1:].lower(), path.suffix[1:].lower())
    return LOADERS[kind](str(path))


def _whole(photo: Path, target: Path, width: int) -> tuple[Path, float]:
    began, path = process_time(), target.with_suffix(".webp")
    image = _loaded(photo)
    image.resize(width / image.width).webpsave(
        str(path), Q=bare.QUALITY, effort=EFFORT, keep="none"
    )
    return path, process_time() - began


def _thumbnail(photo: Path, target: Path, width: int) -> tuple[Path, float]:
    import pyvips

    began, path = process_time(), target.with_suffix(".webp")
    image = pyvips.Image.thumbnail(str(photo), width, height=bare.ANY_HEIGHT, size="down")
    image.webpsave(str(path), Q=bare.QUALITY, effort=EFFORT, keep="none")
    return path, process_time() - began


def _ours(manner: dict[str, Any]) -> Way:
    def way(photo: Path, target: Path, width: int) -> tuple[Path, float]:
        from pool.develop import develop
        from pool.kill import Kill

        target.mkdir(exist_ok=True)
        recipe = parse_recipe({"resize": {"width": width}, **manner})
        task = Task("job", 1, str(photo), recipe, str(target), LIMITS, 600.0)
        began = process_time()
        outcome = develop(task, lambda _: None, Kill())
        if outcome.fault is not None:
            raise RuntimeError(f"{photo}: {outcome.fault.detail}")
        return Path(outcome.outputs[0].path), process_time() - began

    return way


def _sharp(node: subprocess.Popen[bytes]) -> Way:
    assert node.stdin is not None
    assert node.stdout is not None
    to_node, from_node = node.stdin, node.stdout

    def way(photo: Path, target: Path, width: int) -> tuple[Path, float]:
        path = target.with_suffix(".webp")
        order = {"source": str(photo), "target": str(path), "width": width}
        order |= {"quality": bare.QUALITY, "effort": EFFORT}
        to_node.write(json.dumps(order).encode() + b"\n")
        to_node.flush()
        answer = from_node.readline()
        if not answer:
            raise RuntimeError(f"{photo}: sharp has ended")
        return path, float(json.loads(answer)["cpuS"])

    return way


def _rows(names: Sequence[str], width: int, made: Sequence[Made]) -> Iterator[Row]:
    for name in names:
        ours = [one for one in made if (one.way, one.width) == (name, width)]
        if not ours:
            continue
        cpu, size = mean(one.cpu_ms for one in ours), mean(one.bytes for one in ours) / 1000
        scores = [one.score for one in ours]
        text = f"{cpu:.1f} ms, {size:.1f} kB, {mean(scores):.1f}, {min(scores):.1f}"
        yield Row(f"{width} px, {len(ours)} pictures: {name}", text)
