"""The service in a container as deploy/docker makes it: it works, shut in, and ends when told."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.deploy.container import Container, owner, why_none
from tests.edge.forms import upload
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually
from tests.patience import PATIENCE_S
from tests.ports import free_port
from tests.server_process import READY


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    """One that is not started yet."""
    if reason := why_none(tmp_path / "trial"):
        pytest.skip(reason)
    one = Container(tmp_path / "service")
    yield one
    one.close()


async def test_it_develops_pictures_without_any_privilege_and_ends_when_told_to(
    container: Container, live_server: str
) -> None:
    port = free_port()
    container.start(
        *(sys.executable, "-m", "server", "serve"),
        SAFELIGHT_SERVER__HOST="127.0.0.1",
        SAFELIGHT_SERVER__PORT=str(port),
    )
    async with ClientSession(f"http://127.0.0.1:{port}") as client:
        await eventually(lambda: READY in container.log() or not container.is_running())
        assert container.is_running(), container.log()
        made = await upload(client, jpeg(640, 480), options={"resize": {"width": 64}})
        async with client.get("/health") as response:
            inside = (await response.json())["sandbox"]
    async with ClientSession(live_server) as client, client.get("/health") as response:
        outside = (await response.json())["sandbox"]
    held = container.status()
    container.stop()

    assert made["status"] == "completed"
    assert inside == outside  # what the engine forbids takes nothing from the workers' own sandbox
    assert held["Uid"].split() == [str(owner()[0])] * 4
    assert (held["CapEff"], held["NoNewPrivs"], held["Seccomp"]) == ("0" * 16, "1", "2")
    assert container.ended(PATIENCE_S) == 0, container.log()
    assert {one.name for one in container.volume.iterdir()} == {"data"}
