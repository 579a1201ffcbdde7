"""Frames of a browser become its messages, however they are cut, and nothing else does."""

import asyncio
import struct

import pytest
from aiohttp import WSCloseCode, WSMsgType
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_websocket import WebSocketWriter
from hypothesis import given
from hypothesis import strategies as st

from server.live.received import Malformed, Message, Received

LIMIT = 16 * 1024
MASK = b"\x01\x80\xff\x00"
TEXT, BINARY = WSMsgType.TEXT, WSMsgType.BINARY


def frame(kind: int, payload: bytes = b"", *, fin: bool = True, first: int = 0) -> bytes:
    """One of a client; `first`: further bits of the first byte."""
    length = len(payload)
    head = bytes(((0x80 if fin else 0) | kind | first,))
    if length < 126:
        head += bytes((0x80 | length,))
    elif length < 1 << 16:
        head += struct.pack("!BH", 0x80 | 126, length)
    else:
        head += struct.pack("!BQ", 0x80 | 127, length)
    return head + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


def taken(*pieces: bytes, limit: int = LIMIT) -> list[Message]:
    """All messages of what comes piece by piece."""
    received, messages = Received(limit), []
    for piece in pieces:
        received.add(piece)
        messages += list(iter(received.take, None))
    return messages


data = st.tuples(st.just(BINARY), st.binary(max_size=300)) | st.tuples(
    st.just(TEXT), st.text(max_size=150).map(str.encode)
)
control = st.tuples(st.sampled_from([WSMsgType.PING, WSMsgType.PONG]), st.binary(max_size=125))


@given(st.lists(data | control, max_size=8), st.lists(st.integers(1, 40), max_size=6))
def test_messages_are_whole_however_they_come(
    sent: list[tuple[WSMsgType, bytes]], cuts: list[int]
) -> None:
    stream = b""
    for kind, payload in sent:
        parts = _parts(payload, cuts) if kind in (TEXT, BINARY) else [payload]
        for number, part in enumerate(parts):
            stream += frame(kind if number == 0 else 0, part, fin=number == len(parts) - 1)
    pieces, at = [], 0
    for cut in (*cuts, len(stream)):
        pieces.append(stream[at : at + cut])
        at += cut

    assert taken(*pieces) == [Message(kind, payload) for kind, payload in sent]


def _parts(payload: bytes, cuts: list[int]) -> list[bytes]:
    parts, at = [], 0
    for cut in cuts[:3]:
        parts.append(payload[at : at + cut])
        at += cut
    return [*parts, payload[at:]]


def test_a_ping_may_stand_between_the_pieces_of_a_message() -> None:
    stream = frame(TEXT, b"ab", fin=False) + frame(WSMsgType.PING, b"?") + frame(0, b"c")

    assert taken(stream) == [Message(WSMsgType.PING, b"?"), Message(TEXT, b"abc")]


class Recorder(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data


@pytest.mark.parametrize("length", [0, 1, 125, 126, 4000, LIMIT])
async def test_what_a_client_of_aiohttp_writes_is_read(length: int) -> None:
    recorder, payload = Recorder(), b"x" * length
    client = WebSocketWriter(
        BaseProtocol(asyncio.get_running_loop()), recorder, use_mask=True, limit=1 << 20
    )
    await client.send_frame(payload, TEXT)
    await client.close(1001, b"away")
    message, goodbye = taken(bytes(recorder.written))

    assert message == Message(TEXT, payload)
    assert (goodbye.kind, goodbye.close_code) == (WSMsgType.CLOSE, 1001)


WRONG = {
    "not masked": (b"\x81\x01a", WSCloseCode.PROTOCOL_ERROR),
    "compressed": (frame(TEXT, b"a", first=0x40), WSCloseCode.PROTOCOL_ERROR),
    "an unknown kind": (frame(3), WSCloseCode.PROTOCOL_ERROR),
    "a long ping": (frame(WSMsgType.PING, b"x" * 126), WSCloseCode.PROTOCOL_ERROR),
    "a ping in pieces": (frame(WSMsgType.PING, fin=False), WSCloseCode.PROTOCOL_ERROR),
    "a piece of nothing": (frame(0, b"a"), WSCloseCode.PROTOCOL_ERROR),
    "a message within another": (
        frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
        WSCloseCode.PROTOCOL_ERROR,
    ),
    "no UTF-8": (frame(TEXT, b"\xff"), WSCloseCode.INVALID_TEXT),
    "half a letter": (
        frame(TEXT, "ü".encode()[:1], fin=False) + frame(0, b""),
        WSCloseCode.INVALID_TEXT,
    ),
    "too long, of which the head is enough": (
        frame(BINARY, b"x" * (LIMIT + 1))[:4],
        WSCloseCode.MESSAGE_TOO_BIG,
    ),
    "no number of bytes at all": (b"\x82\xff" + b"\xff" * 8, WSCloseCode.MESSAGE_TOO_BIG),
    "too long in pieces": (
        frame(BINARY, b"x" * LIMIT, fin=False) + frame(0, b"x"),
        WSCloseCode.MESSAGE_TOO_BIG,
    ),
}


@pytest.mark.parametrize("stream, code", WRONG.values(), ids=WRONG)
def test_what_the_rules_forbid_ends_the_connection(stream: bytes, code: WSCloseCode) -> None:
    with pytest.raises(Malformed) as refused:
        taken(stream)

    assert refused.value.code == code


@pytest.mark.parametrize(
    "payload, code",
    [
        (b"\x03", WSCloseCode.PROTOCOL_ERROR),
        (struct.pack("!H", 1005), WSCloseCode.PROTOCOL_ERROR),
        (struct.pack("!H", 5000), WSCloseCode.PROTOCOL_ERROR),
        (struct.pack("!H", 1000) + b"\xff", WSCloseCode.INVALID_TEXT),
    ],
)
def test_a_goodbye_that_cannot_be_is_malformed(payload: bytes, code: WSCloseCode) -> None:
    [goodbye] = taken(frame(WSMsgType.CLOSE, payload))
    with pytest.raises(Malformed) as refused:
        _ = goodbye.close_code

    assert refused.value.code == code


@pytest.mark.parametrize(
    "first, last, may_come",
    [
        (0, 999, False),
        (1000, 1003, True),
        (1004, 1006, False),
        (1007, 1014, True),
        (1015, 2999, False),
        (3000, 4999, True),
        (5000, 65535, False),
    ],
)
def test_codes_of_goodbyes_are_those_that_are_registered(
    first: int, last: int, may_come: bool
) -> None:
    for code in {first, last}:
        goodbye = Message(WSMsgType.CLOSE, struct.pack("!H", code))
        if may_come:
            assert goodbye.close_code == code
        else:
            with pytest.raises(Malformed):
                _ = goodbye.close_code


@given(st.binary(max_size=400))
def test_noise_is_malformed_or_waits_for_more(noise: bytes) -> None:
    try:
        messages = taken(noise)
    except Malformed:
        return
    assert sum(len(one.payload) for one in messages) <= len(noise)


def test_nothing_is_held_between_two_messages() -> None:
    received = Received(LIMIT)
    received.add(frame(TEXT, b"a") * 1000)
    while received.take() is not None:
        pass

    assert received.is_empty
