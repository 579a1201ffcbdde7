"""A server with presets, one that has little room, and who asks it."""

import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession, TCPConnector

from tests import server_process
from tests.edge import gated
from tests.edge.derived.asking import MAX_DEPTH, PRESETS, WAIT_S
from tests.edge.gated import bearer
from tests.server_process import ServerProcess


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One lane, presets, keys for all but looking."""
    server = server_process.start(
        tmp_path_factory.mktemp("derived-server") / "data",
        environment={
            **gated.settings(),
            "SAFELIGHT_PRESETS": json.dumps(PRESETS),
            "SAFELIGHT_POOL__MAX_LANES": "1",
            "SAFELIGHT_QUEUE__MAX_DEPTH": str(MAX_DEPTH),
            "SAFELIGHT_DERIVED__WAIT_S": str(WAIT_S),
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def client(server: ServerProcess) -> AsyncIterator[ClientSession]:
    """A stranger, over as many connections as are asked for."""
    async with ClientSession(server.url, connector=TCPConnector(limit=0)) as session:
        yield session


@pytest_asyncio.fixture
async def owner(server: ServerProcess) -> AsyncIterator[ClientSession]:
    """Brings the pictures."""
    async with ClientSession(server.url, headers=bearer("ci")) as session:
        yield session
