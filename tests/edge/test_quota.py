"""Quotas of one client, counted by two nodes on one Redis: both agree, and others go on."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from server.jobs.connection import command_client
from server.jobs.counts.usage import Allowance, Usage
from tests import server_process
from tests.chaos.parts import SLOW
from tests.edge.forms import AT_ONCE, form
from tests.edge.gated import bearer, settings
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.server_process import ServerProcess

PICTURE = jpeg(200, 200)
REQUESTS, BYTES, JOBS = 12, 5 * len(PICTURE) + 100, 3


@pytest.fixture(scope="module")
def nodes(
    private_valkey: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[ServerProcess]]:
    """Two servers that share a Redis and their settings."""
    environment = {
        **settings(
            {name: ["upload", "read"] for name in ("one", "two", "three", "four", "five", "six")}
        ),
        "SAFELIGHT_REDIS__URL": private_valkey,
        "SAFELIGHT_SIGNING__KEYS": f'["{"k" * 40}"]',
        "SAFELIGHT_QUOTA__REQUESTS": str(REQUESTS),
        "SAFELIGHT_QUOTA__WINDOW_S": "3600",
        "SAFELIGHT_QUOTA__BYTES_PER_DAY": str(BYTES),
        "SAFELIGHT_QUOTA__JOBS": str(JOBS),
        "SAFELIGHT_POOL__MAX_LANES": "1",
        "SAFELIGHT_SERVER__GRACE_S": "0.5",
        "SAFELIGHT_DEDUP__ENABLED": "false",
    }
    with Redis.from_url(private_valkey) as client:
        client.flushall()
    folders = [tmp_path_factory.mktemp(f"node-{number}") / "data" for number in range(2)]
    for name in ("originals", "results"):  # as on a file system that both nodes see
        (folders[0] / name).mkdir(parents=True)
        folders[1].mkdir(exist_ok=True)
        (folders[1] / name).symlink_to(folders[0] / name)
    servers = [server_process.start(folder, environment=environment) for folder in folders]
    yield servers
    for server in servers:
        server.close()


@pytest_asyncio.fixture
async def clients(nodes: list[ServerProcess]) -> AsyncIterator[list[ClientSession]]:
    sessions = [ClientSession(node.url) for node in nodes]
    yield sessions
    for session in sessions:
        await session.close()


async def test_two_nodes_count_the_requests_of_a_client_together(
    clients: list[ClientSession],
) -> None:
    left = []
    for number in range(REQUESTS):
        headers = bearer("one")
        async with clients[number % 2].get("/status/none", headers=headers) as response:
            assert response.status == 404
            assert response.headers["RateLimit-Policy"] == (
                f'"requests";q={REQUESTS};w=3600;qu="requests", '
                f'"bytes";q={BYTES};w=86400;qu="content-bytes", '
                f'"jobs";q={JOBS};qu="concurrent-requests"'
            )
            limits = response.headers["RateLimit"].split(", ")
            assert limits[0].startswith(f'"requests";r={REQUESTS - number - 1};t=')
            left.append(limits[0])
    for client in clients:
        async with client.get("/status/none", headers=bearer("one")) as response:
            assert response.status == 429
            assert int(response.headers["Retry-After"]) >= 1
            assert '"requests";r=0;' in response.headers["RateLimit"]
            told = await problem(response)
            assert (told["code"], told["limit"]) == ("quota_exceeded", REQUESTS)
    async with clients[0].get("/status/none", headers=bearer("two")) as response:
        assert response.status == 404
    async with clients[0].get("/livez") as response:
        assert "RateLimit" not in response.headers


async def test_pictures_that_are_looked_at_do_not_count(clients: list[ClientSession]) -> None:
    for _ in range(REQUESTS + 1):
        async with clients[0].get("/image/none", headers=bearer("two")) as response:
            assert response.status == 404


async def test_bytes_count_however_they_come(clients: list[ClientSession]) -> None:
    """With a length before the body is read, without one when it is here."""

    async def pieces() -> AsyncIterator[bytes]:
        yield PICTURE

    raw = {**bearer("three"), "Content-Type": "image/jpeg"}
    sent, statuses = 0, []
    while sent <= BYTES:
        for client, data in ((clients[0], PICTURE), (clients[1], pieces())):
            async with client.post("/upload", data=data, headers=raw) as response:
                statuses.append(response.status)
                sent += len(PICTURE)
                if response.status == 200:  # however often its bytes were counted
                    requests = response.headers["RateLimit"].split(";")[1]
                    assert requests == f"r={REQUESTS - len(statuses)}"
                if response.status == 429:
                    assert (await problem(response))["limit"] == BYTES
                    assert int(response.headers["Retry-After"]) > 60

    taken = statuses.count(200)
    assert taken == BYTES // len(PICTURE)
    assert statuses == [200] * taken + [429] * (len(statuses) - taken)


async def test_bytes_that_are_brought_directly_count_when_they_are_agreed_on(
    clients: list[ClientSession],
) -> None:
    wish = {"bytes": BYTES - len(PICTURE) - 200}  # the wishes themselves are bytes, too
    statuses = []
    for client in (*clients, clients[0]):
        async with client.post("/uploads", json=wish, headers=bearer("six")) as response:
            statuses.append(response.status)
        wish = {"bytes": len(PICTURE)}

    assert statuses == [201, 201, 429]


async def test_jobs_that_have_not_ended_count_exactly(clients: list[ClientSession]) -> None:
    """All at once, by both nodes: the admission itself counts."""
    slow = {**bearer("four"), **AT_ONCE}

    async def send(client: ClientSession, number: int) -> tuple[int, str]:
        data = form((f"{number}.jpg", jpeg()), options=json.dumps(SLOW))
        async with client.post("/upload", data=data, headers=slow) as response:
            if response.status == 429:
                assert (await problem(response))["code"] == "quota_exceeded"
                assert int(response.headers["Retry-After"]) >= 1
                return 429, ""
            return response.status, (await response.json())["jobId"]

    answers = await asyncio.gather(*(send(clients[n % 2], n) for n in range(2 * JOBS)))
    jobs = [job_id for status, job_id in answers if status == 202]
    assert len(jobs) == JOBS
    assert [status for status, _ in answers].count(429) == JOBS

    wish = {"ids": jobs}
    async with clients[0].post("/zip", json=wish, headers=bearer("four")) as response:
        assert (await problem(response))["code"] != "quota_exceeded"  # it makes no job
    async with clients[0].delete(f"/job/{jobs[-1]}", headers=bearer("four")) as response:
        assert response.status == 200, await response.text()
    async with clients[1].get(f"/status/{jobs[-1]}?wait=60", headers=bearer("four")) as response:
        assert (await response.json())["status"] == "cancelled"
    assert (await send(clients[1], 99))[0] == 202


async def test_a_batch_larger_than_the_quota_is_refused_whole(
    clients: list[ClientSession],
) -> None:
    data = form(*((f"{n}.jpg", jpeg()) for n in range(JOBS + 1)))
    async with clients[0].post("/upload", data=data, headers=bearer("five")) as response:
        told = await problem(response)
    assert (told["code"], told["limit"], told["actual"]) == ("quota_exceeded", JOBS, JOBS + 1)


@pytest_asyncio.fixture
async def redis(private_valkey: str) -> AsyncIterator[AsyncRedis]:
    async with command_client(private_valkey, timeout_s=30) as client:
        yield client


async def test_a_window_slides(redis: AsyncRedis) -> None:
    """Used up at once, it comes back bit by bit; never more than the quota in any window."""
    usage = Usage(redis, Allowance(requests=5, window_s=1, bytes_per_day=0, jobs=0))
    loop = asyncio.get_running_loop()
    taken: list[float] = []
    until = loop.time() + 3.2
    while loop.time() < until:
        before = loop.time()
        (meter,) = await usage.take("sliding", requests=1, size=0, jobs=0)
        if meter.wait_s is None:
            taken.append(before)
        await asyncio.sleep(0.01)

    assert len(taken) >= 10
    # Two numbers stand for all times of a window, so that it is even what they assume.
    assert max(sum(start <= one < start + 1 for one in taken) for start in taken) <= 2 * 5 - 1
    assert len(taken) <= 5 * 4.2


async def test_nothing_is_counted_when_one_quota_refuses(redis: AsyncRedis) -> None:
    usage = Usage(redis, Allowance(requests=5, window_s=3600, bytes_per_day=100, jobs=0))

    for _ in range(3):
        requests, size = await usage.take("whole", requests=1, size=101, jobs=0)
        assert (requests.wait_s, requests.left, size.left) == (None, 4, 100)
        assert size.wait_s is not None and size.wait_s > 3600
    requests, size = await usage.take("whole", requests=1, size=100, jobs=0)
    assert (requests.left, size.left, size.wait_s) == (4, 0, None)


async def test_a_wait_that_is_told_is_long_enough(redis: AsyncRedis) -> None:
    usage = Usage(redis, Allowance(requests=4, window_s=1, bytes_per_day=0, jobs=0))
    while True:
        (meter,) = await usage.take("waits", requests=1, size=0, jobs=0)
        if meter.wait_s is not None:
            break
    await asyncio.sleep(meter.wait_s)  # the time that is under test
    (meter,) = await usage.take("waits", requests=1, size=0, jobs=0)

    assert meter.wait_s is None


async def test_without_quotas_redis_is_not_asked(client: ClientSession) -> None:
    async with client.get("/livez") as response:
        assert "RateLimit" not in response.headers
    async with client.get("/status/none") as response:
        assert "RateLimit" not in response.headers
        assert "RateLimit-Policy" not in response.headers
