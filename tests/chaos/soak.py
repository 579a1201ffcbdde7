"""Many pictures through one server, with a look at everything that could grow."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, islice

import psutil
from aiohttp import ClientSession, ClientTimeout
from redis.asyncio import Redis

from server.jobs import names
from tests.chaos import evidence, numbered
from tests.server_process import ServerProcess

KEEP_S = 20
ENVIRONMENT = {
    "SAFELIGHT_IMAGES__KEEP_S": str(KEEP_S),
    "SAFELIGHT_QUEUE__LEASE_S": "3",
    "SAFELIGHT_DEDUP__ENABLED": "false",  # every picture is to be work, should one come twice
}
JANITOR_S = 15.0  # it looks every two seconds
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """How things stood; memory is resident MiB, but of Redis what it has allocated."""

    at_s: float
    completed: int
    server_mib: float
    workers_mib: float
    redis_mib: float
    redis_keys: int
    files: int
    server_fds: int
    server_threads: int
    processes: int
    in_streams: int


@dataclass
class Soak:
    """`jobs` pictures, `window` under way at a time."""

    server: ServerProcess
    jobs: int
    window: int = 8
    sample_every_s: float = 2.0
    told: Callable[[int], None] = lambda completed: None
    samples: list[Sample] = field(default_factory=list)
    completed: int = 0
    _started: float = field(default_factory=time.monotonic)

    async def run(self) -> list[Sample]:
        """All of it, then wait until everything has expired and is forgotten."""
        async with evidence.redis_of(self.server.data_dir) as redis:
            self.samples.append(await self.look(redis))
            sampler = asyncio.create_task(self._sample(redis))
            try:
                await self._send_all()
                await asyncio.sleep(2 * KEEP_S + JANITOR_S)  # kept, and as long again known
            finally:
                sampler.cancel()
                with suppress(asyncio.CancelledError):
                    await sampler
            self.samples.append(await self.look(redis))
        return self.samples

    async def send(self, jobs: int) -> None:
        """Some more pictures, each to its end."""
        numbers = islice(count(), jobs)
        async with ClientSession(self.server.url, timeout=ClientTimeout(total=60)) as session:
            await asyncio.gather(*(self._one_by_one(session, numbers) for _ in range(self.window)))

    async def look(self, redis: Redis) -> Sample:
        """How things stand now."""
        own = psutil.Process(self.server.pid)
        family = {one.pid: _name_and_rss(one) for one in self.server.children()}
        streams = [await redis.xlen(names.stream(one)) for one in (*names.CLASSES, "dead")]
        return Sample(
            at_s=round(time.monotonic() - self._started, 1),
            completed=self.completed,
            server_mib=own.memory_info().rss / MIB,
            workers_mib=sum(rss for name, rss in family.values() if name.startswith("python"))
            / MIB,
            redis_mib=(await redis.info("memory"))["used_memory"] / MIB,
            redis_keys=await redis.dbsize(),
            files=sum(
                len(evidence.files_below(self.server.data_dir, top))
                for top in ("originals", "results", "spool")
            ),
            server_fds=own.num_fds(),
            server_threads=own.num_threads(),
            processes=len(family),
            in_streams=sum(streams),
        )

    async def _send_all(self) -> None:
        await self.send(self.jobs)

    async def _sample(self, redis: Redis) -> None:
        while True:
            await asyncio.sleep(self.sample_every_s)
            self.samples.append(await self.look(redis))

    async def _one_by_one(self, session: ClientSession, numbers: Iterator[int]) -> None:
        options = {"options": json.dumps(numbered.RECIPE)}
        for number in numbers:
            body = await asyncio.to_thread(numbered.picture, number % numbered.LEVELS**3)
            async with session.post(
                "/upload", data=body, params=options, headers={"Content-Type": "image/jpeg"}
            ) as response:
                answer = await response.json()
            assert response.status == 200, answer
            self.completed += 1
            self.told(self.completed)


def _name_and_rss(process: psutil.Process) -> tuple[str, int]:
    try:
        return process.name(), process.memory_info().rss
    except psutil.NoSuchProcess:
        return "", 0
