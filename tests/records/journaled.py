"""Jobs that end in a Redis without a server, and a journal that writes them down."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from redis.asyncio import Redis

from server.config.recording import RecordSettings
from server.config.sections import QueueSettings
from server.jobs import names
from server.jobs.arrival import Arrival
from server.jobs.job import Job, JobState, new_batch_id, new_job_id
from server.jobs.queue import JobQueue, Room
from server.ops.journal import Journal
from server.records.filters import Filter
from server.records.record import Row
from server.records.store import Records
from tests.patience import PATIENCE_S

ROOM = 10**12
VARIANTS = (
    '[{"name":"default","key":"results/x","format":"webp","width":8,"height":6,"bytes":44,'
    '"digest":"d","frames":1,"quality":null}]'
)
RESULT = {"variants": VARIANTS, "timings": '{"decoding":1.5}', "progress": "100"}
ARRIVAL = Arrival(
    job_id="",
    name="a.jpg",
    recipe='{"format":"webp"}',
    original_key="originals/x",
    original_bytes=700,
    original_format="jpeg",
    width=16,
    height=12,
    cost_bytes=1,
    group="",
    digest="0" * 64,
)


async def queue_of(redis: Redis, *, has_records: bool = True, keep_s: int = 60) -> JobQueue:
    """A queue whose ends of jobs are written into the journal."""
    queue = JobQueue(
        redis, QueueSettings(max_depth=5000), node="here", keep_s=keep_s, has_records=has_records
    )
    await queue.prepare()
    return queue


async def admit(
    queue: JobQueue, number: int = 1, *, batch: bool = False, dedup: str = ""
) -> list[str]:
    """So many more jobs; their ids."""
    arrivals = [
        replace(ARRIVAL, job_id=new_job_id(), dedup=dedup, original_key=f"originals/{one}")
        for one in range(number)
    ]
    await queue.admit(
        arrivals,
        client="10.0.0.1",
        queue_class="interactive",
        batch_id=new_batch_id() if batch else None,
    )
    return [one.job_id for one in arrivals]


async def claim(queue: JobQueue, most: int = 1) -> list[Job]:
    """The next ones, leased."""
    claimed = await queue.claim(Room(most, ROOM, is_idle=True))
    return [job for group in claimed.groups for job in group]


async def complete(queue: JobQueue, number: int) -> list[str]:
    """So many jobs from their arrival to their end."""
    ids = await admit(queue, number)
    while jobs := await claim(queue, 50):
        for job in jobs:
            assert await queue.settle(job, JobState.COMPLETED, RESULT)
    return ids


@asynccontextmanager
async def journaling(
    redis: Redis,
    records: Records,
    *,
    node: str = "here",
    max_journal: int = 50_000,
    batch: int = 100,
) -> AsyncIterator[Journal]:
    """A journal at work."""
    settings = RecordSettings(flush_s=0.01, max_journal=max_journal, batch=batch)
    journal = Journal(redis, records, settings, node=node, timeout_s=5)
    work = asyncio.create_task(journal.run())
    try:
        yield journal
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def written(redis: Redis, within_s: float = PATIENCE_S) -> None:
    """Wait until the journal is empty."""
    await until(lambda: _is_empty(redis), within_s)


async def _is_empty(redis: Redis) -> bool:
    return int(await redis.xlen(names.JOURNAL)) == 0


async def until(is_so: Callable[[], Awaitable[bool]], within_s: float = PATIENCE_S) -> None:
    """Wait for what no event tells of."""
    async with asyncio.timeout(within_s):
        while not await is_so():  # noqa: ASYNC110 (other processes make it so)
            await asyncio.sleep(0.02)


async def rows(records: Records, wanted: Filter | None = None) -> dict[str, Row]:
    """All records by the ids of their jobs; a job that is there twice fails."""
    found = [one async for page in records.pages(wanted or Filter(), most=500) for one in page]
    by_id = {one["id"]: one for one in found}
    assert len(by_id) == len(found)
    return by_id
