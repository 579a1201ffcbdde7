"""POST /upload with pictures that are fine: what is answered, and when."""

import asyncio
import json
from collections.abc import Mapping
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, FormData

from tests.edge.forms import AT_ONCE, end_of, form, status_of, upload
from tests.edge.pictures import jpeg, png

JPEG = jpeg(64, 48)
RAW = {"Content-Type": "image/jpeg"}


async def test_one_picture_is_answered_with_its_result(client: ClientSession) -> None:
    async with client.post("/upload", data=form(("a.jpg", JPEG))) as response:
        answer = await response.json()

    assert response.status == 200
    assert set(answer) == {"status", "imageId", "jobId", "url", "cached", "variants", "placeholder"}
    assert answer["status"] == "completed"
    assert answer["imageId"] == answer["jobId"]
    assert answer["url"] == f"/image/{answer['imageId']}"
    (variant,) = answer["variants"]
    assert (variant["name"], variant["format"]) == ("default", "webp")
    assert (variant["width"], variant["height"]) == (64, 48)
    async with client.get(variant["url"]) as response:
        assert len(await response.read()) == variant["bytes"]


async def test_respond_async_is_answered_at_once(client: ClientSession) -> None:
    async with client.post("/upload", data=form(("a.jpg", jpeg())), headers=AT_ONCE) as response:
        answer = await response.json()

    assert response.status == 202
    assert set(answer) == {"status", "imageId", "jobId", "message"}
    assert answer["status"] == "processing"
    assert response.headers["Location"] == f"/status/{answer['jobId']}"
    assert int(response.headers["Retry-After"]) >= 1
    assert response.headers["Preference-Applied"] == "respond-async"
    status = await end_of(client, answer["jobId"])
    assert status["status"] == "completed"


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=10", "wait=10"),
        ("respond-async, wait=10", "wait=10"),
        ('Wait="10"', "wait=10"),
        ("wait=1e9", "wait=60"),
        ("handling=lenient", None),
    ],
)
async def test_a_wait_is_followed_as_far_as_allowed(
    client: ClientSession, prefer: str, applied: str | None
) -> None:
    headers = {"Prefer": prefer}
    async with client.post("/upload", data=form(("a.jpg", JPEG)), headers=headers) as response:
        assert response.status == 200
        assert response.headers.get("Preference-Applied") == applied


async def test_no_wait_at_all_is_answered_with_a_promise(client: ClientSession) -> None:
    headers = {"Prefer": "wait=0"}
    async with client.post("/upload", data=form(("a.jpg", jpeg())), headers=headers) as response:
        assert response.status == 202
        assert response.headers["Preference-Applied"] == "wait=0"


async def test_a_wait_that_ends_before_the_job_is_answered_with_a_promise(
    client: ClientSession,
) -> None:
    slow = json.dumps({"resize": {"width": 3000, "enlarge": True}, "format": "avif"})
    data, headers = form(("a.jpg", JPEG), options=slow), {"Prefer": "wait=0.1"}
    async with client.post("/upload", data=data, headers=headers) as response:
        answer = await response.json()

    assert response.status == 202
    async with client.delete(f"/job/{answer['jobId']}") as response:
        assert response.status == 200


async def test_a_raw_body_takes_its_options_from_the_query(client: ClientSession) -> None:
    query = {"options": '{"resize":{"width":32},"format":"png"}', "name": "raw.jpg"}
    async with client.post("/upload", params=query, data=JPEG, headers=RAW) as response:
        answer = await response.json()

    assert response.status == 200
    (variant,) = answer["variants"]
    assert (variant["format"], variant["width"], variant["height"]) == ("png", 32, 24)
    assert (await status_of(client, answer["jobId"]))["name"] == "raw.jpg"


async def test_a_raw_body_may_have_a_preset(client: ClientSession) -> None:
    async with client.post("/upload?preset=thumb", data=JPEG, headers=RAW) as response:
        answer = await response.json()

    assert response.status == 200
    assert answer["variants"][0]["format"] == "webp"


async def test_a_preset_is_a_recipe_by_name(client: ClientSession) -> None:
    data = form(("a.jpg", jpeg(640, 480)), preset="thumb")
    async with client.post("/upload", data=data) as response:
        (variant,) = (await response.json())["variants"]

    assert (variant["format"], variant["width"], variant["height"]) == ("webp", 320, 320)


async def test_every_variant_is_made(client: ClientSession) -> None:
    sizes = {"small": 16, "large": 48}
    options = {
        "format": "jpeg",
        "variants": [{"name": name, "resize": {"width": w}} for name, w in sizes.items()],
    }
    answer = await upload(client, JPEG, options=options)

    found = {variant["name"]: variant["width"] for variant in answer["variants"]}
    assert found == sizes
    for variant in answer["variants"]:
        assert variant["url"] == f"{answer['url']}/{variant['name']}"
        async with client.get(variant["url"]) as response:
            assert response.headers["Content-Type"] == "image/jpeg"
            assert len(await response.read()) == variant["bytes"]


async def test_fields_may_come_before_and_after_the_file(client: ClientSession) -> None:
    for order in (("options", "file"), ("file", "options")):
        data = form()
        for name in order:
            if name == "file":
                data.add_field("file", JPEG, filename="a.jpg")
            else:
                data.add_field("options", '{"format":"png"}')
        async with client.post("/upload", data=data) as response:
            assert (await response.json())["variants"][0]["format"] == "png"


async def test_several_pictures_become_a_batch(client: ClientSession) -> None:
    files = (("one.jpg", JPEG), ("two.png", png()))
    async with client.post("/upload", data=form(*files)) as response:
        batch = await response.json()

    assert response.status == 202
    assert set(batch) == {"status", "jobId", "message", "images", "refused"}
    assert batch["jobId"].startswith("batch-")
    assert [image["name"] for image in batch["images"]] == ["one.jpg", "two.png"]
    assert batch["refused"] == []
    assert response.headers["Location"] == f"/status/{batch['jobId']}"
    assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("name", ["żółw.jpg", "猫 🐈.jpg", "<tags> & more.jpg", "a;b=c.jpg"])
async def test_a_name_in_any_letters_is_kept(client: ClientSession, name: str) -> None:
    data = FormData(default_to_multipart=True, quote_fields=False)  # as browsers do
    data.add_field("file", JPEG, filename=name)
    async with client.post("/upload", data=data) as response:
        by_form = (await response.json())["jobId"]
    headers = RAW | {"X-File-Name": quote(name)}
    async with client.post("/upload", data=JPEG, headers=headers) as response:
        by_header = (await response.json())["jobId"]

    assert (await status_of(client, by_form))["name"] == name
    assert (await status_of(client, by_header))["name"] == name


async def test_a_picture_without_a_content_type_is_taken_by_its_bytes(
    client: ClientSession,
) -> None:
    async with client.post("/upload", data=JPEG, skip_auto_headers=["Content-Type"]) as response:
        assert response.status == 200


async def test_the_declared_type_and_name_are_never_believed(client: ClientSession) -> None:
    async with client.post("/upload", data=png(), headers=RAW) as response:
        job_id = (await response.json())["jobId"]

    assert (await status_of(client, job_id))["original"]["format"] == "png"


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("order-66.a_B", True), ("x" * 65, False), ("a b", False), ("", False), ("<script>", False)],
)
async def test_a_request_id_comes_back_if_it_is_harmless(
    client: ClientSession, given: str, is_kept: bool
) -> None:
    async with client.get("/status/none", headers={"X-Request-Id": given}) as response:
        found = response.headers["X-Request-Id"]
        body = await response.json(content_type=None)

    assert (found == given) is is_kept
    assert body["requestId"] == found


async def test_one_connection_serves_many_uploads(live_server: str) -> None:
    async with ClientSession(live_server) as client:
        ids = [(await upload(client, JPEG))["jobId"] for _ in range(5)]

    assert len(set(ids)) == 5


async def test_many_uploads_at_once_do_not_mix(client: ClientSession) -> None:
    widths = range(20, 40)
    answers = await asyncio.gather(*(upload(client, jpeg(width, 10)) for width in widths))

    assert [answer["variants"][0]["width"] for answer in answers] == list(widths)


async def test_the_recipe_schema_names_every_step(client: ClientSession) -> None:
    async with client.get("/schema/recipe") as response:
        schema: Mapping[str, Mapping[str, object]] = await response.json()

    assert {"crop", "resize", "rotate", "flip", "flop", "variants"} <= set(schema["properties"])
