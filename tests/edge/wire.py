"""HTTP by hand, for what no client library would send."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from multidict import CIMultiDict

from tests.edge.problem import checked_problem
from tests.patience import PATIENCE_S

BOUNDARY = "hands"
MULTIPART = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    def problem(self) -> dict[str, Any]:
        return checked_problem(self.status, self.headers, self.body)


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(self, *, within_s: float = PATIENCE_S) -> Answer:
        """The next response, interim ones too."""
        async with asyncio.timeout(within_s):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = CIMultiDict(line.split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(headers.get("Content-Length", 0)))
        return Answer(int(head[0].split()[1]), headers, body)

    def cut(self) -> None:
        """Gone without a goodbye (RST)."""
        self.writer.transport.abort()


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def head(method: str, path: str, *lines: str | bytes) -> bytes:
    """Request line and headers."""
    whole = [f"{method} {path} HTTP/1.1", "Host: test", *lines, "", ""]
    return b"\r\n".join(line.encode() if isinstance(line, str) else line for line in whole)


def post(body: bytes, *lines: str | bytes, path: str = "/upload") -> bytes:
    """A whole request to upload."""
    return head("POST", path, *lines, f"Content-Length: {len(body)}") + body


def chunk(content: bytes) -> bytes:
    """A piece of a body whose length nobody told."""
    return b"%x\r\n%s\r\n" % (len(content), content)


def multipart(parts: Sequence[bytes], *, boundary: str = BOUNDARY) -> bytes:
    """Parts, each with its head, as one body."""
    line = f"--{boundary}".encode()
    return b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"


def part(content: bytes, *, name: str = "file", more: str = '; filename="a.jpg"') -> bytes:
    """One part with a head as browsers write it; `more` follows the name."""
    line = f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return line.encode(errors="surrogateescape") + content


async def exchange(url: str, request: bytes) -> Answer:
    """One request, one answer."""
    async with wire(url) as connection:
        await connection.send(request)
        return await connection.answer()
