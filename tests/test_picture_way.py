"""Read this first: the way of a picture from upload to result, through every real part."""

import io
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, FormData
from PIL import Image

RED, BLUE = (200, 30, 30), (30, 30, 200)


@pytest.fixture
async def client(live_server: str) -> AsyncIterator[ClientSession]:
    async with ClientSession(live_server) as session:
        yield session


def photo() -> bytes:
    """A JPEG of 1200 x 800: the left half red, the right half blue."""
    picture = Image.new("RGB", (1200, 800), RED)
    picture.paste(BLUE, (600, 0, 1200, 800))
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=95)
    return encoded.getvalue()


async def test_picture_is_uploaded_watched_and_fetched(client: ClientSession) -> None:
    form = FormData({"options": '{"resize": {"width": 300}, "flop": true, "format": "webp"}'})
    form.add_field("file", photo(), filename="halves.jpg", content_type="image/jpeg")

    async with client.post("/upload", data=form, headers={"Prefer": "respond-async"}) as response:
        assert response.status == 202
        accepted = await response.json()
        assert response.headers["Location"] == f"/status/{accepted['jobId']}"

    events = []
    async with client.ws_connect("/ws") as socket:
        await socket.send_json({"type": "subscribe", "jobId": accepted["jobId"]})
        async for message in socket:
            events.append(message.json())
            if events[-1]["status"] == "completed":
                break

    assert {event["jobId"] for event in events} == {accepted["jobId"]}
    assert [event["revision"] for event in events] == sorted(e["revision"] for e in events)
    assert [event["progress"] for event in events] == sorted(e["progress"] for e in events)
    assert events[-1]["progress"] == 100
    assert events[-1]["original"] == {
        "bytes": len(photo()),
        "format": "jpeg",
        "width": 1200,
        "height": 800,
    }

    async with client.get(events[-1]["url"]) as response:
        assert response.status == 200
        assert response.content_type == "image/webp"
        fetched = await response.read()
    assert len(fetched) == events[-1]["variants"][0]["bytes"]

    picture = Image.open(io.BytesIO(fetched)).convert("RGB")
    assert picture.size == (300, 200)
    left, right = picture.getpixel((20, 100)), picture.getpixel((280, 100))
    assert max(abs(a - b) for a, b in zip(left, BLUE, strict=True)) <= 6
    assert max(abs(a - b) for a, b in zip(right, RED, strict=True)) <= 6


async def test_one_picture_is_answered_at_once(client: ClientSession) -> None:
    headers = {"Content-Type": "image/jpeg"}

    async with client.post("/upload", data=photo(), headers=headers) as response:
        assert response.status == 200
        answer = await response.json()

    assert answer["status"] == "completed"
    assert answer["jobId"] == answer["imageId"]
    assert answer["url"] == f"/image/{answer['imageId']}"
    assert [variant["name"] for variant in answer["variants"]] == ["default"]


async def test_several_pictures_become_a_batch(client: ClientSession) -> None:
    form = FormData({"options": '{"variants": [{"name": "a", "resize": {"width": 90}}]}'})
    for number in range(3):
        form.add_field("file", photo(), filename=f"{number}.jpg", content_type="image/jpeg")

    async with client.post("/upload", data=form) as response:
        assert response.status == 202
        accepted = await response.json()
    async with client.get(f"/status/{accepted['jobId']}", params={"wait": "60"}) as response:
        status = await response.json()

    assert [image["name"] for image in accepted["images"]] == ["0.jpg", "1.jpg", "2.jpg"]
    assert status["status"] == "completed"
    assert status["counts"]["completed"] == status["total"] == 3
    for image in status["images"]:
        async with client.get(f"{image['url']}/a") as response:
            assert Image.open(io.BytesIO(await response.read())).size == (90, 60)
