"""The connections to one server. Every refusal and every broken connection becomes a Problem."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Self

import orjson
from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    ClientWSTimeout,
    TCPConnector,
    WSMsgType,
    WSServerHandshakeError,
)

from server.cli.client.problem import Problem, problem_of, unreachable

_CONNECT_S = 10.0
_SILENT_S = 90.0  # longer than upload.max_wait_s as it comes
_HEARTBEAT_S = 20.0
_PIECE_BYTES = 256 * 1024
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_GOODBYE_S = 1.0
_REDIRECTS = range(300, 400)
_ENDS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer in 2xx; `body` is its JSON, or None."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Socket:
    """One open WebSocket."""

    def __init__(self, socket: ClientWebSocketResponse, url: str) -> None:
        self._socket = socket
        self._url = url

    async def send(self, message: Mapping[str, Any]) -> None:
        """Raises Problem when it is closed."""
        with _told(self._url):
            await self._socket.send_str(orjson.dumps(message).decode())

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """All that come, until the server or the network ends it."""
        while True:
            with _told(self._url):
                message = await self._socket.receive()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                yield orjson.loads(message.data)
            elif message.type in _ENDS:
                return


class Service:
    """One server; `async with` opens and closes its connections."""

    def __init__(self, url: str, key: str | None, *, connections: int = 8) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._connections = connections

    async def __aenter__(self) -> Self:
        self._session = ClientSession(
            connector=TCPConnector(limit=self._connections + 1),  # the WebSocket's
            timeout=ClientTimeout(
                total=None, connect=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S
            ),
            trust_env=True,
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    def absolute(self, path: str) -> str:
        """An address of this server in full."""
        return f"{self.url}{path}" if path.startswith("/") else path

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        body: AsyncIterator[bytes] | None = None,
    ) -> Answer:
        """One request and its whole answer. Raises Problem."""
        sent = {**self._headers(), **(headers or {})}
        data: Any = body
        if json is not None:
            data, sent["Content-Type"] = orjson.dumps(json), "application/json"
        sending = None if body is None else _Sending(body)
        try:
            with _told(self.url):
                async with asyncio.timeout(_SILENT_S) as limit:
                    if sending is not None:
                        data = sending.pieces(limit)
                    async with self._session.request(
                        method, self.absolute(path), data=data, headers=sent, allow_redirects=False
                    ) as response:
                        return await self._answer(response)
        except Problem:
            if sending is not None and sending.fault is not None:
                raise sending.fault from None
            raise

    async def pieces(self, path: str) -> AsyncGenerator[bytes]:
        """The bytes of an answer as they come; a bucket may be asked for them instead."""
        with _told(self.url):
            response = await self._session.get(self.absolute(path), headers=self._headers())
        async with response:
            if response.status != 200:
                await self._answer(response)
                raise problem_of(None, status=response.status)
            while True:
                with _told(self.url):
                    piece = await response.content.read(_PIECE_BYTES)
                if not piece:
                    return
                yield piece

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        """Raises Problem where the server, or whoever stands before it, gives none."""
        with _told(self.url):
            opened = await self._session.ws_connect(
                self.absolute("/ws"),
                headers=self._headers(),
                heartbeat=_HEARTBEAT_S,
                max_msg_size=_MAX_MESSAGE_BYTES,
                timeout=ClientWSTimeout(ws_close=_GOODBYE_S),
            )
        try:
            yield Socket(opened, self.url)
        finally:
            await opened.close()

    def _headers(self) -> dict[str, str]:
        return {} if self._key is None else {"Authorization": f"Bearer {self._key}"}

    async def _answer(self, response: ClientResponse) -> Answer:
        if response.status in _REDIRECTS:
            raise _redirected(self.url, response.headers.get("Location", ""), response.status)
        text = await response.read()
        try:
            body = orjson.loads(text) if text else None
        except orjson.JSONDecodeError:
            body = None
        if response.status >= 400:
            pause = _seconds(response.headers.get("Retry-After"))
            raise problem_of(body, status=response.status, retry_after_s=pause)
        return Answer(response.status, response.headers, body)


@contextmanager
def _told(url: str) -> Iterator[None]:
    """The library's many errors as the one that matters: no answer came."""
    try:
        yield
    except WSServerHandshakeError as error:
        raise Problem("no_socket", "No WebSocket", error.message, status=error.status) from error
    except ssl.SSLError as error:
        raise unreachable(url, f"TLS: {error.reason or error}") from error
    except TimeoutError as error:
        raise unreachable(url, "it has been silent for too long") from error
    except (ClientError, OSError, ValueError) as error:
        raise unreachable(url, str(error) or type(error).__name__) from error


def _redirected(url: str, location: str, status: int) -> Problem:
    detail = f"{url} leads to {location or 'nowhere'}; give that address as --server."
    return Problem("redirected", "The server is elsewhere", detail, status=status)


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None  # a date; nobody of ours sends one


class _Sending:
    """A body on its way. The library would take an error of ours for one of the network."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self.fault: Exception | None = None

    async def pieces(self, limit: asyncio.Timeout) -> AsyncIterator[bytes]:
        """Each piece that is taken puts the limit off: who takes none for long is given up."""
        loop = asyncio.get_running_loop()
        try:
            async for piece in self._pieces:
                if not limit.expired():
                    limit.reschedule(loop.time() + _SILENT_S)
                yield piece
        except Exception as error:
            self.fault = error
            raise
