"""Pictures and what is asked for of them, for tests of what is made on first ask."""

import io
import json
from typing import Any

from aiohttp import ClientResponse, ClientSession
from PIL import Image
from yarl import URL

from server.jobs import names
from tests.edge.forms import form
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import redis_of
from tests.server_process import ServerProcess

NOBODYS = "a" * 24
PRESETS = {
    "thumb": {"resize": {"width": 20, "height": 10, "fit": "cover"}, "format": "webp"},
    **{f"icon{number}": {"resize": {"width": number}} for number in range(1, 9)},
    "outside": {"crop": {"x": 5000, "y": 0, "width": 10, "height": 10}},
    "marked": {"watermark": {"imageId": NOBODYS}},
    "late": {"negotiate": ["webp", "jpeg"], "negotiateOnAsk": True},
    "choice": {"negotiate": ["webp", "jpeg"], "resize": {"width": 12}},
}
WAIT_S = 5.0
MAX_DEPTH = 8
"""Asks may use the half."""


async def send(owner: ClientSession, options: object = None, **fields: str) -> str:
    """A picture of its own; its id."""
    data = form(("cat.jpg", jpeg(80, 60)), options=json.dumps(options or {}), **fields)
    async with owner.post("/upload", data=data) as response:
        answer: dict[str, Any] = await response.json()
    assert answer.get("status") == "completed", answer
    return str(answer["imageId"])


async def sign(owner: ClientSession, image_id: str, **wish: object) -> URL:
    """An address that needs no key."""
    async with owner.post(f"/image/{image_id}/sign", json=wish) as response:
        assert response.status == 200, await response.text()
        return URL((await response.json())["url"], encoded=True)


async def code_of(client: ClientSession, url: str | URL, **headers: str) -> tuple[int, str]:
    """A refusal that no cache keeps."""
    async with client.get(url, headers=headers) as response:
        found = await problem(response)
    assert response.headers["Cache-Control"] == "no-store"
    return response.status, found["code"]


async def image_of(response: ClientResponse) -> Image.Image:
    """What was answered, opened."""
    assert response.status == 200, await response.text()
    return Image.open(io.BytesIO(await response.read()))


def counter(server: ServerProcess, name: str) -> int:
    """One of the queue's."""
    with redis_of(server) as redis:
        return int(redis.hget(names.QUEUE, name) or 0)  # type: ignore[arg-type]  # not async here


def made_of(server: ServerProcess, image_id: str) -> dict[str, str]:
    """What stands with a picture."""
    with redis_of(server) as redis:
        return redis.hgetall(names.DERIVED + image_id)  # type: ignore[return-value]  # the same
