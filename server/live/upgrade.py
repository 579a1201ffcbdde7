"""From a request to a WebSocket: the handshake, and a connection that aiohttp lets go.

aiohttp keeps request, parser, two tasks and a response for as long as a WebSocket is open, 18 KiB
each; a watcher needs none of them once it is let in.
"""

from base64 import b64encode
from hashlib import sha1
from typing import cast

from aiohttp import web
from aiohttp.http import WS_KEY
from aiohttp.http_websocket import WebSocketReader

from server.live.connection import Connection
from server.refusals import BadRequest

# What a browser names beside its API key, which it can send in no other header.
_PROTOCOL = "safelight"


async def upgrade(request: web.Request, connection: Connection) -> web.StreamResponse:
    """Answer 101 and give the connection its transport. Raises BadRequest, ConnectionError."""
    response = await _shake_hands(request)
    transport, protocol, tail = request.transport, request.protocol, _Tail()
    if transport is None:
        raise ConnectionResetError("the client went away")
    protocol.set_parser(cast(WebSocketReader, tail))  # it feeds what it has got already
    protocol.transport = None  # or its end would be the end of the connection
    protocol.connection_lost(None)
    connection.begin(transport, b"".join(tail.chunks))
    return response


async def _shake_hands(request: web.Request) -> web.StreamResponse:
    ready = web.WebSocketResponse(protocols=(_PROTOCOL,)).can_prepare(request)
    if not ready or request.can_read_body:
        raise BadRequest("This address speaks WebSocket; connect with ws:// or wss://.")
    key = request.headers["Sec-WebSocket-Key"].encode()
    headers = {
        "Upgrade": "websocket",
        "Connection": "upgrade",
        "Sec-WebSocket-Accept": b64encode(sha1(key + WS_KEY).digest()).decode(),
    }
    if ready.protocol is not None:
        headers["Sec-WebSocket-Protocol"] = ready.protocol
    response = web.StreamResponse(status=101, headers=headers)
    response.force_close()
    await response.prepare(request)
    return response


class _Tail:
    """Stands where aiohttp's reader would: takes what came behind the request."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """See WebSocketReader."""
        self.chunks.append(data)
        return False, b""

    def feed_eof(self) -> None:
        """See WebSocketReader."""
