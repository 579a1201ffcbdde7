"""Pictures made on first ask: nodes that share a Redis and a bucket, and one that is killed."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from redis import Redis

from server.jobs import names
from tests.conftest import StartServer
from tests.edge.busy import SLOW
from tests.edge.forms import upload
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually, files_of, redis_of
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess
from tests.storage.weed import Weed

PRESETS = {"thumb": {"resize": {"width": 20}}, "slow": SLOW}
ONE_LANE = {"SAFELIGHT_POOL__MAX_LANES": "1", "SAFELIGHT_PRESETS": json.dumps(PRESETS)}


async def ask(client: ClientSession, url: str) -> tuple[int, str]:
    async with client.get(url) as response:
        await response.read()
        return response.status, response.headers.get("ETag", "")


async def test_of_all_who_ask_on_two_nodes_one_makes_it(
    start_server: StartServer, valkey_url: str, weed: Weed
) -> None:
    shared = ONE_LANE | weed.environment | {
        "SAFELIGHT_REDIS__URL": valkey_url,
        "SAFELIGHT_STORAGE__URL": "s3://pictures/derived",
        "SAFELIGHT_SIGNING__KEYS": json.dumps(["k" * 40]),
    }  # fmt: skip
    nodes = [start_server(**shared) for _ in range(2)]
    clients = [ClientSession(one.url, connector=TCPConnector(limit=0)) for one in nodes]
    try:
        image_id = (await upload(clients[0], jpeg(80, 60)))["imageId"]
        told = await asyncio.gather(
            *(ask(clients[number % 2], f"/image/{image_id}/thumb") for number in range(40))
        )
        assert len(set(told)) == 1
        assert told[0][0] == 200
        with Redis.from_url(valkey_url, decode_responses=True) as redis:
            jobs: list[Any] = [redis.hgetall(key) for key in redis.scan_iter("job:*")]
        assert [job["attempts"] for job in jobs if job.get("of") == image_id] == ["1"]

        async with clients[1].delete(f"/image/{image_id}") as response:
            assert response.status == 204
        async with asyncio.timeout(PATIENCE_S):  # the other node is told in a moment
            while {(await ask(one, f"/image/{image_id}/thumb"))[0] for one in clients} != {410}:
                pass
    finally:
        for one in clients:
            await one.close()


@pytest.mark.parametrize("moment", ["while it waits", "while it is made"])
async def test_a_killed_server_makes_it_once_and_leaves_nothing(
    start_server: StartServer, moment: str
) -> None:
    server = start_server(**ONE_LANE, SAFELIGHT_DERIVED__WAIT_S="0")
    async with ClientSession(server.url) as client:
        image_id = (await upload(client, jpeg(80, 60)))["imageId"]
        if moment == "while it waits":
            await upload(client, jpeg(1200, 900), options=SLOW, at_once=True)
            await eventually(lambda: counter(server, "processing") == 1)
        preset = "thumb" if moment == "while it waits" else "slow"
        status, _ = await ask(client, f"/image/{image_id}/{preset}")
        assert status == 503
        await eventually(lambda: len(jobs_of(server, image_id)) == 1)
        if moment == "while it is made":
            await eventually(lambda: counter(server, "processing") == 1)
    (before,) = jobs_of(server, image_id)
    server.kill()

    again = start_server(data_dir=server.data_dir, **ONE_LANE, SAFELIGHT_DERIVED__WAIT_S="0")
    async with ClientSession(again.url, connector=TCPConnector(limit=0)) as client:
        told = await asyncio.gather(
            *(ask(client, f"/image/{image_id}/{preset}") for _ in range(10))
        )
        assert {status for status, _ in told} <= {200, 503}
        assert list(jobs_of(again, image_id)) == [before]

        async with client.delete(f"/image/{image_id}") as response:
            assert response.status == 204
        gone = {image_id, before}
        await eventually(lambda: not any(one in name for name in files_of(again) for one in gone))
        await eventually(lambda: jobs_of(again, image_id) == {before: "expired"})
        with redis_of(again) as redis:
            left = {
                key.partition(":")[0]
                for key in redis.scan_iter()
                if any(one in key for one in gone)
            }
        assert left <= {"job"}


async def test_a_preset_that_has_changed_makes_a_new_one(start_server: StartServer) -> None:
    server, image_id, told = start_server(**ONE_LANE), "", []
    for width in (20, 30, 20):
        presets = json.dumps({"thumb": {"resize": {"width": width}}})
        server.stop()
        server = start_server(data_dir=server.data_dir, **ONE_LANE | {"SAFELIGHT_PRESETS": presets})
        async with ClientSession(server.url) as client:
            image_id = image_id or (await upload(client, jpeg(80, 60)))["imageId"]
            told.append(await ask(client, f"/image/{image_id}/thumb"))

    assert told[0] == told[2] != told[1]
    assert [status for status, _ in told] == [200, 200, 200]
    assert len(jobs_of(server, image_id)) == 2


async def test_where_the_bucket_delivers_it_sends_there(notified: ClientSession) -> None:
    image_id = (await upload(notified, jpeg(80, 60)))["imageId"]
    async with notified.get(f"/image/{image_id}/mini", allow_redirects=False) as response:
        assert (response.status, response.headers["Cache-Control"][:7]) == (302, "private")
    async with notified.get(f"/image/{image_id}/mini") as response:
        assert (response.status, (await response.read())[1:4]) == (200, b"PNG")


def jobs_of(server: ServerProcess, image_id: str) -> dict[str, str]:
    """The jobs that were made of a picture, and how they stand."""
    with redis_of(server) as redis:
        found: list[Any] = [redis.hgetall(key) for key in redis.scan_iter("job:*")]
    return {job["id"]: job["status"] for job in found if job.get("of") == image_id}


def counter(server: ServerProcess, name: str) -> int:
    with redis_of(server) as redis:
        return int(redis.hget(names.QUEUE, name) or 0)  # type: ignore[arg-type]  # not async here
