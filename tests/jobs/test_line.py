"""The connection that all share: everybody gets the answer to his own question, or an error."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from server.jobs.connection import command_client


@pytest_asyncio.fixture
async def client(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=5) as client:
        await client.hset("line", mapping={str(number): number for number in range(500)})
        yield client
        await client.delete("line")


async def field(client: Redis, name: object) -> list[object]:
    return list(await client.hmget("line", [str(name)]))


async def test_many_who_ask_at_once_are_answered_each_and_by_one_connection(
    client: Redis,
) -> None:
    before = int((await client.info("clients"))["connected_clients"])

    found = await asyncio.gather(*(field(client, number) for number in range(500)))

    after = int((await client.info("clients"))["connected_clients"])
    assert found == [[str(number)] for number in range(500)]
    assert after - before <= 1


async def test_whoever_goes_away_shifts_nobodys_answer(client: Redis) -> None:
    asking = [asyncio.create_task(field(client, number)) for number in range(100)]
    await asyncio.sleep(0)
    for task in asking[::3]:
        task.cancel()

    found = await asyncio.gather(*asking, return_exceptions=True)

    for number, one in enumerate(found):
        if number % 3:
            assert one == [str(number)]
        else:
            assert isinstance(one, asyncio.CancelledError)


async def test_an_error_is_told_to_its_own_asker_alone(client: Redis) -> None:
    fails = client.register_script("return redis.call('HGET', 'line')")

    asked = [field(client, 1), fails(), field(client, 2)]
    answers: list[object] = await asyncio.gather(*asked, return_exceptions=True)

    assert answers[0] == ["1"]
    assert isinstance(answers[1], ResponseError)
    assert answers[2] == ["2"]


async def test_a_connection_that_was_closed_is_opened_again(client: Redis) -> None:
    assert await field(client, 1) == ["1"]
    others = [asyncio.create_task(field(client, number)) for number in range(50)]

    await client.client_kill_filter(_type="normal", skipme=True)

    assert await asyncio.gather(*others) == [[str(number)] for number in range(50)]
    assert await field(client, 2) == ["2"]


async def test_a_redis_that_hangs_is_waited_for_no_longer_than_it_may_and_nothing_is_mixed_up(
    client: Redis, valkey_url: str
) -> None:
    async with command_client(valkey_url, timeout_s=0.2) as impatient:
        assert await field(impatient, 1) == ["1"]
        await client.client_pause(500)

        with pytest.raises(RedisTimeoutError):
            await field(impatient, 2)

        found: list[object] = []
        while not found:
            try:
                found = await field(impatient, 3)
            except RedisError:
                await asyncio.sleep(0.02)
        assert found == ["3"]
