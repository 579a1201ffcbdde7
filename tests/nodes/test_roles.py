"""One node takes pictures, another works on them, and each says what it is for."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from server.config import SettingsError, load
from server.wiring.role import refuse_unshared
from tests.conftest import StartServer
from tests.edge.forms import end_of, status_of, upload
from tests.edge.pictures import jpeg
from tests.nodes.storm import until_ready
from tests.patience import PATIENCE_S
from tests.server_process import PROJECT
from tests.storage.conftest import hook_port, weed
from tests.storage.weed import Weed

__all__ = ["hook_port", "weed"]


EDGE_ALONE = {
    "signing": {"keys": ["x" * 32]},
    "webhooks": {"secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]},
}
PLACES = {"redis": {"url": "redis://there"}, "storage": {"url": "s3://bucket"}}
NO_RECORDS = {"records": {"enabled": False}}


def complaint(role: str, **sections: Mapping[str, object]) -> str:
    settings = load(None, {"server": {"role": role}, **{k: dict(v) for k, v in sections.items()}})
    try:
        refuse_unshared(settings)
    except SettingsError as error:
        return str(error)
    return ""


def test_an_edge_says_all_that_it_is_missing() -> None:
    told = complaint("edge")

    for name in ("redis.url", "storage.url", "records.url", "signing.keys", "webhooks.secrets"):
        assert name in told


def test_a_worker_needs_redis_and_the_bucket_alone() -> None:
    told = complaint("worker")

    assert "redis.url" in told and "storage.url" in told
    assert "records.url" not in told and "signing.keys" not in told
    assert complaint("worker", **PLACES) == ""


def test_a_node_that_is_alone_needs_nothing() -> None:
    assert complaint("all") == ""


def test_an_edge_that_shares_everything_may_start() -> None:
    assert complaint("edge", **PLACES, **EDGE_ALONE, **NO_RECORDS) == ""
    assert "records.url" in complaint("edge", **PLACES, **EDGE_ALONE)


def test_serve_ends_at_once_with_one_line() -> None:
    command = [sys.executable, "-m", "server", "serve", "--role", "worker", "--port", "0"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE_S)

    assert done.returncode == 1
    assert (
        done.stderr.count("\n") == 1 and "server.role: worker also needs redis.url" in done.stderr
    )


@pytest_asyncio.fixture
async def edge(
    start_server: StartServer, environment: dict[str, str]
) -> AsyncIterator[ClientSession]:
    """A node that takes pictures and has no lanes."""
    async with ClientSession(start_server("--role", "edge", **environment).url) as session:
        yield session


@pytest.fixture
def environment(valkey_url: str, weed: Weed, tmp_path: Path) -> dict[str, str]:
    return weed.environment | {
        "SAFELIGHT_REDIS__URL": valkey_url,
        "SAFELIGHT_STORAGE__URL": f"s3://pictures/{tmp_path.name}",
        "SAFELIGHT_RECORDS__ENABLED": "false",
        "SAFELIGHT_SIGNING__KEYS": '["what-both-nodes-know-and-nobody-else-does"]',
        "SAFELIGHT_WEBHOOKS__SECRETS": '["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]',
        "SAFELIGHT_POOL__MAX_LANES": "1",
    }


async def test_an_edge_takes_pictures_in_until_a_worker_comes(
    edge: ClientSession, start_server: StartServer, environment: dict[str, str]
) -> None:
    await until_ready(str(edge._base_url))
    health = await health_with_lanes(edge, 0)
    job_id = (await upload(edge, jpeg(), at_once=True))["jobId"]
    waiting = await status_of(edge, job_id)
    worker = start_server("--role", "worker", **environment)
    done = await end_of(edge, job_id)
    async with edge.get(f"/image/{job_id}") as response:
        shown = response.status

    assert (health["status"], health["role"]) == ("degraded", "edge")
    assert health["queue"]["lanesOfAllNodes"] == 0
    assert health["parts"]["redis"]["trouble"].startswith("No node of the service has a worker")
    assert (waiting["status"], waiting["etaSeconds"]) == ("queued", None)
    assert (done["status"], shown) == ("completed", 200)
    await _is_a_worker(worker.url, edge)


async def _is_a_worker(url: str, edge: ClientSession) -> None:
    """It answers how it is and nothing else; its lanes are known to the edge."""
    async with ClientSession(url) as session:
        await until_ready(url)
        for method, path in (("POST", "/upload"), ("GET", "/jobs"), ("GET", "/ws"), ("GET", "/")):
            async with session.request(method, path) as response:
                assert response.status == 404, path
    await health_with_lanes(edge, 1)


async def health_with_lanes(edge: ClientSession, lanes: int) -> dict[str, Any]:
    """The health of a node once it knows of so many lanes, which each node tells now and then."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with edge.get("/health") as response:
                health: dict[str, Any] = await response.json()
            if health["queue"] and health["queue"]["lanesOfAllNodes"] == lanes:
                return health
            await asyncio.sleep(0.1)


async def test_watchers_of_the_service_see_what_each_node_is_for(
    edge: ClientSession, start_server: StartServer, environment: dict[str, str]
) -> None:
    start_server("--role", "worker", **environment)
    roles: dict[str, int] = {}
    async with edge.ws_connect("/ws") as socket:
        await socket.send_json({"type": "subscribe", "topic": "system"})
        while sorted(roles) != ["edge", "worker"]:
            told = await socket.receive_json(timeout=PATIENCE_S)
            if told["type"] == "system":
                roles = {one["role"]: len(one["lanes"]) for one in told["nodes"]}

    assert roles == {"edge": 0, "worker": 1}


def test_names_of_roles_are_checked() -> None:
    with pytest.raises(SettingsError, match=r"server\.role"):
        load(None, {"server": {"role": "driver"}})
