"""A Redis of somebody else's is looked at before it gets jobs."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

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


@pytest.mark.parametrize(
    "appendonly, save, warning",
    [
        ("yes", "", None),
        ("yes", "60 1", None),
        ("no", "60 1", "a crash loses the jobs since its last snapshot"),
        ("no", "", "jobs will be lost with it"),
    ],
)
async def test_what_redis_would_lose_is_told(
    redis: Redis, appendonly: str, save: str, warning: str | None
) -> None:
    before = await redis.config_get("appendonly", "save")
    try:
        await redis.config_set("appendonly", appendonly)
        await redis.config_set("save", save)
        with capture_logs() as told:
            await refuse_unfit(redis)
    finally:
        for name, value in before.items():
            await redis.config_set(str(name), str(value))

    assert len(told) == (0 if warning is None else 1)
    assert all(str(warning) in one["event"] and one["log_level"] == "warning" for one in told)


@pytest.mark.parametrize("version, is_fit", [("6.2.14", False), ("7.0.15", True), ("10.0", True)])
async def test_redis_that_is_too_old_is_refused(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, version: str, is_fit: bool
) -> None:
    """There is no old one to be had here: the real one is heard to say another version."""
    info = redis.info

    async def of_another_day(section: str) -> dict[str, object]:
        told = dict(await info(section))
        told.pop("valkey_version", None)
        return told | {"redis_version": version}

    monkeypatch.setattr(redis, "info", of_another_day)

    if is_fit:
        await refuse_unfit(redis)
    else:
        with pytest.raises(RedisUnfit, match="expected Redis 7 or Valkey, got version 6"):
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
