"""The service at saturation beside bare libvips: the same pictures in turn, in one run."""

import asyncio
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.progress import Progress

from bench import photos, redis_use, tree
from bench.bare import QUALITY, WIDTH, Bare
from bench.client import Answers, Client
from bench.report import Report, Row, at_least, at_most, in_words, percentiles_ms, spread
from bench.tree import Cpu, Peak
from tests import server_process
from tests.server_process import ServerProcess

RECIPE = {"resize": {"width": WIDTH}, "format": "webp", "quality": QUALITY}
ENVIRONMENT = {"SAFELIGHT_DEDUP__ENABLED": "false"}  # a picture that came twice would be no work
WARM_UP = 8
MONITORED = 20
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses."""

    folder: Path | None
    kind: str
    count: int
    rounds: int
    window: int


@dataclass(frozen=True, slots=True)
class BareRound:
    """Bare libvips over the pictures of a round."""

    wall_s: float
    cpu_s: float
    taken_s: list[float]


@dataclass(frozen=True, slots=True)
class ServiceRound:
    """The service over the same pictures."""

    answers: Answers
    cpu: Cpu
    driver_cpu_s: float
    commands: Counter[str]
    peak: Peak


@dataclass(slots=True)
class Rounds:
    """All that was measured."""

    bare: list[BareRound]
    service: list[ServiceRound]
    senders: dict[str, Counter[str]]


def throughput(options: Options) -> Report:
    """Run it all; the server is a process of its own on a data folder of its own."""
    with tempfile.TemporaryDirectory(prefix="safelight-bench-") as name:
        work = Path(name)
        server = server_process.start(work / "data", environment=ENVIRONMENT)
        try:
            rounds = asyncio.run(_measure(options, server, work))
        finally:
            server.close()
    return _report(options, rounds)


async def _measure(options: Options, server: ServerProcess, work: Path) -> Rounds:
    cores = os.cpu_count() or 1
    steps = 2 * options.count * options.rounds + 2 * WARM_UP + MONITORED
    rounds = Rounds(bare=[], service=[], senders={})
    with Progress() as progress:
        sources = _sources(options, work, progress)
        bar = progress.add_task("warming up", total=steps)

        def done() -> None:
            progress.advance(bar)

        async with Bare(work / "bare", cores=cores) as bare, Client(server.url, RECIPE) as client:
            seat = Seat(options, server, bare, client, done)
            files = photos.stamp(sources, work / "warm", count=WARM_UP, label="warm")
            await seat.bare_round(files)
            await seat.service_round(files)
            for number in range(options.rounds):
                progress.update(bar, description=f"round {number + 1} of {options.rounds}")
                folder = work / f"round-{number}"
                files = photos.stamp(sources, folder, count=options.count, label=f"r{number}")
                for side in ("bare", "service") if number % 2 == 0 else ("service", "bare"):
                    if side == "bare":
                        rounds.bare.append(await seat.bare_round(files))
                    else:
                        rounds.service.append(await seat.service_round(files))
                shutil.rmtree(folder)
            progress.update(bar, description="counting Redis commands")
            files = photos.stamp(sources, work / "watched", count=MONITORED, label="watched")
            rounds.senders = await seat.watched_round(files)
    return rounds


@dataclass(frozen=True, slots=True)
class Seat:
    """Everything a round needs."""

    options: Options
    server: ServerProcess
    bare: Bare
    client: Client
    done: Callable[[], None]

    async def bare_round(self, files: Sequence[Path]) -> BareRound:
        cpu_before = tree.cpu_s_of(self.bare.pids)
        started = time.perf_counter()
        taken_s = await self.bare.run(files, self.done)
        wall_s = time.perf_counter() - started
        return BareRound(wall_s, tree.cpu_s_of(self.bare.pids) - cpu_before, taken_s)

    async def service_round(self, files: Sequence[Path]) -> ServiceRound:
        async with redis_use.connected(self.server.data_dir) as redis:
            commands_before = await redis_use.calls(redis)
            cpu_before = tree.cpu_of_service(self.server.pid)
            driver_before = tree.cpu_s_of([self.client.pid])
            async with tree.peak_memory(self.server.pid) as peak:
                answers = await self.client.run(files, window=self.options.window, done=self.done)
            cpu = tree.cpu_of_service(self.server.pid) - cpu_before
            driver_cpu_s = tree.cpu_s_of([self.client.pid]) - driver_before
            commands = await redis_use.calls(redis) - commands_before
        if answers.failed:
            raise RuntimeError(f"{len(answers.failed)} pictures failed: {answers.failed[0]}")
        return ServiceRound(answers, cpu, driver_cpu_s, commands, peak)

    async def watched_round(self, files: Sequence[Path]) -> dict[str, Counter[str]]:
        async with (
            redis_use.connected(self.server.data_dir) as redis,
            redis_use.watched(redis) as senders,
        ):
            await self.client.run(files, window=self.options.window, done=self.done)
        return senders


def _sources(options: Options, work: Path, progress: Progress) -> list[Path]:
    if options.folder is not None:
        found = photos.in_folder(options.folder)
        if not found:
            raise FileNotFoundError(f"{options.folder} holds no JPEG or PNG file")
        return found
    progress.console.print(f"drawing {options.kind} pictures")
    return photos.generate(work / "photos", options.kind)


def _report(options: Options, rounds: Rounds) -> Report:
    pictures = options.count * options.rounds
    title = f"throughput, {pictures} pictures in {options.rounds} rounds"
    figures = _figures(options, rounds, pictures)
    return Report(title, tuple(_rows(options, figures)), figures)


def _figures(options: Options, rounds: Rounds, pictures: int) -> dict[str, Any]:
    pairs = list(zip(rounds.service, rounds.bare, strict=True))
    commands = sum((one.commands for one in rounds.service), Counter[str]())
    peak = max((one.peak for one in rounds.service), key=lambda peak: peak.total)
    cpu_ms = {
        part: sum(getattr(one.cpu, part) for one in rounds.service) / pictures * 1000
        for part in ("total", *tree.PARTS)
    }
    return {
        "options": {**asdict(options), "folder": options.folder and str(options.folder)},
        "recipe": RECIPE,
        "ratios": {
            "cpu": [service.cpu.total / bare.cpu_s for service, bare in pairs],
            "throughput": [bare.wall_s / service.answers.wall_s for service, bare in pairs],
        },
        "service": {
            "pictures_per_s": [options.count / one.answers.wall_s for one in rounds.service],
            "upload_to_event_ms": percentiles_ms(
                [taken_s for one in rounds.service for taken_s in one.answers.taken_s]
            ),
            "cpu_ms": cpu_ms,
            "driver_cpu_ms": sum(one.driver_cpu_s for one in rounds.service) / pictures * 1000,
            "refused": sum(one.answers.refused for one in rounds.service),
            "peak_pss_bytes": {"total": peak.total, **peak.parts},
            "redis_a_picture": {
                "all": commands.total() / pictures,
                "by_command": {name: number / pictures for name, number in commands.most_common()},
                **{who: sent.total() / MONITORED for who, sent in rounds.senders.items()},
            },
        },
        "bare": {
            "pictures_per_s": [options.count / one.wall_s for one in rounds.bare],
            "cpu_ms": sum(one.cpu_s for one in rounds.bare) / pictures * 1000,
        },
    }


def _rows(options: Options, figures: dict[str, Any]) -> Iterator[Row]:
    service, bare, ratios = figures["service"], figures["bare"], figures["ratios"]
    cpu_ms, redis = service["cpu_ms"], service["redis_a_picture"]
    is_small = options.folder is None and options.kind == "small"
    yield Row("pictures per second, service", spread(service["pictures_per_s"]))
    yield Row("pictures per second, bare libvips", spread(bare["pictures_per_s"]))
    yield at_least("throughput over bare, median", median(ratios["throughput"]), 0.92)
    yield Row("upload to completed event, ms", in_words(service["upload_to_event_ms"]))
    yield Row("CPU ms a picture, bare libvips", f"{bare['cpu_ms']:.1f}")
    yield Row("CPU ms a picture, whole service", f"{cpu_ms['total']:.1f}")
    yield at_most("CPU over bare, median", median(ratios["cpu"]), 1.25 if is_small else 1.06)
    yield Row("of it workers, ms", f"{cpu_ms['workers']:.2f}")
    yield Row("of it server, ms", f"{cpu_ms['server']:.2f}")
    yield Row("of it Redis, ms", f"{cpu_ms['redis']:.2f}")
    yield at_most("outside the workers", cpu_ms["server"] + cpu_ms["redis"], 6, " ms")
    yield at_most("Redis commands a picture, by clients", redis["client"], 8)
    yield Row("Redis commands a picture, in scripts", f"{redis['script']:.1f}")
    yield Row("Redis commands a picture, all", f"{redis['all']:.1f}")
    peak_bytes = service["peak_pss_bytes"]["total"]
    yield at_most("peak memory (PSS) of all processes", peak_bytes / MIB, 400, " MiB")
    yield Row("uploads answered 429", str(service["refused"]))
    yield Row("CPU ms a picture, our driver (not counted)", f"{service['driver_cpu_ms']:.1f}")
