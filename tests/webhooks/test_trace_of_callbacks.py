"""A webhook as the last hop of a picture's way."""

import asyncio
from typing import Any

from aiohttp import ClientSession, web

from tests.edge.forms import form
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually
from tests.patience import PATIENCE_S
from tests.webhooks.receiver import Receiver


async def posted(client: ClientSession, job_id: str, times: int) -> list[dict[str, Any]]:
    """The webhooks in a job's trace, once there are so many."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with client.get(f"/job/{job_id}/trace") as response:
                trace = await response.json()
            found = [one for one in trace["hops"] if one["name"] == "webhook"]
            if len(found) >= times:
                return found
            await asyncio.sleep(0.05)


async def test_trace_shows_each_attempt_with_what_was_said(
    client: ClientSession, receiver: Receiver
) -> None:
    answers = iter((503, 204))
    url = receiver.at("/traced", lambda _: web.Response(status=next(answers)))
    data = form(("a.jpg", jpeg()), callbackUrl=f"{url}?token=secret")
    async with client.post("/upload", data=data) as response:
        job_id = (await response.json())["jobId"]
    await eventually(receiver.has("/traced", 2))

    failed, good = await posted(client, job_id, 2)
    assert [one["message"]["answer"]["status"] for one in (failed, good)] == [503, 204]
    assert good["part"] == "notification"
    assert good["startMs"] >= failed["startMs"] + failed["durationMs"]
    assert good["message"]["line"] == f"POST {url}?…"
    assert good["message"]["body"] == receiver.messages["/traced"][1].said
