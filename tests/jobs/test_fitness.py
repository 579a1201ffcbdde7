"""A Redis of somebody else's is looked at before it gets jobs."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from server.jobs.connection import command_client
from server.jobs.fitness import RedisUnfit, refuse_unfit

PROJECT = Path(__file__).parents[2]


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client
        await client.config_set("maxmemory-policy", "noeviction")


async def test_redis_that_keeps_everything_is_taken(redis: Redis) -> None:
    await refuse_unfit(redis)


async def test_redis_that_forgets_keys_is_refused(redis: Redis) -> None:
    await redis.config_set("maxmemory-policy", "allkeys-lru")

    with pytest.raises(RedisUnfit, match="expected maxmemory-policy noeviction, got allkeys-lru"):
        await refuse_unfit(redis)


async def test_start_says_in_one_line_that_redis_does_not_answer(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server", "serve", "--port", "0"]
    environment = {"SAFELIGHT_REDIS__URL": f"unix://{tmp_path}/nobody.sock", "PATH": "/usr/bin"}

    ended = await asyncio.to_thread(
        subprocess.run,
        [*command, "--data-dir", str(tmp_path / "data")],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("safelight: Redis does not answer: ")
