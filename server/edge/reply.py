"""JSON as this service sends it."""

from typing import Any

import orjson
from aiohttp import web


def json_body(value: Any) -> bytes:
    """Compact JSON with a line's end, for people who use curl."""
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def reply(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON response."""
    return web.Response(
        body=json_body(value), status=status, headers=headers, content_type="application/json"
    )
