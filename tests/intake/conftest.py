"""A server that may fetch from this machine, and a web server beside it to fetch from."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession, TCPConnector

from tests import server_process
from tests.conftest import SERVERS
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually, is_idle
from tests.intake.origin import Origin, origin_in_thread
from tests.server_process import ServerProcess

MIB = 1024 * 1024
HOST_CONCURRENCY = 3
MAX_ATTEMPTS = 2
MAX_LINE_BYTES = 2000
MAX_URLS = 5
PICTURE = jpeg(64, 48)


def fetching(origin: Origin, **more: str) -> dict[str, str]:
    """What a server needs to fetch from an origin, and not to wait long."""
    return {
        "SAFELIGHT_FETCH__ALLOW_NETWORKS": '["127.0.0.0/8"]',
        "SAFELIGHT_FETCH__PORTS": f"[{origin.port}]",
        "SAFELIGHT_FETCH__RETRY_DELAY_S": "0.05",
        "SAFELIGHT_FETCH__MAX_ATTEMPTS": str(MAX_ATTEMPTS),
        **more,
    }


@pytest.fixture(scope="session")
def shared_origin() -> Iterator[Origin]:
    """One web server for all tests here."""
    with origin_in_thread() as origin:
        yield origin


@pytest.fixture(scope="session")
def fetch_server(
    shared_origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """Fetches from that one."""
    settings = {
        "SAFELIGHT_FETCH__STALL_TIMEOUT_S": "2",
        "SAFELIGHT_FETCH__HOST_CONCURRENCY": str(HOST_CONCURRENCY),
        "SAFELIGHT_FETCH__MAX_LINE_BYTES": str(MAX_LINE_BYTES),
        "SAFELIGHT_FETCH__MAX_URLS": str(MAX_URLS),
        "SAFELIGHT_UPLOAD__MAX_UPLOAD_BYTES": str(MIB),
    }
    server = server_process.start(
        tmp_path_factory.mktemp("fetch-server") / "data",
        environment=fetching(shared_origin, **settings),
    )
    yield server
    server.close()


@pytest.fixture
def origin(shared_origin: Origin) -> Origin:
    """The web server, which has seen nobody yet; a small picture lies at /picture.jpg."""
    shared_origin.answers.clear()
    shared_origin.forget()
    shared_origin.bytes("/picture.jpg", PICTURE)
    return shared_origin


@pytest_asyncio.fixture
async def fetching_client(
    request: pytest.FixtureRequest, fetch_server: ServerProcess
) -> AsyncIterator[ClientSession]:
    """Talks to the server that fetches; afterwards nothing of it may be in work or half-done."""
    request.node.stash[SERVERS] = [fetch_server]
    async with ClientSession(fetch_server.url, connector=TCPConnector(limit=0)) as session:
        yield session
    await eventually(lambda: is_idle(fetch_server))
