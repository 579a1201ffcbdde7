"""A TCP proxy on loopback that breaks the connection after so many bytes, as networks do."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.edge.traces import eventually

_CHUNK_BYTES = 16 * 1024
# Close with RST and throw away what is not sent, as a router does that has lost its state.
_RESET = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Passes bytes on; `cuts` are the numbers of bytes from clients after which all is reset.

    Before that it waits for what each says, such as that the server has them: RST takes away what
    is still in flight, which may be all of it.
    """

    def __init__(self, target: tuple[str, int], cuts: list[tuple[int, Callable[[], bool]]]) -> None:
        self.url = ""
        self.done: list[int] = []
        """How many bytes had passed at each cut."""
        self._target = target
        self._cuts = list(cuts)
        self._passed = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        there_reader, there = await asyncio.open_connection(*self._target)
        try:
            up = asyncio.create_task(self._up(reader, there))
            down = asyncio.create_task(_pass(there_reader, writer))
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
        finally:
            for one in (writer, there):
                _reset(one)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
            self._passed += len(chunk)
            if self._cuts and self._passed >= self._cuts[0][0]:
                _, is_there = self._cuts.pop(0)
                await eventually(is_there)
                self.done.append(self._passed)
                return


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):  # closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@asynccontextmanager
async def cutting_proxy(
    url: str, *cuts: tuple[int, Callable[[], bool]]
) -> AsyncIterator[CuttingProxy]:
    """A proxy in front of the server at `url`."""
    host, port = url.removeprefix("http://").split(":")
    proxy = CuttingProxy((host, int(port)), list(cuts))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server:
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy
