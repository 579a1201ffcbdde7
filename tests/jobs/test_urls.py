"""The line of URLs against a real Valkey, one move at a time."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from server.config.sections import FetchSettings, QueueSettings
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.job import Batch, Job, JobState, new_batch_id, new_job_id
from server.jobs.queue import JobQueue, Room
from server.jobs.urls import Order, Remembered, Terms, UrlQueue
from server.refusals import AlreadyEnded

LANES = QueueSettings(max_depth=4, bulk_share=4, lease_s=0.001)
FETCHING = FetchSettings(max_waiting=20, max_ahead=2)
RECIPE = '{"format":"webp"}'
ME = Terms("me", RECIPE)


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


@pytest.fixture
async def queue(redis: Redis) -> JobQueue:
    queue = JobQueue(redis, LANES, node="here", keep_s=60)
    await queue.prepare()
    return queue


@pytest.fixture
def urls(redis: Redis, queue: JobQueue) -> UrlQueue:
    return UrlQueue(redis, queue, FETCHING, LANES)


def order(name: str = "a.jpg", recipe: str | None = None) -> Order:
    return Order(new_job_id(), name, f"http://8.8.8.8/{name}", recipe=recipe)


def arrival(job: Job, digest: str = "0") -> Arrival:
    return Arrival(
        job_id=job.job_id,
        name=job.name,
        recipe=job.recipe,
        original_key=f"originals/{job.job_id}.{job.token}",
        original_bytes=7,
        original_format="jpeg",
        width=3,
        height=2,
        cost_bytes=1,
        group="",
        digest=digest,
    )


async def claim(urls: UrlQueue, wanted: int = 1, of_batches: int = 100) -> list[str]:
    return [job.name for job in await urls.claim(wanted, of_batches=of_batches)]


async def job_of(queue: JobQueue, job_id: str) -> Job:
    found = await queue.look(job_id)
    assert isinstance(found, Job)
    return found


async def test_single_ones_come_before_batches_which_are_not_starved(urls: UrlQueue) -> None:
    for number in range(4):
        await urls.admit([order(f"single{number}")], ME, batch_id=None)
    await urls.admit([order("one"), order("two")], ME, batch_id=new_batch_id())

    assert await claim(urls, 6) == ["single0", "single1", "single2", "one", "single3", "two"]


async def test_clients_take_turns(urls: UrlQueue) -> None:
    mine = [order(f"mine{number}") for number in range(3)]
    await urls.admit(mine, ME, batch_id=new_batch_id())
    await urls.admit([order("yours")], Terms("you", RECIPE), batch_id=new_batch_id())

    assert await claim(urls, 4) == ["mine0", "yours", "mine1", "mine2"]


async def test_a_node_takes_no_more_of_batches_than_it_says(urls: UrlQueue) -> None:
    await urls.admit([order("one"), order("two")], ME, batch_id=new_batch_id())
    await urls.admit([order("single")], ME, batch_id=None)

    assert await claim(urls, 5, of_batches=1) == ["single", "one"]
    assert await claim(urls, 5, of_batches=0) == []


async def test_what_is_fetched_waits_for_the_lanes_before_more_is(
    urls: UrlQueue, queue: JobQueue
) -> None:
    batch_id = new_batch_id()
    await urls.admit([order(str(number)) for number in range(5)], ME, batch_id=batch_id)
    for job in await urls.claim(2, of_batches=2):
        assert await urls.bring(job, arrival(job, job.name), None) is JobState.QUEUED

    assert await claim(urls, 5) == []
    [[developed]] = (await queue.claim(Room(1, 100, is_idle=True))).groups
    assert await claim(urls, 1) == ["2"]
    assert (developed.queue_class, developed.attempts, developed.recipe) == ("bulk", 1, RECIPE)


async def test_the_recipe_of_a_batch_stands_in_it_once(
    urls: UrlQueue, queue: JobQueue, redis: Redis
) -> None:
    plain, own = order("plain"), order("own", recipe="{}")
    await urls.admit([plain, own], ME, batch_id=new_batch_id())

    assert await redis.hget(f"job:{plain.job_id}", "recipe") is None
    assert (await job_of(queue, plain.job_id)).recipe == RECIPE
    assert (await job_of(queue, own.job_id)).recipe == "{}"
    assert [job.recipe for job in await urls.claim(2, of_batches=2)] == [RECIPE, "{}"]


async def test_more_than_may_wait_are_refused_as_a_whole(urls: UrlQueue) -> None:
    many = [order() for _ in range(15)]
    assert await urls.admit(many, ME, batch_id=new_batch_id()) is None

    assert await urls.admit([order() for _ in range(6)], ME, batch_id=None) == 15
    assert await urls.waiting() == 15


async def test_the_same_admission_sent_twice_counts_once(urls: UrlQueue, queue: JobQueue) -> None:
    batch_id, orders = new_batch_id(), [order(), order()]
    for _ in range(2):
        assert await urls.admit(orders, ME, batch_id=batch_id) is None

    assert await urls.waiting() == 2
    batch = await queue.look(batch_id)
    assert isinstance(batch, Batch)
    assert batch.total == 2


async def test_only_the_newest_token_can_bring(urls: UrlQueue, queue: JobQueue) -> None:
    await urls.admit([order()], ME, batch_id=None)
    [late] = await urls.claim(1, of_batches=0)
    await queue.requeue(late, delay_s=0, blame="loss", reason="its node was lost")
    [job] = await urls.claim(1, of_batches=0)

    assert await urls.bring(late, arrival(late), None) is None
    assert await urls.bring(job, arrival(job), None) is JobState.QUEUED
    assert await urls.bring(job, arrival(job), None) is JobState.QUEUED  # the answer was lost
    assert (await job_of(queue, job.job_id)).original_key == arrival(job).original_key


async def test_who_is_cancelled_while_it_is_fetched_brings_nothing(
    urls: UrlQueue, queue: JobQueue
) -> None:
    await urls.admit([order()], ME, batch_id=None)
    [job] = await urls.claim(1, of_batches=0)
    assert await queue.cancel(job.job_id) is JobState.PROCESSING

    assert await urls.bring(job, arrival(job), None) is JobState.CANCELLED


async def test_what_a_url_led_to_is_known_while_somebody_holds_it(
    urls: UrlQueue, queue: JobQueue
) -> None:
    found = Remembered(0, "digest", '"etag"', "")
    for terms in (ME, Terms("me", RECIPE, private=True)):
        await urls.admit([order("a")], terms, batch_id=None)
    first, private = await urls.claim(2, of_batches=0)
    await urls.bring(first, arrival(first, "digest"), found)

    recalled = await urls.recall(first)
    assert recalled is not None
    assert (recalled[0].etag, recalled[1]) == ('"etag"', arrival(first).original_key)
    assert recalled[0].at_ms > 0
    assert await urls.recall(private) is None
    await queue.remove(first.job_id)
    assert await urls.recall(first) is None


async def test_a_batch_that_is_read_in_ends_when_its_list_does(
    urls: UrlQueue, queue: JobQueue, redis: Redis
) -> None:
    batch_id = new_batch_id()
    await urls.admit([order()], ME, batch_id=batch_id, is_open=True)
    [job] = await urls.claim(1, of_batches=1)
    await queue.settle(job, JobState.FAILED, {"error_code": "fetch_failed"})

    batch = await queue.look(batch_id)
    assert isinstance(batch, Batch)
    assert not batch.is_settled
    await urls.close_batch(batch_id)
    batch = await queue.look(batch_id)
    assert isinstance(batch, Batch)
    assert batch.is_settled
    assert await redis.pttl(f"batch:{batch_id}") > 0
    with pytest.raises(AlreadyEnded):
        await urls.admit([order()], ME, batch_id=batch_id, is_open=True)


async def test_batches_without_a_sign_of_life_are_found_until_they_are_stopped(
    urls: UrlQueue, queue: JobQueue
) -> None:
    read_here, given_up = new_batch_id(), new_batch_id()
    for batch_id in (read_here, given_up):
        await urls.admit([order(), order()], ME, batch_id=batch_id, is_open=True)

    with urls.reading(read_here):
        found = await urls.beat()
        while given_up not in found:  # two leases are two milliseconds here
            found = await urls.beat()
    assert read_here not in found

    await queue.cancel_batch(given_up)
    batch = await queue.look(given_up)
    assert isinstance(batch, Batch)
    assert (batch.is_settled, batch.counts["cancelled"]) == (True, 2)
    assert given_up not in await urls.beat()
