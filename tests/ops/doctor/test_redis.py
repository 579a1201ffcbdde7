"""The doctor on Redis: none, a stranger's, and every way in which one can be set up wrongly."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from server.ops.doctor import redis
from server.ops.doctor.finding import State
from server.ops.valkey import EmbeddedValkey
from tests.ops.doctor.places import found, only, settings_for, states


@pytest_asyncio.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[str]:
    """One that a test may spoil."""
    async with EmbeddedValkey(tmp_path / "valkey", maxmemory_bytes=32 << 20) as running:
        yield running.url


async def set_up(url: str, *words: str) -> None:
    async with Redis.from_url(url) as client:
        await client.execute_command(*words)


async def test_our_own_program_is_found_and_tried_out(tmp_path: Path) -> None:
    findings = await found(redis.check, settings_for(tmp_path / "data"), tmp_path)

    assert State.WRONG not in states(findings)
    assert "starts and answers" in findings[0].says
    assert not (tmp_path / "data").exists()


async def test_one_that_is_set_up_well_is_good(valkey: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data", redis={"url": valkey})
    findings = await found(redis.check, settings, tmp_path)

    assert State.WRONG not in states(findings)
    said = "\n".join(one.says for one in findings if one.state is State.GOOD)
    assert "noeviction" in said
    assert "append-only file (appendfsync always)" in said
    assert "clock and ours differ by 0.0" in said


@pytest.mark.parametrize(
    ("words", "state", "says", "advice"),
    [
        (
            ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
            State.WRONG,
            "would forget jobs",
            "CONFIG SET maxmemory-policy noeviction",
        ),
        (
            ("CONFIG", "SET", "appendonly", "no"),
            State.WARNING,
            "a crash loses all jobs",
            "appendonly yes",
        ),
        (
            ("CONFIG", "SET", "maxmemory", "0"),
            State.WARNING,
            "has no limit",
            "maxmemory",
        ),
        (
            ("REPLICAOF", "127.0.0.1", "1"),
            State.WRONG,
            "it is a replica",
            "name its primary",
        ),
        (
            ("CONFIG", "SET", "requirepass", "secret"),
            State.WRONG,
            "does not answer",
            "user or password in redis.url",
        ),
    ],
)
async def test_what_is_set_up_wrongly_comes_with_what_to_do(
    valkey: str, tmp_path: Path, words: tuple[str, ...], state: State, says: str, advice: str
) -> None:
    await set_up(valkey, *words)

    settings = settings_for(tmp_path / "data", redis={"url": valkey, "timeout_s": 3})
    findings = await found(redis.check, settings, tmp_path)

    told = next(one for one in findings if says in one.says)
    assert told.state is state
    assert advice in told.advice


async def test_a_password_is_not_shown(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"redis://me:hidden@127.0.0.1:{taken.getsockname()[1]}"
        settings = settings_for(tmp_path / "data", redis={"url": url, "timeout_s": 2})
        told = only(await found(redis.check, settings, tmp_path), State.WRONG)

    assert "does it run, and listen there?" in told.advice
    assert "hidden" not in told.says + told.advice


async def test_a_name_that_nobody_has_is_told_apart(tmp_path: Path) -> None:
    settings = settings_for(
        tmp_path / "data", redis={"url": "redis://nobody.invalid", "timeout_s": 5}
    )

    told = only(await found(redis.check, settings, tmp_path), State.WRONG)

    assert "spelled right" in told.advice, told
