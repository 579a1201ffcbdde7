"""The same small pictures at the same rate for a long time, and what grows with them or is left.

Pictures are kept for a short time, so that they expire all the while; at the end each service is
left alone until all should be forgotten. The same files, times and duration for each service, one
after the other.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import cycle, islice
from pathlib import Path

from redis.asyncio import Redis
from rich.progress import Progress, TaskID

from bench import own, photos, redis_use, tree
from bench.report import Report
from bench.scenarios.soak_report import MIB, Options, Sample, Side, drawing, report_of
from bench.services import Served, install_peers, services
from tests.server_process import ServerProcess

RECIPE = {"resize": {"width": 800}, "format": "webp", "quality": 80}
SAMPLE_EVERY_S = 2.0
SWEPT_S = 20.0
"""Whoever sweeps has done so by then."""


class Watch:
    """Looks at everything of one service that could grow."""

    def __init__(self, side: Served, redis: Redis, samples: list[Sample]) -> None:
        self._side, self._redis, self._samples = side, redis, samples
        self._started = time.monotonic()
        self.completed = 0

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """A sample now, and others all the while."""
        self._samples.append(await self.look())
        looker = asyncio.create_task(self._look_often())
        try:
            yield
        finally:
            looker.cancel()
            await asyncio.wait([looker])

    async def until_forgotten(self, *, within_s: float) -> None:
        """Until no picture is left and no more keys than at the start, or for so long."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            now = await self.look()
            if now.pictures == 0 and now.redis_keys <= self._samples[0].redis_keys:
                break
            await asyncio.sleep(SAMPLE_EVERY_S)
        self._samples.append(await self.look())

    async def look(self) -> Sample:
        """How things stand now."""
        parts = tree.pss_by_part(*self._side.roots)
        files, on_disk = await asyncio.to_thread(_kept, self._side.data_dir)
        return Sample(
            at_s=round(time.monotonic() - self._started, 1),
            completed=self.completed,
            all_mib=sum(parts.values()) / MIB,
            server_mib=parts["server"] / MIB,
            redis_mib=(await self._redis.info("memory"))["used_memory"] / MIB,
            redis_keys=await self._redis.dbsize(),
            open_files=tree.open_files(*self._side.roots),
            pictures=files,
            disk_mib=on_disk / MIB,
        )

    async def _look_often(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_EVERY_S)
            self._samples.append(await self.look())


def soak(options: Options) -> Report:
    """Servers of their own. Raises RuntimeError where there is no Node.js for peers."""
    if options.peers:
        install_peers()
    with tempfile.TemporaryDirectory(prefix="safelight-soak-") as name, Progress() as progress:
        found = asyncio.run(_run(options, Path(name), progress))
    if options.plot is not None:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        options.plot.write_text(drawing(found), encoding="utf-8")
    return report_of(options, found)


async def _run(options: Options, work: Path, progress: Progress) -> dict[str, Side]:
    sources = photos.generate(work / "tiny", "tiny")
    found = {}
    peers, keep_s = options.peers, options.keep_s
    with _server(work / "data", keep_s=keep_s) as server:
        async with services(server, RECIPE, work, peers=peers, keep_s=keep_s) as served:
            for side in served:
                bar = progress.add_task(side.name, total=options.jobs)
                found[side.name] = await _one(side, sources, options, _teller(progress, bar))
    return found


async def _one(
    side: Served, sources: Sequence[Path], options: Options, told: Callable[[], None]
) -> Side:
    files = list(islice(cycle(sources), options.jobs))
    at_s = [number / options.rate for number in range(options.jobs)]
    samples: list[Sample] = []
    async with redis_use.connected(side.data_dir) as redis:
        watch = Watch(side, redis, samples)
        async with watch.looking():

            def done() -> None:
                watch.completed += 1
                told()

            before = tree.cpu_of_service(*side.roots)
            answers = await side.client.run_in_time(files, at_s, done=done)
            cpu = tree.cpu_of_service(*side.roots) - before
            busy_to = len(samples)
            # Ours knows a picture as long again as it keeps it.
            await watch.until_forgotten(within_s=2 * options.keep_s + SWEPT_S)
    return Side(samples, busy_to, answers, cpu)


def _teller(progress: Progress, bar: TaskID) -> Callable[[], None]:
    return lambda: progress.advance(bar)


@contextmanager
def _server(data_dir: Path, *, keep_s: int) -> Iterator[ServerProcess]:
    environment = {
        "SAFELIGHT_IMAGES__KEEP_S": str(keep_s),
        "SAFELIGHT_DEDUP__ENABLED": "false",  # every picture is to be work, though it comes again
    }
    server = own.start(data_dir, environment=environment)
    try:
        yield server
    finally:
        server.close()


def _kept(data_dir: Path) -> tuple[int, int]:
    """Files of pictures, and bytes of all files, with Redis' log and the history."""
    pictures, size = 0, 0
    for folder, _, names in os.walk(data_dir):  # bears folders that vanish
        is_pictures = Path(folder).relative_to(data_dir).parts[:1] in _PICTURES
        for name in names:
            try:
                size += (Path(folder) / name).stat().st_blocks * 512
            except FileNotFoundError:
                continue  # it went this moment
            pictures += is_pictures
    return pictures, size


_PICTURES = {("originals",), ("results",), ("spool",), ("pictures",)}
