"""A frame of ours is the one that aiohttp would have sent."""

import asyncio

import pytest
from aiohttp import WSMsgType
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_websocket import WebSocketWriter

from server.live.frame import MOST_CONTROL_BYTES, close_frame, control_frame, text_frame


class Recorder(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
async def test_the_bytes_are_those_of_aiohttp(length: int) -> None:
    recorder, payload = Recorder(), b"x" * length
    writer = WebSocketWriter(BaseProtocol(asyncio.get_running_loop()), recorder)

    await writer.send_frame(payload, WSMsgType.TEXT)

    assert text_frame(payload) == bytes(recorder.written)


@pytest.mark.parametrize("kind", [WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE])
@pytest.mark.parametrize("payload", [b"", b"?", b"x" * MOST_CONTROL_BYTES])
async def test_control_frames_are_those_of_aiohttp(kind: WSMsgType, payload: bytes) -> None:
    recorder = Recorder()

    await WebSocketWriter(BaseProtocol(asyncio.get_running_loop()), recorder).send_frame(
        payload, kind
    )

    assert control_frame(kind, payload) == bytes(recorder.written)


async def test_a_goodbye_is_that_of_aiohttp() -> None:
    recorder = Recorder()

    await WebSocketWriter(BaseProtocol(asyncio.get_running_loop()), recorder).close(1008, "no key")

    assert close_frame(1008, "no key") == bytes(recorder.written)
    assert close_frame(0, "unsaid") == b"\x88\x00"


@pytest.mark.parametrize("reason", ["x" * 200, "ü" * 100, "x" + "ü" * 100, "€" * 41])
def test_a_long_reason_is_cut_between_letters(reason: str) -> None:
    frame = close_frame(1001, reason)
    said = frame[4:].decode()

    assert frame[:2] == bytes((0x88, len(frame) - 2)) and len(frame) <= 2 + MOST_CONTROL_BYTES
    assert reason.startswith(said)
    room = MOST_CONTROL_BYTES - 2 - len(said.encode())
    assert said == reason or room < len(reason[len(said)].encode())
