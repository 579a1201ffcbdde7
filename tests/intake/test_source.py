"""Every way in is written down: in GET /job/{id}, in the history and in what it is asked by."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession

from server.jobs.source import Source
from tests.edge.forms import end_of, form, upload
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.tus_requests import create
from tests.edge.zips import zipped
from tests.intake.asking import ask, ask_in_lines
from tests.intake.origin import Origin

Way = Callable[[ClientSession, Origin], Awaitable[str]]
RAW = {"Content-Type": "image/jpeg"}


async def by_form(client: ClientSession, origin: Origin) -> str:
    return str((await upload(client, jpeg(31, 20)))["jobId"])


async def by_body(client: ClientSession, origin: Origin) -> str:
    async with client.post("/upload", data=jpeg(32, 20), headers=RAW) as response:
        return str((await response.json())["jobId"])


async def by_zip(client: ClientSession, origin: Origin) -> str:
    """A plain picture beside it comes by its own way."""
    data = form(("all.zip", zipped(("a.jpg", jpeg(33, 20)))), ("b.jpg", jpeg(34, 20)))
    async with client.post("/upload", data=data) as response:
        answer = await response.json()
    inner, outer = [one["imageId"] for one in answer["images"]]
    await end_of(client, answer["jobId"])
    assert (await details(client, outer))["source"] == "upload"
    return str(inner)


async def by_tus(client: ClientSession, origin: Origin) -> str:
    content = jpeg(35, 20)
    response = await create(client, len(content), begin=content, filename="a.jpg")
    assert response.status == 201
    return response.headers["Location"].rsplit("/", 1)[-1]


async def by_own_url(client: ClientSession, origin: Origin) -> str:
    async with client.post("/uploads", json={"filename": "a.jpg"}) as response:
        begun = await response.json()
    async with client.put(begun["url"], data=jpeg(36, 20), headers=begun["headers"]) as response:
        return str((await response.json())["jobId"])


async def by_url(client: ClientSession, origin: Origin) -> str:
    origin.bytes("/one.jpg", jpeg(37, 20))
    return str((await ask(client, imageUrl=origin.url("/one.jpg")))["jobId"])


async def by_list(client: ClientSession, origin: Origin) -> str:
    origin.bytes("/two.jpg", jpeg(38, 20))
    answer = await ask_in_lines(client, [{"imageUrl": origin.url("/two.jpg")}])
    await end_of(client, answer["jobId"])
    async with client.get("/jobs", params={"batch": answer["jobId"]}) as response:
        [job] = (await response.json())["jobs"]
    return str(job["jobId"])


async def by_image_id(client: ClientSession, origin: Origin) -> str:
    first = await upload(client, jpeg(39, 20))
    options = {"format": "png"}
    return str((await ask(client, imageId=first["jobId"], options=options))["jobId"])


WAYS: dict[Source, Way] = {
    Source.UPLOAD: by_form,
    Source.RAW: by_body,
    Source.ZIP: by_zip,
    Source.TUS: by_tus,
    Source.PRESIGNED: by_own_url,
    Source.URL: by_url,
    Source.NDJSON: by_list,
    Source.ORIGINAL: by_image_id,
}


async def details(client: ClientSession, job_id: str) -> dict[str, Any]:
    async with client.get(f"/job/{job_id}") as response:
        found: dict[str, Any] = await response.json()
    assert response.status == 200, found
    return found


@pytest.mark.parametrize("source", WAYS, ids=lambda source: str(source))
async def test_the_way_in_is_known_and_can_be_asked_for(
    fetching_client: ClientSession, origin: Origin, source: Source
) -> None:
    job_id = await WAYS[source](fetching_client, origin)
    await end_of(fetching_client, job_id)
    async with fetching_client.get("/jobs", params={"source": source.value}) as response:
        listed = (await response.json())["jobs"]

    assert (await details(fetching_client, job_id))["source"] == source
    assert job_id in [one["jobId"] for one in listed]
    assert {one["source"] for one in listed} == {source}


async def test_a_way_that_there_is_not_cannot_be_asked_for(fetching_client: ClientSession) -> None:
    async with fetching_client.get("/jobs", params={"source": "fax"}) as response:
        found = await problem(response)

    assert found["status"] == 400
    assert "source: expected one of upload, raw" in found["detail"]
