"""A job whose hash is damaged ends once, wherever it stood, and leaves its place in every count."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from server.config.sections import QueueSettings
from server.jobs import names
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.job import Batch, Job, JobState, new_batch_id, new_job_id
from server.jobs.queue import JobQueue, Room

ROOM = Room(9, 10**12, is_idle=True)
# Broken for the scripts, and then for Python alone.
OF_ANY = [
    *(("cost", "much"), ("attempts", "1.5"), ("class", "other"), ("client", None), ("id", "x")),
    *(("status", "unheard"), ("revision", None), ("created", "yesterday")),
    *(("variants", "{"), ("history", "7"), ("look", "[]"), ("tries", "rubbish"), ("name", None)),
]
OF_HELD = [("entry", "x"), ("entry", None), ("token", "y"), ("started", None)]


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as redis:
        yield redis


@pytest.fixture
async def queue(redis: Redis) -> JobQueue:
    await redis.flushall()
    queue = JobQueue(redis, QueueSettings(), node="here", keep_s=60)
    await queue.prepare()
    return queue


def picture(dedup: str = "same") -> Arrival:
    key = "originals/x"
    return Arrival(new_job_id(), "a", "{}", key, 1, "jpeg", 1, 1, 1, "", "0", dedup=dedup)


async def admit(queue: JobQueue) -> str:
    one = picture()
    await queue.admit([one], client="me", queue_class="interactive", batch_id=None)
    return one.job_id


async def damage(redis: Redis, job_id: str, field: str, value: str | None) -> None:
    if value is None:
        await redis.hdel(names.job(job_id), field)
    else:
        await redis.hset(names.job(job_id), field, value)


async def ids_claimed(queue: JobQueue) -> list[str]:
    return [job.job_id for jobs in (await queue.claim(ROOM)).groups for job in jobs]


async def assert_has_failed(queue: JobQueue, redis: Redis, job_id: str) -> None:
    job = await queue.look(job_id)
    assert isinstance(job, Job)
    assert (job.status, job.error_code) == (JobState.FAILED, "job_unreadable")
    counters = await queue.counters()
    left = {name: counters.get(name, "0") for name in ("processing", "following")}
    assert left == {"processing": "0", "following": "0"}
    assert {counters.get(f"waiting:{one}", "0") for one in names.CLASSES} == {"0"}
    assert counters["failed"] == "1"
    for queue_class in names.LANE_CLASSES:
        assert await redis.xlen(names.stream(queue_class)) == 0
    assert queue.tally.recent().errors == {"job_unreadable": 1}


@pytest.mark.parametrize(("field", "value"), OF_ANY)
async def test_a_damaged_waiting_job_fails_when_its_turn_comes(
    queue: JobQueue, redis: Redis, field: str, value: str | None
) -> None:
    broken = await admit(queue)
    await damage(redis, broken, field, value)

    assert await ids_claimed(queue) == []
    await assert_has_failed(queue, redis, broken)
    assert await redis.hgetall(names.UNSETTLED) == {}


@pytest.mark.parametrize(("field", "value"), [*OF_ANY, *OF_HELD])
async def test_a_damaged_job_in_work_fails_when_its_lease_is_lost(
    queue: JobQueue, redis: Redis, field: str, value: str | None
) -> None:
    broken = await admit(queue)
    assert await ids_claimed(queue) == [broken]
    await damage(redis, broken, field, value)

    assert [await queue.reclaim(own=True) for _ in range(2)] == [[], []]
    await assert_has_failed(queue, redis, broken)


async def test_a_damaged_job_frees_its_batch_and_those_that_follow_it(
    queue: JobQueue, redis: Redis
) -> None:
    batch_id, (leader, follower) = new_batch_id(), (picture(), picture())
    await queue.admit([leader, follower], client="me", queue_class="bulk", batch_id=batch_id)
    await damage(redis, leader.job_id, "followers", "many")

    assert await ids_claimed(queue) == []
    batch = await queue.look(batch_id)
    assert isinstance(batch, Batch)
    assert (batch.counts["failed"], batch.is_settled) == (2, True)
    assert (await queue.counters())["following"] == "0"
    ended = await queue.look(follower.job_id)
    assert isinstance(ended, Job)
    assert ended.status is JobState.FAILED
    assert await redis.hgetall(names.UNSETTLED) == {}


async def test_a_job_behind_a_damaged_one_is_claimed_with_it(queue: JobQueue, redis: Redis) -> None:
    broken = await admit(queue)
    await damage(redis, broken, "cost", "")
    behind = picture("another")
    admitted = await queue.admit(
        [behind], client="me", queue_class="interactive", batch_id=None, room=ROOM
    )

    assert [job.job_id for jobs in admitted.claimed.groups for job in jobs] == [behind.job_id]
