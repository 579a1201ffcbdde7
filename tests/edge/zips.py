"""ZIP files as programs write them, and such that none would."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable

DEFLATED, STORED = zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes], method: int = DEFLATED) -> bytes:
    """An ordinary archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content, compress_type=method)
    return packed.getvalue()


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    """A symbolic link, as Unix programs pack it."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = 0o120777 << 16
    return info, target.encode()


def streamed(*files: tuple[str, bytes]) -> bytes:
    """As written to a pipe: sizes stand behind the bytes and in the directory only; zip64."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.written = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data) -> int:  # type: ignore[no-untyped-def, override]  # any buffer
            self.written += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", DEFLATED) as archive:
        for name, content in files:
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
    return bytes(pipe.written)


def local(name: bytes, packed: bytes, *, size: int, crc: int, method: int = 8) -> bytes:
    """A local header and what follows it."""
    sizes = (crc, len(packed), size, len(name), 0)
    return struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, method, 0, 33, *sizes) + name + packed


def central(
    name: bytes, *, packed: int, size: int, crc: int, offset: int, flags: int = 0, method: int = 8
) -> bytes:
    """An entry of the directory."""
    return (
        struct.pack(
            *("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, flags, method, 0, 33),
            *(crc, packed, size, len(name), 0, 0, 0, 0, 0, offset),
        )
        + name
    )


def directory(at: int, entries: Iterable[bytes], *, count: int | None = None) -> bytes:
    """All entries and the end of the archive."""
    listed = list(entries)
    number, length = len(listed) if count is None else count, sum(map(len, listed))
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, number, number, length, at, 0)
    return b"".join(listed) + end


def deflated(content: bytes) -> bytes:
    """Raw Deflate, as it stands in archives."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def overlapping(copies: int, content: bytes) -> bytes:
    """One kernel of bytes that many entries of the directory point at (full overlap)."""
    packed, crc = deflated(content), zlib.crc32(content)
    kernel = local(b"a.png", packed, size=len(content), crc=crc)
    entry = central(b"a.png", packed=len(packed), size=len(content), crc=crc, offset=0)
    return kernel + directory(len(kernel), [entry] * copies)


def quoted_overlap(content: bytes) -> bytes:
    """Fifield's way: the first file is a stored block that holds the second file's header."""
    packed, crc = deflated(content), zlib.crc32(content)
    inner = local(b"b.png", packed, size=len(content), crc=crc)
    outer = local(b"a.png", inner, size=len(inner), crc=zlib.crc32(inner), method=0)
    size, at = len(inner), len(outer) - len(inner)
    return outer + directory(
        len(outer),
        [
            central(b"a.png", packed=size, size=size, crc=zlib.crc32(inner), offset=0, method=0),
            central(b"b.png", packed=len(packed), size=len(content), crc=crc, offset=at),
        ],
    )
