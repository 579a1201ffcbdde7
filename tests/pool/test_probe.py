"""The header alone: what is told, what is refused, and that no pixel is read."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import pyvips

from pool import Fault, Header, Limits, ProbeTask
from pool.probe import read_header
from pool.sniff import sniff
from tests.pool.pictures import LIMITS, noise, waves


def probed(path: Path, limits: Limits = LIMITS) -> Header | Fault:
    return read_header(ProbeTask(str(path), limits))


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds one line of nothing."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0")),
        (b"IEND", b""),
    )
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_an_image"),
        (b"hello, I am a text", "not_an_image"),
        (b"\0" * 600, "not_an_image"),
        (b"\xff\xd8\xff", "corrupt_image"),
        (b"GIF89a", "corrupt_image"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "corrupt_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "unsupported_format"),
        (b"<?xml version='1.0'?>\n<svg/>", "unsupported_format"),
        (b"%PDF-1.7", "unsupported_format"),
        (b"BM" + b"\0" * 60, "unsupported_format"),
    ],
    ids=range(10),
)
def test_what_is_no_picture_is_told_apart_by_content(
    tmp_path: Path, content: bytes, code: str
) -> None:
    path = tmp_path / "named.jpg"
    path.write_bytes(content)

    fault = probed(path)

    assert isinstance(fault, Fault)
    assert fault.code == code
    assert str(tmp_path) not in fault.detail


def test_a_kind_that_is_not_accepted_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    waves(8, 8).pngsave(str(path))

    fault = probed(path, replace(LIMITS, formats=("jpeg", "webp")))

    assert fault == Fault("unsupported_format", "expected one of jpeg, webp, got png")


def test_a_huge_promise_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(65_000, 65_000))

    fault = probed(path)

    assert isinstance(fault, Fault)
    assert fault.code == "too_many_pixels"
    assert (fault.limit, fault.actual) == (100_000_000, 4_225_000_000)


def test_a_side_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.png"
    path.write_bytes(png_header(9000, 2))

    fault = probed(path, replace(LIMITS, max_side=8000))

    assert isinstance(fault, Fault)
    assert (fault.code, fault.limit, fault.actual) == ("too_many_pixels", 8000, 9000)


def test_too_many_frames_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "source.gif"
    frames = noise(10, 50).copy()
    frames.set_type(pyvips.GValue.gint_type, "page-height", 10)
    frames.gifsave(str(path))

    fault = probed(path, replace(LIMITS, max_frames=3))

    assert isinstance(fault, Fault)
    assert (fault.code, fault.limit, fault.actual) == ("too_many_frames", 3, 5)


@pytest.mark.parametrize("is_progressive", [True, False])
def test_a_progressive_jpeg_is_known_by_its_header(tmp_path: Path, is_progressive: bool) -> None:
    path = tmp_path / "source.jpg"
    waves(60, 40).jpegsave(str(path), interlace=is_progressive)

    assert probed(path) == Header(
        format="jpeg",
        width=60,
        height=40,
        bands=3,
        frames=1,
        progressive=is_progressive,
        has_alpha=False,
        bits=8,
        orientation=1,
        has_less_colour=True,
    )


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "avif"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1miaf", "avif"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heif"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42mp41", None),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"MM\0*\0\0\0\x08", "tiff"),
        (b"\xff\x0a", "jxl"),
    ],
)
def test_sniffing_reads_brands_and_signatures(head: bytes, kind: str | None) -> None:
    assert sniff(head) == kind
