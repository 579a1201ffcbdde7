"""The server is killed while it takes in what lies in the bucket: one job comes of it."""

import asyncio
from contextlib import suppress
from pathlib import Path

from aiohttp import ClientError, ClientSession

from tests.conftest import StartServer
from tests.edge.pictures import jpeg
from tests.edge.traces import redis_of
from tests.server_process import ServerProcess
from tests.storage.objects import bucket_of, keys_below
from tests.storage.weed import Weed

# Long enough to begin, short enough not to be done; wherever it hits, what is asserted must hold.
ALIVE_S = 0.03


async def test_an_upload_that_was_in_hand_is_completed_after_the_restart(
    start_server: StartServer, weed: Weed, tmp_path: Path
) -> None:
    settings = weed.environment | {
        "SAFELIGHT_STORAGE__URL": "s3://pictures/crash",
        "SAFELIGHT_QUEUE__LEASE_S": "3",
    }
    server = start_server(data_dir=tmp_path / "data", **settings)
    async with ClientSession() as client:
        begun = await _begin_and_put(client, server)
        completing = asyncio.create_task(client.post(server.url + begun["completeUrl"]))
        await asyncio.sleep(ALIVE_S)
        server.kill()
        with suppress(ClientError):
            await completing
        server = start_server(data_dir=tmp_path / "data", **settings)
        jobs = {await _complete(client, server, begun) for _ in range(2)}

    store = bucket_of(weed, "pictures", "crash")
    with redis_of(server) as redis:
        assert redis.hget("queue", "admitted") == "1"
    assert len(jobs) == 1
    assert len(await keys_below(store, "originals")) == 1


async def _begin_and_put(client: ClientSession, server: ServerProcess) -> dict[str, str]:
    async with client.post(f"{server.url}/uploads", json={}) as response:
        begun: dict[str, str] = await response.json()
    picture = jpeg(900, 700)
    async with client.put(begun["url"], data=picture, headers=begun["headers"]) as put:
        assert put.status == 200
    return begun


async def _complete(client: ClientSession, server: ServerProcess, begun: dict[str, str]) -> str:
    async with client.post(server.url + begun["completeUrl"]) as response:
        answer = await response.json()
    assert response.status in (200, 202), answer
    return str(answer["jobId"])
