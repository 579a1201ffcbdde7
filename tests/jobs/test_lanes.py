"""The number of lanes follows the work: seen from outside, on a real server."""

import asyncio
import io

from aiohttp import ClientSession, FormData
from PIL import Image

from tests.conftest import StartServer

SLOW = '{"format": "avif", "quality": 60}'


def photo() -> bytes:
    encoded = io.BytesIO()
    Image.effect_noise((700, 500), 80).convert("RGB").save(encoded, "JPEG")
    return encoded.getvalue()


async def lane_names(client: ClientSession) -> list[str]:
    async with client.get("/health") as response:
        return [lane["name"] for lane in (await response.json())["lanes"]]


async def until_lanes(client: ClientSession, number: int) -> list[str]:
    """Wait for a number of lanes; the timeout of the test bounds it."""
    while len(names := await lane_names(client)) != number:  # noqa: ASYNC110  # in another process
        await asyncio.sleep(0.02)
    return names


async def test_lane_comes_when_work_waits_and_goes_when_it_is_idle(
    start_server: StartServer,
) -> None:
    server = start_server(
        SAFELIGHT_POOL__MIN_LANES="1",
        SAFELIGHT_POOL__MAX_LANES="2",
        SAFELIGHT_POOL__GROW_WAIT_S="0.1",
        SAFELIGHT_POOL__SHRINK_IDLE_S="0.5",
    )
    form = FormData({"options": SLOW})
    for number in range(8):
        form.add_field("file", photo(), filename=f"{number}.jpg")

    async with ClientSession(server.url) as client:
        before = await lane_names(client)
        async with client.post("/upload", data=form) as response:
            batch_id = (await response.json())["jobId"]
        grown = await until_lanes(client, 2)
        async with client.get(f"/status/{batch_id}", params={"wait": "60"}) as response:
            status = await response.json()
        shrunk = await until_lanes(client, 1)

    assert (len(before), len(grown), len(shrunk)) == (1, 2, 1)
    assert status["counts"]["completed"] == 8


async def test_there_are_never_more_lanes_than_the_most(start_server: StartServer) -> None:
    server = start_server(SAFELIGHT_POOL__MIN_LANES="5", SAFELIGHT_POOL__MAX_LANES="2")

    async with ClientSession(server.url) as client:
        assert len(await lane_names(client)) == 2
