"""SIGTERM: nothing new is taken, what runs may end, the rest is handed back."""

import asyncio
import signal
import time

import pytest
from aiohttp import ClientSession, WSMsgType

from tests.chaos import evidence, numbered
from tests.chaos.parts import SLOW, VERY_SLOW
from tests.conftest import StartServer
from tests.edge.forms import end_of, status_of, upload
from tests.edge.problem import problem
from tests.edge.traces import eventually, traces
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

ONE_LANE = {"SAFELIGHT_POOL__MAX_LANES": "1", "SAFELIGHT_QUEUE__MAX_GROUP": "1"}


async def ask_to_stop(server: ServerProcess, client: ClientSession) -> None:
    """SIGTERM, until the server says that it has heard."""
    server.children()
    server.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with client.get("/readyz") as response:
                if response.status == 503:
                    assert not (await response.json())["checks"]["accepting"]
                    return


async def exit_code(server: ServerProcess) -> int:
    return await asyncio.to_thread(server.process.wait, PATIENCE_S)


async def running_job(server: ServerProcess, client: ClientSession, options: object) -> str:
    answer = await upload(client, numbered.picture(1), options=options, at_once=True)
    await eventually(lambda: traces(server).counters["processing"] == 1)
    return str(answer["jobId"])


async def test_stop_lets_running_jobs_end_and_claims_no_more(start_server: StartServer) -> None:
    server = start_server(**ONE_LANE, SAFELIGHT_SERVER__GRACE_S="120")
    async with ClientSession(server.url) as client, client.ws_connect("/ws") as socket:
        running = [await running_job(server, client, SLOW)]
        for number in (2, 3):  # the lane takes one more in hand at most
            answer = await upload(client, numbered.picture(number), options=SLOW, at_once=True)
            running.append(answer["jobId"])
        await eventually(lambda: traces(server).counters["processing"] == 2)

        await ask_to_stop(server, client)
        async with client.post("/upload", data=numbered.picture(2)) as response:
            refusal = await problem(response)
        goodbye = await socket.receive(timeout=PATIENCE_S)

        assert (response.status, refusal["detail"]) == (503, "The server is stopping.")
        assert (goodbye.type, goodbye.data) == (WSMsgType.CLOSE, 1001)
        assert await exit_code(server) == 0

    again = start_server(data_dir=server.data_dir, **ONE_LANE)
    async with ClientSession(again.url) as client:
        first = [await status_of(client, job_id) for job_id in running]
        last = [await end_of(client, job_id) for job_id in running]
    assert [one["status"] for one in first[:2]] == ["completed", "completed"]
    assert all(one["status"] in ("queued", "processing") for one in first[2:])
    assert [(one["status"], one["attempts"]) for one in last] == [("completed", 1)] * 3


@pytest.mark.parametrize("asked", ["once", "twice"])
async def test_job_that_takes_too_long_is_handed_back_and_goes_on_after_a_restart(
    start_server: StartServer, asked: str
) -> None:
    grace_s = "0.5" if asked == "once" else "60"
    server = start_server(**ONE_LANE, SAFELIGHT_SERVER__GRACE_S=grace_s)
    async with ClientSession(server.url) as client:
        job_id = await running_job(server, client, VERY_SLOW)
        poll = asyncio.create_task(client.get(f"/status/{job_id}", params={"wait": "50"}))

        await ask_to_stop(server, client)
        started = time.monotonic()
        if asked == "twice":
            server.process.send_signal(signal.SIGTERM)

        assert await exit_code(server) == 0
        await asyncio.gather(poll, return_exceptions=True)
    assert time.monotonic() - started < 50  # less than what it would have been given

    again = start_server(data_dir=server.data_dir, **ONE_LANE)
    async with ClientSession(again.url) as client:
        await eventually(lambda: traces(again).counters["processing"] == 1)
        async with client.get(f"/job/{job_id}") as response:
            job = await response.json()
        async with client.delete(f"/job/{job_id}") as response:
            assert (await response.json())["status"] == "cancelled"
    assert (job["attempts"], job["attemptHistory"]) == (1, ["the node stopped"])


async def test_killed_server_completes_all_that_was_queued(start_server: StartServer) -> None:
    server = start_server(**ONE_LANE)
    async with ClientSession(server.url) as client:
        pictures = [numbered.picture(number) for number in range(60)]
        batch = await upload(client, *pictures, options=numbered.RECIPE)
        await eventually(lambda: traces(server).counters["completed"] > 0)

    killed = time.time()
    server.kill()
    again = start_server(data_dir=server.data_dir, **ONE_LANE)
    async with ClientSession(again.url) as client:
        status = await end_of(client, batch["jobId"])

    accepted = {image["imageId"]: number for number, image in enumerate(batch["images"])}
    assert status["counts"]["completed"] == 60
    await evidence.all_is_well(again.data_dir, accepted, again.url)
    first_s = evidence.first_settled_after(again.log, killed) - killed
    print(f"kill -9 to the first job that ended: {first_s:.2f} s")
