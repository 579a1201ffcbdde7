"""Connections that end at the wrong moment say so by Redis' own exception."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from server.jobs.connection import feed_client


async def test_a_connection_closed_by_another_task_while_one_writes(valkey_url: str) -> None:
    async with feed_client(valkey_url, timeout_s=5) as client:
        connection = await client.connection_pool.get_connection()
        try:
            sending = asyncio.create_task(connection.send_command("PING"))
            await asyncio.sleep(0)  # it has seen that the connection stands, and writes next
            await connection.disconnect(nowait=True)

            with pytest.raises(RedisConnectionError):
                await sending
        finally:
            await client.connection_pool.release(connection)
