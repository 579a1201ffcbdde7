"""The same picture twice, private pictures, and the end of a picture's time, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import ClientSession, TCPConnector

from server.jobs import names
from tests import server_process
from tests.edge.busy import SLOW
from tests.edge.forms import AT_ONCE, status_of
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import eventually, files_of, redis_of
from tests.server_process import ServerProcess

HEADERS = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One lane, so that what is sent together is under way together."""
    server = server_process.start(
        tmp_path_factory.mktemp("same-server") / "data",
        environment={
            "SAFELIGHT_POOL__MAX_LANES": "1",
            "SAFELIGHT_IMAGES__MAX_EXPIRES_IN_S": "60",
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def ann(server: ServerProcess) -> AsyncIterator[ClientSession]:
    async with ClientSession(server.url, connector=TCPConnector(limit=0)) as session:
        yield session


@pytest_asyncio.fixture
async def bob(server: ServerProcess) -> AsyncIterator[ClientSession]:
    """Another client, by its address."""
    connector = TCPConnector(local_addr=("127.0.0.2", 0))
    async with ClientSession(server.url, connector=connector) as session:
        yield session


async def send(
    client: ClientSession, picture: bytes, *, options: object = None, **query: str
) -> dict[str, Any]:
    """One picture that ends well within the time that an upload waits."""
    params = {"options": orjson.dumps(options or {}).decode(), **query}
    async with client.post("/upload", data=picture, params=params, headers=HEADERS) as response:
        answer: dict[str, Any] = await response.json()
        assert response.status == 200, answer
    return answer


async def status_code(client: ClientSession, image_id: str) -> int:
    async with client.get(f"/image/{image_id}") as response:
        return response.status


async def remove(client: ClientSession, image_id: str) -> None:
    async with client.delete(f"/image/{image_id}") as response:
        assert (response.status, await response.read()) == (204, b"")


def counter(server: ServerProcess, name: str) -> int:
    with redis_of(server) as redis:
        return int(redis.hget(names.QUEUE, name) or 0)  # type: ignore[arg-type]  # not async here


async def test_hundred_uploads_of_one_picture_are_one_work(
    server: ServerProcess, ann: ClientSession
) -> None:
    picture, before = jpeg(800, 600), counter(server, "developed")

    answers = await asyncio.gather(*(send(ann, picture) for _ in range(100)))

    assert counter(server, "developed") == before + 1
    assert len({answer["jobId"] for answer in answers}) == 100
    assert {len(answer["variants"]) for answer in answers} == {1}
    assert await status_code(ann, answers[-1]["imageId"]) == 200


async def test_picture_that_was_made_before_is_answered_from_what_is_there(
    ann: ClientSession,
) -> None:
    picture = jpeg()
    first = await send(ann, picture)

    again = await send(ann, picture)
    async with ann.post("/upload", data=picture, headers=HEADERS | AT_ONCE) as response:
        at_once = (response.status, (await response.json())["cached"])
    async with ann.get(f"/job/{again['jobId']}") as response:
        details = await response.json()
    async with ann.get(first["url"]) as one, ann.get(again["url"]) as other:
        assert await one.read() == await other.read()

    assert (first["cached"], again["cached"], at_once) == (False, True, (200, True))
    assert (await status_of(ann, again["jobId"]))["cached"] is True
    assert (details["cached"], details["attempts"]) == (True, 0)


async def test_another_recipe_is_another_result(ann: ClientSession) -> None:
    picture = jpeg()
    await send(ann, picture)

    other = await send(ann, picture, options={"resize": {"width": 16}})

    assert other["cached"] is False
    assert other["variants"][0]["width"] == 16


async def test_watermark_counts_by_what_it_shows(ann: ClientSession) -> None:
    picture, marks = jpeg(), [await send(ann, jpeg(8, 8)) for _ in range(2)]

    answers = [
        await send(ann, picture, options={"watermark": {"imageId": mark["imageId"]}})
        for mark in (marks[0], marks[0], marks[1])
    ]

    assert [answer["cached"] for answer in answers] == [False, True, False]


async def test_failed_watermark_is_no_fault_of_the_picture(ann: ClientSession) -> None:
    mark = (await send(ann, jpeg(8, 8)))["imageId"]
    await remove(ann, mark)
    options = orjson.dumps({"watermark": {"imageId": mark}}).decode()
    async with ann.post(
        "/upload", data=jpeg(), params={"options": options}, headers=HEADERS
    ) as response:
        found = await problem(response)
        assert (found["status"], found["code"]) == (422, "asset_not_found")

    async with ann.post(f"/job/{found['jobId']}/retry") as response:
        assert response.status == 202  # its original was kept


async def test_private_picture_is_known_to_its_client_alone(
    ann: ClientSession, bob: ClientSession
) -> None:
    picture = jpeg()
    await send(ann, picture, private="true")

    mine = await send(ann, picture, private="true")
    yours = await send(bob, picture, private="true")
    public = await send(bob, picture)

    assert [one["cached"] for one in (mine, yours, public)] == [True, False, False]
    assert (await status_of(ann, mine["jobId"]))["private"] is True


async def test_removed_picture_is_gone_and_others_like_it_stay(
    server: ServerProcess, ann: ClientSession, bob: ClientSession
) -> None:
    picture = jpeg()
    mine, yours = await send(ann, picture), await send(bob, picture)

    await remove(ann, mine["imageId"])

    assert await status_code(ann, mine["imageId"]) == 410
    assert await status_code(bob, yours["imageId"]) == 200
    assert (await status_of(ann, mine["jobId"]))["status"] == "expired"
    await remove(bob, yours["imageId"])
    made_by = mine["jobId"]
    await eventually(lambda: not any(made_by in name for name in files_of(server)))


async def test_removed_running_picture_is_stopped_first(
    server: ServerProcess, ann: ClientSession
) -> None:
    async with ann.post(
        "/upload",
        data=jpeg(1200, 900),
        params={"options": orjson.dumps(SLOW).decode()},
        headers=HEADERS | AT_ONCE,
    ) as response:
        job_id = (await response.json())["jobId"]
    await eventually(lambda: counter(server, "processing") == 1)

    await remove(ann, job_id)

    assert await status_code(ann, job_id) == 410
    assert counter(server, "processing") == 0
    await eventually(lambda: not any(job_id in name for name in files_of(server)))


async def test_unknown_picture_and_batch_cannot_be_removed(ann: ClientSession) -> None:
    for unknown in ("nothing", "batch-nothing"):
        async with ann.delete(f"/image/{unknown}") as response:
            assert (await problem(response))["code"] == "not_found"


async def test_picture_goes_when_its_own_time_is_over(
    server: ServerProcess, ann: ClientSession
) -> None:
    picture = jpeg()
    short, usual = await send(ann, picture, expiresIn="1"), await send(ann, picture)

    await eventually(lambda: _status(server, short["jobId"]) == "expired")

    assert await status_code(ann, short["imageId"]) == 410
    assert await status_code(ann, usual["imageId"]) == 200


def _status(server: ServerProcess, job_id: str) -> str | None:
    with redis_of(server) as redis:
        return redis.hget(names.job(job_id), "status")  # type: ignore[return-value]  # not async here


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("private", "perhaps", "true or false"),
        ("expiresIn", "0", "from 1 to 60"),
        ("expiresIn", "61", "from 1 to 60"),
        ("expiresIn", "1.5", "whole seconds"),
        ("expiresIn", "9" * 5000, "from 1 to 60"),
    ],
)
async def test_wrong_wish_is_refused(
    ann: ClientSession, field: str, value: str, wanted: str
) -> None:
    async with ann.post("/upload", data=jpeg(), params={field: value}, headers=HEADERS) as response:
        found = await problem(response)

    assert found["code"] == "bad_request"
    assert field in found["detail"]
    assert wanted in found["detail"]
