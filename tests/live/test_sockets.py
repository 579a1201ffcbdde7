"""GET /ws: what a browser is told of the jobs it names, and what it cannot do to others."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from tests.conftest import StartServer
from tests.edge.busy import busy_lane
from tests.edge.forms import upload
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import eventually, redis_of
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

PICTURE = jpeg(32, 24)
UNKNOWN = "a" * 24


@pytest_asyncio.fixture
async def ws(client: ClientSession) -> AsyncIterator[ClientWebSocketResponse]:
    """One socket of the shared server."""
    async with client.ws_connect("/ws") as connected:
        yield connected


async def told(ws: ClientWebSocketResponse) -> dict[str, Any]:
    """The next message."""
    message: dict[str, Any] = await ws.receive_json(timeout=PATIENCE_S)
    return message


async def subscribe(ws: ClientWebSocketResponse, *job_ids: str) -> None:
    for job_id in job_ids:
        await ws.send_json({"type": "subscribe", "jobId": job_id})


async def until(ws: ClientWebSocketResponse, status: str) -> list[dict[str, Any]]:
    """Everything up to the first message that tells this status."""
    messages = [await told(ws)]
    while messages[-1].get("status") != status:
        messages.append(await told(ws))
    return messages


async def test_a_watcher_sees_a_snapshot_and_then_every_turn_of_a_job(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    async with lane.ws_connect("/ws") as ws:
        async with busy_lane(lane, lane_server):
            job_id = (await upload(lane, PICTURE, at_once=True))["jobId"]
            await subscribe(ws, job_id)
            snapshot = await told(ws)
        events = await until(ws, "completed")

    assert (snapshot["type"], snapshot["jobId"], snapshot["status"]) == ("job", job_id, "queued")
    assert snapshot["queuePosition"] == 1
    revisions = [event["revision"] for event in (snapshot, *events)]
    assert revisions == sorted(revisions)
    turns = [event["status"] for event in (snapshot, *events)]
    assert list(dict.fromkeys(turns)) in (["queued", "processing", "completed"],)
    progress = [event["progress"] for event in events]
    assert progress == sorted(progress) and progress[-1] == 100
    assert events[-1]["variants"][0]["url"] == f"/image/{job_id}/default"


async def test_an_ended_job_is_told_at_once(
    client: ClientSession, ws: ClientWebSocketResponse
) -> None:
    job_id = (await upload(client, PICTURE))["jobId"]
    await subscribe(ws, job_id)
    snapshot = await told(ws)
    async with client.get(f"/status/{job_id}") as response:
        assert snapshot == await response.json()


async def test_a_batch_is_told_by_its_counts(
    client: ClientSession, ws: ClientWebSocketResponse
) -> None:
    batch_id = (await upload(client, *[PICTURE] * 5))["jobId"]
    await subscribe(ws, batch_id)
    events = await until(ws, "completed")

    assert {event["type"] for event in events} == {"batch"}
    assert events[-1]["counts"]["completed"] == events[-1]["total"] == 5
    assert "images" not in events[-1]
    revisions = [event["revision"] for event in events]
    assert revisions == sorted(revisions)


async def test_what_is_no_longer_watched_is_no_longer_told(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    async with lane.ws_connect("/ws") as ws:
        async with busy_lane(lane, lane_server):
            ids = [(await upload(lane, PICTURE, at_once=True))["jobId"] for _ in range(2)]
            await subscribe(ws, *ids)
            assert {(await told(ws))["jobId"] for _ in ids} == set(ids)
            await ws.send_json({"type": "unsubscribe", "jobId": ids[0]})
            await subscribe(ws, UNKNOWN)  # its answer tells that the one before was followed
            while (await told(ws))["type"] != "error":
                pass
        events = await until(ws, "completed")

    assert {event["jobId"] for event in events} == {ids[1]}


async def test_the_same_job_can_be_watched_again(
    client: ClientSession, ws: ClientWebSocketResponse
) -> None:
    job_id = (await upload(client, PICTURE))["jobId"]
    for _ in range(3):
        await subscribe(ws, job_id)
        assert (await told(ws))["status"] == "completed"
        await ws.send_json({"type": "unsubscribe", "jobId": job_id})


@pytest.mark.parametrize("job_id", [UNKNOWN, f"batch-{UNKNOWN}", "*", "\0", "ü" * 64])
async def test_an_unknown_id_is_told_as_an_error(ws: ClientWebSocketResponse, job_id: str) -> None:
    await subscribe(ws, job_id)
    message = await told(ws)

    assert (message["type"], message["jobId"]) == ("error", job_id)
    assert message["problem"]["type"] == "/problems/not_found"
    assert message["problem"]["status"] == 404


MALFORMED: list[str | bytes] = [
    *("", "nonsense", "{", "[]", "null", "5", '"subscribe"', "{}", "[" * 3000),
    *('{"type":"subscribe"}', '{"type":"subscribe","jobId":5}', '{"type":"subscribe","jobId":""}'),
    *('{"jobId":"a"}', '{"type":"watch","jobId":"a"}', '{"type":["subscribe"],"jobId":"a"}'),
    json.dumps({"type": "subscribe", "jobId": "x" * 65}),
    *(b"\xff\xfe", b"{}"),
]


async def test_what_is_no_message_is_told_as_an_error_and_the_socket_stays(
    client: ClientSession, ws: ClientWebSocketResponse
) -> None:
    for text in MALFORMED:
        await (ws.send_bytes(text) if isinstance(text, bytes) else ws.send_str(text))
        message = await told(ws)
        assert message["type"] == "error", text
        assert message["problem"]["type"] == "/problems/bad_request", text

    job_id = (await upload(client, PICTURE))["jobId"]
    await subscribe(ws, job_id)
    assert (await told(ws))["jobId"] == job_id


async def test_to_unsubscribe_what_was_never_watched_is_harmless(
    client: ClientSession, ws: ClientWebSocketResponse
) -> None:
    await ws.send_json({"type": "unsubscribe", "jobId": UNKNOWN})
    job_id = (await upload(client, PICTURE))["jobId"]
    await subscribe(ws, job_id)

    assert (await told(ws))["jobId"] == job_id


async def test_a_message_that_is_too_long_ends_the_socket(ws: ClientWebSocketResponse) -> None:
    await ws.send_str("x" * 20_000)
    message = await ws.receive(timeout=PATIENCE_S)

    assert (message.type, message.data) == (WSMsgType.CLOSE, 1009)


async def test_the_address_of_sockets_says_what_it_is_to_plain_http(client: ClientSession) -> None:
    async with client.get("/ws") as response:
        found = await problem(response)

    assert found["status"] == 400
    assert "WebSocket" in found["detail"]


async def test_many_sockets_share_one_subscription_connection(
    shared_server: ServerProcess, client: ClientSession
) -> None:
    job_id = (await upload(client, PICTURE))["jobId"]
    sockets = [await client.ws_connect("/ws") for _ in range(60)]
    try:
        for ws in sockets:
            await subscribe(ws, job_id)
        for ws in sockets:
            assert (await told(ws))["status"] == "completed"
        with redis_of(shared_server) as redis:
            assert len(redis.client_list(_type="pubsub")) == 1
    finally:
        await asyncio.gather(*(ws.close() for ws in sockets))


async def test_watchers_are_served_again_after_the_subscription_was_killed(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    async with lane.ws_connect("/ws") as ws:
        async with busy_lane(lane, lane_server):
            job_id = (await upload(lane, PICTURE, at_once=True))["jobId"]
            await subscribe(ws, job_id)
            assert (await told(ws))["status"] == "queued"
            with redis_of(lane_server) as redis:
                assert redis.client_kill_filter(_type="pubsub") == 1
        events = await until(ws, "completed")

    assert events[-1]["jobId"] == job_id


LIMITS = {
    "SAFELIGHT_LIVE__MAX_SOCKETS": "3",
    "SAFELIGHT_LIVE__MAX_WATCHED_PER_SOCKET": "2",
    "SAFELIGHT_LIVE__SEND_TIMEOUT_S": "0.5",
    "SAFELIGHT_POOL__MAX_LANES": "1",
}


async def test_sockets_and_what_they_watch_are_limited(start_server: StartServer) -> None:
    server = start_server(**LIMITS)
    async with ClientSession(server.url) as client:
        ids = [(await upload(client, PICTURE))["jobId"] for _ in range(3)]
        async with client.ws_connect("/ws") as ws:
            await subscribe(ws, ids[0], ids[1], ids[1], ids[2])
            messages = [await told(ws) for _ in range(4)]
            await ws.send_json({"type": "unsubscribe", "jobId": ids[0]})
            await subscribe(ws, ids[2])
            after = await told(ws)

            others = [await client.ws_connect("/ws") for _ in range(2)]
            with pytest.raises(WSServerHandshakeError) as refused:
                await client.ws_connect("/ws")
            await others[0].close()
            others[0] = await _connect_eventually(client)
            for other in others:
                await other.close()

    errors = [message for message in messages if message["type"] == "error"]
    assert [(error["jobId"], error["problem"]["limit"]) for error in errors] == [(ids[2], 2)]
    assert after["jobId"] == ids[2]
    assert refused.value.status == 503
    assert refused.value.headers is not None
    assert int(refused.value.headers["Retry-After"]) >= 1


async def _connect_eventually(client: ClientSession) -> ClientWebSocketResponse:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await client.ws_connect("/ws")
            except WSServerHandshakeError:
                await asyncio.sleep(0.02)  # the server has not noticed yet that one has gone


async def test_a_socket_that_never_reads_costs_nobody_and_is_cut_off(
    start_server: StartServer,
) -> None:
    server = start_server(SAFELIGHT_LIVE__SEND_TIMEOUT_S="0.5")
    async with ClientSession(server.url) as client, _deaf(server.url) as deaf:
        flooding = asyncio.create_task(_ask_until_cut(deaf))
        async with client.ws_connect("/ws") as ws:
            for _ in range(5):
                job_id = (await upload(client, PICTURE, at_once=True))["jobId"]
                await subscribe(ws, job_id)
                assert (await until(ws, "completed"))[-1]["jobId"] == job_id
        async with asyncio.timeout(PATIENCE_S):
            await flooding  # the server has ended the connection, whatever lay unread in it


@asynccontextmanager
async def _deaf(url: str) -> AsyncIterator[socket.socket]:
    """A socket that was opened by the rules and from then on takes nothing in."""
    host, port = url.removeprefix("http://").split(":")
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(deaf, (host, int(port)))
        upgrade = (
            "GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await loop.sock_sendall(deaf, upgrade.encode())
        assert (await loop.sock_recv(deaf, 12)).endswith(b"101")
        yield deaf
    finally:
        deaf.close()


async def _ask_until_cut(deaf: socket.socket) -> None:
    """Ask what is quickly answered, again and again, without taking one answer."""
    frame = bytes([0x81, 0x81, 0, 0, 0, 0]) + b"?"
    loop = asyncio.get_running_loop()
    try:
        while True:
            await loop.sock_sendall(deaf, frame * 1000)
    except ConnectionError:
        return


async def test_the_end_of_the_server_is_told_to_every_socket(start_server: StartServer) -> None:
    server = start_server(SAFELIGHT_SERVER__GRACE_S="1")
    async with ClientSession(server.url) as client, _deaf(server.url):
        sockets = [await client.ws_connect("/ws") for _ in range(5)]
        stopping = asyncio.create_task(asyncio.to_thread(server.stop, timeout_s=15))
        closed = [await ws.receive(timeout=PATIENCE_S) for ws in sockets]

    assert {(message.type, message.data) for message in closed} == {(WSMsgType.CLOSE, 1001)}
    assert await stopping == 0


async def test_a_socket_that_breaks_off_is_forgotten(
    shared_server: ServerProcess, client: ClientSession
) -> None:
    job_id = (await upload(client, PICTURE))["jobId"]
    channel = f"events:{job_id}"
    ws = await client.ws_connect("/ws")
    await subscribe(ws, job_id)
    await told(ws)
    with redis_of(shared_server) as redis:
        assert redis.pubsub_numsub(channel) == [(channel, 1)]
        ws._response.connection.transport.abort()  # type: ignore[union-attr]  # no goodbye
        await eventually(lambda: redis.pubsub_numsub(channel) == [(channel, 0)])
