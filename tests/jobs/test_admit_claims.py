"""An admission claims for idle lanes of its own node, in the same move and by the same rules."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from pool import Lane, LaneSettings
from server.config.sections import PoolSettings, QueueSettings
from server.jobs import names
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.job import Job, new_job_id
from server.jobs.queue import Admitted, JobQueue, Room
from server.jobs.running.dispatcher import Dispatcher
from server.jobs.running.lanes import Lanes
from server.refusals import QueueFull
from tests.patience import PATIENCE_S

BUDGET = 100


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as redis:
        await redis.flushall()
        yield redis


@pytest.fixture
async def queue(redis: Redis) -> JobQueue:
    queue = JobQueue(redis, QueueSettings(max_depth=3), node="here", keep_s=60)
    await queue.prepare()
    return queue


def picture(cost_bytes: int = 1) -> Arrival:
    return Arrival(new_job_id(), "a", "{}", "originals/x", 1, "jpeg", 1, 1, cost_bytes, "", "0")


async def admit(
    queue: JobQueue, *arrivals: Arrival, client: str = "me", room: Room | None = None
) -> Admitted:
    return await queue.admit(
        arrivals, client=client, queue_class="interactive", batch_id=None, room=room
    )


def ids(admitted: Admitted) -> list[str]:
    return [job.job_id for jobs in admitted.claimed.groups for job in jobs]


async def test_who_waited_longer_is_claimed_first(queue: JobQueue) -> None:
    early, late = picture(), picture()
    await admit(queue, early, client="another")
    first = await admit(queue, late, room=Room(1, BUDGET, is_idle=True))
    both_left = await admit(queue, picture(), room=Room(2, BUDGET, is_idle=True))

    assert (ids(first), first.claimed.left) == ([early.job_id], 1)
    assert ids(both_left)[0] == late.job_id
    assert both_left.claimed.left == 0


async def test_what_needs_more_memory_than_is_free_waits(queue: JobQueue) -> None:
    large = picture(BUDGET + 1)
    beside = await admit(queue, large, room=Room(1, BUDGET, is_idle=False))

    assert (ids(beside), beside.claimed.left) == ([], 1)


async def test_a_refused_admission_claims_nothing(queue: JobQueue) -> None:
    await admit(queue, picture(), picture(), picture())
    with pytest.raises(QueueFull):
        await admit(queue, picture(), room=Room(2, BUDGET, is_idle=True))

    assert (await queue.counters())["waiting:interactive"] == "3"


async def test_an_admission_that_is_sent_twice_brings_its_job_twice(queue: JobQueue) -> None:
    """The first answer was lost with its connection: nobody else would begin the job."""
    one, room = picture(), Room(1, BUDGET, is_idle=True)
    first, second = [await admit(queue, one, room=room) for _ in range(2)]

    assert ids(second) == [one.job_id]
    assert second.claimed.groups == first.claimed.groups


async def test_others_are_woken_only_for_what_is_left(queue: JobQueue, redis: Redis) -> None:
    async with redis.pubsub() as heard:
        await heard.subscribe(names.WAKE)
        await admit(queue, picture(), room=Room(1, BUDGET, is_idle=True))
        await redis.publish(names.WAKE, "nothing before this")
        await admit(queue, picture(), picture(), room=Room(1, BUDGET, is_idle=True))
        told: list[str] = []
        async with asyncio.timeout(PATIENCE_S):
            while "lanes" not in told:
                message = await heard.get_message(ignore_subscribe_messages=True, timeout=1)
                told += [message["data"]] if message else []

    assert told == ["nothing before this", "lanes"]


async def test_watchers_are_told_once_of_an_admission_that_claims(
    queue: JobQueue, redis: Redis
) -> None:
    one = picture()
    async with redis.pubsub() as heard:
        await heard.subscribe(names.events(one.job_id), names.WAKE)
        [[job]] = (await admit(queue, one, room=Room(1, BUDGET, is_idle=True))).claimed.groups
        await redis.publish(names.WAKE, "the end")
        told: list[str] = []
        async with asyncio.timeout(PATIENCE_S):
            while "the end" not in told:
                message = await heard.get_message(ignore_subscribe_messages=True, timeout=1)
                told += [message["data"]] if message else []

    [event, _] = told
    seen = Job.from_json(event)
    assert (seen.status, seen.revision) == (job.status, job.revision)


class Node:
    """A dispatcher with one lane, whose jobs are put where a test can take them."""

    def __init__(self, queue: JobQueue, *, lanes: int = 1) -> None:
        def make_lane(name: str) -> Lane:
            return Lane(name, on_progress=lambda _: None, settings=LaneSettings())

        self.carried: asyncio.Queue[str] = asyncio.Queue()
        self.lanes = Lanes(make_lane, queue, PoolSettings(min_lanes=lanes), most=lanes)
        self.dispatcher = Dispatcher(queue, self.lanes, self.carry, budget_bytes=BUDGET)

    async def carry(self, _lane: Lane, jobs: Sequence[Job], _threads: int) -> None:
        for job in jobs:
            self.carried.put_nowait(job.job_id)
        await asyncio.Event().wait()


@pytest.fixture
async def node(queue: JobQueue) -> AsyncIterator[Node]:
    node = Node(queue)
    await node.lanes.start()
    yield node
    await node.dispatcher.drain(0)
    await node.dispatcher.stop()
    await node.lanes.close()


async def test_an_idle_lane_begins_without_another_question(queue: JobQueue, node: Node) -> None:
    first, second = picture(), picture()
    rooms: list[Room | None] = []

    def admission(one: Arrival, room: Room | None) -> "asyncio.Task[Admitted]":
        rooms.append(room)
        return asyncio.create_task(admit(queue, one, room=room))

    await node.dispatcher.admit(lambda room: admission(first, room))
    await node.dispatcher.admit(lambda room: admission(second, room))

    assert rooms == [Room(1, BUDGET, is_idle=True), None]  # the lane is busy then
    assert [job.job_id for job in node.dispatcher.held] == [first.job_id]
    assert await node.carried.get() == first.job_id


async def test_who_leaves_during_an_admission_loses_no_job(queue: JobQueue, node: Node) -> None:
    one, is_claimed, may_go_on = picture(), asyncio.Event(), asyncio.Event()

    async def admission(room: Room | None) -> Admitted:
        admitted = await admit(queue, one, room=room)
        is_claimed.set()
        await may_go_on.wait()
        return admitted

    leaving = asyncio.create_task(node.dispatcher.admit(admission))
    await is_claimed.wait()
    leaving.cancel()
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    assert await node.carried.get() == one.job_id


async def test_a_lane_that_ends_during_an_admission_is_not_used(queue: JobQueue) -> None:
    node, pair = Node(queue, lanes=2), (picture(), picture())
    await node.lanes.start()

    async def admission(room: Room | None) -> Admitted:
        admitted = await admit(queue, *pair, room=room)
        await node.lanes._shrink(node.lanes.all[0])  # as when it was idle for long
        return admitted

    await node.dispatcher.admit(admission)
    [left] = node.lanes.all
    assert node.dispatcher.jobs_of(left) == node.dispatcher.held
    assert {await node.carried.get() for _ in pair} == {one.job_id for one in pair}
    await node.dispatcher.stop()
    await node.lanes.close()


async def test_a_failed_admission_keeps_nobody_waiting(queue: JobQueue, node: Node) -> None:
    async def admission(room: Room | None) -> Admitted:
        raise RedisConnectionError

    with pytest.raises(RedisConnectionError):
        await node.dispatcher.admit(admission)
    waiting = picture()
    await admit(queue, waiting)
    running = asyncio.create_task(node.dispatcher.run())

    assert await node.carried.get() == waiting.job_id
    running.cancel()
