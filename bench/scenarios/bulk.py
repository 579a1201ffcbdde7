"""A list of many URLs into one server, and what it costs while nothing of it is fetched."""

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from aiohttp import ClientSession, ClientTimeout, web
from redis.asyncio import Redis
from rich.progress import Progress, TaskID

from bench import lines, own
from bench.report import Report, Row, at_most
from server.jobs import names
from tests.chaos import evidence
from tests.intake.origin import Origin, serve_origin
from tests.server_process import ServerProcess

MIB = 1024 * 1024
SAMPLE_EVERY_S = 0.25
LINES_AT_ONCE = 200
BUDGET_BYTES = 700
BUDGET_GROWTH_MIB = 24
# About 80 characters, as they are in the world.
PATH = "/catalogue/2026/autumn/products/picture-{number:06}-large.jpg"
OPTIONS = {"resize": {"width": 800}, "format": "webp", "quality": 80}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses."""

    urls: int
    plot: Path | None


@dataclass(frozen=True, slots=True)
class Sample:
    """How things stood; memory is resident MiB, but of Redis what it has allocated."""

    at_s: float
    waiting: int
    server_mib: float
    redis_mib: float


@dataclass
class Bulk:
    """One list, one server, and an origin that never answers."""

    server: ServerProcess
    origin: Origin
    urls: int
    progress: Progress
    bar: TaskID
    samples: list[Sample] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)

    async def run(self) -> None:
        """Send the list, look at the batch, stop it."""
        async with evidence.redis_of(self.server.data_dir) as redis:
            before = await self.look(redis)
            sampler = asyncio.create_task(self._sample(redis))
            try:
                async with ClientSession(self.server.url, timeout=ClientTimeout(None)) as client:
                    await self._send(client, redis, before)
                    await self._read(client)
                    await self._stop(client)
            finally:
                sampler.cancel()
                with suppress(asyncio.CancelledError):
                    await sampler
            self.samples.append(await self.look(redis))

    async def look(self, redis: Redis) -> Sample:
        """How things stand now."""
        waiting = await redis.hget(names.QUEUE, names.waiting_count(names.FETCH_CLASSES[1]))
        return Sample(
            at_s=round(time.monotonic() - self._started, 2),
            waiting=int(waiting or 0),
            server_mib=psutil.Process(self.server.pid).memory_info().rss / MIB,
            redis_mib=(await redis.info("memory"))["used_memory"] / MIB,
        )

    async def _sample(self, redis: Redis) -> None:
        while True:
            self.samples.append(await self.look(redis))
            await asyncio.sleep(SAMPLE_EVERY_S)

    async def _send(self, client: ClientSession, redis: Redis, before: Sample) -> None:
        started = time.monotonic()
        async with client.post(
            "/process",
            data=self._lines(),
            params={"options": json.dumps(OPTIONS)},
            headers={"Content-Type": "application/x-ndjson"},
        ) as response:
            answer = await response.json()
        assert response.status == 202 and answer["accepted"] == self.urls, answer
        taken_s = time.monotonic() - started
        after = await self.look(redis)
        last = str((await self._jobs_of(redis, answer["jobId"]))[-1])
        self.figures |= {
            "batch_id": answer["jobId"],
            "admitted_per_s": self.urls / taken_s,
            "redis_bytes_per_job": (after.redis_mib - before.redis_mib) * MIB / self.urls,
            "job_hash_bytes": await redis.memory_usage(names.job(last)),
            "server_before_mib": before.server_mib,
            "server_most_mib": max(one.server_mib for one in (*self.samples, after)),
            "server_after_mib": after.server_mib,
        }

    async def _jobs_of(self, redis: Redis, batch_id: str) -> list[Any]:
        found: list[Any] = await redis.lrange(names.batch_jobs(batch_id), -1, -1)
        return found

    async def _lines(self) -> AsyncIterator[bytes]:
        for start in range(0, self.urls, LINES_AT_ONCE):
            numbers = range(start, min(start + LINES_AT_ONCE, self.urls))
            urls = (self.origin.url(PATH.format(number=number)) for number in numbers)
            yield b"".join(json.dumps({"imageUrl": url}).encode() + b"\n" for url in urls)
            self.progress.update(self.bar, completed=numbers[-1] + 1)

    async def _read(self, client: ClientSession) -> None:
        started = time.monotonic()
        async with client.get(f"/status/{self.figures['batch_id']}") as response:
            self.figures["status_bytes"] = len(await response.read())
        self.figures["status_ms"] = (time.monotonic() - started) * 1000

    async def _stop(self, client: ClientSession) -> None:
        started = time.monotonic()
        async with client.delete(f"/job/{self.figures['batch_id']}") as response:
            assert response.status == 200
        self.figures["cancel_s"] = time.monotonic() - started


def bulk(options: Options) -> Report:
    """A server of its own on a data folder of its own."""
    with tempfile.TemporaryDirectory(prefix="safelight-bulk-") as name, Progress() as progress:
        run = asyncio.run(_run(options, Path(name), progress))
    if options.plot is not None:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        options.plot.write_text(_drawing(run.samples), encoding="utf-8")
    return _report(options, run)


async def _run(options: Options, folder: Path, progress: Progress) -> Bulk:
    bar = progress.add_task("sending", total=options.urls)
    async with serve_origin() as origin:
        for number in range(options.urls):
            origin.answers[PATH.format(number=number)] = _never
        environment = {
            "SAFELIGHT_FETCH__ALLOW_NETWORKS": '["127.0.0.0/8"]',
            "SAFELIGHT_FETCH__PORTS": f"[{origin.port}]",
            "SAFELIGHT_FETCH__CONCURRENCY": "1",
        }
        server = await asyncio.to_thread(own.start, folder / "data", environment=environment)
        try:
            run = Bulk(server, origin, options.urls, progress, bar)
            await run.run()
        finally:
            await asyncio.to_thread(server.close)
    return run


async def _never(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    raise AssertionError


def _report(options: Options, run: Bulk) -> Report:
    found = run.figures
    growth = found["server_most_mib"] - found["server_before_mib"]
    rows = (
        Row("URLs admitted a second", f"{found['admitted_per_s']:.0f}"),
        at_most("Redis, bytes a job that waits", found["redis_bytes_per_job"], BUDGET_BYTES),
        Row("of these the job's own hash", f"{found['job_hash_bytes']}"),
        Row(
            "server RSS, MiB, before → most → after",
            f"{found['server_before_mib']:.1f} → {found['server_most_mib']:.1f}"
            f" → {found['server_after_mib']:.1f}",
        ),
        at_most("its growth while the list is read", growth, BUDGET_GROWTH_MIB, " MiB"),
        Row("GET /status of the batch", f"{found['status_ms']:.0f} ms, {found['status_bytes']} B"),
        Row("DELETE /job of the batch, s", f"{found['cancel_s']:.1f}"),
    )
    figures = {"urls": options.urls, **found, "samples": [asdict(one) for one in run.samples]}
    return Report(f"bulk, {options.urls} URLs", rows, figures)


def _drawing(samples: Sequence[Sample]) -> str:
    panels = [
        lines.Panel("server, RSS MiB", [one.server_mib for one in samples]),
        lines.Panel("Redis, allocated MiB", [one.redis_mib for one in samples]),
        lines.Panel("URLs that wait", [one.waiting for one in samples]),
    ]
    return lines.drawing("seconds", [one.at_s for one in samples], panels)
