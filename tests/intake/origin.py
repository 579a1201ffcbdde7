"""A web server on loopback that answers as a test wants, and counts who asks."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from threading import Thread

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Origin:
    """`answers` by path; a path without one is 404. `hits` counts requests by path."""

    port: int = 0
    scheme: str = "http"
    answers: dict[str, Answer] = field(default_factory=dict)
    hits: Counter[str] = field(default_factory=Counter)
    seen: list[web.Request] = field(default_factory=list)
    open: int = 0
    most_open: int = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Where a path is asked for."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    def forget(self) -> None:
        """Count from here on."""
        self.hits.clear()
        self.seen.clear()
        self.most_open = self.open

    def bytes(self, path: str, body: bytes, **headers: str) -> str:
        """Answer a path with these bytes; returns its URL."""

        async def answer(request: web.Request) -> web.Response:
            return web.Response(body=body, headers={"Content-Type": "image/jpeg", **headers})

        return self.answer(path, answer)

    def answer(self, path: str, answer: Answer) -> str:
        """Answer a path so; returns its URL."""
        self.answers[path] = answer
        return self.url(path)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Every request comes here."""
        self.hits[request.path] += 1
        self.seen.append(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            answer = self.answers.get(request.path)
            if answer is None:
                return web.Response(status=404, text="not here")
            return await answer(request)
        finally:
            self.open -= 1


@asynccontextmanager
async def serve_origin(tls: SSLContext | None = None) -> AsyncIterator[Origin]:
    """Listens on both loopback addresses, on one free port; by TLS if told how."""
    origin = Origin(scheme="https" if tls else "http")
    runner = web.ServerRunner(
        web.Server(origin.handle, handler_cancellation=True), shutdown_timeout=0.1
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        origin.port = runner.addresses[0][1]
        await web.TCPSite(runner, "::1", origin.port, ssl_context=tls).start()
        yield origin
    finally:
        await runner.cleanup()


def redirect(location: str, *, closes: bool = False) -> Answer:
    """An answer that sends on, and ends the connection if so chosen."""

    async def answer(request: web.Request) -> web.Response:
        response = web.Response(status=302, headers={"Location": location})
        if closes:
            response.force_close()
        return response

    return answer


def raw(head: str, body: bytes = b"") -> Answer:
    """An answer that no library would write; then the connection ends."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        request.transport.close()
        return web.Response()  # nobody is there any more

    return answer


@contextmanager
def origin_in_thread(tls: SSLContext | None = None) -> Iterator[Origin]:
    """The same for many tests, each of which has an event loop of its own."""
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()
    started: Future[Origin] = Future()

    async def serve() -> None:
        async with serve_origin(tls) as origin:
            started.set_result(origin)
            await stopping.wait()

    thread = Thread(target=loop.run_until_complete, args=(serve(),), name="origin")
    thread.start()
    try:
        yield started.result(10)
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(10)
        loop.close()
