"""What lies between the server and a picture: a lane's start, its death, the hop to its child."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pyvips
import uvloop

from bench.report import Report, Row, at_most
from pool import Lane, LaneSettings, Limits, Outcome, Task, parse_recipe

SMALL = parse_recipe({"resize": {"width": 120}, "format": "jpeg"})
LIMITS = Limits(10_000_000, 10_000, 10_000_000, 1, ("jpeg",))
GROUP = 8
ROUNDS = 40
STARTS = 20
HOP_SHARE = 0.05  # of the work


def lanes() -> Report:
    """One lane, sandboxed as in the service, with nothing else to do."""
    with (
        tempfile.TemporaryDirectory(prefix="safelight-lanes-") as name,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_lanes(Path(name)))


async def _lanes(spool: Path) -> Report:
    source = _picture_of_ten_kilobytes(spool)
    lane = Lane("bench", on_progress=lambda _: None, settings=LaneSettings(spool=str(spool)))
    await lane.start()
    try:
        replaced_ms = [await _replaced_ms(lane, source, spool) for _ in range(STARTS)]
        tasks = _tasks(source, spool, GROUP * ROUNDS)
        await lane.develop(tasks[:GROUP])
        hop_ms = await _hop_ms(lane)
        alone = await _develop_each(lane, tasks)
        together = await _develop_grouped(lane, tasks)
    finally:
        await lane.close()
    work_ms = alone.wall_ms - hop_ms
    rows = (
        Row("kill -9 of a child to the next answer, ms", _spread(replaced_ms)),
        Row("hop there and back with nothing to do, ms", f"{hop_ms:.2f}"),
        Row("a 10 KB picture in the child, ms", f"{work_ms:.2f}"),
        Row("one by one: hop over work", f"{hop_ms / work_ms:.3f}"),
        Row("one by one: CPU of the server, ms a picture", f"{alone.parent_ms:.2f}"),
        Row(f"{GROUP} together: CPU of the server, ms a picture", f"{together.parent_ms:.2f}"),
        at_most(f"{GROUP} together: hop over work", together.wall_ms / work_ms - 1, HOP_SHARE),
    )
    return Report(title="lanes", rows=rows, figures={"replaced_ms": replaced_ms})


class Spent:
    """Milliseconds a picture: on the clock, and of the server's CPU."""

    def __init__(self, wall_s: float, parent_s: float, outcomes: Sequence[object]) -> None:
        done = [one for one in outcomes if isinstance(one, Outcome) and one.fault is None]
        if len(done) != len(outcomes):
            raise RuntimeError(f"{len(outcomes) - len(done)} of {len(outcomes)} tasks failed")
        self.wall_ms = wall_s * 1000 / len(done)
        self.parent_ms = parent_s * 1000 / len(done)


async def _hop_ms(lane: Lane) -> float:
    taken_ms = []
    for _ in range(GROUP * ROUNDS):
        began = time.perf_counter()
        await lane.run(abs, -1)
        taken_ms.append((time.perf_counter() - began) * 1000)
    return median(taken_ms)


async def _develop_each(lane: Lane, tasks: Sequence[Task]) -> Spent:
    wall, cpu = time.perf_counter(), time.process_time()
    outcomes = [outcome for task in tasks for outcome in await lane.develop([task])]
    return Spent(time.perf_counter() - wall, time.process_time() - cpu, outcomes)


async def _develop_grouped(lane: Lane, tasks: Sequence[Task]) -> Spent:
    wall, cpu = time.perf_counter(), time.process_time()
    groups = [tasks[at : at + GROUP] for at in range(0, len(tasks), GROUP)]
    outcomes = [outcome for group in groups for outcome in await lane.develop(group)]
    return Spent(time.perf_counter() - wall, time.process_time() - cpu, outcomes)


async def _replaced_ms(lane: Lane, source: Path, spool: Path) -> float:
    """Kill the idle child and ask at once for a picture."""
    [task] = _tasks(source, spool, 1)
    assert lane.pid is not None
    os.kill(lane.pid, signal.SIGKILL)
    began = time.perf_counter()
    while not isinstance((await lane.develop([task]))[0], Outcome):
        pass
    return (time.perf_counter() - began) * 1000


def _tasks(source: Path, spool: Path, number: int) -> list[Task]:
    return [
        Task(
            job_id=f"job{one}",
            attempt=1,
            source=str(source),
            recipe=SMALL,
            workdir=tempfile.mkdtemp(dir=spool),
            limits=LIMITS,
            deadline_s=30,
        )
        for one in range(number)
    ]


def _picture_of_ten_kilobytes(folder: Path) -> Path:
    path = folder / "small.jpg"
    noise = pyvips.Image.gaussnoise(240, 180, mean=128, sigma=40).gaussblur(1.5).cast("uchar")
    noise.copy(interpretation="b-w").colourspace("srgb").jpegsave(str(path), Q=85)
    return path


def _spread(values_ms: Sequence[float]) -> str:
    return f"{median(values_ms):.1f} (up to {max(values_ms):.1f})"
