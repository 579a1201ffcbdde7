"""What every refusal must look like, whoever sends it and however it was provoked."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import ClientResponse

LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|/work|/tmp|/home|aiohttp|vips|orjson|pydantic|valkey"
    r"|spool|originals/|\bb'|0x[0-9a-f]{6}",
    re.IGNORECASE,
)
MEMBERS = {"type", "title", "status", "detail", "limit", "actual", "requestId", "jobId"}


async def problem(response: ClientResponse) -> dict[str, Any]:
    """The checked problem of a response; `code` is the end of its type."""
    return checked_problem(response.status, response.headers, await response.read())


def checked_problem(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The same for an answer that was read by hand."""
    assert headers["Content-Type"].startswith("application/problem+json"), body
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    found: dict[str, Any] = orjson.loads(body)
    assert set(found) <= MEMBERS
    assert found["status"] == status
    assert found["title"] and found["detail"]
    assert found["requestId"]
    assert headers.get("X-Request-Id", found["requestId"]) == found["requestId"]
    assert ("limit" in found) == ("actual" in found)
    assert LEAKS.search(body.decode()) is None, body
    assert len(body) < 1000
    found["code"] = found["type"].removeprefix("/problems/")
    return found
