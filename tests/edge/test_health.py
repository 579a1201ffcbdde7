"""Probes and the state of a node, while its parts really fail."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import ClientSession

from tests import server_process
from tests.chaos.parts import lane_pids, stopped, valkey_pid
from tests.conftest import SERVERS, StartServer
from tests.edge.forms import upload
from tests.edge.pictures import jpeg
from tests.edge.traces import redis_of
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

MIB = 1024 * 1024
ONE_LANE = {"SAFELIGHT_POOL__MIN_LANES": "1", "SAFELIGHT_POOL__MAX_LANES": "1"}


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose parts these tests break and mend."""
    folder = tmp_path_factory.mktemp("frail") / "data"
    server = server_process.start(
        folder, environment={**ONE_LANE, "SAFELIGHT_REDIS__TIMEOUT_S": "1"}
    )
    yield server
    server.close()


@pytest.fixture(autouse=True)
def shown_when_it_fails(request: pytest.FixtureRequest) -> None:
    if "frail" in request.fixturenames:
        request.node.stash[SERVERS] = [request.getfixturevalue("frail")]


async def asked(client: ClientSession, path: str) -> tuple[int, dict[str, Any]]:
    async with client.get(path) as response:
        return response.status, await response.json()


async def until(ask: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await ask():  # noqa: ASYNC110 (another process makes it so)
            await asyncio.sleep(0.05)


async def until_ready(client: ClientSession, status: int) -> dict[str, Any]:
    """The first answer of /readyz with this status."""
    found: list[dict[str, Any]] = []

    async def is_so() -> bool:
        code, answer = await asked(client, "/readyz")
        found.append(answer)
        return code == status

    await until(is_so)
    return found[-1]


async def test_a_sound_server_tells_all_of_itself(live_server: str) -> None:
    async with ClientSession(live_server) as client:
        assert await asked(client, "/livez") == (200, {"status": "ok"})
        status, ready = await asked(client, "/readyz")
        _, health = await asked(client, "/health")

    assert (status, ready["status"]) == (200, "ok")
    assert set(ready["checks"]) == {
        *("redis", "feed", "storage", "disk", "lanes", "journal", "accepting")
    }
    assert health["status"] == "ok"
    assert {part["state"] for part in health["parts"].values()} == {"ok"}
    assert {name for name, value in health["versions"].items() if not value} == set()
    assert health["versions"]["redis"].split()[0] in ("valkey", "redis")
    assert health["versions"]["database"].startswith("sqlite 3")
    assert set(health["sandbox"]) == {"landlock", "seccomp", "network", "reason"}
    assert health["role"] == "all"
    assert health["disk"]["freeBytes"] > health["disk"]["minFreeBytes"]
    assert health["memory"]["serverBytes"] > 0


async def test_many_probes_share_one_look(frail: ServerProcess) -> None:
    def looks() -> int:
        with redis_of(frail) as redis:
            stats: Any = redis.info("commandstats")
        return int(stats["cmdstat_hgetall"]["calls"])

    async with ClientSession(frail.url) as client:
        before = looks()
        answers = await asyncio.gather(*(asked(client, "/readyz") for _ in range(300)))
        after = looks()

    assert {status for status, _ in answers} == {200}
    assert after - before < 100


async def test_a_redis_that_hangs_is_named_while_the_loop_is_alive(frail: ServerProcess) -> None:
    async with ClientSession(frail.url) as client:
        with stopped(valkey_pid(frail)):
            refusal = await until_ready(client, 503)
            assert await asked(client, "/livez") == (200, {"status": "ok"})
            _, health = await asked(client, "/health")
        await until_ready(client, 200)
        _, mended = await asked(client, "/health")

    assert refusal["status"] == "unavailable"
    assert refusal["checks"]["redis"] is False
    assert "Redis" in refusal["reasons"]["redis"] or "answer" in refusal["reasons"]["redis"]
    assert health["status"] == "unavailable"
    assert health["parts"]["redis"]["state"] == "down"
    assert "redis.url" in health["parts"]["redis"]["todo"]
    assert health["parts"]["storage"]["state"] == "ok"
    assert health["queue"] is None
    assert mended["parts"]["redis"]["since"] > health["parts"]["redis"]["since"]
    told = [json.loads(one) for one in frail.log.read_text().splitlines()]
    about = [one["event"] for one in told if one.get("part") == "redis"]
    assert about == ["a part is not well", "a part is well again"]


async def test_a_node_without_a_living_worker_is_not_ready(frail: ServerProcess) -> None:
    async with ClientSession(frail.url) as client:
        [pid] = await lane_pids(client)
        with stopped(psutil.Process(pid).ppid()):  # whoever would bring up the next one
            os.kill(pid, signal.SIGKILL)
            refusal = await until_ready(client, 503)
        await until_ready(client, 200)
        answer = await upload(client, jpeg())

    assert refusal["reasons"] == {"lanes": "1 of 1 workers are not up."}
    assert answer["status"] == "completed"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """48 MiB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this user may not mount a file system: a full disk cannot be made")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing below can be made any more; what is open for writing stays so."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def test_a_disk_that_is_full_or_cannot_be_written_is_named(
    small_disk: Path, start_server: StartServer
) -> None:
    server = start_server(
        data_dir=small_disk / "data",
        SAFELIGHT_STORAGE__MIN_FREE_BYTES=str(16 * MIB),
        **ONE_LANE,
    )
    async with ClientSession(server.url) as client:
        await until_ready(client, 200)
        (small_disk / "ballast").write_bytes(bytes(36 * MIB))
        full = await until_ready(client, 503)
        (small_disk / "ballast").unlink()
        await until_ready(client, 200)
        with read_only(small_disk / "data"):
            closed = await until_ready(client, 503)
            alive, _ = await asked(client, "/livez")
        await until_ready(client, 200)

    assert "must stay free" in full["reasons"]["disk"]
    assert "Read-only" in closed["reasons"]["disk"]
    assert alive == 200


async def test_before_it_stops_it_sends_others_away_and_still_takes_pictures(
    start_server: StartServer,
) -> None:
    server = start_server(SAFELIGHT_SERVER__DRAIN_DELAY_S="60", **ONE_LANE)
    async with ClientSession(server.url) as client:
        server.children()
        server.process.send_signal(signal.SIGTERM)
        refusal = await until_ready(client, 503)
        answer = await upload(client, jpeg(80, 60))
        _, health = await asked(client, "/health")
        server.process.send_signal(signal.SIGTERM)  # the second one: now
        code = await asyncio.to_thread(server.process.wait, 25)

    assert refusal["reasons"] == {"accepting": "The server is stopping."}
    assert answer["status"] == "completed"
    assert health["draining"] is True
    assert code == 0
