"""Some hundred jobs, and nothing that grows with them; `python -m bench soak` runs ten thousand."""

import asyncio
import time

from redis.asyncio import Redis

from server.jobs import names
from tests.chaos.evidence import redis_of
from tests.chaos.soak import Sample, Soak
from tests.conftest import StartServer
from tests.edge.traces import OF_NODES


async def test_three_hundred_jobs_leave_nothing_that_grows(start_server: StartServer) -> None:
    server = start_server(SAFELIGHT_IMAGES__KEEP_S="1", SAFELIGHT_POOL__MAX_LANES="1")
    soak = Soak(server, jobs=0)
    async with redis_of(server.data_dir) as redis:
        await soak.send(50)
        warm = await soak.look(redis)
        await soak.send(250)
        after = await forgotten(soak, redis)

    assert soak.completed == 300
    assert (after.files, after.in_streams) == (0, 0)
    assert after.server_fds <= warm.server_fds + 4  # connections that are kept open
    assert after.server_threads <= warm.server_threads + 4  # those for disk work
    assert after.processes == warm.processes


async def forgotten(soak: Soak, redis: Redis) -> Sample:
    """How things stand when Redis has no key of a job any more: only those of nodes and streams."""
    deadline = time.monotonic() + 25
    while (
        left := {key for key in await redis.keys() if not key.startswith(names.STREAM)} - OF_NODES
    ):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.2)
    return await soak.look(redis)
