"""One message as a server sends it by WebSocket: text, whole, neither masked nor compressed.

https://datatracker.ietf.org/doc/html/rfc6455#section-5.2
"""

import struct

_WHOLE_TEXT = 0x81
_SHORT, _LONG = struct.Struct("!BBH"), struct.Struct("!BBQ")


def text_frame(payload: bytes) -> bytes:
    """The bytes that go to the wire."""
    length = len(payload)
    if length < 126:
        return bytes((_WHOLE_TEXT, length)) + payload
    if length < 1 << 16:
        return _SHORT.pack(_WHOLE_TEXT, 126, length) + payload
    return _LONG.pack(_WHOLE_TEXT, 127, length) + payload
