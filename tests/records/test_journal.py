"""From the scripts over the journal into the records, with what may die or be away between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from server.jobs import names
from server.jobs.connection import command_client
from server.jobs.job import JobState
from server.jobs.queue import JobQueue
from server.records.database import open_database
from server.records.store import Records
from server.refusals import RecordsBehind
from tests.patience import PATIENCE_S
from tests.records.journaled import (
    RESULT,
    admit,
    claim,
    complete,
    journaling,
    queue_of,
    rows,
    until,
    written,
)
from tests.records.postgres import Postgres


@pytest_asyncio.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


@pytest_asyncio.fixture
async def queue(redis: Redis) -> JobQueue:
    return await queue_of(redis)


@pytest_asyncio.fixture
async def lite(tmp_path: Path) -> AsyncIterator[Records]:
    """Records in SQLite: for what is the same over any database."""
    made = Records(open_database("", tmp_path), query_timeout_s=10)
    await made.prepare()
    yield made
    await made.close()


async def test_a_completed_job_is_written_down_with_all_that_is_told_of_it(
    queue: JobQueue, redis: Redis, records: Records
) -> None:
    [job_id] = await admit(queue, batch=True)
    [job] = await claim(queue)
    await queue.settle(job, JobState.COMPLETED, RESULT)
    await redis.delete(names.job(job_id))  # the entry carries all that is needed
    async with journaling(redis, records):
        await written(redis)

    found = (await rows(records))[job_id]
    told = {name: found[name] for name in ("status", "client", "batch", "name", "source")}
    assert told == {
        **{"status": "completed", "client": "10.0.0.1", "batch": job.batch_id},
        **{"name": "a.jpg", "source": "upload"},
    }
    assert (found["original_bytes"], found["width"], found["height"]) == (700, 16, 12)
    assert (found["recipe"], found["timings"]) == ({"format": "webp"}, {"decoding": 1.5})
    assert (found["attempts"], found["bytes_out"], found["expired"]) == (1, 44, None)
    assert found["created"] <= found["started"] <= found["settled"]


async def test_every_way_to_end_is_written_down(
    queue: JobQueue, redis: Redis, lite: Records
) -> None:
    completed, failed, dead, cancelled_running = await admit(queue, 4)
    by_id = {job.job_id: job for job in await claim(queue, 4)}
    await queue.settle(by_id[completed], JobState.COMPLETED, RESULT)
    fault = {"error_code": "corrupt_image", "error_detail": "It is damaged."}
    await queue.settle(by_id[failed], JobState.FAILED, fault, at_fault=True)
    crash = {"error_code": "worker_crashed", "error_detail": "3 attempts failed."}
    await queue.settle(by_id[dead], JobState.FAILED, crash, quarantine=True)
    await queue.cancel(cancelled_running)
    await queue.requeue(
        by_id[cancelled_running], delay_s=0, blame="none", reason="the node stopped"
    )
    [cancelled_waiting] = await admit(queue)
    await queue.cancel(cancelled_waiting)
    async with journaling(redis, lite):
        await written(redis)

    found = await rows(lite)
    assert {job_id: row["status"] for job_id, row in found.items()} == {
        **{completed: "completed", failed: "failed", dead: "failed"},
        **{cancelled_running: "cancelled", cancelled_waiting: "cancelled"},
    }
    assert (found[failed]["error_code"], found[failed]["quarantined"]) == ("corrupt_image", False)
    assert (found[dead]["error_detail"], found[dead]["quarantined"]) == ("3 attempts failed.", True)
    assert found[cancelled_waiting]["started"] is None


async def test_jobs_that_share_a_result_are_written_down_one_by_one(
    queue: JobQueue, redis: Redis, lite: Records
) -> None:
    [leader], [follower] = await admit(queue, dedup="same"), await admit(queue, dedup="same")
    [job] = await claim(queue, 5)
    await queue.settle(job, JobState.COMPLETED, RESULT)
    [cached] = await admit(queue, dedup="same")
    async with journaling(redis, lite):
        await written(redis)

    found = await rows(lite)
    assert {one: found[one]["status"] for one in (leader, follower, cached)} == dict.fromkeys(
        (leader, follower, cached), "completed"
    )
    assert [found[one]["cached"] for one in (leader, cached)] == [False, True]
    assert [found[one]["bytes_out"] for one in (leader, follower, cached)] == [44, 44, 44]


async def test_a_job_that_is_tried_again_ends_as_one_record_with_its_last_state(
    queue: JobQueue, redis: Redis, lite: Records
) -> None:
    [job_id] = await admit(queue)
    async with journaling(redis, lite):
        [job] = await claim(queue)
        crash = {"error_code": "worker_crashed", "error_detail": "3 attempts failed."}
        await queue.settle(job, JobState.FAILED, crash, quarantine=True)
        await written(redis)
        failed = await rows(lite)
        await queue.retry(job_id)
        await written(redis)
        queued_again = await rows(lite)
        [job] = await claim(queue)
        await queue.settle(job, JobState.COMPLETED, RESULT)
        await written(redis)
        completed = await rows(lite)

    assert [one["status"] for one in failed.values()] == ["failed"]
    assert queued_again == {}
    found = completed[job_id]
    assert (found["status"], found["error_code"], found["quarantined"]) == (
        "completed",
        None,
        False,
    )


async def test_an_expired_job_keeps_how_it_ended_and_what_was_made(
    redis: Redis, lite: Records
) -> None:
    queue = await queue_of(redis, keep_s=0)
    [job_id] = await complete(queue, 1)
    assert await queue.expire_due(10) >= 1
    async with journaling(redis, lite):
        await written(redis)

    found = (await rows(lite))[job_id]
    assert (found["status"], found["bytes_out"]) == ("completed", 44)
    assert found["expired"] >= found["settled"] - 1


async def test_a_picture_that_is_removed_by_hand_is_noted(
    queue: JobQueue, redis: Redis, lite: Records
) -> None:
    [job_id] = await complete(queue, 1)
    await queue.remove(job_id)
    async with journaling(redis, lite):
        await written(redis)

    assert (await rows(lite))[job_id]["expired"] is not None


async def test_without_records_nothing_is_written_that_nobody_would_read(redis: Redis) -> None:
    queue = await queue_of(redis, has_records=False)
    [job_id] = await complete(queue, 1)
    await queue.remove(job_id)

    assert await redis.exists(names.JOURNAL) == 0


async def test_what_an_earlier_life_had_read_is_written_by_the_next(
    queue: JobQueue, redis: Redis, lite: Records
) -> None:
    ids = await complete(queue, 30)
    await read_and_die(redis, "here")
    async with journaling(redis, lite, batch=7):
        await written(redis)

    assert set(await rows(lite)) == set(ids)


async def test_what_was_written_but_not_acknowledged_is_there_once(
    queue: JobQueue, redis: Redis, lite: Records
) -> None:
    ids = await complete(queue, 5)
    async with journaling(redis, lite):
        entries = await redis.xrange(names.JOURNAL)
        await written(redis)
    for _, fields in entries:  # as if the node had died before it could acknowledge
        await redis.xadd(names.JOURNAL, fields)
    async with journaling(redis, lite):
        await written(redis)

    assert set(await rows(lite)) == set(ids)


async def test_what_a_dead_node_had_read_is_taken_over_by_another(
    queue: JobQueue, redis: Redis, lite: Records
) -> None:
    ids = await complete(queue, 10)
    entry_ids = await read_and_die(redis, "dead")
    await redis.xclaim(
        names.JOURNAL, names.RECORDS_GROUP, "dead", 0, entry_ids, idle=120_000, justid=True
    )
    async with journaling(redis, lite, batch=3):
        await written(redis)

    assert set(await rows(lite)) == set(ids)


async def test_nodes_share_the_work(queue: JobQueue, redis: Redis, records: Records) -> None:
    async with (
        journaling(redis, records, node="one", batch=20),
        journaling(redis, records, node="two", batch=20),
    ):
        ids = await complete(queue, 300)
        await written(redis)

    assert set(await rows(records)) == set(ids)


async def test_a_redis_that_lost_its_data_is_read_from_anew(
    queue: JobQueue, redis: Redis, lite: Records
) -> None:
    async with journaling(redis, lite):
        before = await complete(queue, 1)
        await written(redis)
        await redis.flushall()
        after = await complete(queue, 1)
        await written(redis)

    assert set(await rows(lite)) == {*before, *after}


async def test_an_entry_that_nobody_can_read_holds_up_none(
    queue: JobQueue, redis: Redis, lite: Records
) -> None:
    await redis.xadd(names.JOURNAL, {"status": "completed", "id": "broken"})
    ids = await complete(queue, 2)
    async with journaling(redis, lite):
        await written(redis)

    assert set(await rows(lite)) == set(ids)


async def test_while_the_database_is_away_the_journal_waits_and_then_refuses_new_jobs(
    queue: JobQueue, redis: Redis, own_postgres: Postgres, tmp_path: Path
) -> None:
    records = Records(open_database(own_postgres.url(), tmp_path), query_timeout_s=30)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(records.close)
        journal = await stack.enter_async_context(journaling(redis, records, max_journal=100))
        queue.door.refuse_if_behind = journal.refuse_if_behind
        ids = await complete(queue, 20)
        await written(redis)
        await asyncio.to_thread(own_postgres.stop)
        try:
            ids += await complete(queue, 110)
            await until(lambda: _is(journal.is_behind and not journal.is_written))
            with pytest.raises(RecordsBehind) as refused:
                await admit(queue)
            with pytest.raises(RecordsBehind):
                await queue.door.refuse_if_full()
            waiting = await redis.xlen(names.JOURNAL)
        finally:
            await asyncio.to_thread(own_postgres.start)
        await written(redis, within_s=PATIENCE_S)
        await until(lambda: _is(not journal.is_behind))
        ids += await complete(queue, 1)
        await written(redis)

        assert (refused.value.limit, refused.value.actual, waiting) == (100, 110, 110)
        assert set(await rows(records)) == set(ids)


async def test_catching_up_waits_for_what_has_ended_and_not_for_ever(
    queue: JobQueue, redis: Redis, lite: Records
) -> None:
    async with journaling(redis, lite) as journal:
        ids = await complete(queue, 50)
        await journal.catch_up(within_s=PATIENCE_S)
        assert set(await rows(lite)) == set(ids)
    more = await complete(queue, 1)  # nobody reads the journal any more
    await journal.catch_up(within_s=0.05)

    assert not set(more) & set(await rows(lite))


async def read_and_die(redis: Redis, node: str) -> list[str]:
    """Read everything as this node and acknowledge nothing; the entries' ids."""
    await redis.xgroup_create(names.JOURNAL, names.RECORDS_GROUP, id="0", mkstream=True)
    await redis.xreadgroup(names.RECORDS_GROUP, node, {names.JOURNAL: ">"}, count=1000)
    pending = await redis.xpending_range(names.JOURNAL, names.RECORDS_GROUP, "-", "+", 1000)
    assert pending
    return [str(one["message_id"]) for one in pending]


async def _is(condition: bool) -> bool:
    return condition
