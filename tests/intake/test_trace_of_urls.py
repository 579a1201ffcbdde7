"""The way of a picture that was fetched."""

from typing import Any

from aiohttp import ClientSession

from tests.edge.forms import AT_ONCE, end_of
from tests.intake.asking import ask
from tests.intake.conftest import PICTURE
from tests.intake.origin import Origin

FETCHED = [
    *("order", "wait to fetch", "fetch", "download", "spool", "probe", "check", "store original"),
    "admit",
]


async def trace_of(client: ClientSession, job_id: str) -> dict[str, Any]:
    async with client.get(f"/job/{job_id}/trace") as response:
        trace: dict[str, Any] = await response.json()
    assert response.status == 200
    return trace


async def test_a_url_shows_how_it_was_fetched(
    fetching_client: ClientSession, origin: Origin
) -> None:
    url = origin.bytes("/shown.jpg", PICTURE + b"\0")
    answer = await ask(fetching_client, imageUrl=f"{url}?token=secret", options={"format": "png"})

    trace = await trace_of(fetching_client, answer["jobId"])
    hops = [one for one in trace["hops"] if one["name"] not in ("publish", "record")]
    names = [one["name"] for one in hops]
    assert names[: len(FETCHED)] == FETCHED
    assert names[len(FETCHED) :][:3] == ["wait", "claim", "prepare"]
    assert names[-1] == "settle"
    assert all(one["durationMs"] >= 0 for one in hops)
    assert hops[2]["message"]["url"] == f"{url}?…"
    assert "secret" not in str(trace)


async def test_a_url_that_fails_shows_each_attempt(
    fetching_client: ClientSession, origin: Origin
) -> None:
    body = {"imageUrl": origin.url("/nothing-here.jpg")}
    async with fetching_client.post("/process", json=body, headers=AT_ONCE) as response:
        job_id = (await response.json())["jobId"]
    assert (await end_of(fetching_client, job_id))["status"] == "failed"

    trace = await trace_of(fetching_client, job_id)
    names = [one["name"] for one in trace["hops"] if one["name"] not in ("publish", "record")]
    assert names == ["order", "wait to fetch", "fetch"]
