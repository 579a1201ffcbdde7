"""How many Redis commands the service sends, and how many run inside its scripts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis

from server.ops.valkey_setup import socket_path

# What this module itself sends.
OURS = ("info", "monitor", "hello", "client|setinfo", "client|setname", "select")


def connected(data_dir: Path) -> Redis:
    """A client of the Valkey that the server on this data folder has started."""
    return Redis(unix_socket_path=str(socket_path(data_dir)))


async def calls(client: Redis) -> Counter[str]:
    """Calls by command since Redis started, those inside scripts included."""
    found = await client.info("commandstats")
    counted = {name.removeprefix("cmdstat_"): row["calls"] for name, row in found.items()}
    return Counter({name: number for name, number in counted.items() if name not in OURS})


@asynccontextmanager
async def watched(client: Redis) -> AsyncIterator[dict[str, Counter[str]]]:
    """Who sends what within the block: `client` or, inside a script, `script`.

    By MONITOR, which costs Redis a multiple; so never around a round that is measured.
    """
    seen: dict[str, Counter[str]] = {"client": Counter(), "script": Counter()}

    async def look() -> None:
        async for command in monitor.listen():
            sender = "script" if command["client_type"] == "lua" else "client"
            seen[sender][command["command"].split(" ", 1)[0].lower()] += 1

    async with client.monitor() as monitor:
        looker = asyncio.create_task(look())
        try:
            yield seen
        finally:
            looker.cancel()
            await asyncio.wait([looker])
    for name in OURS:
        seen["client"].pop(name, None)
