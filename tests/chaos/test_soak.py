"""Some hundred jobs, and nothing that grows with them; `python -m bench soak` runs ten thousand."""

import asyncio
import time

import pytest
from redis.asyncio import Redis

from tests.chaos.evidence import redis_of
from tests.chaos.soak import Sample, Soak
from tests.conftest import StartServer


@pytest.mark.timeout(90)
async def test_three_hundred_jobs_leave_nothing_that_grows(start_server: StartServer) -> None:
    server = start_server(SAFELIGHT_IMAGES__KEEP_S="1", SAFELIGHT_POOL__MAX_LANES="1")
    soak = Soak(server, jobs=0)
    async with redis_of(server.data_dir) as redis:
        new = await soak.look(redis)
        await soak.send(50)
        warm = await soak.look(redis)
        await soak.send(250)
        after = await forgotten(soak, redis)

    assert soak.completed == 300
    assert (after.redis_keys, after.files, after.in_streams) == (new.redis_keys, 0, 0)
    assert after.server_fds <= warm.server_fds + 4  # connections that are kept open
    assert after.server_threads <= warm.server_threads + 4  # those for disk work
    assert after.processes == warm.processes


async def forgotten(soak: Soak, redis: Redis) -> Sample:
    """How things stand when nothing of the jobs is left."""
    deadline = time.monotonic() + 25
    while True:
        jobs = [key async for key in redis.scan_iter(match="job:*")]
        sample = await soak.look(redis)  # after the jobs: what is counted has outlived them
        if sample.files == 0 and not jobs:
            return sample
        assert time.monotonic() < deadline, sample
        await asyncio.sleep(0.2)
