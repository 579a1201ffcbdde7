"""One picture given to a service that speaks as much of our HTTP as the benchmarks need."""

import asyncio
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from aiohttp import ClientSession


async def upload(session: ClientSession, path: Path, recipe: Mapping[str, Any]) -> str:
    """The job's id, as soon as it is accepted. Raises RuntimeError when it is not."""
    headers = {"Content-Type": "image/jpeg", "Prefer": "respond-async"}
    body = await asyncio.to_thread(path.read_bytes)
    async with session.post(
        "/upload", params={"options": json.dumps(recipe)}, data=BytesIO(body), headers=headers
    ) as response:
        if response.status != 202:
            raise RuntimeError(f"{response.status} {await response.text()}")
        return str((await response.json())["jobId"])
