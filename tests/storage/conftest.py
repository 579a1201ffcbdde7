"""What the tests of the storage share: an S3 server, and services with their pictures in it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from tests import server_process
from tests.ports import free_ports
from tests.server_process import ServerProcess
from tests.storage.weed import HOOK_TOKEN, NOTIFIED_BUCKET, Weed

MAX_PENDING = 200


@pytest.fixture(scope="session")
def hook_port() -> int:
    """Where the S3 server tells of new objects; fixed before either of the two starts."""
    return free_ports(("hook",))["hook"]


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory, hook_port: int) -> Iterator[Weed]:
    """A real S3 server."""
    weed = Weed(tmp_path_factory.mktemp("weed"), hook_port)
    weed.start()
    yield weed
    weed.stop()


@pytest.fixture(scope="session")
def bucket_server(tmp_path_factory: pytest.TempPathFactory, weed: Weed) -> Iterator[ServerProcess]:
    """Keeps everything in a bucket that tells nobody of it, and streams it from there."""
    server = server_process.start(
        tmp_path_factory.mktemp("bucket-server") / "data",
        environment=weed.environment
        | {
            "SAFELIGHT_STORAGE__URL": "s3://pictures/safe/light",
            "SAFELIGHT_HOOKS__TOKEN": "token",
            # Forgotten soon after their URL has ended, so that a test can see it.
            "SAFELIGHT_PRESIGN__KEEP_S": "1",
            "SAFELIGHT_PRESIGN__MAX_PENDING": str(MAX_PENDING),
        },
    )
    yield server
    server.close()


@pytest.fixture(scope="session")
def notified_server(
    tmp_path_factory: pytest.TempPathFactory, weed: Weed, hook_port: int
) -> Iterator[ServerProcess]:
    """Is told by its bucket what comes there, and sends those who want a picture to the bucket."""
    server = server_process.start(
        tmp_path_factory.mktemp("notified-server") / "data",
        arguments=("--port", str(hook_port)),
        environment=weed.environment
        | {
            "SAFELIGHT_STORAGE__URL": f"s3://{NOTIFIED_BUCKET}/pre",
            "SAFELIGHT_STORAGE__DELIVERY": "redirect",
            "SAFELIGHT_HOOKS__TOKEN": HOOK_TOKEN,
            "SAFELIGHT_HOOKS__PREFIX": "drop/",
            "SAFELIGHT_HOOKS__PRESET": "mini",
            "SAFELIGHT_PRESETS": '{"mini": {"format": "png", "resize": {"width": 16}}}',
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def bucket(bucket_server: ServerProcess) -> AsyncIterator[ClientSession]:
    """Talks to the service that keeps its pictures in a bucket."""
    async with ClientSession(bucket_server.url) as session:
        yield session


@pytest_asyncio.fixture
async def notified(notified_server: ServerProcess) -> AsyncIterator[ClientSession]:
    """Talks to the service that its bucket notifies."""
    async with ClientSession(notified_server.url) as session:
        yield session


@pytest_asyncio.fixture
async def local(shared_server: ServerProcess) -> AsyncIterator[ClientSession]:
    """Talks to the service that keeps its pictures on its disk."""
    async with ClientSession(shared_server.url) as session:
        yield session
