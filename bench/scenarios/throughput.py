"""The service at saturation beside bare libvips and others: the same pictures in turn."""

import asyncio
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import Progress

from bench import own, photos, redis_use, tree
from bench.bare import QUALITY, WIDTH, Bare
from bench.client import Answers
from bench.services import Served, install_peers, services
from bench.tree import Cpu, Peak
from tests.server_process import ServerProcess

RECIPE = {"resize": {"width": WIDTH}, "format": "webp", "quality": QUALITY}
ENVIRONMENT = {"SAFELIGHT_DEDUP__ENABLED": "false"}  # a picture that came twice would be no work
WARM_UP = 8
MONITORED = 20


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses."""

    folder: Path | None
    kind: str
    count: int
    rounds: int
    window: int
    peers: bool = False


@dataclass(frozen=True, slots=True)
class BareRound:
    """Bare libvips over the pictures of a round."""

    wall_s: float
    cpu_s: float
    taken_s: list[float]


@dataclass(frozen=True, slots=True)
class ServedRound:
    """A service over the same pictures."""

    answers: Answers
    cpu: Cpu
    driver_cpu_s: float
    commands: Counter[str]
    peak: Peak


@dataclass(slots=True)
class Rounds:
    """All that was measured; `served` by the name of the service."""

    bare: list[BareRound] = field(default_factory=list)
    served: dict[str, list[ServedRound]] = field(default_factory=dict)
    senders: dict[str, Counter[str]] = field(default_factory=dict)


def throughput(options: Options) -> Rounds:
    """Run it all; each service is a process of its own on a data folder of its own.

    Raises RuntimeError where there is no Node.js for the peers.
    """
    if options.peers:
        install_peers()
    with tempfile.TemporaryDirectory(prefix="safelight-bench-") as name:
        work = Path(name)
        server = own.start(work / "data", environment=ENVIRONMENT)
        try:
            return asyncio.run(_measure(options, server, work))
        finally:
            server.close()


async def _measure(options: Options, server: ServerProcess, work: Path) -> Rounds:
    rounds = Rounds()
    with Progress() as progress:
        sources = _sources(options, work, progress)
        bar = progress.add_task("warming up")

        def done() -> None:
            progress.advance(bar)

        async with (
            Bare(work / "bare", cores=os.cpu_count() or 1) as bare,
            services(server, RECIPE, work, peers=options.peers) as served,
        ):
            sides: list[Bare | Served] = [bare, *served]
            progress.update(
                bar, total=len(sides) * (WARM_UP + options.count * options.rounds) + MONITORED
            )
            await _round(
                sides,
                photos.stamp(sources, work / "warm", count=WARM_UP, label="warm"),
                Rounds(),
                window=options.window,
                done=done,
            )
            for number in range(options.rounds):
                progress.update(bar, description=f"round {number + 1} of {options.rounds}")
                folder = work / f"round-{number}"
                files = photos.stamp(sources, folder, count=options.count, label=f"r{number}")
                turned = sides[number % len(sides) :] + sides[: number % len(sides)]
                await _round(turned, files, rounds, window=options.window, done=done)
                shutil.rmtree(folder)
            progress.update(bar, description="counting Redis commands")
            files = photos.stamp(sources, work / "watched", count=MONITORED, label="watched")
            rounds.senders = await _senders(served[0], files, window=options.window, done=done)
    return rounds


async def _round(
    sides: Sequence[Bare | Served],
    files: Sequence[Path],
    rounds: Rounds,
    *,
    window: int,
    done: Callable[[], None],
) -> None:
    """Each side in turn; what is measured is put into `rounds`."""
    for side in sides:
        if isinstance(side, Bare):
            rounds.bare.append(await _bare_round(side, files, done))
        else:
            measured = await _served_round(side, files, window=window, done=done)
            rounds.served.setdefault(side.name, []).append(measured)


async def _served_round(
    side: Served, files: Sequence[Path], *, window: int, done: Callable[[], None]
) -> ServedRound:
    async with redis_use.connected(side.data_dir) as redis:
        commands_before = await redis_use.calls(redis)
        cpu_before = tree.cpu_of_service(*side.roots)
        driver_before = tree.cpu_s_of([side.client.pid])
        async with tree.peak_memory(*side.roots) as peak:
            answers = await side.client.run(files, window=window, done=done)
        cpu = tree.cpu_of_service(*side.roots) - cpu_before
        driver_cpu_s = tree.cpu_s_of([side.client.pid]) - driver_before
        commands = await redis_use.calls(redis) - commands_before
    if answers.failed:
        failed = len(answers.failed)
        raise RuntimeError(f"{side.name}: {failed} pictures failed: {answers.failed[0]}")
    return ServedRound(answers, cpu, driver_cpu_s, commands, peak)


async def _senders(
    side: Served, files: Sequence[Path], *, window: int, done: Callable[[], None]
) -> dict[str, Counter[str]]:
    """Who sends which Redis commands for these files."""
    async with redis_use.connected(side.data_dir) as redis, redis_use.watched(redis) as senders:
        await side.client.run(files, window=window, done=done)
    return senders


async def _bare_round(bare: Bare, files: Sequence[Path], done: Callable[[], None]) -> BareRound:
    cpu_before = tree.cpu_s_of(bare.pids)
    started = time.perf_counter()
    taken_s = await bare.run(files, done)
    wall_s = time.perf_counter() - started
    return BareRound(wall_s, tree.cpu_s_of(bare.pids) - cpu_before, taken_s)


def _sources(options: Options, work: Path, progress: Progress) -> list[Path]:
    if options.folder is not None:
        found = photos.in_folder(options.folder)
        if not found:
            raise FileNotFoundError(f"{options.folder} holds no JPEG or PNG file")
        return found
    progress.console.print(f"drawing {options.kind} pictures")
    return photos.generate(work / "photos", options.kind)
