"""A worker that dies, hangs or takes too much costs one attempt of one job, which says why."""

import asyncio
import json
import os
import signal
import time
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.chaos import numbered
from tests.chaos.evidence import redis_of
from tests.chaos.parts import SLOW, lane_pids
from tests.conftest import StartServer
from tests.edge.forms import end_of, status_of, upload
from tests.edge.problem import problem
from tests.edge.traces import eventually
from tests.patience import PATIENCE_S

MIB = 1024 * 1024
TWO_LANES = {"SAFELIGHT_POOL__MIN_LANES": "2", "SAFELIGHT_POOL__MAX_LANES": "2"}
ONE_LANE = {"SAFELIGHT_POOL__MAX_LANES": "1"}


async def details_of(client: ClientSession, job_id: str) -> dict[str, Any]:
    async with client.get(f"/job/{job_id}") as response:
        details: dict[str, Any] = await response.json()
    return details


async def send(client: ClientSession, number: int, options: object) -> str:
    answer = await upload(client, numbered.picture(number), options=options, at_once=True)
    return str(answer["jobId"])


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
async def test_dead_worker_costs_one_attempt_of_one_job(
    start_server: StartServer, number: signal.Signals
) -> None:
    server = start_server(**TWO_LANES)
    async with ClientSession(server.url) as client:
        workers = await lane_pids(client)
        job_ids = [await send(client, one, SLOW) for one in range(2)]
        for job_id in job_ids:
            await until_attempt(client, job_id, 1)

        os.kill(workers[0], number)

        for job_id in job_ids:
            assert (await end_of(client, job_id))["status"] == "completed"
        found = [await details_of(client, job_id) for job_id in job_ids]

    histories = sorted(one["attemptHistory"] for one in found)
    assert histories == [[], [f"signal {number.value}"]]
    assert sorted(one["attempts"] for one in found) == [1, 2]


async def test_job_that_kills_every_worker_is_quarantined_and_completes_when_tried_again(
    start_server: StartServer,
) -> None:
    server = start_server(
        **ONE_LANE, SAFELIGHT_QUEUE__MAX_ATTEMPTS="2", SAFELIGHT_QUEUE__RETRY_DELAY_S="0"
    )
    async with ClientSession(server.url) as client, redis_of(server.data_dir) as redis:
        job_id = await send(client, 1, SLOW)
        others = [await send(client, number, {}) for number in range(2, 5)]
        for attempt in (1, 2):
            await until_attempt(client, job_id, attempt)
            os.kill((await lane_pids(client))[0], signal.SIGSEGV)
        failed = await end_of(client, job_id)
        async with client.get("/jobs", params={"status": "failed"}) as response:
            listed = [job["jobId"] for job in (await response.json())["jobs"]]
        quarantined = await redis.xlen("queue:dead")
        innocent = [await end_of(client, other) for other in others]

        async with client.post(f"/job/{job_id}/retry") as response:
            assert response.status == 202
        again = await end_of(client, job_id)

        assert failed["status"] == "failed"
        assert failed["error"]["code"] == "worker_crashed"
        assert "signal 11" in failed["error"]["detail"]
        assert (listed, quarantined) == ([job_id], 1)
        assert [(one["status"], one["attempts"]) for one in innocent] == [("completed", 1)] * 3
        assert again["status"] == "completed"
        assert await redis.xlen("queue:dead") == 0


async def until_attempt(client: ClientSession, job_id: str, attempt: int) -> None:
    """Until this attempt of the job is at work in its child, past the first report."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        status = await status_of(client, job_id)
        if (status["status"], status["attempts"]) == ("processing", attempt) and (
            status["stage"] != "decoding" or status["progress"] > 0
        ):
            return
        assert status["status"] in ("queued", "processing"), status
        await asyncio.sleep(0.01)
    raise AssertionError(f"attempt {attempt} did not begin: {status}")


async def test_worker_that_hangs_for_ever_is_killed_at_the_hard_deadline(
    start_server: StartServer,
) -> None:
    server = start_server(
        **ONE_LANE,
        SAFELIGHT_POOL__DEADLINE_S="2",
        SAFELIGHT_POOL__HARD_GRACE_S="0.5",
        SAFELIGHT_QUEUE__MAX_ATTEMPTS="1",
    )
    async with ClientSession(server.url) as client:
        job_id = await send(client, 1, SLOW)
        other = await send(client, 2, {})
        await until_attempt(client, job_id, 1)

        os.kill((await lane_pids(client))[0], signal.SIGSTOP)

        failed = await end_of(client, job_id)
        innocent = await end_of(client, other)

    assert failed["error"]["code"] == "worker_crashed"
    assert "hard deadline" in failed["error"]["detail"]
    assert (innocent["status"], innocent["attempts"]) == ("completed", 1)


async def test_picture_that_would_be_killed_for_its_memory_is_refused_before(
    start_server: StartServer,
) -> None:
    server = start_server(**ONE_LANE, SAFELIGHT_POOL__MEMORY_KILL_BYTES=str(128 * MIB))
    options = json.dumps({"resize": {"width": 6000, "enlarge": True}, "format": "avif"})
    async with (
        ClientSession(server.url) as client,
        client.post(
            "/upload",
            data=numbered.picture(1),
            params={"options": options},
            headers={"Content-Type": "image/jpeg"},
        ) as response,
    ):
        refusal = await problem(response)

    assert (response.status, refusal["code"]) == (422, "needs_too_much_memory")


async def test_worker_that_died_before_it_began_blames_nobody(start_server: StartServer) -> None:
    server = start_server(**ONE_LANE)
    async with ClientSession(server.url) as client:
        [idle] = await lane_pids(client)
        os.kill(idle, signal.SIGSTOP)
        job_id = await send(client, 1, {})
        await eventually(lambda: any((server.data_dir / "spool" / "work").glob("*/source")))
        await lane_pids(client)  # the turn of the server in which it hands the job out is over

        os.kill(idle, signal.SIGKILL)

        completed = await end_of(client, job_id)
        details = await details_of(client, job_id)
        async with client.get(f"/job/{job_id}/trace") as response:
            hops = [one["name"] for one in (await response.json())["hops"]]

    assert (completed["status"], completed["attempts"]) == ("completed", 1)
    assert details["attemptHistory"] == ["its lane was replaced"]
    assert "given back" in hops and "died" not in hops


async def test_worker_that_hangs_before_it_begins_is_replaced(start_server: StartServer) -> None:
    server = start_server(**ONE_LANE, SAFELIGHT_POOL__HARD_GRACE_S="1")
    async with ClientSession(server.url) as client:
        [idle] = await lane_pids(client)
        os.kill(idle, signal.SIGSTOP)
        job_id = await send(client, 1, {})

        status = await end_of(client, job_id)

    assert status["status"] == "completed"
