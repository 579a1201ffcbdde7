"""A multipart body of any size: its length is known before its first byte, none of it is held."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PIECE_BYTES = 256 * 1024


class FileChanged(Exception):
    """A file is not as long any more as it was when its request began."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file; `name` is what the server is told. `bytes` is its length."""

    path: Path
    name: str
    bytes: int


class Multipart:
    """`multipart/form-data` of fields and `file` parts, read anew at each attempt."""

    def __init__(self, fields: Mapping[str, str], files: Sequence[Part]) -> None:
        self._boundary = secrets.token_hex(16)
        self._fields = b"".join(
            self._head(f'name="{name}"') + value.encode() + b"\r\n"
            for name, value in fields.items()
        )
        self._files = [
            (self._head(f'name="file"; filename="{_quoted(file.name)}"'), file) for file in files
        ]
        self._end = f"--{self._boundary}--\r\n".encode()

    @property
    def headers(self) -> dict[str, str]:
        """What the request must say of its body."""
        files = sum(len(head) + file.bytes + 2 for head, file in self._files)
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(len(self._fields) + files + len(self._end)),
        }

    async def pieces(self) -> AsyncIterator[bytes]:
        """Raises OSError, or FileChanged rather than send less than was announced."""
        yield self._fields
        for head, file in self._files:
            yield head
            async for piece in file_pieces(file.path, 0, file.bytes):
                yield piece
            yield b"\r\n"
        yield self._end

    def _head(self, disposition: str) -> bytes:
        line = f"--{self._boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
        return line.encode(errors="replace")


async def file_pieces(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    """So many bytes of a file from a place on. Raises FileChanged where there are fewer."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        await asyncio.to_thread(file.seek, start)
        left = length
        while left:
            piece = await asyncio.to_thread(file.read, min(left, _PIECE_BYTES))
            if not piece:
                raise FileChanged(f"{path} has become {left} bytes shorter while it was sent")
            left -= len(piece)
            yield piece
    finally:
        file.close()


def _quoted(name: str) -> str:
    """As browsers do it: https://html.spec.whatwg.org/#multipart-form-data"""
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
