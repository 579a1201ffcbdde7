"""Five times as many pictures as the service can make: what is answered, what a refusal costs.

Open-loop, so that refusing quickly does not slow the flood down. What a refusal costs is measured
apart, on a server whose queue is full and stays so.
"""

import asyncio
import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from rich.progress import Progress

from bench import own, photos, tree
from bench.client import Answers, Client
from bench.report import Report, Row, at_most, in_words, percentiles_ms
from bench.services import OURS, Served, install_peers, services
from tests.server_process import ServerProcess

RECIPE = {"resize": {"width": 800}, "format": "webp", "quality": 80}
SLOW = {"resize": {"width": 4000}, "format": "webp", "quality": 80, "effort": "best"}
TIMES = 5
CAPACITY_PICTURES = 80
WARM_UP = 8
SEED = 1
REFUSALS = 2000
REFUSALS_PER_S = 300.0
FULL_DEPTH = 20
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses."""

    seconds: int
    depth: int
    peers: bool = False


@dataclass(frozen=True, slots=True)
class Flood:
    """What came of it; memory in bytes (PSS of all processes)."""

    capacity: float
    sent: int
    answers: Answers
    before: int
    peak: int
    after: int


@dataclass(frozen=True, slots=True)
class Refusals:
    """CPU seconds of server and Redis, beside what they spend while nobody asks."""

    sent: int
    refused: int
    cpu_s: float


def overload(options: Options) -> Report:
    """Two servers, one after the other. Raises RuntimeError where there is no Node.js for peers."""
    if options.peers:
        install_peers()
    with tempfile.TemporaryDirectory(prefix="safelight-overload-") as name, Progress() as progress:
        work = Path(name)
        bar = progress.add_task("flood")
        files = photos.generate(work / "small", "small")

        def done() -> None:
            progress.advance(bar)

        with _server(work / "flood", depth=options.depth) as server:
            floods = asyncio.run(_floods(options, server, files, work, done))
        progress.update(bar, description="refusals")
        with _server(work / "full", depth=FULL_DEPTH) as server:
            refusals = asyncio.run(_refusals(server, files, work, done))
    return _report(options, floods, refusals)


@contextmanager
def _server(data_dir: Path, *, depth: int) -> Iterator[ServerProcess]:
    environment = {
        "SAFELIGHT_DEDUP__ENABLED": "false",
        "SAFELIGHT_QUEUE__MAX_DEPTH": str(depth),
    }
    server = own.start(data_dir, environment=environment)
    try:
        yield server
    finally:
        server.close()


async def _floods(
    options: Options,
    server: ServerProcess,
    sources: Sequence[Path],
    work: Path,
    done: Callable[[], None],
) -> dict[str, Flood]:
    """One service after the other, each with as many in line."""
    async with services(
        server, RECIPE, work, peers=options.peers, max_waiting=options.depth
    ) as served:
        return {
            side.name: await _flood(options, side, sources, work / f"flood-{number}", done)
            for number, side in enumerate(served)
        }


async def _flood(
    options: Options,
    side: Served,
    sources: Sequence[Path],
    work: Path,
    done: Callable[[], None],
) -> Flood:
    client = side.client
    warm = photos.stamp(sources, work / "warm", count=WARM_UP, label="warm")
    await client.run(warm, window=8, done=done)
    files = photos.stamp(sources, work / "capacity", count=CAPACITY_PICTURES, label="c")
    capacity = CAPACITY_PICTURES / (await client.run(files, window=16, done=done)).wall_s
    at_s = list(_arrivals(capacity * TIMES, options.seconds))
    files = photos.stamp(sources, work / "files", count=len(at_s), label="f")
    before = tree.pss_of(*side.roots)
    async with tree.peak_memory(*side.roots) as peak:
        answers = await client.run_in_time(files, at_s, done=done)
    return Flood(capacity, len(at_s), answers, before, peak.total, tree.pss_of(*side.roots))


async def _refusals(
    server: ServerProcess, sources: Sequence[Path], work: Path, done: Callable[[], None]
) -> Refusals:
    """While slow pictures wait for longer than it takes; whoever slips in stands behind them."""
    large = photos.stamp(
        photos.generate(work / "large", "large"), work / "slow", count=40, label=""
    )
    async with ClientSession(server.url) as session:
        await _fill(session, large)
    async with Client(server.url, RECIPE) as client:
        files = photos.stamp(sources, work / "refused", count=REFUSALS, label="r")
        at_s = [number / REFUSALS_PER_S for number in range(REFUSALS)]
        before = tree.cpu_of_service(server.pid)
        answers = await client.run_in_time(files, at_s, done=done)
        cpu = tree.cpu_of_service(server.pid) - before
    return Refusals(REFUSALS, answers.refused, cpu.server + cpu.redis)


async def _fill(session: ClientSession, large: Sequence[Path]) -> None:
    for path in large:
        headers = {"Content-Type": "image/jpeg", "Prefer": "respond-async"}
        params = {"options": json.dumps(SLOW)}
        body = await asyncio.to_thread(path.read_bytes)
        async with session.post("/upload", params=params, data=body, headers=headers) as response:
            if response.status == 429:
                return
            if response.status != 202:
                raise RuntimeError(f"{response.status} {await response.text()}")
    raise RuntimeError("the queue did not become full")


def _arrivals(rate: float, seconds: int) -> Iterator[float]:
    draw, at_s = random.Random(SEED), 0.0
    while (at_s := at_s + draw.expovariate(rate)) < seconds:
        yield at_s


def _report(options: Options, floods: dict[str, Flood], refusals: Refusals) -> Report:
    figures: dict[str, Any] = {
        "served": {name: _figures(flood) for name, flood in floods.items()},
        "cpu_ms_a_refusal": refusals.cpu_s / refusals.refused * 1000,
        "refusals": refusals.refused,
    }
    title = f"overload, {TIMES} times the capacity for {options.seconds} s"
    rows = [row for name, flood in floods.items() for row in _rows(name, flood)]
    cost = f"CPU of a refusal of ours, of {refusals.refused}"
    rows.append(at_most(cost, figures["cpu_ms_a_refusal"], 1.0, " ms"))
    return Report(title, tuple(rows), figures)


def _figures(flood: Flood) -> dict[str, Any]:
    answers = flood.answers
    return {
        "capacity_per_s": flood.capacity,
        "sent": flood.sent,
        "completed": len(answers.taken_s),
        "refused": answers.refused,
        "failed": answers.failed,
        "upload_to_event_ms": percentiles_ms(answers.taken_s),
        "pss_bytes": {"before": flood.before, "peak": flood.peak, "after": flood.after},
    }


def _rows(name: str, flood: Flood) -> Iterator[Row]:
    answers = flood.answers
    share = len(answers.taken_s) / flood.sent
    yield Row(f"[bold]{name}[/]", "")
    yield Row("pictures per second that it can make", f"{flood.capacity:.1f}")
    yield Row("sent", str(flood.sent))
    yield Row("accepted, all of them completed", f"{len(answers.taken_s)} ({share:.0%})")
    yield Row("answered 429", f"{answers.refused} ({answers.refused / flood.sent:.0%})")
    others = "answered otherwise, 5xx among them"
    failed = len(answers.failed)
    yield at_most(others, failed, 0) if name == OURS else Row(others, str(failed))
    yield Row("upload to completed event, ms", in_words(percentiles_ms(answers.taken_s)))
    memory = f"{flood.before / MIB:.0f}, {flood.peak / MIB:.0f}, {flood.after / MIB:.0f}"
    yield Row("memory before, at its peak, after, MiB (PSS of all)", memory)
