"""The header of a file: what it is and how large, in milliseconds and before any pixel is read."""

from collections.abc import Callable
from pathlib import Path

import pyvips

from pool.fault import Fault, Refused
from pool.formats import ANIMATED
from pool.hevc import missing_decoder
from pool.plan import page_outside
from pool.records import Header, Limits, ProbeTask
from pool.sniff import READABLE, SNIFFED_BYTES, sniff
from pool.svg import sanitised
from pool.vips import allow_drawings, decoding_fault


def load_drawing(path: str, **options: object) -> pyvips.Image:
    """Rendered from memory, so that nothing in it can be relative to a folder."""
    allow_drawings()
    return pyvips.Image.svgload_buffer(sanitised(path), **options)


# Any kind of call: each loader has options of its own.
LOADERS: dict[str, Callable[..., pyvips.Image]] = {
    "jpeg": pyvips.Image.jpegload,
    "png": pyvips.Image.pngload,
    "webp": pyvips.Image.webpload,
    "avif": pyvips.Image.heifload,
    "heif": pyvips.Image.heifload,
    "gif": pyvips.Image.gifload,
    "tiff": pyvips.Image.tiffload,
    "svg": load_drawing,
}

PAGED = ("gif", "webp", "tiff", "heif", "avif")  # loaders that take a page

BITS = {"uchar": 8, "char": 8, "ushort": 16, "short": 16, "double": 64}  # all others: 32


def read_header(task: ProbeTask) -> Header | Fault:
    """What the file says of itself, or why it is not taken."""
    kind = _kind(task)
    if isinstance(kind, Fault):
        return kind
    page = {"page": task.page} if task.page and kind in PAGED else {}
    try:
        image = LOADERS[kind](task.path, access="sequential", **page)
        header = header_of(image, kind)
    except Refused as refused:
        return refused.fault
    except pyvips.Error as error:
        return _page_fault(task, kind) or decoding_fault(error)
    missing = missing_decoder(image) if kind == "heif" else None
    return missing or _passed_limit(header, task.limits) or header


def header_of(image: pyvips.Image, kind: str) -> Header:
    """The header of an opened, not yet decoded image."""
    orientation = _number(image, "orientation", 1)
    is_turned = 5 <= orientation <= 8
    return Header(
        format=kind,
        width=image.height if is_turned else image.width,
        height=image.width if is_turned else image.height,
        bands=image.bands,
        frames=_number(image, "n-pages", 1),
        progressive=bool(_number(image, "interlaced", 0)),
        has_alpha=bool(image.hasalpha()),
        bits=BITS.get(image.format, 32),
        orientation=orientation if 1 <= orientation <= 8 else 1,
        has_less_colour=_text(image, "jpeg-chroma-subsample").startswith("4:2:"),
    )


def _kind(task: ProbeTask) -> str | Fault:
    with Path(task.path).open("rb") as file:
        head = file.read(SNIFFED_BYTES)
    if not head:
        return Fault("not_an_image", "expected a picture, got an empty file")
    kind = sniff(head)
    if kind is None:
        return Fault(
            "not_an_image",
            f"expected a picture ({', '.join(task.limits.formats)}), got a file of another kind",
        )
    if kind not in READABLE or kind not in task.limits.formats:
        wanted = ", ".join(task.limits.formats)
        return Fault("unsupported_format", f"expected one of {wanted}, got {kind}")
    return kind


def _page_fault(task: ProbeTask, kind: str) -> Fault | None:
    """Of a page that opens no picture: whether there is such a page at all."""
    if not task.page or kind not in PAGED:
        return None
    first = read_header(ProbeTask(task.path, task.limits))
    if not isinstance(first, Header) or task.page < first.frames:
        return None
    return page_outside(first.frames, task.page)


def _passed_limit(header: Header, limits: Limits) -> Fault | None:
    side, pixels = max(header.width, header.height), header.width * header.height
    if header.format in ANIMATED:
        pixels *= header.frames
    if side > limits.max_side:
        detail = f"the picture is {side} pixels long; at most {limits.max_side} are taken"
        return Fault("too_many_pixels", detail, limit=limits.max_side, actual=side)
    if pixels > limits.max_pixels:
        detail = f"the picture has {pixels} pixels; at most {limits.max_pixels} are taken"
        return Fault("too_many_pixels", detail, limit=limits.max_pixels, actual=pixels)
    if header.frames > limits.max_frames:
        detail = f"the file has {header.frames} frames; at most {limits.max_frames} are taken"
        return Fault("too_many_frames", detail, limit=limits.max_frames, actual=header.frames)
    return None


def _number(image: pyvips.Image, field: str, default: int) -> int:
    return int(image.get(field)) if image.get_typeof(field) else default


def _text(image: pyvips.Image, field: str) -> str:
    return str(image.get(field)) if image.get_typeof(field) else ""
