"""How often one upload asks Redis, from its first byte to the moment when nobody watches it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession
from redis.asyncio import Redis

from bench.redis_use import connected
from tests.conftest import StartServer
from tests.edge.forms import upload
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually

MOST = 5
UPLOADS = 5
DOOR = re.compile(r"HMGET queue ")
CLAIM = re.compile(r"FCALL safelight_[0-9a-f]+_[0-9a-f]+_claim 0 ")
ADMIT_OR_SETTLE = re.compile(r"FCALL \S+_(admit|settle) 0 ")


@asynccontextmanager
async def overheard(redis: Redis) -> AsyncIterator[list[str]]:
    """What clients send, in words; what runs inside scripts is not among it."""
    said: list[str] = []

    async def listen() -> None:
        async for command in monitor.listen():
            if command["client_type"] != "lua":
                said.append(command["command"])

    async with redis.monitor() as monitor:
        listener = asyncio.create_task(listen())
        try:
            yield said
        finally:
            listener.cancel()
            await asyncio.wait([listener])


def is_left(command: str, job_id: str) -> bool:
    """Whether nobody here hears of a job any more; several may be left at once."""
    return command.startswith("UNSUBSCRIBE ") and job_id in command


async def trips_of_one(client: ClientSession, said: list[str], width: int) -> list[str]:
    """Those that name the job, that before it had a name, and the claims until it was settled."""
    begun = len(said)
    job_id = (await upload(client, jpeg(width, 40)))["jobId"]
    await eventually(lambda: any(is_left(one, job_id) for one in said[begun:]))
    since = said[begun:]
    moves = [at for at, one in enumerate(since) if ADMIT_OR_SETTLE.match(one) and job_id in one]
    claims = [one for one in since[moves[0] : moves[-1]] if CLAIM.match(one)]
    return claims + [one for one in since if job_id in one or DOOR.match(one)]


async def test_a_single_upload_asks_redis_five_times(start_server: StartServer) -> None:
    """Of several the one with the fewest: dispatchers look for work now and then by themselves."""
    server = start_server()
    async with (
        ClientSession(server.url) as client,
        connected(server.data_dir) as redis,
        overheard(redis) as said,
    ):
        await upload(client, jpeg(39, 40))  # the first one loads what Redis is to keep
        found = [await trips_of_one(client, said, width) for width in range(40, 40 + UPLOADS)]

    fewest = min(found, key=len)
    for move, times in (("_admit 0 ", 1), ("_claim 0 ", 0), ("_settle 0 ", 1)):
        assert sum(move in one for one in fewest) == times, fewest
    assert len(fewest) <= MOST, fewest
