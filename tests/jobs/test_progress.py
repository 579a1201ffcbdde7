"""What watchers hear of a running job: not of one that has only begun, then the newest."""

from redis.asyncio import Redis

from pool import Stage
from server.config.sections import QueueSettings
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.job import Job, new_job_id
from server.jobs.queue import JobQueue, Room
from server.jobs.running.progress import ProgressBoard

INTERVAL_S = 0.2


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def running(redis: Redis) -> tuple[JobQueue, Job]:
    queue = JobQueue(redis, QueueSettings(), node="here", keep_s=60)
    await queue.prepare()
    one = Arrival(new_job_id(), "a.jpg", "{}", "originals/x", 1, "jpeg", 1, 1, 1, "", "0")
    await queue.admit([one], client="me", queue_class="interactive", batch_id=None)
    [[job]] = (await queue.claim(Room(1, 10**9, is_idle=True))).groups
    return queue, job


async def shown(queue: JobQueue, job: Job) -> tuple[str | None, int]:
    found = await queue.look(job.job_id)
    assert isinstance(found, Job)
    return found.stage, found.progress


async def test_a_job_that_has_only_begun_costs_redis_no_report(valkey_url: str) -> None:
    clock = Clock()
    async with command_client(valkey_url, timeout_s=5) as redis:
        queue, job = await running(redis)
        board = ProgressBoard(queue, interval_s=INTERVAL_S, clock=clock)
        with board.open(job.job_id, job.token):
            board.note(job.job_id, Stage.PROCESSING, 60)
            await board.publish()
            assert await shown(queue, job) == ("decoding", 0)
            assert board.of(job.job_id) == ("processing", 60)  # for those who look at the lanes

            clock.now_s += INTERVAL_S + 0.01
            await board.publish()  # nothing newer has come, and what came is not forgotten

            assert await shown(queue, job) == ("processing", 60)


async def test_of_one_at_work_for_longer_the_newest_is_told_at_once(valkey_url: str) -> None:
    clock = Clock()
    async with command_client(valkey_url, timeout_s=5) as redis:
        queue, job = await running(redis)
        board = ProgressBoard(queue, interval_s=INTERVAL_S, clock=clock)
        with board.open(job.job_id, job.token):
            board.note(job.job_id, Stage.DECODING, 5)
            clock.now_s += 2 * INTERVAL_S
            board.note(job.job_id, Stage.DECODING, 20)
            board.note(job.job_id, Stage.ENCODING, 70)
            await board.publish()

            assert await shown(queue, job) == ("encoding", 70)


async def test_nothing_is_told_of_an_attempt_that_is_over(valkey_url: str) -> None:
    clock = Clock()
    async with command_client(valkey_url, timeout_s=5) as redis:
        queue, job = await running(redis)
        board = ProgressBoard(queue, interval_s=INTERVAL_S, clock=clock)
        with board.open(job.job_id, job.token):
            board.note(job.job_id, Stage.ENCODING, 70)
        clock.now_s += 2 * INTERVAL_S
        await board.publish()

        assert await shown(queue, job) == ("decoding", 0)
