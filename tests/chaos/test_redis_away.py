"""Redis hangs, dies, goes for a while or is full: the service says so and goes on afterwards.

CHAOS_AWAY_S chooses for how many seconds.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse
from redis.asyncio import Redis

from server.ops.valkey import EmbeddedValkey
from tests.chaos import evidence, numbered
from tests.chaos.parts import SLOW, stopped, valkey_pid
from tests.conftest import StartServer
from tests.edge.forms import end_of, status_of, upload
from tests.edge.problem import problem
from tests.edge.traces import eventually, traces
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

QUICK = {
    "SAFELIGHT_REDIS__TIMEOUT_S": "1",
    "SAFELIGHT_QUEUE__LEASE_S": "3",
    "SAFELIGHT_LIVE__PING_S": "1",
    "SAFELIGHT_POOL__MAX_LANES": "1",
}
AWAY_S = float(os.environ.get("CHAOS_AWAY_S", "4"))
LONGEST_S = 20.0  # of a refusal; a command may take one, and the machine may be busy
FRESH_S = 1.0  # how old what /readyz says may be, twice over
JPEG = {"Content-Type": "image/jpeg", "Prefer": "respond-async"}


async def refusals(client: ClientSession, *, for_s: float) -> list[float]:
    """Upload again and again; how long each 503 took. Anything else fails."""
    taken_s, looked, began = [], 0, time.monotonic()
    while time.monotonic() < began + for_s:
        started = time.monotonic()
        async with client.post("/upload", data=numbered.picture(9), headers=JPEG) as response:
            found = await problem(response)
            assert (response.status, found["code"]) == (503, "unavailable")
            assert int(response.headers["Retry-After"]) >= 1
        taken_s.append(time.monotonic() - started)
        is_known = time.monotonic() > began + FRESH_S
        async with client.get("/readyz") as ready, client.get("/livez") as live:
            assert live.status == 200
            assert ready.status == 503 or not is_known
        looked += is_known
    assert looked > 0
    return taken_s


async def completed_event(socket: ClientWebSocketResponse, job_id: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        async for message in socket:
            event = message.json()
            if event.get("jobId") == job_id and event.get("status") == "completed":
                return
    raise AssertionError("the socket was closed")


@asynccontextmanager
async def watched_slow_job(client: ClientSession, server: ServerProcess) -> AsyncIterator[str]:
    """A job in work; at the end of the block a socket that watched all the time has its end."""
    answer = await upload(client, numbered.picture(1), options=SLOW, at_once=True)
    async with client.ws_connect("/ws") as socket:
        await socket.send_json({"type": "subscribe", "jobId": answer["jobId"]})
        await socket.receive()
        watcher = asyncio.create_task(completed_event(socket, answer["jobId"]))
        try:
            yield str(answer["jobId"])
            await watcher
        finally:
            watcher.cancel()


async def test_redis_that_hangs_is_answered_for_and_heals(start_server: StartServer) -> None:
    server = start_server(**QUICK)
    async with ClientSession(server.url) as client:
        async with watched_slow_job(client, server):
            waiting = await upload(client, numbered.picture(2), at_once=True)
            with stopped(valkey_pid(server)):
                taken_s = await refusals(client, for_s=AWAY_S)

        assert (await end_of(client, waiting["jobId"]))["status"] == "completed"
        later = await upload(client, numbered.picture(3), options=numbered.RECIPE)

    assert max(taken_s) < LONGEST_S
    assert later["status"] == "completed"
    async with evidence.redis_of(server.data_dir) as redis:
        await evidence.all_is_quiet(redis, server.data_dir)
        await evidence.redis_is_tidy(redis)
        await evidence.disk_agrees(redis, server.data_dir)


async def test_killed_redis_is_back_and_the_watcher_gets_the_end(
    start_server: StartServer,
) -> None:
    server = start_server(**QUICK)
    async with ClientSession(server.url) as client:
        async with watched_slow_job(client, server) as job_id:
            os.kill(valkey_pid(server), signal.SIGKILL)

        assert (await status_of(client, job_id))["attempts"] == 1


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    """A Valkey that is not the server's; the test starts and stops it."""
    valkey = EmbeddedValkey(tmp_path / "outside")
    yield valkey
    if valkey.pid is not None:
        await valkey.__aexit__(None, None, None)


async def test_redis_of_others_goes_away_and_comes_back(
    start_server: StartServer, outside: EmbeddedValkey
) -> None:
    await outside.__aenter__()
    server = start_server(**QUICK, SAFELIGHT_REDIS__URL=outside.url)
    async with ClientSession(server.url) as client:
        async with watched_slow_job(client, server):
            waiting = await upload(client, numbered.picture(2), at_once=True)
            await outside.__aexit__(None, None, None)
            taken_s = await refusals(client, for_s=AWAY_S)
            await outside.__aenter__()

        assert (await end_of(client, waiting["jobId"]))["status"] == "completed"
        assert (await upload(client, numbered.picture(3)))["status"] == "completed"

    assert max(taken_s) < LONGEST_S
    assert server.process.poll() is None


async def test_full_redis_refuses_uploads_and_lets_jobs_in_work_end(
    start_server: StartServer,
) -> None:
    server = start_server(**QUICK)
    async with (
        ClientSession(server.url) as client,
        evidence.redis_of(server.data_dir) as redis,
    ):
        running = await upload(client, numbered.picture(1), options=SLOW, at_once=True)
        waiting = await upload(client, numbered.picture(2), at_once=True)
        await eventually(lambda: traces(server).counters["processing"] > 0)
        await redis.config_set("maxmemory", 1024 * 1024)

        async with client.post("/upload", data=numbered.picture(3), headers=JPEG) as response:
            refusal = await problem(response)
            assert response.status == 503
            assert "memory" in refusal["detail"]
            assert int(response.headers["Retry-After"]) >= 1
        for job in (running, waiting):
            ended = await end_of(client, job["jobId"])
            assert ended["status"] == "completed", ended
        await nothing_half_written(redis, server, jobs=2)

        await redis.config_set("maxmemory", 256 * 1024 * 1024)
        assert (await upload(client, numbered.picture(4)))["status"] == "completed"
        await nothing_half_written(redis, server, jobs=3)


async def nothing_half_written(redis: Redis, server: ServerProcess, *, jobs: int) -> None:
    await evidence.all_is_quiet(redis, server.data_dir)
    await evidence.redis_is_tidy(redis)
    await evidence.disk_agrees(redis, server.data_dir)
    assert len(await evidence.all_jobs(redis)) == jobs
