"""A lane that is kept busy: by a job that lasts until it is cancelled."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from aiohttp import ClientSession
from PIL import Image

from tests.edge.forms import end_of, upload
from tests.edge.traces import eventually, is_idle, traces
from tests.server_process import ServerProcess

# Sixteen slow files of one picture: much work, stopped long before its end.
SLOW = {
    "resize": {"width": 3000, "height": 3000, "fit": "fill"},
    "format": "avif",
    "variants": [{"name": f"slow{number}", "quality": 50 + number} for number in range(16)],
}


@asynccontextmanager
async def busy_lane(client: ClientSession, server: ServerProcess) -> AsyncIterator[str]:
    """Until this ends, the only lane of the server works and claims nothing else.

    Yields the id of the job that it works on.
    """
    await eventually(lambda: is_idle(server))
    job_id = (await upload(client, _large(), options=SLOW, at_once=True))["jobId"]
    await eventually(lambda: traces(server).counters["processing"] == 1)
    try:
        yield job_id
    finally:
        async with client.delete(f"/job/{job_id}") as response:
            await response.read()
        assert (await end_of(client, job_id))["status"] == "cancelled"


@cache
def _large() -> bytes:
    """More pixels than a lane takes a second job in hand for."""
    file = io.BytesIO()
    Image.radial_gradient("L").resize((6000, 4200)).convert("RGB").save(file, "JPEG")
    return file.getvalue()
