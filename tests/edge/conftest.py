"""What the tests of the HTTP side share: clients, and a server that is small enough to fill."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession, TCPConnector

from tests import server_process
from tests.edge import gated
from tests.edge.traces import eventually, is_idle, traces
from tests.server_process import ServerProcess

MIB = 1024 * 1024
STALL_TIMEOUT_S = 2.0
MAX_DEPTH = 20


@pytest_asyncio.fixture
async def client(live_server: str) -> AsyncIterator[ClientSession]:
    """Talks to the shared server."""
    async with ClientSession(live_server) as session:
        yield session


@pytest.fixture(scope="session")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Takes 1 MiB a picture and 4 MiB a request and does not wait long; no work is shared."""
    server = server_process.start(
        tmp_path_factory.mktemp("small-server") / "data",
        environment={
            "SAFELIGHT_DEDUP__ENABLED": "false",
            "SAFELIGHT_UPLOAD__MAX_UPLOAD_BYTES": str(MIB),
            "SAFELIGHT_UPLOAD__MAX_REQUEST_BYTES": str(4 * MIB),
            "SAFELIGHT_UPLOAD__STALL_TIMEOUT_S": str(STALL_TIMEOUT_S),
            "SAFELIGHT_LIVE__PING_S": "0.5",
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def small(small_server: ServerProcess) -> AsyncIterator[ClientSession]:
    """Talks to the small server."""
    async with ClientSession(small_server.url) as session:
        yield session


@pytest_asyncio.fixture
async def leaves_nothing(small_server: ServerProcess) -> AsyncIterator[ServerProcess]:
    """The small server, which after the test must have kept no more than before."""
    await eventually(lambda: is_idle(small_server))
    before = traces(small_server)
    yield small_server
    after = traces(small_server)
    assert (after.files - before.files, after.keys - before.keys) == (set(), set())
    assert after.counters == before.counters


@pytest.fixture(scope="session")
def lane_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Does one thing at a time, the same thing again where it is asked, and lets few wait."""
    server = server_process.start(
        tmp_path_factory.mktemp("lane-server") / "data",
        environment={
            "SAFELIGHT_DEDUP__ENABLED": "false",
            "SAFELIGHT_POOL__MAX_LANES": "1",
            "SAFELIGHT_QUEUE__MAX_DEPTH": str(MAX_DEPTH),
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def lane(lane_server: ServerProcess) -> AsyncIterator[ClientSession]:
    """Talks to the server of one lane, over as many connections as are asked for."""
    async with ClientSession(lane_server.url, connector=TCPConnector(limit=0)) as session:
        yield session


@pytest.fixture(scope="session")
def keyed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Asks for keys, lists one foreign origin, and believes what a proxy on this machine says."""
    server = server_process.start(
        tmp_path_factory.mktemp("keyed-server") / "data",
        environment={
            **gated.settings(max_wrong_keys=gated.MAX_WRONG_KEYS),
            "SAFELIGHT_CORS__ORIGINS": f'["{gated.LISTED}"]',
            "SAFELIGHT_SERVER__TRUSTED_PROXIES": '["127.0.0.1/32"]',
            "SAFELIGHT_SIGNING__MAX_URL_S": "86400",
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def keyed(keyed_server: ServerProcess) -> AsyncIterator[ClientSession]:
    """Talks to the server that asks for keys; sends none by itself."""
    async with ClientSession(keyed_server.url) as session:
        yield session
