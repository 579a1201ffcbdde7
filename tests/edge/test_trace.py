"""GET /job/{id}/trace: the way of one picture, with real times and real messages."""

import asyncio
import os
import signal
import time
from itertools import pairwise
from typing import Any

from aiohttp import ClientSession

from tests.chaos.parts import lane_pids
from tests.conftest import StartServer
from tests.edge import gated
from tests.edge.forms import end_of, form, until_worked_on, upload
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import redis_of
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

TWO_FILES = {
    "resize": {"width": 48},
    "variants": [{"name": "page", "format": "webp"}, {"name": "mail", "format": "jpeg"}],
}
WAY = [
    *("request", "body", "spool", "probe", "check", "store original", "admit", "wait", "claim"),
    *("prepare", "hand over", "open", "decoding", "processing", "look", "save page", "save mail"),
    *("answer", "store results", "settle"),
]
# Long enough to be killed in its middle, short enough to be done again.
SLOW = {"resize": {"width": 1700, "enlarge": True}, "format": "avif", "quality": 90}
ROUNDING_MS = 0.11
REDIS_BYTES = 200


async def trace_of(client: ClientSession, job_id: str, **headers: str) -> dict[str, Any]:
    async with client.get(f"/job/{job_id}/trace", headers=headers) as response:
        assert response.status == 200, await response.text()
        trace: dict[str, Any] = await response.json()
    return trace


async def recorded(client: ClientSession, job_id: str) -> dict[str, Any]:
    """The trace once its row is written, which is what happens last."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            trace = await trace_of(client, job_id)
            if any(hop["name"] == "record" for hop in trace["hops"]):
                return trace


def hop(trace: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [one for one in trace["hops"] if one["name"] == name]
    return dict(found)


def assert_gapless(hops: list[dict[str, Any]]) -> None:
    for before, after in pairwise(hops):
        assert before["durationMs"] >= 0
        assert abs(before["startMs"] + before["durationMs"] - after["startMs"]) <= ROUNDING_MS


async def test_hops_follow_one_another_and_add_up_to_what_the_client_waited(
    client: ClientSession,
) -> None:
    began = time.perf_counter()
    answer = await upload(client, jpeg(1200, 800), options=TWO_FILES)
    waited_ms = (time.perf_counter() - began) * 1000

    trace = await recorded(client, answer["jobId"])
    hops = [one for one in trace["hops"] if one["name"] not in ("publish", "record")]
    assert [one["name"] for one in hops] == WAY
    assert_gapless(hops)
    ended_ms = hops[-1]["startMs"] + hops[-1]["durationMs"]
    summed_ms = sum(one["durationMs"] for one in hops)
    assert abs(summed_ms - ended_ms) <= ROUNDING_MS * len(hops)
    # The client's own work, the network and the way of the answer come on top.
    published = hop(trace, "publish")
    assert ended_ms <= published["startMs"] + published["durationMs"] <= waited_ms + ROUNDING_MS
    worked = [one["durationMs"] for one in hops if one["part"] == "worker" and one["attempt"]]
    assert all(taken > 0 for taken in worked)
    assert trace["nowMs"] >= trace["atMs"] + trace["totalMs"]


async def test_each_hop_has_the_real_message(client: ClientSession) -> None:
    content = jpeg(320, 200)
    data = form(("sea.jpg", content))
    secret = {"Authorization": "Basic c2VjcmV0", "Cookie": "sid=secret", "X-Other": "secret"}
    async with client.post("/upload", data=data, headers=secret) as response:
        job_id = (await response.json())["jobId"]

    trace = await recorded(client, job_id)
    said = {one["name"]: one["message"] for one in trace["hops"]}
    assert said["request"]["line"] == "POST /upload HTTP/1.1"
    assert said["request"]["headers"]["Content-Type"].startswith("multipart/form-data")
    assert said["request"]["headersHidden"] >= 3
    assert said["body"] == {"name": "sea.jpg", "bytes": len(content)}
    assert said["probe"] == {"format": "jpeg", "width": 320, "height": 200}
    assert said["admit"]["key"] == f"job:{job_id}"
    assert said["claim"]["stream"] == "queue:interactive"
    assert said["hand over"]["source"] == f"spool/work/{job_id}.1/source"
    assert said["answer"]["outputs"][0]["path"] == "default.webp"
    assert said["save default"]["bytes"] > 0
    assert said["settle"]["status"] == "completed"
    assert said["publish"]["watchers"] == 1
    assert said["publish"]["event"]["jobId"] == job_id
    assert said["record"]["id"] == job_id
    everything = str(trace)
    assert "c2VjcmV0" not in everything
    assert "secret" not in everything
    assert "127.0.0.1'" not in everything.replace("'Host': '127.0.0.1", "")


async def test_same_picture_again_shows_the_short_way(client: ClientSession) -> None:
    picture = jpeg(130, 90)
    first = await upload(client, picture, options=TWO_FILES)
    again = await upload(client, picture, options=TWO_FILES)

    trace = await trace_of(client, again["jobId"])
    names = [one["name"] for one in trace["hops"]]
    assert trace["cached"]
    assert names[:8] == [*WAY[:7], "shared result"]
    assert not {"wait", "claim", "decoding"} & set(names)
    assert first["jobId"] not in str(trace["hops"])


async def test_dead_worker_shows_as_an_attempt_of_its_own(start_server: StartServer) -> None:
    server = start_server(SAFELIGHT_POOL__MAX_LANES="1", SAFELIGHT_QUEUE__RETRY_DELAY_S="0.05")
    async with ClientSession(server.url) as client:
        [pid] = await lane_pids(client)
        job_id = (await upload(client, jpeg(640, 480), options=SLOW, at_once=True))["jobId"]
        await until_worked_on(client, job_id)
        os.kill(pid, signal.SIGKILL)
        assert (await end_of(client, job_id))["status"] == "completed"
        trace = await trace_of(client, job_id)

    hops = [one for one in trace["hops"] if one["name"] not in ("publish", "record")]
    assert_gapless(hops)
    attempts = {one["name"]: one["attempt"] for one in hops if one["attempt"]}
    died = hop(trace, "died")
    assert died["attempt"] == 1
    assert died["message"] == {"lane": "lane-0", "reason": "signal 9"}
    assert died["durationMs"] > 0
    assert attempts["decoding"] == attempts["settle"] == 2
    assert [one["attempt"] for one in hops if one["name"] == "wait"] == [1, 2]


async def test_who_may_not_see_a_job_does_not_see_its_way(
    keyed_server: ServerProcess,
) -> None:
    async with ClientSession(keyed_server.url) as client:
        data, key = form(("a.jpg", jpeg())), gated.bearer("ci")
        async with client.post("/upload", data=data, headers=key) as response:
            job_id = (await response.json())["jobId"]
        own = await trace_of(client, job_id, **key)
        async with client.get(f"/job/{job_id}/trace", headers=gated.bearer("other")) as response:
            assert (await problem(response))["code"] == "not_found"
        async with client.get(f"/job/{job_id}/trace") as response:
            assert (await problem(response))["code"] == "key_missing"

    assert own["hops"]
    assert gated.key_of("ci") not in str(own)


async def test_a_batch_and_an_unknown_id_have_no_way(client: ClientSession) -> None:
    batch = await upload(client, jpeg(), jpeg(65, 48))
    for unknown in (batch["jobId"], "a" * 24):
        async with client.get(f"/job/{unknown}/trace") as response:
            assert (await problem(response))["code"] == "not_found"


async def test_it_costs_few_bytes_of_redis(
    client: ClientSession, shared_server: ServerProcess
) -> None:
    job_id = (await upload(client, jpeg(90, 70), options=TWO_FILES))["jobId"]

    key = f"job:{job_id}"
    with redis_of(shared_server) as redis:
        whole = redis.memory_usage(key)
        redis.copy(key, "job:without")
        redis.hdel("job:without", "came", "work", "ticks")
        without = redis.memory_usage("job:without")
        redis.delete("job:without")
    assert 0 < whole - without <= REDIS_BYTES
