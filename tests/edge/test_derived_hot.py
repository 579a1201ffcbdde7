"""What was made on first ask and is asked for often: from memory, until it or its picture goes."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from aiohttp import ClientSession
from redis import Redis
from yarl import URL

from server.jobs import names
from tests.conftest import StartServer
from tests.edge.forms import upload
from tests.edge.pictures import jpeg

# So that nothing in these tests can be right by the passing of time.
ENVIRONMENT = {
    "SAFELIGHT_HOSTING__HOT_S": "60",
    "SAFELIGHT_PRESETS": json.dumps({"thumb": {"resize": {"width": 20}}}),
}
CHROME = {"Accept": "image/avif,image/webp,*/*;q=0.8"}


@pytest_asyncio.fixture
async def client(start_server: StartServer, valkey_url: str) -> AsyncIterator[ClientSession]:
    server = start_server(**ENVIRONMENT, SAFELIGHT_REDIS__URL=valkey_url)
    async with ClientSession(server.url) as session:
        yield session


async def tag_of(client: ClientSession, url: str | URL) -> str:
    async with client.get(url, headers=CHROME) as response:
        assert response.status == 200, await response.text()
        await response.read()
        return response.headers["ETag"]


async def test_a_hot_one_costs_redis_nothing_until_it_goes(
    client: ClientSession, valkey_url: str
) -> None:
    options = {"negotiate": ["webp", "jpeg"], "negotiateOnAsk": True}
    image_id = (await upload(client, jpeg(60, 40), options=options))["imageId"]
    await tag_of(client, f"/image/{image_id}/default-webp")
    addresses = [f"/image/{image_id}", f"/image/{image_id}/thumb"]
    tags = {url: {await tag_of(client, url) for _ in range(3)} for url in addresses}
    assert [len(found) for found in tags.values()] == [1, 1]

    with Redis.from_url(valkey_url, decode_responses=True) as redis:
        made = redis.hgetall(names.DERIVED + image_id)
        for one in (image_id, *made.values()):  # type: ignore[union-attr]  # not async here
            redis.hset(names.job(one), "status", "failed")  # whoever asks Redis now is told no
        for url in addresses:
            assert {await tag_of(client, url)} == tags[url]

        redis.publish(names.GONE, image_id)
        redis.publish(names.WAKE, 1)
        statuses = {409} if await _is_asked(client, addresses[0]) else set()
        async with client.get(addresses[1]) as response:
            statuses.add(response.status)
    assert statuses == {409}


async def test_an_address_signed_for_ever_is_repeated_as_it_stands_and_no_other(
    client: ClientSession, valkey_url: str
) -> None:
    image_id = (await upload(client, jpeg(60, 40)))["imageId"]
    lasting = await signed(client, image_id, width=9)
    ending = await signed(client, image_id, width=9, expires_in=60)
    for url in (lasting, ending):
        for _ in range(3):
            await tag_of(client, url)
    with Redis.from_url(valkey_url, decode_responses=True) as redis:
        names_of = redis.hvals(names.DERIVED + image_id)
        for one in (image_id, *names_of):  # type: ignore[misc]  # not async here
            redis.hset(names.job(one), "status", "failed")
        await tag_of(client, lasting)
        altered = str(lasting).replace("width=9", "width=8")
        async with client.get(URL(altered, encoded=True)) as response:
            assert response.status == 403
        async with client.get(URL(f"{lasting}&download=a", encoded=True)) as response:
            assert response.status == 403


async def signed(
    client: ClientSession, image_id: str, *, width: int, expires_in: int | None = None
) -> URL:
    wish: dict[str, Any] = {"parameters": {"width": width}}
    if expires_in is not None:
        wish["expiresIn"] = expires_in
    async with client.post(f"/image/{image_id}/sign", json=wish) as response:
        return URL((await response.json())["url"], encoded=True)


async def _is_asked(client: ClientSession, url: str) -> bool:
    """Until the word that it goes has come."""
    for _ in range(200):
        async with client.get(url) as response:
            if response.status == 409:
                return True
    return False


async def test_what_goes_alone_is_no_longer_repeated(
    client: ClientSession, valkey_url: str
) -> None:
    image_id = (await upload(client, jpeg(60, 40)))["imageId"]
    url = f"/image/{image_id}/thumb"
    for _ in range(3):
        await tag_of(client, url)
    with Redis.from_url(valkey_url, decode_responses=True) as redis:
        (made,) = redis.hvals(names.DERIVED + image_id)  # type: ignore[misc]  # not async here
        async with client.delete(f"/image/{made}") as response:
            assert response.status == 204
        await tag_of(client, url)
        (again,) = redis.hvals(names.DERIVED + image_id)  # type: ignore[misc]  # not async here

    assert again != made
