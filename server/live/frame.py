"""Messages as a server sends them by WebSocket: whole, neither masked nor compressed.

https://datatracker.ietf.org/doc/html/rfc6455#section-5.2
"""

import struct

from aiohttp import WSMsgType

_WHOLE = 0x80
_SHORT, _LONG = struct.Struct("!BBH"), struct.Struct("!BBQ")
_CODE = struct.Struct("!H")
MOST_CONTROL_BYTES = 125


def text_frame(payload: bytes) -> bytes:
    """The bytes that go to the wire."""
    first, length = _WHOLE | WSMsgType.TEXT, len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 1 << 16:
        return _SHORT.pack(first, 126, length) + payload
    return _LONG.pack(first, 127, length) + payload


def control_frame(kind: WSMsgType, payload: bytes = b"") -> bytes:
    """A ping, a pong or a goodbye, of MOST_CONTROL_BYTES at most."""
    return bytes((_WHOLE | kind, len(payload))) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A goodbye; code 0: without one."""
    if not code:
        return control_frame(WSMsgType.CLOSE)
    said = reason.encode()[: MOST_CONTROL_BYTES - _CODE.size].decode(errors="ignore").encode()
    return control_frame(WSMsgType.CLOSE, _CODE.pack(code) + said)
