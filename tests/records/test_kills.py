"""kill -9 between any two steps of the journal: no record is lost, none is there twice."""

import asyncio
import os
import random
import secrets
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest_asyncio
from redis.asyncio import Redis

from server.jobs import names
from server.jobs.connection import command_client
from server.records.database import open_database
from server.records.store import Records
from tests.records.journaled import complete, journaling, queue_of, rows, until, written
from tests.server_process import PROJECT

KILLS, JOBS = 6, 1000


@pytest_asyncio.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


async def test_a_journal_that_is_killed_again_and_again_loses_and_doubles_nothing(
    redis: Redis, valkey_url: str, database_url: str, tmp_path: Path
) -> None:
    """CHAOS_SEED=number repeats the pauses of an earlier run."""
    seed = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(10**6))
    print(f"CHAOS_SEED={seed}")
    chance = random.Random(seed)
    records = Records(open_database(database_url, tmp_path), query_timeout_s=10)
    await records.prepare()
    queue = await queue_of(redis)
    ids = await complete(queue, JOBS)

    left = [JOBS]
    for _ in range(KILLS):
        length = left[-1]
        async with _journal_process(valkey_url, database_url, str(tmp_path)) as process:
            await until(partial(_is_shorter, redis, length), within_s=30)
            await asyncio.sleep(chance.random() * 0.03)
            process.kill()
        left.append(int(await redis.xlen(names.JOURNAL)))
    was_pending = (await redis.xpending(names.JOURNAL, names.RECORDS_GROUP))["pending"]
    ids += await complete(queue, 1)
    async with journaling(redis, records, node="killed"):
        await written(redis)

    found = await rows(records)
    print(f"entries left after each kill: {left}, {was_pending} of them read and not written")
    assert set(found) == set(ids)
    assert {row["status"] for row in found.values()} == {"completed"}
    assert left[-1] > 0, "the last life was not killed at work"
    await records.close()


async def _is_shorter(redis: Redis, length: int) -> bool:
    return int(await redis.xlen(names.JOURNAL)) < length


@asynccontextmanager
async def _journal_process(*arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.records.journal_process", *arguments, cwd=PROJECT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
