"""negotiateOnAsk: a format is made when somebody would get it, and until then another stands in."""

import io
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession
from PIL import Image

from server.jobs import names
from tests.edge.forms import end_of, upload
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually, redis_of
from tests.server_process import ServerProcess

FORMATS = ["avif", "webp", "jpeg"]
ON_ASK = {"negotiate": FORMATS, "negotiateOnAsk": True}
CHROME = {"Accept": "image/avif,image/webp,*/*;q=0.8"}
OLD = {"Accept": "*/*"}
FOR_EVER = "public, max-age=31536000, immutable"


async def sent(client: ClientSession, options: object = ON_ASK) -> dict[str, Any]:
    answer = await upload(client, jpeg(60, 40), options=options)
    assert answer["status"] == "completed"
    return answer


def begun(server: ServerProcess, image_id: str) -> dict[str, str]:
    """The formats that were asked for, and their jobs."""
    with redis_of(server) as redis:
        return redis.hgetall(names.DERIVED + image_id)  # type: ignore[return-value]  # not async here


async def made(client: ClientSession, server: ServerProcess, image_id: str, name: str) -> None:
    """Until a format is there."""
    await eventually(lambda: name in begun(server, image_id))
    job_id = begun(server, image_id)[name]
    assert (await end_of(client, job_id))["status"] == "completed"


async def test_only_the_format_for_all_is_made_at_once(client: ClientSession) -> None:
    answer = await sent(client)

    assert [one["name"] for one in answer["variants"]] == ["default-jpeg"]


async def test_what_there_is_stands_in_until_the_better_one_is_made(
    client: ClientSession, shared_server: ServerProcess
) -> None:
    answer = await sent(client)
    url, image_id = answer["url"], answer["imageId"]
    async with client.get(url, headers=CHROME) as first:
        tag = first.headers["ETag"]
        assert first.headers["Content-Type"] == "image/jpeg"
        assert first.headers["Cache-Control"] == "public, max-age=30"
        assert first.headers["Vary"] == "Accept"
        assert first.headers["Content-Location"] == f"{url}/default-jpeg"
    await made(client, shared_server, image_id, "default.avif")

    async with client.get(url, headers=CHROME | {"If-None-Match": tag}) as then:
        image = Image.open(io.BytesIO(await then.read()))
        assert (then.status, then.headers["Content-Type"]) == (200, "image/avif")
        assert then.headers["Cache-Control"] == FOR_EVER
        assert then.headers["Vary"] == "Accept"
        assert then.headers["Content-Location"] == f"{url}/default-avif"
        assert image.size == (60, 40)
    async with client.get(f"{url}/default-avif") as alone:
        assert alone.headers["ETag"] == then.headers["ETag"] != tag
        assert "Vary" not in alone.headers
    assert list(begun(shared_server, image_id)) == ["default.avif"]


async def test_the_one_for_all_varies_too_and_stays(
    client: ClientSession, shared_server: ServerProcess
) -> None:
    answer = await sent(client)
    async with client.get(answer["url"], headers=OLD) as response:
        assert response.headers["Content-Type"] == "image/jpeg"
        assert response.headers["Vary"] == "Accept"
        assert response.headers["Cache-Control"] == FOR_EVER

    assert begun(shared_server, answer["imageId"]) == {}


async def test_a_stand_in_is_known_again_but_not_for_long(client: ClientSession) -> None:
    url = (await sent(client))["url"]
    async with client.get(url, headers=OLD) as response:
        etag = response.headers["ETag"]
    async with client.get(url, headers=CHROME | {"If-None-Match": etag}) as response:
        assert response.status == 304
        assert response.headers["Cache-Control"] == "public, max-age=30"
        assert response.headers["Vary"] == "Accept"


async def test_a_head_shows_no_wish(client: ClientSession, shared_server: ServerProcess) -> None:
    answer = await sent(client)
    async with client.head(answer["url"], headers=CHROME) as response:
        assert response.headers["Content-Type"] == "image/jpeg"
        assert response.headers["Cache-Control"] == "public, max-age=30"

    assert begun(shared_server, answer["imageId"]) == {}


async def test_asked_for_by_its_name_it_is_waited_for(client: ClientSession) -> None:
    url = (await sent(client))["url"]
    async with client.get(f"{url}/default-webp") as response:
        image = Image.open(io.BytesIO(await response.read()))

    assert (response.status, image.format, image.size) == (200, "WEBP", (60, 40))
    assert response.headers["Cache-Control"] == FOR_EVER
    assert "Vary" not in response.headers
    async with client.get(f"{url}/default-gif") as response:
        assert response.status == 404


@pytest.mark.parametrize("more", [{}, {"quality": 40}, {"variants": [{"name": "default"}]}])
async def test_it_is_what_would_have_been_made_at_once(
    client: ClientSession, more: dict[str, Any]
) -> None:
    picture = jpeg(60, 40)
    early = await upload(client, picture, options={"negotiate": FORMATS, **more})
    late = await upload(client, picture, options={**ON_ASK, **more})
    tags = {}
    for kind in FORMATS:
        for answer in (early, late):
            async with client.get(f"{answer['url']}/default-{kind}") as response:
                assert response.status == 200
                tags.setdefault(kind, set()).add(response.headers["ETag"])

    assert [len(tags[kind]) for kind in FORMATS] == [1, 1, 1]


async def test_only_the_variant_that_was_asked_for_is_made(
    client: ClientSession, shared_server: ServerProcess
) -> None:
    variants = [{"name": name, "resize": {"width": size}} for name, size in (("a", 9), ("b", 7))]
    answer = await sent(client, {**ON_ASK, "variants": [*variants, {"name": "c", "format": "png"}]})
    url, image_id = answer["url"], answer["imageId"]
    assert [one["name"] for one in answer["variants"]] == ["a-jpeg", "b-jpeg", "c"]
    async with client.get(f"{url}/b", headers=CHROME) as response:
        assert response.headers["Content-Location"] == f"{url}/b-jpeg"
    await made(client, shared_server, image_id, "b.avif")

    assert set(begun(shared_server, image_id)) == {"b.avif"}
    async with client.get(f"{url}/b", headers=CHROME) as response:
        assert Image.open(io.BytesIO(await response.read())).width == 7
        assert response.headers["Content-Type"] == "image/avif"
    async with client.get(f"{url}/c", headers=CHROME) as response:
        assert "Vary" not in response.headers


async def test_a_film_stays_one(client: ClientSession, shared_server: ServerProcess) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "green", "blue")]
    film = io.BytesIO()
    frames[0].save(film, "GIF", save_all=True, append_images=frames[1:], duration=40)
    answer = await upload(client, film.getvalue(), options=ON_ASK)
    async with client.get(answer["url"], headers=CHROME) as response:
        picture = Image.open(io.BytesIO(await response.read()))

    assert (picture.format, getattr(picture, "n_frames", 1)) == ("WEBP", 3)
    assert response.headers["Cache-Control"] == FOR_EVER
    assert begun(shared_server, answer["imageId"]) == {}


async def test_what_cannot_be_made_leaves_the_stand_in(
    client: ClientSession, shared_server: ServerProcess
) -> None:
    answer = await sent(client)
    refused = {"code": "output_too_large", "detail": "too large", "until": 9e12}
    with redis_of(shared_server) as redis:
        value = f"!{orjson.dumps(refused).decode()}"
        redis.hset(names.DERIVED + answer["imageId"], "default.avif", value)
    async with client.get(answer["url"], headers=CHROME) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "image/jpeg")
        assert response.headers["Cache-Control"] == "public, max-age=30"

    assert begun(shared_server, answer["imageId"]) == {"default.avif": value}


async def test_a_private_stand_in_is_kept_by_nobody(client: ClientSession) -> None:
    options = orjson.dumps(ON_ASK).decode()
    params = {"options": options, "private": "true"}
    headers = {"Content-Type": "image/jpeg"}
    async with client.post("/upload", data=jpeg(), params=params, headers=headers) as response:
        image_id = (await response.json())["imageId"]
    async with client.get(f"/image/{image_id}", headers=CHROME) as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "private, no-store"
