"""A big job alone on an idle node gets several threads; every other job gets one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pyvips
from redis.asyncio import Redis

from pool import Lane, LaneSettings, Task, parse_recipe
from pool.develop import develop
from pool.kill import Kill
from server.config.sections import PoolSettings, QueueSettings
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.job import Job, new_job_id
from server.jobs.queue import JobQueue
from server.jobs.running.dispatcher import Dispatcher
from server.jobs.running.lanes import Lanes
from tests.pool.pictures import LIMITS, plain

BIG, SMALL = 300 << 20, 50 << 20


@pytest.fixture
async def queue(valkey_url: str) -> AsyncIterator[JobQueue]:
    redis: Redis
    async with command_client(valkey_url, timeout_s=30) as redis:
        queue = JobQueue(redis, QueueSettings(), node="here", keep_s=60)
        await queue.prepare()
        yield queue


def arrival(cost_bytes: int) -> Arrival:
    return Arrival(
        job_id=new_job_id(),
        name="a.jpg",
        recipe="{}",
        original_key="originals/x",
        original_bytes=1,
        original_format="jpeg",
        width=1,
        height=1,
        cost_bytes=cost_bytes,
        group="",
        digest="0",
    )


@asynccontextmanager
async def handed_out(
    queue: JobQueue, *costs: int, least: int = 1, most: int = 3
) -> AsyncIterator["asyncio.Queue[int]"]:
    """What the jobs of these costs are carried with: threads, in the order they are handed out."""
    given: asyncio.Queue[int] = asyncio.Queue()

    async def carry(_lane: Lane, _jobs: Sequence[Job], threads: int) -> None:
        given.put_nowait(threads)
        await asyncio.Event().wait()

    def make_lane(name: str) -> Lane:
        return Lane(name, on_progress=lambda _: None, settings=LaneSettings())

    lanes = Lanes(make_lane, queue, PoolSettings(min_lanes=least), most=most)
    dispatcher = Dispatcher(queue, lanes, carry, budget_bytes=10 * BIG)
    await queue.admit(list(map(arrival, costs)), client="a", queue_class="bulk", batch_id=None)
    await lanes.start()
    running = asyncio.create_task(dispatcher.run())
    try:
        yield given
    finally:
        while not running.done():  # in the midst of a command one cancel may be lost
            running.cancel()
            await asyncio.sleep(0)
        await dispatcher.stop()
        await lanes.close()


async def test_a_big_job_alone_gets_as_many_threads_as_there_may_be_lanes(queue: JobQueue) -> None:
    async with handed_out(queue, BIG, most=3) as given:
        assert await given.get() == 3


async def test_a_small_job_gets_one_thread(queue: JobQueue) -> None:
    async with handed_out(queue, SMALL) as given:
        assert await given.get() == 1


async def test_a_big_job_with_another_behind_it_gets_one_thread(queue: JobQueue) -> None:
    async with handed_out(queue, BIG, BIG, BIG, least=1) as given:
        assert await given.get() == 1


async def test_two_big_jobs_side_by_side_get_one_thread_each(queue: JobQueue) -> None:
    async with handed_out(queue, BIG, BIG, least=2) as given:
        assert [await given.get(), await given.get()] == [1, 1]


def test_a_task_is_developed_with_its_threads_and_the_next_without(tmp_path: Path) -> None:
    source = tmp_path / "source"
    plain(8, 8, (1, 2, 3)).jpegsave(str(source))
    found = []
    for threads in (2, 1):
        workdir = tmp_path / f"{threads}"
        workdir.mkdir()
        recipe = parse_recipe({})
        task = Task("job", 1, str(source), recipe, str(workdir), LIMITS, 9.0, threads=threads)
        assert develop(task, lambda _: None, Kill()).fault is None
        found.append(pyvips.concurrency_get())

    assert found == [2, 1]
