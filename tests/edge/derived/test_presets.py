"""GET /image/{id}/{preset}: made once when first asked for, then as any variant."""

import asyncio
from urllib.request import Request, urlopen

import orjson
from aiohttp import ClientSession

from tests.edge.busy import busy_lane
from tests.edge.derived.asking import MAX_DEPTH, code_of, counter, image_of, made_of, send, sign
from tests.edge.forms import form
from tests.edge.gated import bearer
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import eventually, files_of, redis_of
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess


async def test_however_many_ask_at_once_it_is_made_once(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    image_id, before = await send(owner), counter(server, "developed")

    async def ask() -> tuple[int, str]:
        async with client.get(f"/image/{image_id}/thumb") as response:
            await response.read()
            return response.status, response.headers.get("ETag", "")

    told = await asyncio.gather(*(ask() for _ in range(60)))

    assert len(set(told)) == 1
    assert told[0][0] == 200
    assert counter(server, "developed") == before + 1


async def test_afterwards_it_is_as_any_variant(client: ClientSession, owner: ClientSession) -> None:
    url = f"/image/{await send(owner)}/thumb"
    async with client.get(url) as response:
        image, etag = await image_of(response), response.headers["ETag"]
        whole = await response.read()
    async with client.get(url, headers={"If-None-Match": etag}) as again:
        assert (again.status, await again.read()) == (304, b"")
    async with client.get(url, headers={"Range": "bytes=8-11"}) as part:
        assert (part.status, await part.read()) == (206, b"WEBP")
    async with client.head(url) as head:
        assert head.headers["Content-Length"] == str(len(whole))

    assert (image.format, image.size) == ("WEBP", (20, 10))
    assert not etag.startswith("W/")
    assert "immutable" in response.headers["Cache-Control"]
    assert "Vary" not in response.headers


async def test_head_answers_as_get_would(client: ClientSession, owner: ClientSession) -> None:
    url = f"/image/{await send(owner)}/thumb"
    async with client.head(url) as head, client.get(url) as response:
        assert (head.status, head.headers["ETag"]) == (200, response.headers["ETag"])


async def test_a_preset_in_several_formats_negotiates(
    client: ClientSession, owner: ClientSession
) -> None:
    url = f"/image/{await send(owner)}/choice"
    for kind in ("webp", "jpeg"):
        async with client.get(url, headers={"Accept": f"image/{kind}"}) as response:
            assert response.headers["Content-Type"] == f"image/{kind}"
            assert response.headers["Vary"] == "Accept"
            location = response.headers["Content-Location"]
        async with client.get(location) as alone:
            assert alone.headers["ETag"] == response.headers["ETag"]


async def test_a_preset_may_have_formats_on_ask(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    image_id = await send(owner)
    headers = {"Accept": "image/webp"}
    async with client.get(f"/image/{image_id}/late", headers=headers) as response:
        assert response.headers["Content-Type"] == "image/jpeg"
        assert response.headers["Cache-Control"] == "public, max-age=30"
        assert response.headers["Vary"] == "Accept"
    (first,) = made_of(server, image_id).values()
    await eventually(lambda: "default.webp" in made_of(server, first))
    second = made_of(server, first)["default.webp"]
    async with owner.get(f"/status/{second}", params={"wait": "60"}) as response:
        assert (await response.json())["status"] == "completed"
    async with client.get(f"/image/{image_id}/late", headers=headers) as response:
        assert response.headers["Content-Type"] == "image/webp"
        location = response.headers["Content-Location"]
    async with client.get(location) as alone:
        assert alone.headers["ETag"] == response.headers["ETag"]

    async with owner.delete(f"/image/{image_id}") as response:
        assert response.status == 204
    for gone in (image_id, first, second):
        assert await code_of(client, f"/image/{gone}") == (410, "expired")
    await eventually(lambda: not any(second in name for name in files_of(server)))


async def test_a_variant_of_that_name_comes_before_the_preset(
    client: ClientSession, owner: ClientSession
) -> None:
    options = {"variants": [{"name": "thumb", "resize": {"width": 7}}]}
    async with client.get(f"/image/{await send(owner, options)}/thumb") as response:
        assert (await image_of(response)).width == 7


async def test_what_is_neither_is_not_there(client: ClientSession, owner: ClientSession) -> None:
    async with client.get(f"/image/{await send(owner)}/nothing") as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (404, "not_found")
    assert "thumb" in found["detail"]
    assert response.headers["Cache-Control"] == "no-store"


async def test_who_cannot_wait_is_told_when_to_come_again(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    image_id = await send(owner)
    async with busy_lane(owner, server):
        async with client.get(f"/image/{image_id}/thumb") as response:
            found = await problem(response)
        assert (found["status"], found["code"]) == (503, "being_made")
        assert int(response.headers["Retry-After"]) >= 1
        assert response.headers["Cache-Control"] == "no-store"
        assert list(made_of(server, image_id).values()) == [found["jobId"]]
    async with owner.get(f"/status/{found['jobId']}", params={"wait": "60"}) as response:
        assert (await response.json())["status"] == "completed"
    async with client.get(f"/image/{image_id}/thumb") as response:
        assert (await image_of(response)).size == (20, 10)


async def test_a_flood_is_bounded_and_uploads_have_room(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    pictures = [await send(owner) for _ in range(3)]

    async def ask(image_id: str, name: str) -> tuple[int, str]:
        async with client.get(f"/image/{image_id}/{name}") as response:
            found = await problem(response)
            assert int(response.headers["Retry-After"]) >= 1
            assert response.headers["Cache-Control"] == "no-store"
            return found["status"], found["code"]

    async with busy_lane(owner, server):
        assert await ask(pictures[0], "thumb") == (503, "being_made")
        asks = [ask(one, f"icon{number}") for one in pictures for number in range(1, 9)]
        told = await asyncio.gather(*asks)
        assert set(told) <= {(503, "being_made"), (429, "queue_full")}
        await eventually(lambda: counter(server, "waiting:interactive") == MAX_DEPTH // 2)
        assert await ask(pictures[0], "choice") == (429, "queue_full")
        assert await ask(pictures[0], "thumb") == (503, "being_made")  # for that there is a job
        assert sum(len(made_of(server, one)) for one in pictures) == MAX_DEPTH // 2
        async with owner.post(
            "/upload", data=form(("a.jpg", jpeg())), headers={"Prefer": "respond-async"}
        ) as response:
            assert response.status == 202
    await eventually(lambda: counter(server, "waiting:interactive") == 0)


async def test_what_cannot_be_made_is_not_tried_at_each_ask(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    image_id = await send(owner)
    (original,) = [one for one in files_of(server) if one.endswith(image_id)]
    async with client.get(f"/image/{image_id}/outside") as response:
        found = await problem(response)
    assert (found["status"], found["code"]) == (422, "crop_outside")

    (server.data_dir / original).unlink()  # whoever tried now would miss it
    async with client.get(f"/image/{image_id}/outside") as response:
        assert (await problem(response))["detail"] == found["detail"]
        assert 0 < int(response.headers["Retry-After"]) <= 300
        assert response.headers["Cache-Control"] == "no-store"
    assert await code_of(client, f"/image/{image_id}/thumb") == (410, "source_gone")


async def test_a_failed_job_answers_for_a_while(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    url, before = f"/image/{await send(owner)}/marked", counter(server, "failed")

    told = [await code_of(client, url) for _ in range(3)]

    assert told == 3 * [(422, "asset_not_found")]
    assert counter(server, "failed") == before + 1


async def test_it_belongs_to_the_picture(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    image_id = await send(owner)
    for name in ("thumb", "icon3", "outside"):
        async with client.get(f"/image/{image_id}/{name}") as response:
            await response.read()
    derived = [one for one in made_of(server, image_id).values() if not one.startswith("!")]
    for job_id in derived:
        async with owner.get(f"/job/{job_id}") as response:
            assert (await response.json())["name"] == "cat.jpg"
        async with client.get(f"/job/{job_id}") as response:
            assert response.status == 401
    assert len(derived) == 2
    await eventually(lambda: _is_in_history(server, image_id, derived))

    async with owner.delete(f"/image/{image_id}") as response:
        assert response.status == 204

    for name in ("thumb", "icon3", "outside", "icon4"):
        assert await code_of(client, f"/image/{image_id}/{name}") == (410, "expired")
    for job_id in derived:
        assert await code_of(client, f"/image/{job_id}") == (410, "expired")
    gone = {image_id, *derived}
    await eventually(lambda: not any(one in name for name in files_of(server) for one in gone))
    with redis_of(server) as redis:
        left = [key for key in redis.scan_iter() if any(one in key for one in gone)]
    assert {key.partition(":")[0] for key in left} == {"job"}


def _is_in_history(server: ServerProcess, image_id: str, job_ids: list[str]) -> bool:
    """GET /jobs tells how they came, too."""
    asked = Request(f"{server.url}/jobs?source=derived&limit=100", headers=bearer("ci"))
    with urlopen(asked, timeout=PATIENCE_S) as answer:
        found = orjson.loads(answer.read())["jobs"]
    rows = {row["jobId"]: (row["source"], row["sourceImageId"]) for row in found}
    return all(rows.get(job_id) == ("derived", image_id) for job_id in job_ids)


async def test_what_is_made_of_a_private_picture_is_private(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    image_id = await send(owner, private="true")
    url = f"/image/{image_id}/thumb"

    for _ in range(2):
        assert await code_of(client, url) == (404, "not_found")
        assert await code_of(client, url, **bearer("other")) == (404, "not_found")
        async with owner.get(url) as response:
            assert (await image_of(response)).size == (20, 10)
            assert response.headers["Cache-Control"] == "private, no-store"
    (derived,) = made_of(server, image_id).values()
    assert await code_of(client, f"/image/{derived}") == (404, "not_found")
    async with client.get(await sign(owner, image_id, variant="thumb")) as response:
        assert response.status == 200


async def test_what_was_made_is_no_original(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    image_id = await send(owner)
    async with client.get(f"/image/{image_id}/thumb") as response:
        assert response.status == 200
    (derived,) = made_of(server, image_id).values()

    async with client.get(f"/image/{derived}") as response:
        assert (await image_of(response)).size == (20, 10)
    assert await code_of(client, f"/image/{derived}/icon1") == (404, "not_found")
    signed = await sign(owner, derived, parameters={"width": 5})
    assert await code_of(client, signed) == (404, "not_found")
    assert made_of(server, derived) == {}


async def test_asks_and_removals_at_once_leave_nothing(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    pictures = [await send(owner) for _ in range(4)]
    seen: set[str] = set()

    async def ask(image_id: str, name: str) -> None:
        async with client.get(f"/image/{image_id}/{name}") as response:
            await response.read()
            assert response.status in (200, 410, 429, 503), await response.text()
        seen.update(one for one in made_of(server, image_id).values() if one[0] != "!")

    async def remove(image_id: str, after: asyncio.Event) -> None:
        await after.wait()
        async with owner.delete(f"/image/{image_id}") as response:
            assert response.status == 204

    begun = asyncio.Event()

    async def crowd(image_id: str) -> None:
        async with asyncio.TaskGroup() as group:
            for number in (1, 2, 1, 2, 3):
                group.create_task(ask(image_id, f"icon{number}"))
            group.create_task(remove(image_id, begun))
            await asyncio.sleep(0)
            begun.set()
            group.create_task(ask(image_id, "icon4"))

    await asyncio.gather(*map(crowd, pictures))

    gone = {*pictures, *seen}
    await eventually(lambda: not any(one in name for name in files_of(server) for one in gone))
    with redis_of(server) as redis:
        left = {
            key.partition(":")[0] for key in redis.scan_iter() if any(one in key for one in gone)
        }
        jobs = [redis.hgetall(key) for key in redis.scan_iter("job:*")]
    assert left <= {"job"}
    of_them = [job for job in jobs if job.get("of") in pictures]  # type: ignore[union-attr]  # not async here
    assert {job["status"] for job in of_them} <= {"expired"}  # type: ignore[index]  # not async here
