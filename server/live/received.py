"""What a browser sends by WebSocket: frames, masked and not compressed, made messages again.

aiohttp's reader of them holds a kilobyte for each connection, this one next to nothing between two
messages. https://datatracker.ietf.org/doc/html/rfc6455#section-5
"""

import struct
from dataclasses import dataclass

from aiohttp import WSCloseCode, WSMsgType

from server.live.frame import MOST_CONTROL_BYTES

_FINAL, _RESERVED, _OPCODE, _IS_CONTROL = 0x80, 0x70, 0x0F, 0x08
_MASKED, _LENGTH = 0x80, 0x7F
_MASK_BYTES = 4
_SHORT, _LONG = struct.Struct("!H"), struct.Struct("!Q")
_CODE = struct.Struct("!H")
_KINDS = frozenset((0, 1, 2, 8, 9, 10))
# https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number; 3000 on: anybody's.
_CODES = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))


class Malformed(Exception):
    """What came is no WebSocket, or too long; `code` is what the connection is closed with."""

    def __init__(self, code: WSCloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Message:
    """A whole one. `kind`: TEXT, BINARY, CLOSE, PING or PONG."""

    kind: WSMsgType
    payload: bytes

    @property
    def close_code(self) -> int:
        """Of a goodbye; 0 where none was given. Raises Malformed."""
        if not self.payload:
            return 0
        code = _CODE.unpack(self.payload[:2])[0] if len(self.payload) > 1 else 0
        if code not in _CODES:
            raise Malformed(WSCloseCode.PROTOCOL_ERROR, "no such close code")
        try:
            self.payload[2:].decode()
        except UnicodeDecodeError as error:
            raise Malformed(WSCloseCode.INVALID_TEXT, "the reason is no UTF-8") from error
        return int(code)


class Received:
    """Bytes in, messages out."""

    __slots__ = ("_at", "_begun", "_bytes", "_kind", "_limit")

    def __init__(self, limit: int) -> None:
        """limit: bytes that a message may have."""
        self._limit = limit
        self._bytes, self._at = b"", 0
        self._begun: bytes | None = None  # of a message that comes in pieces
        self._kind = WSMsgType.TEXT  # of that message

    @property
    def is_empty(self) -> bool:
        """Whether all bytes were made messages."""
        return not self._bytes

    def add(self, data: bytes) -> None:
        """What has come next."""
        self._bytes = self._bytes[self._at :] + data if self._bytes else data
        self._at = 0

    def take(self) -> Message | None:
        """The next message; None: not all of it is here. Raises Malformed."""
        while (frame := self._take_frame()) is not None:
            first, payload = frame
            kind = WSMsgType(first & _OPCODE)
            if first & _IS_CONTROL:
                return Message(kind, payload)
            self._refuse_disorder(kind)
            if self._begun is None:
                self._begun, self._kind = b"", kind
            self._begun += payload
            if first & _FINAL:
                whole, self._begun = self._begun, None
                return _checked(Message(self._kind, whole))
        return None

    def _refuse_disorder(self, kind: WSMsgType) -> None:
        if (kind == WSMsgType.CONTINUATION) != (self._begun is not None):
            raise Malformed(WSCloseCode.PROTOCOL_ERROR, "pieces of messages are out of order")

    def _take_frame(self) -> tuple[int, bytes] | None:
        """First byte and payload of a frame that is here as a whole."""
        data, at = self._bytes, self._at
        if len(data) - at < 2:
            return None
        first, second = data[at], data[at + 1]
        self._refuse_wrong(first, second)
        length, begin = second & _LENGTH, at + 2
        if length > MOST_CONTROL_BYTES:
            form = _SHORT if length == 126 else _LONG
            if len(data) - begin < form.size:
                return None
            [length] = form.unpack_from(data, begin)
            begin += form.size
        if not first & _IS_CONTROL and length + len(self._begun or b"") > self._limit:
            raise Malformed(WSCloseCode.MESSAGE_TOO_BIG, f"messages may have {self._limit} bytes")
        end = begin + _MASK_BYTES + length
        if len(data) < end:
            return None
        payload = _unmasked(data[begin + _MASK_BYTES : end], data[begin : begin + _MASK_BYTES])
        self._bytes, self._at = (data, end) if end < len(data) else (b"", 0)
        return first, payload

    def _refuse_wrong(self, first: int, second: int) -> None:
        kind = first & _OPCODE
        if first & _RESERVED or kind not in _KINDS:
            raise Malformed(WSCloseCode.PROTOCOL_ERROR, "no such frame was agreed on")
        if not second & _MASKED:
            raise Malformed(WSCloseCode.PROTOCOL_ERROR, "frames of clients are masked")
        is_long = second & _LENGTH > MOST_CONTROL_BYTES
        if first & _IS_CONTROL and (is_long or not first & _FINAL):
            raise Malformed(WSCloseCode.PROTOCOL_ERROR, "control frames are short and whole")


def _checked(message: Message) -> Message:
    if message.kind == WSMsgType.TEXT:
        try:
            message.payload.decode()
        except UnicodeDecodeError as error:
            raise Malformed(WSCloseCode.INVALID_TEXT, "the text is no UTF-8") from error
    return message


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """One XOR of two long numbers: byte by byte Python would take a hundred times as long."""
    length = len(payload)
    stream = (mask * (length // _MASK_BYTES + 1))[:length]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return number.to_bytes(length, "big")
