"""Connections whose commands are broken off at the wrong moment."""

import asyncio

from redis.asyncio import Redis

from server.jobs.connection import command_client


async def test_a_task_that_is_cancelled_while_it_sends_ends(valkey_url: str) -> None:
    """At every turn of the loop between two commands: one of them is when the bytes have left."""

    async def ask_for_ever(client: Redis) -> None:
        while True:
            await client.ping()

    async with command_client(valkey_url, timeout_s=30) as client:
        for turns in range(40):
            asking = asyncio.create_task(ask_for_ever(client))
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            ended, _ = await asyncio.wait([asking], timeout=60)

            assert ended, f"cancelled after {turns} turns, it goes on"
