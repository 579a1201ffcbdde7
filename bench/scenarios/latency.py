"""How long a picture takes at 30, 60 and 90 % of what a service can do, and alone.

Arrivals are open-loop: each picture is sent at its time (Poisson, the same times for all), and its
time counts from there, whatever has become of those before it.
"""

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.progress import Progress

from bench import own, photos
from bench.bare import QUALITY, WIDTH, Bare
from bench.report import Report, Row, at_most, in_words, percentiles_ms
from bench.services import OURS, Served, install_peers, services
from tests.server_process import ServerProcess

RECIPE = {"resize": {"width": WIDTH}, "format": "webp", "quality": QUALITY}
ENVIRONMENT = {"SAFELIGHT_DEDUP__ENABLED": "false"}
SHARES = (0.3, 0.6, 0.9)
WARM_UP = 8
ALONE = 40
SEED = 1


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses."""

    folder: Path | None
    seconds: int
    peers: bool


@dataclass(slots=True)
class Measured:
    """Of one service: pictures a second at saturation, and times in seconds by load."""

    capacity: float = 0.0
    alone_s: list[float] = field(default_factory=list)
    taken_s: dict[float, list[float]] = field(default_factory=dict)


def latency(options: Options) -> Report:
    """Raises RuntimeError where there is no Node.js for the peers, or when a picture failed."""
    if options.peers:
        install_peers()
    with tempfile.TemporaryDirectory(prefix="safelight-latency-") as name:
        work = Path(name)
        server = own.start(work / "data", environment=ENVIRONMENT)
        try:
            bare_s, measured = asyncio.run(_measure(options, server, work))
        finally:
            server.close()
    return _report(options, bare_s, measured)


async def _measure(
    options: Options, server: ServerProcess, work: Path
) -> tuple[list[float], dict[str, Measured]]:
    small = photos.generate(work / "small", "small")
    mixed = photos.in_folder(options.folder) if options.folder else None
    sources = mixed or photos.generate(work / "mixed", "mixed")
    measured: dict[str, Measured] = {}
    with Progress() as progress:
        async with (
            Bare(work / "bare", cores=1) as bare,
            services(server, RECIPE, work, peers=options.peers) as served,
        ):
            bar = progress.add_task("", total=None)
            bare_s = await _bare_alone(bare, small)
            for side in served:
                progress.update(bar, description=side.name)
                seat = _Seat(side, work / side.name.replace(" ", ""), lambda: progress.advance(bar))
                measured[side.name] = await seat.measure(small, sources, options.seconds)
    return bare_s, measured


async def _bare_alone(bare: Bare, small: Sequence[Path]) -> list[float]:
    """One after the other: `Bare.run` would have all of them wait for its one process."""
    return [(await bare.run([small[n % len(small)]], _nothing))[0] for n in range(ALONE)]


@dataclass(frozen=True, slots=True)
class _Seat:
    side: Served
    folder: Path
    done: Callable[[], None]

    async def measure(
        self, small: Sequence[Path], sources: Sequence[Path], seconds: int
    ) -> Measured:
        measured = Measured()
        await self._closed(sources, "warm", count=WARM_UP, window=4)
        measured.alone_s, _ = await self._closed(small, "alone", count=ALONE, window=1)
        count = 4 * len(sources)
        _, wall_s = await self._closed(sources, "full", count=count, window=16)
        measured.capacity = count / wall_s
        for share in SHARES:
            at_s = list(_arrivals(measured.capacity * share, seconds))
            files = photos.stamp(
                sources, self.folder / f"{share}", count=len(at_s), label=f"{share}"
            )
            answers = await self.side.client.run_in_time(files, at_s, done=self.done)
            if answers.failed or answers.refused:
                raise RuntimeError(f"{self.side.name} at {share}: {answers.failed[:1]}")
            measured.taken_s[share] = answers.taken_s
        return measured

    async def _closed(
        self, sources: Sequence[Path], label: str, *, count: int, window: int
    ) -> tuple[list[float], float]:
        files = photos.stamp(sources, self.folder / label, count=count, label=label)
        answers = await self.side.client.run(files, window=window, done=self.done)
        if answers.failed:
            raise RuntimeError(f"{self.side.name}: {answers.failed[0]}")
        return answers.taken_s, answers.wall_s


def _arrivals(rate: float, seconds: int) -> Iterator[float]:
    """Times of a Poisson process; the same draw for every service."""
    draw, at_s = random.Random(SEED), 0.0
    while (at_s := at_s + draw.expovariate(rate)) < seconds:
        yield at_s


def _nothing() -> None:
    """Nobody counts these."""


def _report(options: Options, bare_s: list[float], measured: dict[str, Measured]) -> Report:
    figures: dict[str, Any] = {
        "bare_alone_ms": percentiles_ms(bare_s),
        "served": {
            name: {
                "capacity_per_s": one.capacity,
                "alone_ms": percentiles_ms(one.alone_s),
                "by_load_ms": {str(at): percentiles_ms(s) for at, s in one.taken_s.items()},
            }
            for name, one in measured.items()
        },
    }
    title = f"latency, {options.seconds} s at each load"
    return Report(title, tuple(_rows(bare_s, measured)), figures)


def _rows(bare_s: list[float], measured: dict[str, Measured]) -> Iterator[Row]:
    bare_ms = median(bare_s) * 1000
    yield Row("0.3 MP alone, bare libvips, ms", f"{bare_ms:.1f}")
    for name, one in measured.items():
        yield Row(f"[bold]{name}[/]", "")
        alone_ms = median(one.alone_s) * 1000
        if name == OURS:
            over = "0.3 MP alone, p50 over bare libvips"
            yield at_most(over, alone_ms - bare_ms, 10, " ms")
        else:
            yield Row("0.3 MP alone, p50 over bare libvips", f"{alone_ms - bare_ms:.3g} ms")
        yield Row("pictures per second at saturation", f"{one.capacity:.1f}")
        for share, taken_s in one.taken_s.items():
            yield Row(f"at {share:.0%} of it, ms", in_words(percentiles_ms(taken_s)))
