"""What is killed while pictures are fetched, and that none of them is lost."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import ClientConnectionError, ClientSession, web

from server.jobs import names
from tests.conftest import StartServer
from tests.edge.forms import end_of
from tests.edge.traces import eventually, files_of, is_idle, redis_of
from tests.intake.asking import ask, ask_in_lines, in_lines
from tests.intake.conftest import PICTURE, fetching
from tests.intake.origin import Origin
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

QUICK = {"SAFELIGHT_QUEUE__LEASE_S": "2"}
LARGE = PICTURE + bytes(2 * 1024 * 1024)  # a smaller one is written to the disk when it is whole


def gated(origin: Origin, path: str) -> tuple[str, list[bool]]:
    """A URL that sends half of a picture until the list says True."""
    is_open = [False]

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(LARGE))})
        await response.prepare(request)
        await response.write(LARGE[: len(LARGE) * 3 // 4])
        while not is_open[0]:  # noqa: ASYNC110 (the test sets it from another thread)
            await asyncio.sleep(0.02)
        await response.write(LARGE[len(LARGE) * 3 // 4 :])
        return response

    return origin.answer(path, answer), is_open


def halves(server: ServerProcess) -> list[str]:
    """What has come in and is not done with."""
    return [name for name in files_of(server) if name.startswith("spool/incoming/")]


async def test_a_server_that_is_killed_goes_on_with_its_fetches_and_gives_up_half_a_list(
    start_server: StartServer, origin: Origin
) -> None:
    """Of the batch whose list was still being read nobody was told, so nobody waits for it."""
    url, is_open = gated(origin, "/gated.jpg")
    server = start_server(**fetching(origin, **QUICK))

    async def lines() -> AsyncIterator[bytes]:
        yield in_lines([{"imageUrl": f"{url}?of-a-list={number}"} for number in range(5)])
        await asyncio.sleep(3600)

    async with ClientSession(server.url) as client:
        answer = await ask(client, imageUrls=[url, f"{url}?2"])
        asking = asyncio.create_task(ask_in_lines(client, lines()))
        with redis_of(server) as redis:
            await eventually(lambda: redis.zcard(names.OPEN) == 1)
            abandoned = str(redis.zrange(names.OPEN, 0, -1)[0])
        await eventually(lambda: len(halves(server)) >= 2)
        server.kill()
        ended = (await asyncio.gather(asking, return_exceptions=True))[0]
        assert isinstance(ended, ClientConnectionError)

    again = start_server(data_dir=server.data_dir, **fetching(origin, **QUICK))
    async with ClientSession(again.url) as client:
        batch = await end_of(client, abandoned)
        assert (batch["status"], batch["counts"]["cancelled"]) == ("completed", 5)
        is_open[0] = True
        batch = await end_of(client, answer["jobId"])

    assert batch["counts"]["completed"] == 2
    await eventually(lambda: is_idle(again))
    assert halves(again) == []


async def test_a_server_that_is_told_to_stop_hands_its_fetches_back(
    start_server: StartServer, origin: Origin
) -> None:
    url, is_open = gated(origin, "/gated.jpg")
    server = start_server(**fetching(origin))
    async with ClientSession(server.url) as client:
        answer = await ask(client, at_once=True, imageUrl=url)
        await eventually(lambda: origin.open == 1)
    assert server.stop() == 0
    is_open[0] = True

    again = start_server(data_dir=server.data_dir, **fetching(origin))
    async with ClientSession(again.url) as client:
        job = await end_of(client, answer["jobId"])

    assert (job["status"], job["error"]) == ("completed", None)
    assert halves(again) == []


async def test_redis_may_be_killed_while_pictures_are_fetched(
    start_server: StartServer, origin: Origin
) -> None:
    url, is_open = gated(origin, "/gated.jpg")
    server = start_server(**fetching(origin, **QUICK))
    async with ClientSession(server.url) as client:
        answer = await ask(client, imageUrls=[f"{url}?{number}" for number in range(4)])
        await eventually(lambda: origin.open == 4)
        for child in server.children():
            if "valkey" in child.name():
                child.kill()
        is_open[0] = True
        async with asyncio.timeout(PATIENCE_S):
            while (await _counts(client, answer["jobId"])).get("completed") != 4:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    await eventually(lambda: is_idle(server))
    assert halves(server) == []


async def _counts(client: ClientSession, batch_id: str) -> dict[str, int]:
    async with client.get(f"/status/{batch_id}") as response:
        if response.status != 200:  # Redis is not back yet
            return {}
        counts: dict[str, int] = (await response.json())["counts"]
        return counts
