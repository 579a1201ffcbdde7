"""Requests to POST /process, and what came of them."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from aiohttp import ClientSession

from tests.edge.forms import AT_ONCE

NDJSON = {"Content-Type": "application/x-ndjson"}


async def ask(client: ClientSession, *, at_once: bool = False, **body: object) -> dict[str, Any]:
    """One JSON request without a fault, and the answer."""
    headers = AT_ONCE if at_once else {}
    async with client.post("/process", json=body, headers=headers) as response:
        answer: dict[str, Any] = await response.json()
    assert response.status in (200, 202), answer
    return answer


async def ask_in_lines(
    client: ClientSession, lines: Iterable[object] | AsyncIterator[bytes] | bytes, **query: str
) -> dict[str, Any]:
    """A stream without a fault of its own, and the answer."""
    data = lines if isinstance(lines, bytes | AsyncIterator) else in_lines(lines)
    async with client.post("/process", data=data, headers=NDJSON, params=query) as response:
        answer: dict[str, Any] = await response.json()
    assert response.status == 202, answer
    return answer


def in_lines(asked: Iterable[object]) -> bytes:
    """Each as JSON on a line of its own; bytes as they are."""
    return b"".join(
        (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in asked
    )
