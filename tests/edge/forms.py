"""Requests as a client library writes them."""

import asyncio
import io
import json
from typing import Any

from aiohttp import ClientSession, FormData

from tests.patience import PATIENCE_S

AT_ONCE = {"Prefer": "respond-async"}
ENDED = ("completed", "failed", "cancelled")
POLL_S = 20.0


def form(*files: tuple[str, bytes], **fields: str) -> FormData:
    """Files by name, then fields."""
    data = FormData(default_to_multipart=True)
    for name, content in files:
        data.add_field("file", io.BytesIO(content), filename=name)
    for name, value in fields.items():
        data.add_field(name, value)
    return data


async def upload(
    client: ClientSession, *files: bytes, options: object = None, at_once: bool = False
) -> dict[str, Any]:
    """Files without a fault, and the answer to them."""
    named = [(f"{number}.jpg", content) for number, content in enumerate(files, start=1)]
    data = form(*named, options=json.dumps(options or {}))
    async with client.post("/upload", data=data, headers=AT_ONCE if at_once else {}) as response:
        answer: dict[str, Any] = await response.json()
    assert response.status in (200, 202), answer
    return answer


async def status_of(client: ClientSession, job_id: str, *, wait_s: float = 0) -> dict[str, Any]:
    """How a job or batch stands, when it ends or at the latest after the time."""
    async with client.get(f"/status/{job_id}", params={"wait": str(wait_s)}) as response:
        assert response.status == 200
        status: dict[str, Any] = await response.json()
    return status


async def until_worked_on(client: ClientSession, job_id: str) -> None:
    """Its worker has begun: one that is killed before that is not to blame."""
    async with asyncio.timeout(PATIENCE_S):
        while not (await status_of(client, job_id))["progress"]:  # noqa: ASYNC110 (told nowhere)
            await asyncio.sleep(0.02)


async def end_of(client: ClientSession, watched_id: str) -> dict[str, Any]:
    """How a job or batch stands when it has ended, whatever came of it."""
    async with asyncio.timeout(3 * PATIENCE_S):
        while True:
            status = await status_of(client, watched_id, wait_s=POLL_S)
            if status["status"] in ENDED:
                return status
