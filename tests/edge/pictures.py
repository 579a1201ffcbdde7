"""Pictures as bytes: real ones by Pillow, and such that no program would write."""

import io
import struct
import zlib

from PIL import Image


def jpeg(width: int = 64, height: int = 48) -> bytes:
    """A small picture with detail in it."""
    return _saved(width, height, "JPEG", quality=85)


def png(width: int = 8, height: int = 8) -> bytes:
    """A small picture without loss."""
    return _saved(width, height, "PNG")


def announced_png(width: int, height: int) -> bytes:
    """A valid head of any size before next to no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(64))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, content)
        for kind, content in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def _saved(width: int, height: int, kind: str, **options: int) -> bytes:
    image = Image.effect_noise((width, height), 60).convert("RGB")
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
