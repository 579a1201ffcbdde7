"""The queue's moves against a real Valkey, one at a time."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from server.config.sections import QueueSettings
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.job import Batch, Job, JobState, new_batch_id, new_job_id
from server.jobs.queue import JobQueue, Room
from server.refusals import QueueFull

ROOM = 10**12
SETTINGS = QueueSettings(max_depth=50, bulk_share=4, lease_s=0.001)


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


@pytest.fixture
async def queue(redis: Redis) -> JobQueue:
    return await make_queue(redis, node="here")


async def make_queue(redis: Redis, *, node: str) -> JobQueue:
    queue = JobQueue(redis, SETTINGS, node=node, keep_s=60)
    await queue.prepare()
    return queue


def arrival(name: str = "a.jpg", *, cost_bytes: int = 1) -> Arrival:
    return Arrival(
        job_id=new_job_id(),
        name=name,
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


async def admit(
    queue: JobQueue, *arrivals: Arrival, client: str = "me", queue_class: str = "interactive"
) -> None:
    await queue.admit(arrivals, client=client, queue_class=queue_class, batch_id=None)


async def claim(queue: JobQueue, wanted: int = 1, free_bytes: int = ROOM) -> list[Job]:
    claimed = await queue.claim(Room(wanted, free_bytes, is_idle=True))
    return [job for group in claimed.groups for job in group]


async def job_of(queue: JobQueue, job_id: str) -> Job:
    found = await queue.look(job_id)
    assert isinstance(found, Job)
    return found


async def test_admission_is_all_or_nothing(queue: JobQueue, redis: Redis) -> None:
    await admit(queue, *(arrival() for _ in range(45)))

    with pytest.raises(QueueFull) as refusal:
        await admit(queue, *(arrival() for _ in range(6)))

    assert (refusal.value.limit, refusal.value.actual) == (50, 45)
    assert (refusal.value.retry_after_s or 0) >= 1
    assert len(await redis.keys("job:*")) == 45


async def test_spool_policy_lets_jobs_wait_on_disk_up_to_its_bytes(redis: Redis) -> None:
    settings = QueueSettings(max_depth=2, overload="spool", spool_max_bytes=5)
    queue = JobQueue(redis, settings, node="here", keep_s=60)
    await queue.prepare()
    await admit(queue, *(arrival() for _ in range(5)))  # of one byte each

    with pytest.raises(QueueFull) as refusal:
        await admit(queue, arrival())
    with pytest.raises(QueueFull):
        await queue.door.refuse_if_full()
    await claim(queue, 4)
    await admit(queue, arrival())

    assert (refusal.value.limit, refusal.value.actual) == (5, 5)
    assert "bytes that may wait on disk" in refusal.value.detail


async def test_admission_that_is_sent_twice_counts_once(queue: JobQueue) -> None:
    once = arrival()

    await admit(queue, once)
    await admit(queue, once)

    assert len(await claim(queue, 5)) == 1


async def test_client_with_one_job_does_not_wait_behind_a_client_with_many(
    queue: JobQueue,
) -> None:
    await admit(queue, *(arrival() for _ in range(20)), client="many")
    await admit(queue, arrival(), client="one")

    clients = [job.client for job in await claim(queue, 3)]

    assert clients == ["many", "one", "many"]


async def test_interactive_goes_first_and_bulk_gets_its_share(queue: JobQueue) -> None:
    await admit(queue, *(arrival() for _ in range(20)), queue_class="bulk")
    await admit(queue, *(arrival() for _ in range(20)), queue_class="interactive")

    classes = [job.queue_class for job in await claim(queue, 8)]

    assert classes == [*["interactive"] * 3, "bulk", *["interactive"] * 3, "bulk"]


async def test_position_counts_the_other_clients_in_the_ring(queue: JobQueue) -> None:
    first, second = arrival(), arrival()
    await admit(queue, arrival(), arrival(), client="other")
    await admit(queue, first, second, client="me")

    positions = [(await job_of(queue, one.job_id)).position for one in (first, second)]
    await claim(queue, 2)
    later = (await job_of(queue, second.job_id)).position

    assert positions == [1, 3]
    assert later == 1


async def test_claim_takes_no_more_than_fits_into_memory(queue: JobQueue) -> None:
    await admit(queue, *(arrival(cost_bytes=40) for _ in range(3)))

    taken = await claim(queue, 3, free_bytes=100)

    assert len(taken) == 2


async def test_job_larger_than_the_budget_runs_alone(queue: JobQueue) -> None:
    await admit(queue, arrival(cost_bytes=1000))

    beside_others = (await queue.claim(Room(1, 100, is_idle=False))).groups
    alone = (await queue.claim(Room(1, 100, is_idle=True))).groups

    assert (len(beside_others), len(alone)) == (0, 1)


async def test_late_settle_of_a_lost_lease_changes_nothing(queue: JobQueue) -> None:
    await admit(queue, arrival())
    [early] = await claim(queue)
    await queue.requeue(early, delay_s=0, blame="loss", reason="lost")
    [late] = await claim(queue)

    assert not await queue.settle(early, JobState.COMPLETED, {"error_code": "ghost"})
    assert await queue.settle(late, JobState.COMPLETED, {})
    assert (await job_of(queue, late.job_id)).error_code is None


async def test_another_node_finds_a_lease_that_nobody_renews(redis: Redis, queue: JobQueue) -> None:
    other = await make_queue(redis, node="there")
    await admit(queue, arrival())
    [held] = await claim(queue)

    await redis.execute_command(
        "XCLAIM", "queue:interactive", "lanes", "here", 0, held.entry, "IDLE", 99
    )
    found = await other.reclaim(own=False)

    assert [job.job_id for job in found] == [held.job_id]
    assert await queue.renew([(held.job_id, held.token)], lanes=1) == ([], [])


async def test_node_finds_its_own_leases_again_after_a_restart(queue: JobQueue) -> None:
    await admit(queue, arrival(), arrival(), queue_class="bulk")
    held = await claim(queue, 2)

    found = await queue.reclaim(own=True)

    assert {job.job_id for job in found} == {job.job_id for job in held}


async def test_requeued_job_is_next_in_line_again(queue: JobQueue) -> None:
    first, second = arrival("first"), arrival("second")
    await admit(queue, first, second)
    [job] = await claim(queue)

    await queue.requeue(job, delay_s=0, blame="none", reason="the node stopped")
    [again] = await claim(queue)

    assert again.name == "first"
    assert (again.attempts, again.token) == (1, 2)


async def test_delayed_job_is_not_claimed_before_its_time(queue: JobQueue, redis: Redis) -> None:
    await admit(queue, arrival())
    [job] = await claim(queue)
    await queue.requeue(job, delay_s=60, blame="attempt", reason="signal 9")

    before = await claim(queue)
    await redis.zadd("delayed", {job.job_id: 1})
    [after] = await claim(queue)

    assert before == []
    assert (after.attempts, after.history) == (2, ("signal 9",))


async def test_cancelled_job_is_never_claimed(queue: JobQueue) -> None:
    unwanted, wanted = arrival(), arrival()
    await admit(queue, unwanted, wanted)

    state = await queue.cancel(unwanted.job_id)

    assert state is JobState.CANCELLED
    assert [job.job_id for job in await claim(queue, 5)] == [wanted.job_id]


async def test_running_job_that_is_unwanted_is_told_at_the_next_beat(queue: JobQueue) -> None:
    await admit(queue, arrival())
    [job] = await claim(queue)

    assert await queue.cancel(job.job_id) is JobState.PROCESSING
    assert await queue.renew([(job.job_id, job.token)], lanes=1) == ([], [job.job_id])


async def test_quarantined_job_is_listed_until_it_is_tried_again(
    queue: JobQueue, redis: Redis
) -> None:
    await admit(queue, arrival())
    [job] = await claim(queue)
    await queue.settle(job, JobState.FAILED, {"error_code": "worker_crashed"}, quarantine=True)
    quarantined = await redis.xlen("queue:dead")

    assert await queue.retry(job.job_id) == (True, JobState.QUEUED)

    [again] = await claim(queue)
    assert (quarantined, await redis.xlen("queue:dead")) == (1, 0)
    assert (again.attempts, again.error_code) == (1, None)


async def test_batch_counts_its_jobs_by_state(queue: JobQueue) -> None:
    batch_id = new_batch_id()
    arrivals = [arrival(str(number)) for number in range(4)]
    await queue.admit(arrivals, client="me", queue_class="bulk", batch_id=batch_id)
    done, failed = await claim(queue, 2)
    await queue.settle(done, JobState.COMPLETED, {})
    await queue.settle(failed, JobState.FAILED, {"error_code": "corrupt_image"})
    await queue.cancel(arrivals[3].job_id)

    batch = await queue.look(batch_id)

    assert isinstance(batch, Batch)
    assert {state: count for state, count in batch.counts.items() if count} == {
        "queued": 1,
        "completed": 1,
        "failed": 1,
        "cancelled": 1,
    }
    assert [job.name for job in await queue.jobs_of(batch_id)] == ["0", "1", "2", "3"]


async def test_settled_job_expires_after_its_time(queue: JobQueue, redis: Redis) -> None:
    await admit(queue, arrival())
    [job] = await claim(queue)
    await queue.settle(job, JobState.COMPLETED, {})
    before = await queue.expire_due(10)

    await redis.zadd("expiry", {job.job_id: 1})
    after = await queue.expire_due(10)

    assert (before, after) == (0, 1)
    assert (await job_of(queue, job.job_id)).status is JobState.EXPIRED
    assert await queue.expire_due(10) == 0


async def test_job_that_redis_has_lost_does_not_stay_due(queue: JobQueue, redis: Redis) -> None:
    await admit(queue, arrival())
    [job] = await claim(queue)
    await queue.settle(job, JobState.COMPLETED, {})

    await redis.zadd("expiry", {job.job_id: 1})
    await redis.delete(f"job:{job.job_id}")
    await queue.expire_due(10)

    assert await redis.zcard("expiry") == 0


async def test_expired_job_is_no_longer_quarantined(queue: JobQueue, redis: Redis) -> None:
    await admit(queue, arrival())
    [job] = await claim(queue)
    await queue.settle(job, JobState.FAILED, {"error_code": "worker_crashed"}, quarantine=True)

    await queue.remove(job.job_id)

    assert (await redis.xlen("queue:dead"), await redis.zcard("failed")) == (0, 0)


async def test_that_a_job_expired_is_known_as_long_as_it_was_kept(
    queue: JobQueue, redis: Redis
) -> None:
    await admit(queue, arrival())
    [job] = await claim(queue)

    await queue.settle(job, JobState.COMPLETED, {})
    kept = await redis.ttl(f"job:{job.job_id}")
    await redis.zadd("expiry", {job.job_id: 1})
    await queue.expire_due(10)

    assert kept == -1  # for as long as it holds files
    assert 59 <= await redis.ttl(f"job:{job.job_id}") <= 60


async def test_job_that_its_node_gives_back_after_a_cancel_does_not_run_again(
    queue: JobQueue,
) -> None:
    await admit(queue, arrival())
    [job] = await claim(queue)
    await queue.cancel(job.job_id)

    requeued = await queue.requeue(job, delay_s=0, blame="loss", reason="its node was lost")

    assert not requeued
    assert (await job_of(queue, job.job_id)).status is JobState.CANCELLED
    assert await claim(queue) == []


async def test_job_that_nobody_asked_to_stop_cannot_end_cancelled(queue: JobQueue) -> None:
    await admit(queue, arrival())
    [job] = await claim(queue)

    assert not await queue.settle(job, JobState.CANCELLED, {})
    assert (await job_of(queue, job.job_id)).status is JobState.PROCESSING


async def test_late_renewal_of_a_lost_lease_does_not_steal_it_back(
    redis: Redis, queue: JobQueue
) -> None:
    other = await make_queue(redis, node="there")
    await admit(queue, arrival())
    [early] = await claim(queue)
    await other.requeue(early, delay_s=0, blame="loss", reason="its node was lost")
    [late] = await claim(other)

    answer = await queue.renew([(early.job_id, early.token)], lanes=1)

    assert answer == ([early.job_id], [])
    [pending] = await redis.xpending_range("queue:interactive", "lanes", "-", "+", 10)
    assert (pending["message_id"], pending["consumer"]) == (late.entry, "there")
    assert not await queue.requeue(early, delay_s=0, blame="none", reason="late")
    assert await other.settle(late, JobState.COMPLETED, {})


async def test_claim_goes_on_after_redis_lost_its_data(queue: JobQueue, redis: Redis) -> None:
    await redis.flushall()
    await admit(queue, arrival(), queue_class="bulk")

    claimed = await claim(queue)

    assert len(claimed) == 1
    assert await queue.reclaim(own=True) == claimed
