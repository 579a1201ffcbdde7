"""Webhooks are born by the move that they tell of: real scripts against a real Valkey."""

from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
import pytest
from redis.asyncio import Redis

from server.config.sections import FetchSettings, QueueSettings
from server.config.webhooks import EndpointSettings, WebhookSettings
from server.jobs import names
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.delivery import Delivery, DeliveryState
from server.jobs.job import Job, JobState, new_batch_id, new_job_id
from server.jobs.outbox import Outbox, OutboxRules
from server.jobs.queue import JobQueue, Room
from server.jobs.urls import Order, Terms, UrlQueue

CALLBACK = "https://shop.example/hook"
SETTINGS = QueueSettings(max_depth=50)
ALL_EVENTS = EndpointSettings(
    url="https://crm.example/",
    events=("job.completed", "job.failed", "job.cancelled", "job.expired", "batch.completed"),
)


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


@pytest.fixture
async def queue(redis: Redis) -> JobQueue:
    return await make_queue(redis)


@pytest.fixture
def outbox(redis: Redis, queue: JobQueue) -> Outbox:
    return Outbox(redis, queue.scripts)


async def make_queue(redis: Redis, **endpoints: EndpointSettings) -> JobQueue:
    rules = OutboxRules.of(WebhookSettings(endpoints=endpoints))
    queue = JobQueue(redis, SETTINGS, node="here", keep_s=60, outbox=rules)
    await queue.prepare()
    return queue


def arrival(name: str = "a.jpg", dedup: str = "") -> Arrival:
    return Arrival(
        job_id=new_job_id(),
        name=name,
        recipe="{}",
        original_key="originals/x",
        original_bytes=1,
        original_format="jpeg",
        width=1,
        height=1,
        cost_bytes=1,
        group="",
        digest="0",
        dedup=dedup,
    )


async def admit(queue: JobQueue, *arrivals: Arrival, callback_url: str = CALLBACK) -> list[str]:
    await queue.admit(
        arrivals,
        client="me",
        queue_class="interactive",
        batch_id=None,
        callback_url=callback_url,
    )
    return [one.job_id for one in arrivals]


async def admit_batch(queue: JobQueue, number: int, *, callback_url: str = CALLBACK) -> str:
    batch_id = new_batch_id()
    arrivals = [arrival(f"{index}.jpg") for index in range(number)]
    await queue.admit(
        arrivals, client="me", queue_class="bulk", batch_id=batch_id, callback_url=callback_url
    )
    return batch_id


async def claim(queue: JobQueue) -> Job:
    [[job]] = (await queue.claim(Room(1, 10**9, is_idle=True))).groups
    return job


async def complete(queue: JobQueue, job: Job) -> bool:
    return await queue.settle(job, JobState.COMPLETED, {"variants": "[]"})


async def fail(queue: JobQueue, job: Job) -> bool:
    return await queue.settle(job, JobState.FAILED, {"error_code": "out_of_memory"})


async def all_of(outbox: Outbox) -> list[Delivery]:
    page = await outbox.page(state=None, target=None, after=None, most=100)
    return page.deliveries[::-1]


async def test_a_job_is_told_of_with_its_end_and_not_before(
    queue: JobQueue, outbox: Outbox
) -> None:
    [job_id] = await admit(queue, arrival())
    job = await claim(queue)
    before = await all_of(outbox)
    await complete(queue, job)

    [delivery] = await all_of(outbox)
    snapshot = Job.from_json(delivery.snapshot)
    assert before == []
    assert (delivery.event, delivery.subject_id) == ("job.completed", job_id)
    assert (delivery.url, delivery.target, delivery.endpoint) == (CALLBACK, "shop.example", None)
    assert (delivery.state, delivery.client) == (DeliveryState.WAITING, "me")
    assert (snapshot.status, snapshot.job_id) == (JobState.COMPLETED, job_id)
    assert delivery.delivery_id == f"msg_{job_id}_{snapshot.revision}"


async def test_a_job_that_is_settled_twice_is_told_of_once(queue: JobQueue, outbox: Outbox) -> None:
    await admit(queue, arrival())
    job = await claim(queue)

    assert [await complete(queue, job), await complete(queue, job)] == [True, True]
    assert not await fail(queue, job)
    assert len(await all_of(outbox)) == 1


async def test_a_late_double_of_another_token_tells_nothing(
    queue: JobQueue, outbox: Outbox
) -> None:
    await admit(queue, arrival())
    job = await claim(queue)

    assert not await complete(queue, replace(job, token=job.token + 1))
    assert await all_of(outbox) == []


async def test_without_callback_and_endpoint_nothing_is_written(
    queue: JobQueue, redis: Redis
) -> None:
    await admit(queue, arrival(), callback_url="")
    await complete(queue, await claim(queue))
    await admit_batch(queue, 1, callback_url="")
    await complete(queue, await claim(queue))

    keys = [str(one) for one in await redis.keys("*")]
    assert [one for one in keys if "deliver" in one or one.startswith(names.DUE)] == []


async def test_without_callback_and_endpoint_a_job_costs_no_command_of_webhooks(
    redis: Redis, queue: JobQueue
) -> None:
    async with redis.monitor() as monitor:
        await admit(queue, arrival(), callback_url="")
        await complete(queue, await claim(queue))
        await redis.echo("the end")
        commands: list[str] = []
        while not commands or not commands[-1].lower().startswith("echo"):
            commands.append(str((await monitor.next_command())["command"]))

    plain = [one for one in commands if not one.lower().startswith(("eval", "script", "echo"))]
    assert len(plain) > 20  # those of the scripts among them
    assert [one for one in plain if "deliver" in one or f" {names.DUE}" in one] == []


async def test_cancelling_and_failing_are_told(queue: JobQueue, outbox: Outbox) -> None:
    [first] = await admit(queue, arrival())
    await queue.cancel(first)
    await admit(queue, arrival())
    await fail(queue, await claim(queue))

    assert {one.event for one in await all_of(outbox)} == {"job.cancelled", "job.failed"}


async def test_a_failed_job_that_is_tried_again_is_told_of_twice(
    queue: JobQueue, outbox: Outbox
) -> None:
    [job_id] = await admit(queue, arrival())
    await fail(queue, await claim(queue))
    await queue.retry(job_id)
    await complete(queue, await claim(queue))

    found = await all_of(outbox)
    assert [one.event for one in found] == ["job.failed", "job.completed"]
    assert len({one.delivery_id for one in found}) == 2


async def test_followers_are_told_each_for_itself(queue: JobQueue, outbox: Outbox) -> None:
    ids = await admit(queue, arrival(dedup="same"), arrival(dedup="same"), arrival(dedup="same"))
    await complete(queue, await claim(queue))

    assert sorted(one.subject_id for one in await all_of(outbox)) == sorted(ids)


async def test_a_result_that_is_there_is_told_at_admission(queue: JobQueue, outbox: Outbox) -> None:
    await admit(queue, arrival(dedup="same"), callback_url="")
    await complete(queue, await claim(queue))
    [job_id] = await admit(queue, arrival(dedup="same"))

    [delivery] = await all_of(outbox)
    assert delivery.subject_id == job_id
    assert Job.from_json(delivery.snapshot).is_cached


async def test_a_batch_is_told_of_once_when_its_last_job_has_ended(
    queue: JobQueue, outbox: Outbox
) -> None:
    batch_id = await admit_batch(queue, 3)
    await complete(queue, await claim(queue))
    await fail(queue, await claim(queue))
    before = await all_of(outbox)
    await complete(queue, await claim(queue))

    [delivery] = await all_of(outbox)
    assert before == []
    assert (delivery.event, delivery.subject_id) == ("batch.completed", batch_id)
    assert orjson.loads(delivery.snapshot)["completed"] == "2"


async def test_a_batch_whose_first_jobs_are_done_at_once_is_told_of_at_its_end(
    queue: JobQueue, outbox: Outbox
) -> None:
    await admit(queue, arrival(dedup="same"), callback_url="")
    await complete(queue, await claim(queue))
    arrivals = [arrival(dedup="same"), arrival(), arrival(dedup="same")]
    await queue.admit(
        arrivals, client="me", queue_class="bulk", batch_id="batch-x", callback_url=CALLBACK
    )
    before = await all_of(outbox)
    await complete(queue, await claim(queue))

    assert before == []
    assert [one.event for one in await all_of(outbox)] == ["batch.completed"]


async def test_a_batch_that_is_cancelled_is_told_of_once(queue: JobQueue, outbox: Outbox) -> None:
    batch_id = await admit_batch(queue, 3)
    await queue.cancel_batch(batch_id)
    await queue.cancel_batch(batch_id)

    assert [one.event for one in await all_of(outbox)] == ["batch.completed"]


async def test_a_batch_that_ends_again_after_a_retry_is_told_of_again(
    queue: JobQueue, outbox: Outbox
) -> None:
    batch_id = await admit_batch(queue, 2)
    failed = await claim(queue)
    await fail(queue, failed)
    await complete(queue, await claim(queue))
    await queue.retry(failed.job_id)
    await complete(queue, await claim(queue))

    found = await all_of(outbox)
    assert [one.delivery_id for one in found] == [f"msg_{batch_id}_1", f"msg_{batch_id}_2"]


async def test_a_list_that_is_still_read_is_no_batch_that_ended(
    redis: Redis, queue: JobQueue, outbox: Outbox
) -> None:
    urls = UrlQueue(redis, queue, FetchSettings(), SETTINGS)
    batch_id, terms = new_batch_id(), Terms("me", "{}", callback_url=CALLBACK)
    order = Order(new_job_id(), "a.jpg", "http://8.8.8.8/a.jpg")
    await urls.admit([order], terms, batch_id=batch_id, is_open=True)
    [job] = await urls.claim(1, of_batches=1)
    await fail(queue, job)
    before = await all_of(outbox)
    await urls.close_batch(batch_id)
    await urls.close_batch(batch_id)

    assert before == []
    assert [one.event for one in await all_of(outbox)] == ["batch.completed"]


async def test_a_long_list_with_a_callback_costs_one_delivery(
    redis: Redis, queue: JobQueue, outbox: Outbox
) -> None:
    urls = UrlQueue(redis, queue, FetchSettings(), SETTINGS)
    batch_id, terms = new_batch_id(), Terms("me", "{}", callback_url=CALLBACK)
    for _ in range(5):
        orders = [Order(new_job_id(), "a.jpg", "http://8.8.8.8/a.jpg") for _ in range(1000)]
        await urls.admit(orders, terms, batch_id=batch_id, is_open=True)
    a_job = await redis.hkeys(names.job(orders[0].job_id))
    await queue.cancel_batch(batch_id)

    [delivery] = await all_of(outbox)
    assert "callback" not in [str(one) for one in a_job]
    assert orjson.loads(delivery.snapshot)["cancelled"] == "5000"


async def test_endpoints_are_told_of_the_events_that_they_want(
    redis: Redis, outbox: Outbox
) -> None:
    wants_failed = EndpointSettings(url="https://ops.example/", events=("job.failed",))
    queue = await make_queue(redis, crm=ALL_EVENTS, ops=wants_failed)
    await admit(queue, arrival())
    await fail(queue, await claim(queue))
    await admit(queue, arrival(), callback_url="")
    await complete(queue, await claim(queue))

    assert sorted((one.event, one.target) for one in await all_of(outbox)) == [
        ("job.completed", "@crm"),
        ("job.failed", "@crm"),
        ("job.failed", "@ops"),
        ("job.failed", "shop.example"),
    ]


async def test_what_is_made_because_somebody_looked_is_not_told(
    redis: Redis, outbox: Outbox
) -> None:
    queue = await make_queue(redis, crm=ALL_EVENTS)
    [job_id] = await admit(queue, arrival(), callback_url="")
    await redis.hset(names.job(job_id), "of", "another")
    await complete(queue, await claim(queue))

    assert await all_of(outbox) == []


async def test_an_endpoint_may_be_told_of_expiry_and_of_the_jobs_of_batches(
    redis: Redis, outbox: Outbox
) -> None:
    queue = await make_queue(redis, crm=ALL_EVENTS)
    await admit_batch(queue, 1)
    job = await claim(queue)
    await complete(queue, job)
    await queue.remove(job.job_id)

    assert sorted((one.event, one.target) for one in await all_of(outbox)) == [
        ("batch.completed", "@crm"),
        ("batch.completed", "shop.example"),
        ("job.completed", "@crm"),
        ("job.expired", "@crm"),
    ]
