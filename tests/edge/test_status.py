"""How jobs and batches stand, and what one can do to them."""

import asyncio
import time
from datetime import datetime
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.conftest import StartServer
from tests.edge.busy import SLOW, busy_lane
from tests.edge.forms import end_of, status_of, upload
from tests.edge.pictures import jpeg, png
from tests.edge.problem import problem
from tests.edge.traces import eventually, files_of, is_idle, traces
from tests.server_process import ServerProcess

JPEG = jpeg(64, 48)
JOB_MEMBERS = {
    *("type", "jobId", "imageId", "batchId", "revision", "name", "status", "stage", "progress"),
    *("queuePosition", "etaSeconds", "createdAt", "startedAt", "finishedAt", "attempts"),
    *("original", "error", "private", "cached"),
}


async def test_a_completed_job_tells_its_result(client: ClientSession) -> None:
    job_id = (await upload(client, JPEG))["jobId"]
    status = await status_of(client, job_id)

    assert set(status) == JOB_MEMBERS | {"url", "variants", "placeholder"}
    assert (status["type"], status["status"], status["progress"]) == ("job", "completed", 100)
    assert status["jobId"] == status["imageId"] == job_id
    assert (status["batchId"], status["error"], status["queuePosition"]) == (None, None, None)
    original = {"bytes": len(JPEG), "format": "jpeg", "width": 64, "height": 48}
    assert status["original"] == original
    assert status["url"] == f"/image/{job_id}"
    assert status["createdAt"] <= status["startedAt"] <= status["finishedAt"]
    assert status["createdAt"].endswith("Z")


async def test_everything_known_of_a_job_can_be_read(client: ClientSession) -> None:
    options = {"resize": {"width": 32}, "format": "png"}
    job_id = (await upload(client, JPEG, options=options))["jobId"]
    async with client.get(f"/job/{job_id}") as response:
        job = await response.json()

    assert response.headers["Cache-Control"] == "no-store"
    assert job["recipe"] == options
    assert job["attempts"] == 1
    assert job["original"]["bytes"] == len(JPEG)
    assert set(job["timingsMs"]) >= {"decoding", "processing", "encoding"}
    assert all(value >= 0 for value in job["timingsMs"].values())
    assert job["variants"][0]["bytes"] > 0
    assert len(job["digest"]) == 64


async def test_a_failed_job_tells_why(client: ClientSession) -> None:
    data = jpeg(400, 300)[:-9000]
    async with client.post("/upload", data=data, headers={"Content-Type": "image/jpeg"}) as answer:
        job_id = (await problem(answer))["jobId"]
    status = await status_of(client, job_id)

    assert status["status"] == "failed"
    assert set(status["error"]) == {"code", "title", "detail"}
    assert status["error"]["code"] == "corrupt_image"
    assert "url" not in status


async def test_a_batch_tells_its_counts_and_its_pictures(client: ClientSession) -> None:
    batch = await upload(client, JPEG, png(), JPEG)
    status = await end_of(client, batch["jobId"])

    assert (status["type"], status["status"], status["progress"]) == ("batch", "completed", 100)
    assert status["total"] == status["counts"]["completed"] == 3
    ids = [image["imageId"] for image in batch["images"]]
    assert [image["imageId"] for image in status["images"]] == ids
    assert {image["batchId"] for image in status["images"]} == {batch["jobId"]}
    assert all(image["status"] == "completed" and image["url"] for image in status["images"])


async def test_a_batch_is_not_a_job(client: ClientSession) -> None:
    batch_id = (await upload(client, JPEG, JPEG))["jobId"]
    for method, path in (("GET", "/job/{}"), ("GET", "/image/{}"), ("POST", "/job/{}/retry")):
        async with client.request(method, path.format(batch_id)) as response:
            assert (await problem(response))["status"] == 404


async def test_a_long_poll_returns_soon_after_the_end(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    async with busy_lane(lane, lane_server):
        job_id = (await upload(lane, JPEG, at_once=True))["jobId"]
        polling = asyncio.create_task(status_of(lane, job_id, wait_s=60))
        assert (await status_of(lane, job_id, wait_s=0.3))["status"] == "queued"
        assert not polling.done()
        # the lane becomes free here

    status = await polling
    assert status["status"] == "completed"
    late_s = time.time() - _seconds(status["finishedAt"])
    assert late_s < 40  # of the sixty that it would have waited


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


async def test_a_long_poll_of_an_ended_job_does_not_wait(client: ClientSession) -> None:
    job_id = (await upload(client, JPEG))["jobId"]
    async with asyncio.timeout(45):  # of the sixty that it might wait
        assert (await status_of(client, job_id, wait_s=60))["status"] == "completed"


@pytest.mark.parametrize("wait", ["soon", "-1", "nan", "inf", "", "1s"])
async def test_a_wait_that_is_no_time_is_refused(client: ClientSession, wait: str) -> None:
    job_id = (await upload(client, JPEG))["jobId"]
    async with client.get(f"/status/{job_id}", params={"wait": wait}) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (400, "bad_request")
    assert found["detail"].startswith("wait: ")


async def test_a_waiting_job_has_a_place_and_is_cancelled_at_once(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    async with busy_lane(lane, lane_server) as running:
        ids = [(await upload(lane, JPEG, at_once=True))["jobId"] for _ in range(3)]
        waiting = [await status_of(lane, job_id) for job_id in ids]
        cancelled = await _delete(lane, ids[1])
        again = await _delete(lane, ids[1])
        still = await status_of(lane, running)

    assert [one["status"] for one in waiting] == ["queued"] * 3
    assert [one["queuePosition"] for one in waiting] == [1, 2, 3]
    assert all(one["etaSeconds"] > 0 for one in waiting)
    assert (cancelled["status"], again["status"]) == ("cancelled", "cancelled")
    assert still["status"] == "processing"
    for job_id in (ids[0], ids[2]):
        assert (await end_of(lane, job_id))["status"] == "completed"
    assert (await status_of(lane, ids[1]))["status"] == "cancelled"


async def test_a_running_job_is_really_stopped(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    async with busy_lane(lane, lane_server) as running:
        status = await _delete(lane, running)
        assert status["status"] in ("processing", "cancelled")
        ended = await end_of(lane, running)
        after = await upload(lane, JPEG)  # the lane is free, long before the work's end

    assert ended["status"] == "cancelled"
    assert after["status"] == "completed"
    await eventually(lambda: is_idle(lane_server))
    assert not [
        name for name in files_of(lane_server) if f"results/{running[:2]}/{running}" in name
    ]


async def test_a_batch_is_cancelled_as_far_as_it_has_not_ended(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    async with busy_lane(lane, lane_server):
        batch = await upload(lane, JPEG, JPEG, JPEG)
        await _delete(lane, batch["images"][0]["imageId"])
        answer = await _delete(lane, batch["jobId"])

    assert (answer["type"], answer["status"]) == ("batch", "completed")
    assert answer["counts"]["cancelled"] == answer["total"] == 3
    assert [image["status"] for image in answer["images"]] == ["cancelled"] * 3


async def test_an_ended_job_can_neither_be_cancelled_nor_tried_again(
    client: ClientSession,
) -> None:
    job_id = (await upload(client, JPEG))["jobId"]
    for method, path in (("DELETE", f"/job/{job_id}"), ("POST", f"/job/{job_id}/retry")):
        async with client.request(method, path) as response:
            found = await problem(response)
        assert found["status"] == 409
        assert "completed" in found["detail"]
    assert (await status_of(client, job_id))["status"] == "completed"


async def test_trying_again_changes_nothing_while_a_job_waits_or_runs(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    async with busy_lane(lane, lane_server) as running:
        waiting = (await upload(lane, JPEG, at_once=True))["jobId"]
        before = await status_of(lane, waiting)
        counters = traces(lane_server).counters
        async with lane.post(f"/job/{running}/retry") as response:
            assert (await problem(response))["status"] == 409
        async with lane.post(f"/job/{waiting}/retry") as response:
            assert (await problem(response))["status"] == 409

        assert traces(lane_server).counters == counters
        assert (await status_of(lane, waiting))["revision"] == before["revision"]


async def test_a_damaged_picture_is_not_kept_for_another_try(client: ClientSession) -> None:
    data, headers = jpeg(400, 300)[:-9000], {"Content-Type": "image/jpeg"}
    async with client.post("/upload", data=data, headers=headers) as response:
        job_id = (await problem(response))["jobId"]
    async with client.post(f"/job/{job_id}/retry") as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (410, "expired")


async def test_a_job_that_took_too_long_can_be_tried_again(start_server: StartServer) -> None:
    server = start_server(SAFELIGHT_POOL__DEADLINE_S="0.2", SAFELIGHT_POOL__MAX_LANES="1")
    slow = SLOW | {"resize": {"width": 2500, "height": 2500, "fit": "fill", "enlarge": True}}
    async with ClientSession(server.url) as client:
        job_id = (await upload(client, JPEG, options=slow, at_once=True))["jobId"]
        failed = await end_of(client, job_id)
        async with client.post(f"/job/{job_id}/retry") as response:
            queued: dict[str, Any] = await response.json()
        failed_again = await end_of(client, job_id)

    assert (failed["status"], failed["error"]["code"]) == ("failed", "deadline_exceeded")
    assert response.status == 202
    assert queued["status"] in ("queued", "processing")
    assert queued["error"] is None
    assert queued["revision"] > failed["revision"]
    assert failed_again["error"]["code"] == "deadline_exceeded"
    assert failed_again["revision"] > queued["revision"]


async def _delete(client: ClientSession, job_id: str) -> dict[str, Any]:
    async with client.delete(f"/job/{job_id}") as response:
        assert response.status == 200
        answer: dict[str, Any] = await response.json()
    return answer
