"""A frame of ours is the one that aiohttp would have sent."""

import asyncio

import pytest
from aiohttp import WSMsgType
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_websocket import WebSocketWriter

from server.live.frame import text_frame


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
