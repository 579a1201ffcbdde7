"""A worker as the service starts them: its sandbox, a tiny picture in and out of each format."""

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from pool import (
    ChildDied,
    Lane,
    LaneSettings,
    Limits,
    NotStarted,
    Outcome,
    Task,
    engine_version,
    measure_networks,
    parse_recipe,
)
from server.config import Settings
from server.ops.doctor.finding import Finding, Surroundings, good, skipped, warning, wrong
from server.ops.networks import engines_of

_FORMATS = ("jpeg", "png", "webp", "avif", "gif", "tiff")
_SIDE = 32
_DEADLINE_S = 30.0
_NETWORKS_S = 120.0
_REINSTALL = "pip install --force-reinstall pyvips-binary; is it for this machine and libc?"


async def check(here: Surroundings) -> AsyncIterator[Finding]:
    """Start one, look at what holds it, give it work."""
    if not here.settings.server.has_lanes:
        yield skipped("server.role is edge: it has no workers")
        return
    lane = _lane(here)
    try:
        try:
            await lane.start()
        except (ChildDied, NotStarted, OSError) as error:
            yield wrong(f"a worker does not start: {error}", _REINSTALL)
            return
        for finding in _sandbox(lane):
            yield finding
        async for finding in _formats(lane, here):
            yield finding
    finally:
        await lane.close()


async def check_networks(here: Surroundings) -> AsyncIterator[Finding]:
    """Each network is loaded and run once, in a worker of its own."""
    engines = engines_of(here.settings.ai)
    if not engines.models or not here.settings.server.has_lanes:
        why = engines.why_not or "server.role is edge"
        yield skipped(f"no networks: {why}; enhance and upscale are done by libvips alone")
        return
    lane = _lane(here)
    try:
        await lane.start()
        found = await lane.run(measure_networks, engines, deadline_s=_NETWORKS_S)
    except (ChildDied, NotStarted, OSError) as error:
        advice = "pip install --force-reinstall onnxruntime, or ai.enabled = false"
        yield wrong(f"the worker that loads them died: {error}", advice)
        return
    finally:
        await lane.close()
    if not isinstance(found, dict):
        yield wrong(
            f"expected the networks' speeds, got {found}", "ai.enabled = false does without"
        )
        return
    for name, told in found.items():
        yield _network(name, told)


def _network(name: str, told: float | str) -> Finding:
    if isinstance(told, str):
        return wrong(f"{name}: {told}", f"put [ai.models.{name}] right, or take it out")
    return good(f"{name} loads, and takes {told:.2f} s a megapixel")


def _lane(here: Surroundings) -> Lane:
    pool = here.settings.pool
    models = (str(one.path.resolve()) for one in here.settings.ai.models.values())
    settings = LaneSettings(
        spool=str(here.folder),
        read_only=tuple(models),
        hard_grace_s=pool.hard_grace_s,
        memory_kill_bytes=pool.memory_kill_bytes,
    )
    return Lane("doctor", on_progress=lambda _: None, settings=settings)


def _sandbox(lane: Lane) -> list[Finding]:
    box = lane.sandbox
    if box is None:
        return [warning("the worker does not say what holds it", "look at GET /health")]
    found = []
    if box.landlock == "off":
        found.append(
            warning(
                f"workers are not shut into their folder: {box.reason}",
                "Linux 5.13 or newer with Landlock among its LSMs; in a container, a seccomp"
                " profile that lets landlock_* pass",
            )
        )
    if box.seccomp == "off":
        found.append(
            warning(
                f"workers may open connections: {box.reason}",
                "a kernel with seccomp filters, on x86-64 or arm64",
            )
        )
    if not found:
        found.append(
            good(f"a worker starts, shut in: Landlock {box.landlock}, seccomp {box.seccomp}")
        )
    return found


async def _formats(lane: Lane, here: Surroundings) -> AsyncIterator[Finding]:
    """One picture into every format, and every format in again."""
    source = here.folder / "tiny.png"
    await asyncio.to_thread(source.write_bytes, tiny_png())
    version = engine_version().rpartition("/")[2]
    bad: list[str] = []
    for name in _FORMATS:
        written = await _developed(lane, here, source, into=name)
        if written.path is None:
            bad.append(f"{name} cannot be written ({written.why})")
            continue
        read = await _developed(lane, here, written.path, into="png")
        if read.path is None:
            bad.append(f"{name} cannot be read ({read.why})")
    if bad:
        yield wrong(f"libvips {version}: {', '.join(bad)}", _REINSTALL)
    else:
        yield good(f"libvips {version} writes and reads {', '.join(_FORMATS)}")


@dataclass(frozen=True, slots=True)
class _Developed:
    """Where the result is; None and why there is none."""

    path: Path | None
    why: str


async def _developed(lane: Lane, here: Surroundings, source: Path, *, into: str) -> _Developed:
    workdir = here.folder / f"{source.stem}-{source.suffix[1:]}-{into}"
    workdir.mkdir()
    task = Task(
        job_id="doctor",
        attempt=0,
        source=str(source),
        recipe=parse_recipe({"format": into}),
        workdir=str(workdir),
        limits=_limits(here.settings),
        deadline_s=_DEADLINE_S,
    )
    [ending] = await lane.develop([task])
    if not isinstance(ending, Outcome):
        return _Developed(None, f"the worker died: {ending}")
    if ending.fault is not None:
        return _Developed(None, ending.fault.detail)
    return _Developed(Path(ending.outputs[0].path), "")


def _limits(settings: Settings) -> Limits:
    limits = settings.limits
    return Limits(
        max_pixels=limits.max_pixels,
        max_side=limits.max_side,
        max_output_pixels=limits.max_output_pixels,
        max_frames=limits.max_frames,
        formats=_FORMATS,
    )


def tiny_png() -> bytes:
    """A picture that needs no library."""
    row = b"\x00" + bytes(range(0, 3 * _SIDE))
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(row * _SIDE)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )
