"""The topic `system`: how the whole service stands, told by real servers over one Redis."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest_asyncio
from aiohttp import ClientSession, ClientWebSocketResponse

from server.jobs import names
from tests.chaos.parts import lane_pids
from tests.conftest import StartServer
from tests.edge import gated
from tests.edge.busy import busy_lane
from tests.edge.forms import upload
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually, redis_of
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

PICTURE = jpeg(32, 24)
DAMAGED = jpeg(640, 480)[:4000]  # its header is whole
SUBSCRIBE = {"type": "subscribe", "topic": "system"}
UNSUBSCRIBE = {"type": "unsubscribe", "topic": "system"}
WAYS = [(None, "queued"), ("queued", "processing"), ("processing", "completed")]


class Watch:
    """What one socket is told of the service."""

    def __init__(self, ws: ClientWebSocketResponse) -> None:
        self.ws = ws
        self.moves: list[dict[str, Any]] = []

    async def next(self) -> dict[str, Any]:
        message: dict[str, Any] = await self.ws.receive_json(timeout=PATIENCE_S)
        if message["type"] == "moves":
            self.moves += message["moves"]
        return message

    async def state(self) -> dict[str, Any]:
        """The next that tells how the service stands."""
        while (message := await self.next())["type"] != "system":
            pass
        return message

    async def state_where(self, is_so: Any) -> dict[str, Any]:
        """The first of which a condition holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_so(message := await self.state()):
                pass
        return message

    async def moves_of(
        self, job_id: str, to: str, *, before: str | None = None
    ) -> list[dict[str, Any]]:
        """Every move of a job up to the one to this state, from any or from the one named."""

        def is_last(one: dict[str, Any]) -> bool:
            is_from = before is None or one["from"] == before
            return bool(one["jobId"] == job_id and one["to"] == to and is_from)

        async with asyncio.timeout(PATIENCE_S):
            while not any(is_last(one) for one in self.moves):
                await self.next()
        return [one for one in self.moves if one["jobId"] == job_id]


@asynccontextmanager
async def watching(client: ClientSession) -> AsyncIterator[Watch]:
    async with client.ws_connect("/ws") as ws:
        await ws.send_json(SUBSCRIBE)
        yield Watch(ws)


@pytest_asyncio.fixture
async def watch(lane: ClientSession) -> AsyncIterator[Watch]:
    """Watches the server of one lane."""
    async with watching(lane) as one:
        yield one


async def test_every_move_of_a_job_is_told_with_its_node_and_lane(
    lane: ClientSession, watch: Watch
) -> None:
    node = (await watch.state())["nodes"][0]
    job_id = (await upload(lane, PICTURE))["jobId"]
    moves = await watch.moves_of(job_id, "completed")

    assert [(one["from"], one["to"]) for one in moves] == WAYS
    assert [one["node"] for one in moves] == [None, node["node"], node["node"]]
    assert [one["lane"] for one in moves] == [None, *[node["lanes"][0]["name"]] * 2]
    assert {(one["queue"], one["errorCode"]) for one in moves} == {("interactive", None)}


async def test_a_job_that_is_given_back_says_who_is_to_blame(
    lane_server: ServerProcess, lane: ClientSession, watch: Watch
) -> None:
    async with busy_lane(lane, lane_server) as busy_id:
        await watch.state_where(lambda one: one["nodes"][0]["lanes"][0]["stage"])  # it has begun
        [pid] = await lane_pids(lane)
        os.kill(pid, signal.SIGKILL)
        moves = await watch.moves_of(busy_id, "queued", before="processing")

    blames = [(one["to"], one["blame"], one["errorCode"]) for one in moves if one["blame"]]
    assert blames[0] == ("queued", "attempt", None)


async def test_a_waiting_and_a_working_job_are_seen_in_the_state(
    lane_server: ServerProcess, lane: ClientSession, watch: Watch
) -> None:
    async with busy_lane(lane, lane_server) as busy_id:
        job_id = (await upload(lane, PICTURE, at_once=True))["jobId"]
        state = await watch.state_where(
            lambda one: one["queue"]["interactive"] == 1 and (one["queue"]["oldestAgeS"] or 0) > 0.5
        )
        [working] = state["nodes"][0]["lanes"]
        staged = await watch.state_where(lambda one: one["nodes"][0]["lanes"][0]["stage"])
    await watch.moves_of(job_id, "completed")
    after = await watch.state_where(lambda one: one["throughput"]["completedPerS"] > 0)

    assert (state["queue"]["processing"], state["queue"]["maxDepth"]) == (1, 20)
    assert (working["state"], working["jobId"]) == ("working", busy_id)
    assert working["rssBytes"] > 10_000_000
    assert staged["nodes"][0]["lanes"][0]["progress"] >= 0
    assert state["nodes"][0]["budgetUsedBytes"] > 0
    assert after["queue"]["interactive"] == 0 and after["queue"]["oldestAgeS"] is None
    assert 0 < after["latencyMs"]["p50"] <= after["latencyMs"]["p99"]
    assert after["throughput"]["bytesInPerS"] > 0
    assert {len(after["history"][name]) for name in ("completed", "failed", "p95Ms")} == {90}


async def test_what_failed_and_what_was_refused_is_counted_by_code(
    lane_server: ServerProcess, lane: ClientSession, watch: Watch
) -> None:
    before = await watch.state()
    async with busy_lane(lane, lane_server):
        for _ in range(20):
            await upload(lane, PICTURE, at_once=True)
        async with lane.post(
            "/upload", data=PICTURE, headers={"Content-Type": "image/jpeg"}
        ) as one:
            assert one.status == 429
        full = await watch.state_where(lambda one: one["rejected"].get("queue_full"))
    await watch.state_where(lambda one: one["queue"]["interactive"] == 0)
    failing = (await upload(lane, DAMAGED, at_once=True))["jobId"]
    moves = await watch.moves_of(failing, "failed")
    after = await watch.state_where(lambda one: one["errors"].get("corrupt_image"))

    assert full["rejected"]["queue_full"] == before["rejected"].get("queue_full", 0) + 1
    assert after["errors"]["corrupt_image"] == before["errors"].get("corrupt_image", 0) + 1
    assert moves[-1]["errorCode"] == "corrupt_image"


async def test_storage_redis_records_and_sockets_are_told(watch: Watch) -> None:
    state = await watch.state()

    assert state["storage"]["kind"] == "disk"
    assert state["storage"]["freeBytes"] > state["storage"]["minFreeBytes"]
    assert 0 < state["redis"]["usedBytes"] < state["redis"]["maxBytes"]
    assert state["redis"]["latencyMs"] > 0
    assert state["records"]["isWritten"] is True and state["records"]["waiting"] >= 0
    assert state["sockets"] == 1


async def test_nothing_is_told_nor_asked_of_redis_when_nobody_watches(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    channels = (names.SYSTEM, names.MOVED)
    with redis_of(lane_server) as redis:
        async with watching(lane) as watch:
            await watch.state()
            assert dict(redis.pubsub_numsub(*channels)) == dict.fromkeys(channels, 1)
            assert len(redis.client_list(_type="pubsub")) == 1  # the one of the feed
            await watch.ws.send_json(UNSUBSCRIBE)
            await eventually(lambda: not any(dict(redis.pubsub_numsub(*channels)).values()))
            job_id = (await upload(lane, PICTURE))["jobId"]
            await watch.ws.send_json({"type": "subscribe", "jobId": job_id})
            while (message := await watch.next())["type"] != "job":
                assert message["type"] == "system"  # was on its way when we unsubscribed
            await watch.ws.send_json(SUBSCRIBE)
            await watch.state()  # and once more

    assert not any(one["jobId"] == job_id for one in watch.moves)


async def test_a_socket_that_breaks_off_is_no_watcher_any_more(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    with redis_of(lane_server) as redis:
        async with watching(lane) as watch:
            await watch.state()
            watch.ws._response.connection.transport.abort()  # type: ignore[union-attr]  # no goodbye
            await eventually(lambda: dict(redis.pubsub_numsub(names.MOVED))[names.MOVED] == 0)


async def test_moves_are_told_again_after_the_subscription_was_killed(
    lane_server: ServerProcess, lane: ClientSession, watch: Watch
) -> None:
    await watch.state()
    with redis_of(lane_server) as redis:

        def is_heard() -> bool:
            return dict(redis.pubsub_numsub(names.MOVED))[names.MOVED] == 1

        await eventually(is_heard)
        assert redis.client_kill_filter(_type="pubsub") == 1
        await eventually(is_heard)
    job_id = (await upload(lane, PICTURE))["jobId"]
    moves = await watch.moves_of(job_id, "completed")

    assert [(one["from"], one["to"]) for one in moves] == WAYS


async def test_who_is_no_admin_is_refused(keyed: ClientSession) -> None:
    async with keyed.ws_connect("/ws", headers=gated.bearer("reader")) as ws:
        await ws.send_json(SUBSCRIBE)
        refused = await ws.receive_json(timeout=PATIENCE_S)
    async with keyed.ws_connect("/ws", headers=gated.bearer("boss")) as ws:
        await ws.send_json(SUBSCRIBE)
        allowed = await ws.receive_json(timeout=PATIENCE_S)

    assert (refused["type"], refused["topic"]) == ("error", "system")
    assert refused["problem"]["type"] == "/problems/scope_missing"
    assert allowed["type"] == "system"


async def test_an_unknown_topic_is_told_as_an_error(lane: ClientSession) -> None:
    async with lane.ws_connect("/ws") as ws:
        await ws.send_json({"type": "subscribe", "topic": "weather"})
        message = await ws.receive_json(timeout=PATIENCE_S)

    assert message["problem"]["type"] == "/problems/bad_request"
    assert "system" in message["problem"]["detail"]


async def test_two_nodes_see_each_other_and_a_silent_one_is_gone(
    start_server: StartServer, valkey_url: str
) -> None:
    ours = {
        "SAFELIGHT_REDIS__URL": valkey_url,
        "SAFELIGHT_POOL__MAX_LANES": "1",
        "SAFELIGHT_LIVE__MAX_SYSTEM_WATCHERS": "1",
    }
    here, there = start_server(**ours), start_server(**ours)
    async with (
        ClientSession(here.url) as near,
        ClientSession(there.url) as far,
        watching(near) as watch,
    ):
        both = await watch.state_where(lambda one: len(one["nodes"]) == 2)
        moves = await _moves_at(far, watch)
        counted = await watch.state_where(lambda one: one["admitted"] > 0)
        async with near.ws_connect("/ws") as ws:  # one watcher a node is let in
            await ws.send_json(SUBSCRIBE)
            refused = await ws.receive_json(timeout=PATIENCE_S)
        there.kill()
        gone = await watch.state_where(lambda one: any(n["isGone"] for n in one["nodes"]))
        alone = await watch.state_where(lambda one: len(one["nodes"]) == 1)

    nodes = {one["node"] for one in both["nodes"]}
    assert [(one["from"], one["to"]) for one in moves] == WAYS
    assert {one["node"] for one in moves[1:]} < nodes
    assert moves[-1]["lane"] is None  # the other node knows it
    assert counted["sockets"] == 1
    assert (refused["problem"]["status"], refused["problem"]["limit"]) == (503, 1)
    [lost] = [one for one in gone["nodes"] if one["isGone"]]
    assert {lane["state"] for lane in lost["lanes"]} == {"gone"}
    assert {one["node"] for one in alone["nodes"]} == nodes - {lost["node"]}


async def _moves_at(far: ClientSession, watch: Watch) -> list[dict[str, Any]]:
    """The moves of a job that the other node has worked on; each has the files it took in alone."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            job_id = (await upload(far, jpeg(32, 24), at_once=True))["jobId"]
            async with far.get(f"/status/{job_id}?wait=60") as response:
                status = (await response.json())["status"]
            moves = await watch.moves_of(job_id, status)
            if status == "completed":
                return moves


async def test_a_redis_that_does_not_answer_is_told(start_server: StartServer) -> None:
    server = start_server(SAFELIGHT_POOL__MAX_LANES="1")
    valkey = next(one for one in server.children() if "valkey" in " ".join(one.cmdline()))
    async with ClientSession(server.url) as client, watching(client) as mine:
        assert (await mine.state())["redis"]["latencyMs"] is not None
        valkey.suspend()
        try:
            silent = await mine.state_where(lambda one: one["redis"]["latencyMs"] is None)
        finally:
            valkey.resume()
        again = await mine.state_where(lambda one: one["redis"]["latencyMs"] is not None)

    assert silent["redis"]["usedBytes"] > 0  # as it was
    assert again["nodes"][0]["lanes"]
