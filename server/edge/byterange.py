"""The Range header (RFC 9110, section 14) for one range of bytes; several are answered whole."""

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
