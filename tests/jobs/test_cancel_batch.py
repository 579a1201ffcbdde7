"""All of a batch is stopped a piece at a time: each job as if alone, and who watches is told."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from redis.asyncio import Redis

from server.config.sections import FetchSettings, QueueSettings
from server.jobs import names
from server.jobs.connection import command_client
from server.jobs.job import Batch, Job, JobState, new_batch_id, new_job_id
from server.jobs.queue import JobQueue
from server.jobs.urls import Order, Terms, UrlQueue
from tests.patience import PATIENCE_S

JOBS = 730  # no multiple of any piece


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


@pytest.fixture
async def queue(redis: Redis) -> JobQueue:
    queue = JobQueue(redis, QueueSettings(), node="here", keep_s=60, has_records=True)
    await queue.prepare()
    return queue


async def batch_of(redis: Redis, queue: JobQueue, number: int) -> tuple[str, list[str]]:
    urls = UrlQueue(redis, queue, FetchSettings(), QueueSettings())
    batch_id, ids = new_batch_id(), [new_job_id() for _ in range(number)]
    terms = Terms(client="me", recipe="{}")
    orders = [Order(one, "a.jpg", f"http://8.8.8.8/{one}") for one in ids]
    assert await urls.admit(orders, terms, batch_id=batch_id, is_open=True) is None
    return batch_id, ids


async def test_every_job_ends_and_everything_is_counted_once(redis: Redis, queue: JobQueue) -> None:
    batch_id, ids = await batch_of(redis, queue, JOBS)
    other, other_ids = await batch_of(redis, queue, 3)
    await queue.cancel_batch(batch_id)
    jobs = await queue.look_all(ids)
    counters = await queue.counters()

    assert all(isinstance(one, Job) and one.status is JobState.CANCELLED for one in jobs)
    assert counters["cancelled"] == str(JOBS)
    assert counters["waiting:fetch-bulk"] == "3"
    assert await redis.hget(names.UNSETTLED, "me") == "3"
    assert await redis.zcard(names.EXPIRY) == JOBS
    assert await redis.xlen(names.JOURNAL) == JOBS
    batch, left = await queue.look_all([batch_id, other])
    assert isinstance(batch, Batch) and isinstance(left, Batch)
    assert (batch.is_settled, batch.counts["cancelled"], batch.counts["queued"]) == (True, JOBS, 0)
    assert left.counts["queued"] == len(other_ids)
    # Known for as long as its jobs are: both keys end by themselves, about 120 s from now.
    for key in (names.BATCH + batch_id, names.batch_jobs(batch_id)):
        assert 60_000 < await redis.pttl(key) <= 120_000


async def test_who_watches_one_of_its_jobs_is_told_of_it(redis: Redis, queue: JobQueue) -> None:
    batch_id, ids = await batch_of(redis, queue, JOBS)
    watched = {ids[0], ids[JOBS // 2], ids[-1]}
    async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(names.events(batch_id), *map(names.events, watched))
        while len(await redis.pubsub_channels("events:*")) < 4:
            await pubsub.get_message(timeout=0.1)
        await queue.cancel_batch(batch_id)
        told: dict[str, dict[str, str]] = {}
        async with asyncio.timeout(PATIENCE_S):
            while told.get(batch_id, {}).get("cancelled") != str(JOBS) or len(told) < 4:
                if message := await pubsub.get_message(timeout=1):
                    found = orjson.loads(message["data"])
                    told[found["id"]] = found

    assert {told[one]["status"] for one in watched} == {"cancelled"}


async def test_to_stop_it_twice_changes_nothing(redis: Redis, queue: JobQueue) -> None:
    batch_id, ids = await batch_of(redis, queue, 120)
    await queue.cancel_batch(batch_id)
    before = await queue.counters()
    await queue.cancel_batch(batch_id)

    assert await queue.counters() == before
    assert await redis.xlen(names.JOURNAL) == len(ids)
