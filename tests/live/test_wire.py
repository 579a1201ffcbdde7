"""A WebSocket on the wire: handshake, heartbeat and goodbye, by hand and by aiohttp's client."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import ClientSession, WSMsgType

from bench.tree import pss_bytes
from tests.conftest import StartServer
from tests.edge.forms import upload
from tests.edge.pictures import jpeg
from tests.live.test_received import frame
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# Of the key above, as https://datatracker.ietf.org/doc/html/rfc6455#section-1.3 has it.
ACCEPTED = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
# Measured: 2 to 7 KiB. In the hands of aiohttp it was 18.
MOST_BYTES_A_SOCKET = 12 * 1024


@asynccontextmanager
async def raw(server: ServerProcess, *behind: bytes) -> AsyncIterator["Raw"]:
    """An open socket; `behind`: what is sent in one go with the handshake."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(HANDSHAKE + b"".join(behind))
        async with asyncio.timeout(PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ") and ACCEPTED in head
        assert b"Content-Type" not in head and b"Transfer-Encoding" not in head
        yield Raw(reader, writer)
    finally:
        writer.close()


class Raw:
    """Frames of the server, one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def next(self) -> tuple[int, bytes]:
        """Kind and payload; (-1, b"") at the end of the connection."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                first, length = await self._reader.readexactly(2)
                if length == 126:
                    [length] = struct.unpack("!H", await self._reader.readexactly(2))
                return first & 0x0F, await self._reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return -1, b""


def subscribe(job_id: str) -> bytes:
    return frame(WSMsgType.TEXT, json.dumps({"type": "subscribe", "jobId": job_id}).encode())


async def test_what_comes_right_behind_the_handshake_is_heard(
    shared_server: ServerProcess, client: ClientSession
) -> None:
    job_id = (await upload(client, jpeg(32, 24)))["jobId"]
    async with raw(shared_server, frame(WSMsgType.PING, b"1"), subscribe(job_id)) as socket:
        assert await socket.next() == (WSMsgType.PONG, b"1")
        kind, payload = await socket.next()

    assert (kind, json.loads(payload)["jobId"]) == (WSMsgType.TEXT, job_id)


async def test_a_message_may_come_byte_by_byte(
    shared_server: ServerProcess, client: ClientSession
) -> None:
    job_id = (await upload(client, jpeg(32, 24)))["jobId"]
    async with raw(shared_server) as socket:
        for byte in subscribe(job_id):
            socket.send(bytes((byte,)))
            await asyncio.sleep(0)
        kind, payload = await socket.next()

    assert (kind, json.loads(payload)["jobId"]) == (WSMsgType.TEXT, job_id)


async def test_many_messages_at_once_are_all_answered_in_order(
    shared_server: ServerProcess,
) -> None:
    pings = [str(number).encode() for number in range(3000)]
    async with raw(shared_server) as socket:
        for ping in pings:
            socket.send(frame(WSMsgType.PING, ping))
        answers = [await socket.next() for _ in pings]

    assert answers == [(WSMsgType.PONG, ping) for ping in pings]


async def test_what_is_no_websocket_is_told_why_and_ended(shared_server: ServerProcess) -> None:
    async with raw(shared_server) as socket:
        socket.send(b"\x81\x02{}" + b"noise" * 100_000)
        kind, payload = await socket.next()
        ended = await socket.next()

    assert (kind, struct.unpack("!H", payload[:2])) == (WSMsgType.CLOSE, (1002,))
    assert ended == (-1, b"")


@pytest.mark.parametrize("payload", [b"", struct.pack("!H", 1000), struct.pack("!H", 4321) + b"x"])
async def test_a_goodbye_is_answered_with_its_code(
    shared_server: ServerProcess, payload: bytes
) -> None:
    async with raw(shared_server) as socket:
        socket.send(frame(WSMsgType.CLOSE, payload))
        answer, ended = await socket.next(), await socket.next()

    assert answer == (WSMsgType.CLOSE, payload[:2])
    assert ended == (-1, b"")


async def test_who_is_silent_is_asked_and_who_does_not_answer_is_let_go(
    start_server: StartServer,
) -> None:
    server = start_server(SAFELIGHT_LIVE__PING_S="2", SAFELIGHT_POOL__MAX_LANES="1")
    async with raw(server) as socket:
        assert await socket.next() == (WSMsgType.PING, b"")
        socket.send(frame(WSMsgType.PONG))
        asked = [await socket.next(), await socket.next()]
    async with ClientSession(server.url) as client, client.get("/metrics") as response:
        metrics = await response.text()

    assert asked == [(WSMsgType.PING, b""), (-1, b"")]
    assert 'safelight_live_watchers{kind="socket"} 0' in metrics


async def watching(stack: AsyncExitStack, server: ServerProcess, job_id: str, count: int) -> None:
    """So many sockets that have been told how a job stands, open until the stack ends."""
    for _ in range(count):
        socket = await stack.enter_async_context(raw(server, subscribe(job_id)))
        kind, _ = await socket.next()
        assert kind == WSMsgType.TEXT


async def test_who_watches_holds_little_memory(
    shared_server: ServerProcess, client: ClientSession
) -> None:
    job_id = (await upload(client, jpeg(32, 24)))["jobId"]
    async with AsyncExitStack() as stack:
        await watching(stack, shared_server, job_id, 50)  # what is made once
        before = pss_bytes(shared_server.pid)
        await watching(stack, shared_server, job_id, 350)
        held = pss_bytes(shared_server.pid) - before

    assert held / 350 < MOST_BYTES_A_SOCKET
