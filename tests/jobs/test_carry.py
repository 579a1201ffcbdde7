"""A job's way through a lane that does strange things; queue, spool and storage are real."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from pool import NO_AI, Fault, Lane, Limits, NotStarted, Outcome, Output, Task
from server.config.sections import QueueSettings
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.job import Job, JobState, new_job_id
from server.jobs.queue import JobQueue, Room
from server.jobs.running.carry import Carrier
from server.jobs.running.progress import ProgressBoard
from server.jobs.running.speeds import Speeds
from server.storage.disk import DiskStorage
from server.storage.spool import Spool
from server.storage.storage import original_key
from tests.patience import PATIENCE_S

Ending = Outcome | NotStarted


class StrangeLane:
    """Ends every task as it was told."""

    name = "strange"

    def __init__(self, end: Callable[[Task], Ending]) -> None:
        self._end = end

    async def develop(self, tasks: list[Task]) -> list[Ending]:
        return [self._end(task) for task in tasks]


class Node:
    """One node with a folder of its own."""

    def __init__(self, redis: Redis, folder: Path, name: str, settings: QueueSettings) -> None:
        self.queue = JobQueue(redis, settings, node=name, keep_s=60)
        self.storage = DiskStorage(folder, min_free_bytes=0)
        self.spool = Spool(
            folder / "spool",
            max_upload_bytes=10,
            refuse_if_low=self.storage.refuse_if_low,
        )
        self.spool.prepare()
        self.carrier = Carrier(
            queue=self.queue,
            spool=self.spool,
            storage=self.storage,
            progress=ProgressBoard(self.queue, interval_s=1),
            settings=settings,
            limits=Limits(1, 1, 1, 1, ("jpeg",)),
            speeds=Speeds(NO_AI, deadline_s=1, deadline_times=1),
            assets={},
        )

    async def admit(self) -> str:
        job_id = new_job_id()
        incoming = self.spool.incoming / job_id
        incoming.write_bytes(b"picture")
        await self.storage.put(original_key(job_id), incoming)
        self.spool.discard(job_id)
        key = original_key(job_id)
        arrival = Arrival(job_id, "a.jpg", "{}", key, 7, "jpeg", 1, 1, 1, "", "0")
        await self.queue.admit([arrival], client="me", queue_class="interactive", batch_id=None)
        return job_id

    async def claim(self) -> Job:
        [[job]] = (await self.queue.claim(Room(1, 10**9, is_idle=True))).groups
        return job

    async def carry(self, job: Job, end: Callable[[Task], Ending]) -> Job:
        """The job as it stands afterwards."""
        await self.carrier.carry(cast(Lane, StrangeLane(end)), [job])
        after = await self.queue.look(job.job_id)
        assert isinstance(after, Job)
        return after


MakeNode = Callable[..., Node]


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


@pytest.fixture
def make_node(redis: Redis, tmp_path: Path) -> MakeNode:
    def make(name: str = "here", **settings: Any) -> Node:
        return Node(redis, tmp_path, name, QueueSettings(**settings))

    return make


def developed(task: Task) -> Outcome:
    path = Path(task.workdir) / "default.webp"
    path.write_bytes(b"result")
    output = Output("default", str(path), "webp", 1, 1, 6, "digest")
    return Outcome(task.job_id, task.attempt, (output,), None, {}, 0)


def stopped(task: Task) -> Outcome:
    return Outcome(task.job_id, task.attempt, (), Fault("cancelled", "stopped"), {}, 0)


async def test_job_that_never_begins_ends_after_a_while(make_node: MakeNode) -> None:
    node = make_node(max_losses=2)
    await node.admit()

    states = []
    for _ in range(8):
        after = await node.carry(await node.claim(), lambda task: NotStarted())
        states.append(after.status)

    assert states == [JobState.QUEUED] * 7 + [JobState.FAILED]
    assert after.error_code == "worker_crashed"
    assert after.is_quarantined


async def test_job_without_its_original_fails_at_once(make_node: MakeNode) -> None:
    node = make_node()
    job_id = await node.admit()
    await node.storage.delete(original_key(job_id))

    after = await node.carry(await node.claim(), developed)

    assert (after.status, after.error_code) == (JobState.FAILED, "storage_failed")
    await node.spool.tidy()
    assert list(node.spool.work.iterdir()) == []


async def test_job_that_was_stopped_unasked_is_given_back(make_node: MakeNode) -> None:
    node = make_node()
    await node.admit()

    given_back = await node.carry(await node.claim(), stopped)
    completed = await node.carry(await node.claim(), developed)

    assert (given_back.status, given_back.attempts) == (JobState.QUEUED, 0)
    assert completed.status is JobState.COMPLETED


async def test_result_that_comes_after_the_lease_was_lost_is_not_stored(
    make_node: MakeNode, tmp_path: Path
) -> None:
    paused, other = make_node("paused", lease_s=0.001), make_node("other")
    await paused.admit()
    early = await paused.claim()
    await other.queue.requeue(early, delay_s=0, blame="loss", reason="its node was lost")
    await other.claim()

    after = await paused.carry(early, developed)

    assert after.status is JobState.PROCESSING
    assert not (tmp_path / "results").exists()


async def test_move_that_redis_refuses_for_good_leaves_the_job_to_its_lease(
    make_node: MakeNode, redis: Redis
) -> None:
    node = make_node()
    await node.admit()
    job = await node.claim()
    await redis.set("queue:interactive", "no stream any more")

    async with asyncio.timeout(PATIENCE_S):  # it was tried for ever
        after = await node.carry(job, developed)

    assert after.status is JobState.PROCESSING
    await node.spool.tidy()
    assert list(node.spool.work.iterdir()) == []


async def test_redis_that_lacks_a_replica_for_now_is_waited_for(
    make_node: MakeNode, redis: Redis
) -> None:
    node = make_node()
    await node.admit()
    job = await node.claim()
    await redis.config_set("min-replicas-to-write", 1)  # refused with NOREPLICAS
    carried = asyncio.create_task(node.carry(job, developed))
    try:
        before = await refusals(redis)
        async with asyncio.timeout(PATIENCE_S):
            while await refusals(redis) < before + 2:  # noqa: ASYNC110 (Redis tells nobody)
                await asyncio.sleep(0.01)
        is_waiting = not carried.done()
    finally:
        await redis.config_set("min-replicas-to-write", 0)

    assert is_waiting
    assert (await carried).status is JobState.COMPLETED


async def refusals(redis: Redis) -> int:
    """How often Redis has said NOREPLICAS."""
    found = (await redis.info("errorstats")).get("errorstat_NOREPLICAS", {"count": 0})
    return int(found["count"])
