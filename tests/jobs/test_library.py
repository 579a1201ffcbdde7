"""The scripts as functions that Redis keeps: brought when missing, done without if need be."""

from collections.abc import AsyncIterator

import pytest
from redis import Redis as PlainRedis
from redis.exceptions import ResponseError

from server.jobs.connection import command_client
from server.jobs.library import Library, Move
from server.jobs.timing import TimedRedis

SHARED = "local kept\nlocal function begin() kept = nil end\n"
FAILS_MIDWAY = "kept = ARGV[1]\nerror('midway')"
TELLS = "return { kept or 'nothing', ARGV[1] }"


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[TimedRedis]:
    async with command_client(valkey_url, timeout_s=5) as client:
        await client.function_flush("SYNC")
        yield client
        await client.config_set("maxmemory", 0)
        await client.function_flush("SYNC")


def calls(url: str) -> tuple[int, int]:
    """How many functions were called, and how many scripts were sent."""
    with PlainRedis.from_url(url) as client:
        found = client.info("commandstats")
    return tuple(found.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("fcall", "evalsha"))


def tells(redis: TimedRedis, *, shared: str = SHARED, version: str = "1") -> Move:
    return Move(Library(redis, shared, version=version), "tells", TELLS, flags="allow-oom")


async def names(redis: TimedRedis) -> set[str]:
    flat = await redis.function_list("safelight_*")
    return {str(dict(zip(one[::2], one[1::2], strict=True))["library_name"]) for one in flat}


async def test_a_function_that_redis_has_lost_is_brought_again(redis: TimedRedis) -> None:
    move = tells(redis)

    assert await move(args=["a"]) == ["nothing", "a"]
    await redis.function_flush("SYNC")
    assert await move(args=["b"]) == ["nothing", "b"]
    assert len(await names(redis)) == 1


async def test_two_who_miss_it_at_once_both_get_their_answer(redis: TimedRedis) -> None:
    one, another = tells(redis), tells(redis)
    assert await one.library.load() and await another.library.load()

    assert await another(args=["a"]) == ["nothing", "a"]


async def test_what_an_earlier_call_left_half_done_is_not_seen(redis: TimedRedis) -> None:
    library = Library(redis, SHARED, version="1")
    fails = Move(library, "fails", FAILS_MIDWAY, flags="allow-oom")
    after = Move(library, "tells", TELLS, flags="allow-oom")

    with pytest.raises(ResponseError, match="midway"):
        await fails(args=["left"])
    assert await after(args=["a"]) == ["nothing", "a"]


async def test_a_full_redis_that_keeps_no_function_runs_the_script(
    redis: TimedRedis, valkey_url: str
) -> None:
    move = tells(redis)
    await redis.config_set("maxmemory", 1)
    before = calls(valkey_url)

    assert await move(args=["a"]) == ["nothing", "a"]
    assert calls(valkey_url)[1] > before[1]
    await redis.config_set("maxmemory", 0)
    assert await move(args=["b"]) == ["nothing", "b"]
    assert len(await names(redis)) == 1  # kept as soon as there was room


async def test_who_may_keep_no_functions_is_not_asked_again(
    redis: TimedRedis, valkey_url: str
) -> None:
    await redis.acl_setuser(
        "plain", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-function"]
    )
    url = valkey_url.replace("://", "://plain:any@", 1)
    async with command_client(url, timeout_s=5) as client:
        move = tells(client)
        assert await move(args=["a"]) == ["nothing", "a"]
        before = calls(valkey_url)[0]

        assert await move(args=["b"]) == ["nothing", "b"]
        assert calls(valkey_url)[0] == before
    await redis.acl_deluser("plain")


async def test_libraries_of_other_versions_go_and_those_of_other_settings_stay(
    redis: TimedRedis,
) -> None:
    old, here = tells(redis, version="0"), tells(redis)
    beside = tells(redis, shared=f"local NUMBER = 2\n{SHARED}")
    for move in (old, here, beside):
        await move(args=["a"])
    assert len(await names(redis)) == 3

    await here.library.forget_others()

    assert await names(redis) == {here.library.name, beside.library.name}
    assert await old(args=["b"]) == ["nothing", "b"]  # a node of that version still runs
