"""What tests share: a private Valkey, real servers, and a browser if there is one."""

import shutil
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from redis import Redis

from server.ops.valkey import EmbeddedValkey
from tests import server_process
from tests.server_process import ServerProcess

LONGEST_FIRST = (
    *("deploy", "nodes", "contract", "chaos", "web", "webhooks", "storage", "intake", "bench"),
    *("edge", "live", "ops", "records", "docs", "cli", "jobs", "pool"),
)
SERVERS = pytest.StashKey[list[ServerProcess]]()

# The same examples every time, however long a busy machine takes for each.
settings.register_profile(
    "safelight", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("safelight")


class StartServer(Protocol):
    """Start a real server; settings by environment, e.g. SAFELIGHT_QUEUE__MAX_DEPTH="3"."""

    def __call__(
        self, *arguments: str, data_dir: Path | None = None, **environment: str
    ) -> ServerProcess: ...


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def private_valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a Valkey that only this run of the tests uses."""
    async with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey.url


@pytest.fixture
def valkey_url(private_valkey: str) -> str:
    """The private Valkey, empty."""
    with Redis.from_url(private_valkey) as client:
        client.flushall()
    return private_valkey


@pytest.fixture
def start_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartServer]:
    """Start real servers, each on a folder of its own if none is given; all end with the test."""
    servers: list[ServerProcess] = []
    request.node.stash[SERVERS] = servers

    def start(*arguments: str, data_dir: Path | None = None, **environment: str) -> ServerProcess:
        folder = data_dir or tmp_path / f"server-{len(servers)}" / "data"
        server = server_process.start(folder, environment=environment, arguments=arguments)
        servers.append(server)
        return server

    yield start
    failures: list[AssertionError] = []
    for server in reversed(servers):
        try:
            server.close()
        except AssertionError as error:
            failures.append(error)
    assert not failures, "\n".join(map(str, failures))


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server with the real defaults for all tests that neither stop it nor count its jobs."""
    server = server_process.start(
        tmp_path_factory.mktemp("shared-server") / "data",
        environment=server_process.WITH_NETWORKS,
        program=server_process.PROGRAM,
    )
    yield server
    server.close()


@pytest.fixture
def live_server(request: pytest.FixtureRequest, shared_server: ServerProcess) -> str:
    """The address of the shared server."""
    request.node.stash[SERVERS] = [shared_server]
    return shared_server.url


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program file of Chromium for playwright's executable_path."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed: this test drives a real browser")
    return program


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, or one process is still at it when the others are done."""

    def place(item: pytest.Item) -> int:
        folder = item.path.parent.relative_to(Path(__file__).parent).parts[:1]
        return LONGEST_FIRST.index(folder[0]) if folder and folder[0] in LONGEST_FIRST else 99

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the log of the servers it used."""
    report = yield
    if report.failed:
        for server in item.stash.get(SERVERS, []):
            report.sections.append((f"log of the server at {server.url}", server.log_tail()))
    return report
