"""What a client has already: If-None-Match, and Range for one range (RFC 9110, sections 13, 14)."""

import re
from dataclasses import dataclass

from aiohttp import web

from server.refusals import Refusal

# 18 digits are beyond any file; Python refuses to read numbers of thousands of digits.
_ONE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class NotSatisfiable(Refusal):
    """The range lies behind the end."""

    status, code, title = 416, "range_not_satisfiable", "The picture has no such bytes"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a file, in bytes."""

    start: int
    length: int


def is_known(request: web.Request, etag: str) -> bool:
    """If-None-Match: the client has it; compared weakly (RFC 9110, 13.1.2)."""
    header = request.headers.get("If-None-Match")
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags


def asked_range(request: web.Request, size: int, etag: str) -> ByteRange | None:
    """The part that is asked for; None means all. A range that is no range is ignored."""
    found = _ONE_RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if found is None or found.group() == "bytes=-":
        return None
    if request.headers.get("If-Range", etag) != etag:
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size:
        raise NotSatisfiable(f"The file has {size} bytes.", limit=size, actual=start)
    return ByteRange(start, end - start)
