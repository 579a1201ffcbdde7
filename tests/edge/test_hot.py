"""Pictures that are asked for often: answered from memory, until the moment they go."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from redis import Redis

from tests import server_process
from tests.conftest import SERVERS
from tests.edge.forms import form, upload
from tests.edge.gated import bearer
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.server_process import ServerProcess

GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
# So that nothing in these tests can be right by the passing of time.
FOR_LONG = {"SAFELIGHT_HOSTING__HOT_S": "60"}
SOONER_S = 45.0


@dataclass(frozen=True)
class Pair:
    """Two nodes of one Redis, and clients of them."""

    here: ClientSession
    there: ClientSession
    redis: Redis


@pytest.fixture(scope="module")
def nodes(
    private_valkey: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[ServerProcess]]:
    """Two servers of one Redis and one disk, as a network's would be."""
    top = tmp_path_factory.mktemp("hot")
    folders = [top / name for name in ("here", "there")]
    for folder, name in product(folders, ("originals", "results")):
        (top / name).mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
        (folder / name).symlink_to(top / name)
    with Redis.from_url(private_valkey) as redis:
        redis.flushall()
    shared = {"SAFELIGHT_REDIS__URL": private_valkey, **FOR_LONG}
    with ExitStack() as stack:
        servers = []
        for folder in folders:
            servers.append(server_process.start(folder, environment=shared))
            stack.callback(servers[-1].close)
        yield servers


@pytest_asyncio.fixture
async def pair(
    nodes: list[ServerProcess], private_valkey: str, request: pytest.FixtureRequest
) -> AsyncIterator[Pair]:
    request.node.stash[SERVERS] = nodes
    here, there = nodes
    async with ClientSession(here.url) as one, ClientSession(there.url) as other:
        with Redis.from_url(private_valkey) as redis:
            yield Pair(one, other, redis)


async def hot_picture(node: ClientSession, **fields: str) -> tuple[str, bytes, str]:
    """Id, bytes and ETag of a picture of some kB that this node answers from memory."""
    fields.setdefault("options", '{"format": "png"}')
    data = form(("cat.jpg", jpeg(60, 40)), **fields)
    async with node.post("/upload", data=data) as response:
        answer: dict[str, Any] = await response.json()
    assert response.status == 200, answer
    for _ in range(3):
        async with node.get(answer["url"]) as response:
            content = await response.read()
    return answer["imageId"], content, response.headers["ETag"]


async def status(node: ClientSession, image_id: str) -> int:
    async with node.get(f"/image/{image_id}") as response:
        await response.read()
        return response.status


async def gone(node: ClientSession, image_id: str) -> None:
    """Returns when the picture is no longer shown."""
    async with asyncio.timeout(SOONER_S):
        while await status(node, image_id) != 410:  # noqa: ASYNC110 (nobody tells us)
            await asyncio.sleep(0.01)


def scripts_run(redis: Redis) -> int:
    """How often Redis was asked for a job or a move."""
    stats: Any = redis.info("commandstats")
    return int(stats["cmdstat_fcall"]["calls"])


async def quiet_scripts(pair: Pair, image_id: str) -> int:
    """Scripts while a hot picture is asked for 100 times, less those of as long a silence."""
    before = scripts_run(pair.redis)
    loop = asyncio.get_running_loop()
    started = loop.time()
    for _ in range(100):
        assert await status(pair.here, image_id) == 200
    taken_s, asked = loop.time() - started, scripts_run(pair.redis)
    await asyncio.sleep(taken_s)  # what the nodes do by themselves meanwhile
    return asked - before - (scripts_run(pair.redis) - asked)


async def test_a_hot_picture_is_answered_without_redis(pair: Pair) -> None:
    image_id, _, _ = await hot_picture(pair.here)

    assert await quiet_scripts(pair, image_id) < 50


async def test_it_goes_at_once_where_it_is_deleted(pair: Pair) -> None:
    image_id, _, etag = await hot_picture(pair.here)
    async with pair.here.delete(f"/image/{image_id}") as response:
        assert response.status == 204

    async with pair.here.get(f"/image/{image_id}") as response:
        assert (response.status, (await problem(response))["code"]) == (410, "expired")
    for path in (f"/image/{image_id}", f"/image/{image_id}/default"):
        async with pair.here.get(path, headers={"If-None-Match": etag}) as response:
            assert response.status == 410


async def test_it_goes_on_every_other_node_when_they_are_told(pair: Pair) -> None:
    image_id, _, _ = await hot_picture(pair.here)
    async with pair.there.delete(f"/image/{image_id}") as response:
        assert response.status == 204

    await gone(pair.here, image_id)


async def test_it_goes_when_its_time_is_over(pair: Pair) -> None:
    image_id, _, _ = await hot_picture(pair.here, expiresIn="1")

    await gone(pair.here, image_id)


async def test_nothing_is_believed_over_a_subscription_that_has_ended(pair: Pair) -> None:
    """It goes without a word: only that the connection was lost can tell."""
    image_id, _, _ = await hot_picture(pair.here)
    pair.redis.hset(f"job:{image_id}", mapping={"status": "expired", "variants": "[]"})
    assert await status(pair.here, image_id) == 200  # nobody said anything
    pair.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    await gone(pair.here, image_id)


async def test_a_hot_picture_is_what_it_was(client: ClientSession) -> None:
    image_id, content, etag = await hot_picture(client)
    answers = []
    for headers in ({}, {"X-Request-Id": "mine"}):
        async with client.get(f"/image/{image_id}", headers=headers) as response:
            assert (response.status, await response.read()) == (200, content)
            answers.append(response.headers)

    first, second = answers
    assert second["X-Request-Id"] == "mine" != first["X-Request-Id"]
    assert first["ETag"] == second["ETag"] == etag
    assert first["Content-Type"] == "image/png"
    assert first["Cache-Control"] == "public, max-age=31536000, immutable"
    assert first["Content-Length"] == str(len(content))


async def test_head_range_and_304_of_a_hot_picture(client: ClientSession) -> None:
    image_id, content, etag = await hot_picture(client)
    path = f"/image/{image_id}"
    async with client.head(path) as head:
        assert (head.status, await head.read()) == (200, b"")
        assert head.headers["Content-Length"] == str(len(content))
    async with client.get(path, headers={"Range": "bytes=2-9"}) as part:
        assert (part.status, await part.read()) == (206, content[2:10])
    for known in (etag, f'"a", W/{etag}', "*"):
        async with client.get(path, headers={"If-None-Match": known}) as same:
            assert (same.status, await same.read()) == (304, b"")
            assert same.headers["ETag"] == etag
    async with client.get(path, headers={"Range": "bytes=9999999-"}) as beyond:
        assert (await problem(beyond))["code"] == "range_not_satisfiable"
    for response in (head, part, same, beyond):
        assert response.headers.items() >= GUARDS.items()


@pytest.mark.parametrize("path", ["/image/nobody", "/image/nobody/thumb", "/image/{id}/no"])
async def test_refusals_are_guarded_too(client: ClientSession, path: str) -> None:
    image_id, _, _ = await hot_picture(client)
    async with client.get(path.format(id=image_id)) as response:
        assert response.status == 404
        assert response.headers.items() >= GUARDS.items()


async def test_each_is_given_what_it_accepts(client: ClientSession) -> None:
    options = {"format": ["webp", "png"]}
    answer = await upload(client, jpeg(50, 40), options={"negotiate": options["format"]})
    kinds = {}
    for _ in range(3):
        for accept in ("image/webp", "*/*", "image/png"):
            async with client.get(answer["url"], headers={"Accept": accept}) as response:
                await response.read()
                kinds.setdefault(accept, set()).add(response.headers["Content-Type"])

    assert kinds["image/webp"] == {"image/webp"}
    assert kinds["*/*"] == kinds["image/png"]
    assert "image/webp" not in kinds["*/*"]


async def test_a_key_is_looked_at_however_hot_the_picture_is(
    keyed: ClientSession, keyed_server: ServerProcess
) -> None:
    data = form(("a.jpg", jpeg()))
    async with keyed.post("/upload", data=data, headers=bearer("ci")) as response:
        url = (await response.json())["url"]
    for _ in range(3):
        async with keyed.get(url) as response:
            assert response.status == 200
    # From an address of its own: others here have used up what this one may try in a minute.
    wrong = {"X-Api-Key": "sl_wrong", "X-Forwarded-For": "203.0.113.77"}
    async with keyed.get(url, headers=wrong) as response:
        assert (await problem(response))["code"] == "key_wrong"


async def test_a_private_picture_is_for_its_owner_alone_however_often_it_is_asked_for(
    keyed: ClientSession,
) -> None:
    data = form(("a.jpg", jpeg()), private="true")
    async with keyed.post("/upload", data=data, headers=bearer("ci")) as response:
        image_id = (await response.json())["imageId"]
    for _ in range(3):
        async with keyed.get(f"/image/{image_id}", headers=bearer("ci")) as response:
            assert response.status == 200
            assert response.headers["Cache-Control"] == "private, no-store"
            etag = response.headers["ETag"]

    assert await status(keyed, image_id) == 404
    async with keyed.get(f"/image/{image_id}", headers={"If-None-Match": etag}) as response:
        assert response.status == 404


async def test_a_page_that_is_listed_may_read_a_hot_picture(keyed: ClientSession) -> None:
    data = form(("a.jpg", jpeg()))
    async with keyed.post("/upload", data=data, headers=bearer("ci")) as response:
        url = (await response.json())["url"]
    for _ in range(3):
        async with keyed.get(url, headers={"Origin": "https://page.example"}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
            assert "Origin" in response.headers["Vary"]
