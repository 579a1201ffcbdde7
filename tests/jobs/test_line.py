"""The connection that all share: everybody gets the answer to his own question, or an error."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from server.jobs.connection import command_client


@pytest_asyncio.fixture
async def client(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
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


async def test_a_burst_that_takes_longer_than_the_patience_is_no_silence(
    client: Redis, valkey_url: str, tmp_path: Path
) -> None:
    passing: list[asyncio.Task[None]] = []

    async def ask(asking: asyncio.StreamReader, redis: asyncio.StreamWriter) -> None:
        while asked := await asking.read(65536):
            redis.write(asked)
        redis.close()
        await redis.wait_closed()

    async def pass_on(asking: asyncio.StreamReader, answering: asyncio.StreamWriter) -> None:
        """Answers go on a few bytes at a time: forty of them take two seconds."""
        answers, redis = await asyncio.open_unix_connection(urlsplit(valkey_url).path)
        asks = asyncio.create_task(ask(asking, redis))
        while answer := await answers.read(12):
            answering.write(answer)
            await asyncio.sleep(0.05)
        await asks
        answering.close()
        await answering.wait_closed()

    def begin(asking: asyncio.StreamReader, answering: asyncio.StreamWriter) -> None:
        passing.append(asyncio.create_task(pass_on(asking, answering)))

    path = tmp_path / "slow.sock"
    async with await asyncio.start_unix_server(begin, path):
        async with command_client(f"unix://{path}", timeout_s=1) as impatient:
            found = await asyncio.gather(*(field(impatient, number) for number in range(40)))
        await asyncio.gather(*passing)

    assert found == [[str(number)] for number in range(40)]


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
