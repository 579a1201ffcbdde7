"""Many who begin to watch at one moment cost one question, and none is told of an older state."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
import pytest_asyncio

from server.jobs.connection import command_client
from server.jobs.job import Batch, Job, JobState
from server.jobs.links import PUBLIC
from server.jobs.queue import JobQueue
from server.live.looks import Looks
from server.live.mailbox import Event
from tests.live.admitted import admit, queue_of
from tests.patience import PATIENCE_S


class Asked:
    """A queue whose questions are counted, and whose answers wait until they may go."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self.times = 0
        self.fails = False
        self.may_go = asyncio.Event()

    async def look(self, some_id: str) -> Job | Batch | None:
        found = await self._queue.look(some_id)
        self.times += 1
        await self.may_go.wait()
        if self.fails:
            raise OSError("Redis has gone")
        return found


@pytest_asyncio.fixture
async def queue(valkey_url: str) -> AsyncIterator[JobQueue]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield await queue_of(client)


async def under_way(asked: Asked, times: int) -> None:
    """Return when so many questions were put."""
    async with asyncio.timeout(PATIENCE_S):
        while asked.times < times:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.005)


def status(event: Event | None) -> JobState:
    assert event is not None and isinstance(event.subject, Job)
    return event.subject.status


async def test_who_comes_while_a_question_is_under_way_shares_the_next(queue: JobQueue) -> None:
    job_id, asked = await admit(queue), Asked(queue)
    looks = Looks(cast(JobQueue, asked), PUBLIC)
    first = asyncio.create_task(looks.look(job_id))
    await under_way(asked, 1)
    await queue.cancel(job_id)
    others = [asyncio.create_task(looks.look(job_id)) for _ in range(1000)]
    await asyncio.sleep(0)
    asked.may_go.set()
    told = await asyncio.gather(*others)

    assert status(await first) is JobState.QUEUED
    assert {status(event) for event in told} == {JobState.CANCELLED}
    assert asked.times == 2


async def test_what_is_not_there_and_what_fails_is_told_to_all(queue: JobQueue) -> None:
    asked = Asked(queue)
    asked.may_go.set()
    looks = Looks(cast(JobQueue, asked), PUBLIC)

    assert await asyncio.gather(*(looks.look("nobody") for _ in range(3))) == [None] * 3

    asked.may_go.clear()
    failing = [asyncio.create_task(looks.look("nobody")) for _ in range(3)]
    await under_way(asked, 2)
    asked.fails = True
    asked.may_go.set()
    for one in failing:
        with pytest.raises(OSError, match="gone"):
            await one


async def test_one_that_gives_up_takes_nobody_with_it(queue: JobQueue) -> None:
    job_id, asked = await admit(queue), Asked(queue)
    looks = Looks(cast(JobQueue, asked), PUBLIC)
    leaving, staying = (asyncio.create_task(looks.look(job_id)) for _ in range(2))
    await under_way(asked, 1)
    leaving.cancel()
    asked.may_go.set()

    assert status(await staying) is JobState.QUEUED
