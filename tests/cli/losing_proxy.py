"""A TCP proxy on loopback that loses answers: the request arrives, and nobody hears of it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CHUNK_BYTES = 16 * 1024


class LosingProxy:
    """Resets a connection when the answer to `request` begins to come back, `most` times."""

    def __init__(self, url: str, request: bytes, *, most: int = 1) -> None:
        self.url = ""
        self.lost = 0
        host, port = url.removeprefix("http://").split(":")
        self._target = host, int(port)
        self._request = request
        self._most = most

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        there_reader, there = await asyncio.open_connection(*self._target)
        asked = asyncio.Event()
        ways = [
            asyncio.create_task(self._up(reader, there, asked)),
            asyncio.create_task(self._down(there_reader, writer, asked)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for one in (writer, there):
                one.transport.abort()

    async def _up(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if self._request in chunk:
                asked.set()
            writer.write(chunk)
            await writer.drain()

    async def _down(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if asked.is_set() and self.lost < self._most:
                self.lost += 1
                return
            writer.write(chunk)
            await writer.drain()


@contextmanager
def losing_proxy(url: str, request: bytes) -> Iterator[LosingProxy]:
    """One in a thread of its own, in front of the server at `url`."""
    proxy = LosingProxy(url, request)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.start()
        starting = asyncio.start_server(proxy.serve, sock=listener)
        server = asyncio.run_coroutine_threadsafe(starting, loop).result(10)
        try:
            yield proxy
        finally:
            asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
