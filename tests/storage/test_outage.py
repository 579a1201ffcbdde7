"""The bucket goes away and comes back: clear errors meanwhile, and no job is lost or to blame."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from tests import server_process
from tests.chaos.parts import lane_pids, stopped
from tests.edge.forms import end_of, upload
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import eventually, files_of, traces
from tests.patience import PATIENCE_S
from tests.ports import free_ports
from tests.server_process import ServerProcess
from tests.storage.relay import Relay
from tests.storage.weed import Weed


@pytest.fixture(scope="module")
def relay_port() -> int:
    return free_ports(("relay",))["relay"]


@pytest.fixture(scope="module")
def cut_off_server(
    tmp_path_factory: pytest.TempPathFactory, weed: Weed, relay_port: int
) -> Iterator[ServerProcess]:
    """Reaches its bucket by the relay only; starts without it."""
    server = server_process.start(
        tmp_path_factory.mktemp("cut-off") / "data",
        environment=weed.environment
        | {
            "SAFELIGHT_STORAGE__URL": "s3://pictures/cut-off",
            "SAFELIGHT_STORAGE__ENDPOINT": f"http://127.0.0.1:{relay_port}",
            "SAFELIGHT_STORAGE__MAX_RETRIES": "1",
            "SAFELIGHT_STORAGE__TIMEOUT_S": "3",
            "SAFELIGHT_QUEUE__RETRY_DELAY_S": "0.2",
            "SAFELIGHT_QUEUE__MAX_ATTEMPTS": "1",
            "SAFELIGHT_POOL__MAX_LANES": "1",
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def relay(weed: Weed, relay_port: int) -> AsyncIterator[Relay]:
    async with Relay(weed.ports["s3.port"], relay_port) as relay:
        yield relay


@pytest_asyncio.fixture
async def client(cut_off_server: ServerProcess, relay: Relay) -> AsyncIterator[ClientSession]:
    async with ClientSession(cut_off_server.url) as session:
        await _until(lambda: _is_ready(session))
        yield session


async def test_without_its_bucket_the_service_is_not_ready_and_says_why(
    client: ClientSession, relay: Relay
) -> None:
    await relay.cut()
    await _until(lambda: _is_not_ready(client))
    async with client.get("/readyz") as response:
        checks = (await response.json())["checks"]
    await relay.open()
    await _until(lambda: _is_ready(client))

    assert response.status == 503
    assert [name for name, works in checks.items() if not works] == ["storage"]


async def test_an_upload_is_refused_and_leaves_nothing(
    client: ClientSession, relay: Relay, cut_off_server: ServerProcess
) -> None:
    picture = jpeg(40, 30)
    await relay.cut()
    async with client.post("/upload", data=picture, headers={"Content-Type": "image/jpeg"}) as sent:
        found = await problem(sent)
    await relay.open()
    again = await upload(client, picture)

    assert (found["status"], found["code"]) == (503, "unavailable")
    assert int(sent.headers["Retry-After"]) > 0
    assert again["status"] == "completed"
    await eventually(lambda: not files_of(cut_off_server))


async def test_a_picture_cannot_be_shown_meanwhile_and_can_afterwards(
    client: ClientSession, relay: Relay
) -> None:
    answer = await upload(client, jpeg(45, 35))
    await relay.cut()
    async with client.get(answer["url"]) as response:
        found = await problem(response)
    await relay.open()
    async with client.get(answer["url"]) as response:
        assert response.status == 200
        await response.read()

    assert (found["status"], found["code"]) == (503, "unavailable")


async def test_a_job_waits_for_the_bucket_and_is_not_to_blame(
    client: ClientSession, relay: Relay, cut_off_server: ServerProcess
) -> None:
    """The bucket goes while jobs run: with one attempt each, blame would end them."""
    pictures = [jpeg(900, 700) for _ in range(4)]
    [worker] = await lane_pids(client)
    with stopped(worker):  # so that none is done before the bucket goes
        batch = await upload(client, *pictures, options={"format": "png"})
        await eventually(lambda: traces(cut_off_server).counters["processing"] > 0)
        await relay.cut()
    ids = [image["imageId"] for image in batch["images"]]
    await _until(lambda: _any_was_given_back(client, ids))
    await relay.open()
    ended = await end_of(client, batch["jobId"])

    assert {image["status"] for image in ended["images"]} == {"completed"}


async def test_a_presigned_upload_can_be_completed_when_the_bucket_is_back(
    client: ClientSession, relay: Relay
) -> None:
    async with client.post("/uploads", json={}) as response:
        begun = await response.json()
    async with ClientSession() as anybody:
        content = jpeg(30, 20)
        async with anybody.put(begun["url"], data=content, headers=begun["headers"]) as put:
            assert put.status == 200
    await relay.cut()
    async with client.post(begun["completeUrl"]) as response:
        found = await problem(response)
    await relay.open()
    async with client.post(begun["completeUrl"]) as response:
        answer = await response.json()

    assert (found["status"], found["code"]) == (503, "unavailable")
    assert answer["status"] == "completed"


async def _is_ready(client: ClientSession) -> bool:
    async with client.get("/readyz") as response:
        return response.status == 200


async def _is_not_ready(client: ClientSession) -> bool:
    return not await _is_ready(client)


async def _any_was_given_back(client: ClientSession, job_ids: list[str]) -> bool:
    for job_id in job_ids:
        async with client.get(f"/job/{job_id}") as response:
            if "storage failed" in (await response.json())["attemptHistory"]:
                return True
    return False


async def _until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await is_so():  # noqa: ASYNC110 (another process makes it so)
            await asyncio.sleep(0.05)
