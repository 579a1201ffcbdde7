"""Two nodes that take pictures and one that works: whichever a client asks, it is one service."""

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web
from yarl import URL

from server.jobs.connection import command_client
from tests.chaos.parts import stopped
from tests.edge.forms import AT_ONCE, end_of, form
from tests.edge.gated import bearer, settings
from tests.edge.pictures import jpeg
from tests.nodes.fleet import Fleet, Shared, fleet
from tests.patience import PATIENCE_S

ROLES = {"a": "edge", "b": "worker", "c": "edge"}
JOBS = 6


@pytest.fixture(scope="module")
def nodes(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A and C meet clients, B works."""
    environment = {
        **settings({"ci": ["upload", "read"], "other": ["upload", "read"], "boss": ["admin"]}),
        "SAFELIGHT_QUOTA__JOBS": str(JOBS),
        "SAFELIGHT_WEBHOOKS__ALLOW_NETWORKS": f'["{shared.lan.hub}/32"]',
        "SAFELIGHT_WEBHOOKS__PORTS": "[0]",
    }
    with fleet(shared, tmp_path_factory.mktemp("edges"), ROLES, **environment) as made:
        yield made


async def upload(
    node: str, nodes: Fleet, picture: bytes, client: str = "ci", key: str = "", **fields: str
) -> tuple[int, dict[str, Any]]:
    """Status and answer of one picture."""
    headers = bearer(client, **AT_ONCE)
    if key:
        headers["Idempotency-Key"] = f'"{key}"'
    data = form(("a.jpg", picture), **fields)
    async with (
        ClientSession(nodes.url(node), headers=headers) as session,
        session.post("/upload", data=data) as response,
    ):
        return response.status, await response.json()


async def done(node: str, nodes: Fleet, job_id: str, client: str = "ci") -> dict[str, Any]:
    """How the job has ended, as a node tells it."""
    async with ClientSession(nodes.url(node), headers=bearer(client)) as session:
        while True:
            status = await end_of(session, job_id)
            if status["status"] not in ("queued", "processing"):
                return status


async def test_taken_by_one_made_by_another_and_watched_through_a_third(nodes: Fleet) -> None:
    events = []
    async with ClientSession(nodes.url("c"), headers=bearer("ci")) as far:
        with stopped(nodes.nodes["b"].pid):
            _, answer = await upload("a", nodes, jpeg(301, 200))
            job_id = answer["jobId"]
            socket = await far.ws_connect("/ws")
            await socket.send_json({"type": "subscribe", "jobId": job_id})
            events.append(await socket.receive_json(timeout=PATIENCE_S))
        while events[-1]["status"] != "completed":
            events.append(await socket.receive_json(timeout=PATIENCE_S))
        await socket.close()
        async with far.get(f"/image/{job_id}") as response:
            shown = (response.status, response.content_type)
        async with far.get(f"/job/{job_id}") as response:
            details = await response.json()

    turns = list(dict.fromkeys(event["status"] for event in events))
    assert turns == ["queued", "processing", "completed"]
    revisions = [event["revision"] for event in events]
    assert revisions == sorted(revisions) and revisions[-1] == details["revision"]
    progress = [event["progress"] for event in events]
    assert progress == sorted(progress) and progress[-1] == 100
    assert shown == (200, "image/webp")
    assert await _worked_at(nodes, job_id) == "b"


async def _worked_at(nodes: Fleet, job_id: str) -> str:
    async with command_client(nodes.shared.redis_url, timeout_s=30) as redis:
        found = await redis.hget(f"job:{job_id}", "node")
    return nodes.node_of()[str(found)]


async def test_what_one_has_signed_another_accepts(nodes: Fleet) -> None:
    _, answer = await upload("a", nodes, jpeg(302, 200), private="true")
    job_id = answer["jobId"]
    await done("a", nodes, job_id)
    async with (
        ClientSession(nodes.url("a"), headers=bearer("ci")) as near,
        near.post(f"/image/{job_id}/sign", json={"expiresIn": 60}) as response,
    ):
        signed = URL((await response.json())["url"], encoded=True)
    async with ClientSession(nodes.url("c")) as far:
        async with far.get(signed.relative() if signed.is_absolute() else signed) as response:
            with_it = response.status
        async with far.get(f"/image/{job_id}") as response:
            without = response.status

    assert (with_it, without) == (200, 404)


async def test_a_request_sent_to_both_makes_one_job(nodes: Fleet) -> None:
    key, picture, more = uuid.uuid4().hex, jpeg(303, 200), jpeg(304, 200)
    answers = [
        await upload("a", nodes, picture, key=key),
        await upload("c", nodes, picture, key=key),
    ]
    at_once = await asyncio.gather(*(upload(node, nodes, more, key=f"{key}-2") for node in "acac"))

    assert answers[0][1]["jobId"] == answers[1][1]["jobId"]
    assert {status for status, _ in at_once} <= {202, 409}
    assert len({answer["jobId"] for status, answer in at_once if status == 202}) == 1
    await done("a", nodes, answers[0][1]["jobId"])


async def test_a_quota_holds_over_both(nodes: Fleet) -> None:
    with stopped(nodes.nodes["b"].pid):
        taken = [await upload("ac"[n % 2], nodes, jpeg(310 + n, 200), "other") for n in range(JOBS)]
        refused = [await upload(node, nodes, jpeg(330, 200), "other") for node in "ac"]
        others = await upload("a", nodes, jpeg(331, 200), "ci")

    assert [status for status, _ in taken] == [202] * JOBS
    assert [(status, one["type"]) for status, one in refused] == [
        (429, "/problems/quota_exceeded")
    ] * 2
    assert others[0] == 202
    for _, answer in taken:
        assert (await done("c", nodes, answer["jobId"], "other"))["status"] == "completed"


async def test_the_same_picture_brought_to_both_is_made_once(nodes: Fleet) -> None:
    picture = jpeg(340, 200)
    answers = await asyncio.gather(*(upload(node, nodes, picture) for node in "ac"))
    ended = [await done("a", nodes, answer["jobId"]) for _, answer in answers]
    async with command_client(nodes.shared.redis_url, timeout_s=30) as redis:
        files = {await redis.hget(f"job:{one['jobId']}", "variants") for one in ended}

    assert len({one["jobId"] for one in ended}) == 2
    assert {one["status"] for one in ended} == {"completed"}
    assert len(files) == 1  # both show the files of one work


async def test_a_deleted_picture_is_gone_from_the_memory_of_the_other(nodes: Fleet) -> None:
    _, answer = await upload("a", nodes, jpeg(350, 200))
    path = f"/image/{answer['jobId']}"
    await done("a", nodes, answer["jobId"])
    async with (
        ClientSession(nodes.url("a"), headers=bearer("ci")) as near,
        ClientSession(nodes.url("c"), headers=bearer("ci")) as far,
    ):
        for _ in range(3):  # hot by then
            async with far.get(path) as response:
                assert response.status == 200
        async with near.delete(path) as response:
            assert response.status == 204
        deadline = time.monotonic() + PATIENCE_S
        while True:
            async with far.get(path) as response:
                if response.status in (404, 410):
                    break
            assert time.monotonic() < deadline, "the other node shows it still"


@asynccontextmanager
async def receiving(host: str) -> AsyncIterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """A receiver that nodes reach: its URL, and ids and bodies of what came."""
    came: list[tuple[str, dict[str, Any]]] = []

    async def take(request: web.Request) -> web.Response:
        came.append((request.headers["webhook-id"], await request.json()))
        return web.Response(status=204)

    app = web.Application()
    app.add_routes([web.post("/told", take)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0).start()
        yield f"http://{host}:{runner.addresses[0][1]}/told", came
    finally:
        await runner.cleanup()


async def test_each_end_is_told_once_though_two_nodes_tell(nodes: Fleet) -> None:
    async with receiving(nodes.shared.lan.hub) as (url, came):
        answers = [
            await upload("ac"[n % 2], nodes, jpeg(360 + n, 200), callbackUrl=url)
            for n in range(JOBS)
        ]
        wanted = {answer["jobId"] for _, answer in answers}
        async with ClientSession(nodes.url("c"), headers=bearer("boss")) as boss:
            deadline = time.monotonic() + 60
            while not await _all_delivered(boss, wanted):
                assert time.monotonic() < deadline, came
                await asyncio.sleep(0.1)

    told = Counter(body["data"]["jobId"] for _, body in came)
    assert told == Counter(wanted)
    assert len({one for one, _ in came}) == len(came) == JOBS


async def _all_delivered(session: ClientSession, job_ids: set[str]) -> bool:
    states = []
    for job_id in job_ids:
        async with session.get("/webhooks/deliveries", params={"job": job_id}) as response:
            states += [one["state"] for one in json.loads(await response.read())["deliveries"]]
    return states == ["delivered"] * len(job_ids)
