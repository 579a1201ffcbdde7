"""A list of many URLs: what it costs while all of it waits, then how fast one is worked off.

The first list goes to an origin that holds back its answers and is stopped as a whole; the second
is developed to its end. The same lists for each service, one after the other.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web
from redis.asyncio import Redis
from rich.progress import Progress, TaskID

from bench import own, photos, redis_use, tree
from bench.report import Report
from bench.scenarios.bulk_report import MIB, Options, Sample, Side, drawing, report_of
from bench.services import Served, install_peers, services
from tests.intake.origin import Origin, serve_origin
from tests.server_process import ServerProcess

SAMPLE_EVERY_S = 0.5
LOOK_EVERY_S = 0.25
LINES_AT_ONCE = 200
PATIENCE_S = 120.0  # without a picture that ends
STOP_S = 600.0
# About 80 characters, as they are in the world.
PATH = "/catalogue/2026/autumn/products/{which}-{number:06}-large.jpg"
RECIPE = {"resize": {"width": 800}, "format": "webp", "quality": 80}


@dataclass
class Shop:
    """The origin of the pictures. Those of `held` are answered, by 404, when it opens."""

    origin: Origin
    sources: Sequence[bytes]
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, which: str, count: int) -> list[str]:
        """Paths of pictures that all differ in their bytes."""
        paths = [PATH.format(which=which, number=number) for number in range(count)]
        answer = self._hold if which == "held" else self._picture
        self.origin.answers = dict.fromkeys(paths, answer)
        return paths

    async def _hold(self, _request: web.Request) -> web.StreamResponse:
        await self.opened.wait()
        return web.Response(status=404)

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        number = int(request.path.rsplit("-", 2)[1])
        source = self.sources[number % len(self.sources)]
        body = photos.with_comment(source, request.path.encode())
        return web.Response(body=body, content_type="image/jpeg")


class Bulk:
    """One service."""

    def __init__(self, side: Served, shop: Shop, redis: Redis, told: Callable[[int], None]) -> None:
        self._side, self._shop, self._redis, self._told = side, shop, redis, told
        self._session: ClientSession
        self._started = time.monotonic()
        self._found = Side()

    async def run(self, options: Options) -> Side:
        """Both lists."""
        found = self._found
        async with ClientSession(self._side.url, timeout=ClientTimeout(None)) as self._session:
            found.samples.append(await self._look())
            async with self._sampling():
                batch_id = await self._admit(self._shop.offer("held", options.urls))
                await self._ask_and_stop(batch_id)
                found.waited_to = len(found.samples)
                await self._develop(self._shop.offer("shown", options.developed))
            found.samples.append(await self._look())
        return found

    async def _look(self) -> Sample:
        parts = tree.pss_by_part(*self._side.roots)
        return Sample(
            at_s=round(time.monotonic() - self._started, 2),
            server_mib=parts["server"] / MIB,
            all_mib=sum(parts.values()) / MIB,
            redis_mib=(await self._redis.info("memory"))["used_memory"] / MIB,
        )

    @asynccontextmanager
    async def _sampling(self) -> AsyncIterator[None]:
        async def sample() -> None:
            while True:
                self._found.samples.append(await self._look())
                self._shop.origin.forget()  # it keeps its requests otherwise
                await asyncio.sleep(SAMPLE_EVERY_S)

        sampler = asyncio.create_task(sample())
        try:
            yield
        finally:
            sampler.cancel()
            await asyncio.wait([sampler])

    async def _admit(self, paths: Sequence[str]) -> str:
        """All of them wait; what that takes."""
        found, before = self._found, self._found.samples[0]
        started = time.monotonic()
        batch_id = await self._send(paths)
        found.admitted_per_s = len(paths) / (time.monotonic() - started)
        after = await self._look()
        found.samples.append(after)
        found.redis_bytes_a_job = (after.redis_mib - before.redis_mib) * MIB / len(paths)
        return batch_id

    async def _send(self, paths: Sequence[str]) -> str:
        """One request with all addresses; returns the batch's id."""
        async with self._session.post(
            "/process",
            data=self._lines(paths),
            params={"options": json.dumps(self._side.recipe)},
            headers={"Content-Type": "application/x-ndjson"},
        ) as response:
            answer = await response.json(content_type=None)
        if response.status != 202 or answer["accepted"] != len(paths):
            raise RuntimeError(f"{self._side.name} answered {response.status} {answer}")
        return str(answer["jobId"])

    async def _lines(self, paths: Sequence[str]) -> AsyncIterator[bytes]:
        for start in range(0, len(paths), LINES_AT_ONCE):
            urls = map(self._shop.origin.url, paths[start : start + LINES_AT_ONCE])
            yield b"".join(json.dumps({"imageUrl": url}).encode() + b"\n" for url in urls)

    async def _ask_and_stop(self, batch_id: str) -> None:
        started = time.monotonic()
        await self._state(batch_id)
        self._found.status_ms = (time.monotonic() - started) * 1000
        started = time.monotonic()
        async with self._session.delete(f"/job/{batch_id}") as response:
            if response.status != 200:
                raise RuntimeError(f"{self._side.name} did not stop it: {await response.text()}")
        self._shop.opened.set()
        async with asyncio.timeout(STOP_S):  # whoever answers early goes on with it
            while (await self._state(batch_id))["status"] == "processing":  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY_S)
        self._found.cancel_s = time.monotonic() - started

    async def _develop(self, paths: Sequence[str]) -> None:
        found, started = self._found, time.monotonic()
        before = tree.cpu_of_service(*self._side.roots)
        batch_id = await self._send(paths)
        counts = await self._until_ended(batch_id, len(paths))
        found.developed_s = time.monotonic() - started
        found.cpu = tree.cpu_of_service(*self._side.roots) - before
        found.completed, found.failed = counts.get("completed", 0), counts.get("failed", 0)

    async def _until_ended(self, batch_id: str, total: int) -> dict[str, int]:
        """Raises TimeoutError when nothing ends any more."""
        ended, deadline = 0, time.monotonic() + PATIENCE_S
        while True:
            counts = (await self._state(batch_id))["counts"]
            now = counts.get("completed", 0) + counts.get("failed", 0)
            if now > ended:
                ended, deadline = now, time.monotonic() + PATIENCE_S
                self._told(ended)
            if ended == total:
                return dict(counts)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._side.name}: {ended} of {total} in {PATIENCE_S:g} s")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _state(self, batch_id: str) -> dict[str, Any]:
        async with self._session.get(f"/status/{batch_id}", params={"limit": "1"}) as response:
            response.raise_for_status()
            return dict(await response.json())


def bulk(options: Options) -> Report:
    """Servers of their own. Raises RuntimeError where there is no Node.js for peers."""
    if options.peers:
        install_peers()
    with tempfile.TemporaryDirectory(prefix="safelight-bulk-") as name, Progress() as progress:
        found = asyncio.run(_run(options, Path(name), progress))
    if options.plot is not None:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        options.plot.write_text(drawing(found), encoding="utf-8")
    return report_of(options, found)


async def _run(options: Options, work: Path, progress: Progress) -> dict[str, Side]:
    sources = [path.read_bytes() for path in photos.generate(work / "tiny", "tiny")]
    found = {}
    async with serve_origin() as origin:
        with _server(work / "data", origin.port) as server:
            async with services(server, RECIPE, work, peers=options.peers) as served:
                for side in served:
                    bar = progress.add_task(side.name, total=options.developed)

                    def told(ended: int, bar: TaskID = bar) -> None:
                        progress.update(bar, completed=ended)

                    async with redis_use.connected(side.data_dir) as redis:
                        run = Bulk(side, Shop(origin, sources), redis, told)
                        found[side.name] = await run.run(options)
    return found


@contextmanager
def _server(data_dir: Path, port: int) -> Iterator[ServerProcess]:
    environment = {
        "SAFELIGHT_FETCH__ALLOW_NETWORKS": '["127.0.0.0/8"]',
        "SAFELIGHT_FETCH__PORTS": f"[{port}]",
    }
    server = own.start(data_dir, environment=environment)
    try:
        yield server
    finally:
        server.close()
