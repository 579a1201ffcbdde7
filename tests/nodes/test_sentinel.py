"""Redis that fails over, by real sentinels; and a cluster, which is refused."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientSession
from redis import Redis

from server.jobs.connection import command_client
from server.jobs.fitness import RedisUnfit, refuse_unfit
from server.jobs.sentinel import read_sentinel_url
from server.ops.valkey_setup import find_server
from tests.conftest import StartServer
from tests.edge.forms import AT_ONCE, end_of, form, status_of
from tests.edge.pictures import jpeg
from tests.nodes.fleet import valkey, wait_until_it_answers
from tests.patience import PATIENCE_S
from tests.ports import free_ports

HOST = "127.0.0.1"
MASTER = "darkroom"
DOWN_AFTER_MS = 1000


@dataclass
class Watched:
    """A master, its replica and three sentinels."""

    url: str
    ports: dict[str, int]
    master: "subprocess.Popen[bytes]"

    def asked(self, name: str) -> Redis:
        """A client of one of them."""
        return Redis(host=HOST, port=self.ports[name], decode_responses=True, socket_timeout=2)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """All of them run, and the replica has what the master has."""
    sentinels = ("s1", "s2", "s3")
    ports = free_ports(("master", "replica", *sentinels))
    with ExitStack() as stack:
        master = stack.enter_context(valkey(tmp_path / "m", HOST, ports["master"]))
        copy = ("--replicaof", f"{HOST} {ports['master']}")
        stack.enter_context(valkey(tmp_path / "r", HOST, ports["replica"], *copy))
        for name in sentinels:
            stack.enter_context(_sentinel(tmp_path / name, ports[name], ports["master"]))
        places = ",".join(f"{HOST}:{ports[name]}" for name in sentinels)
        made = Watched(f"redis+sentinel://{places}/{MASTER}", ports, master)
        _wait(lambda: _is_seen(made, sentinels), "the sentinels do not see all of it")
        yield made


def _is_seen(watched: Watched, sentinels: tuple[str, ...]) -> bool:
    """Whether each sentinel knows the others and the replica, which has what the master has."""
    for name in sentinels:
        with watched.asked(name) as sentinel:
            state = sentinel.sentinel_master(MASTER)
            if (state["num-other-sentinels"], state["num-slaves"]) != (2, 1):
                return False
    with watched.asked("replica") as replica:
        return bool(replica.info("replication")["master_link_status"] == "up")


@contextmanager
def _sentinel(folder: Path, port: int, master: int) -> Iterator[None]:
    folder.mkdir()
    config = folder / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind {HOST}\ndir {folder}\nlogfile {folder / 'log'}\n"
        f"sentinel monitor {MASTER} {HOST} {master} 2\n"
        f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_MS}\n"
        f"sentinel failover-timeout {MASTER} 5000\n"
    )
    command = [str(find_server()), str(config), "--sentinel"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_until_it_answers(process, HOST, port)
        yield
    finally:
        process.kill()
        process.wait(10)


def _wait(is_so: Callable[[], bool], complaint: str, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.05)


async def test_a_failover_is_waited_out(watched: Watched, start_server: StartServer) -> None:
    server = start_server(SAFELIGHT_REDIS__URL=watched.url, SAFELIGHT_AI__ENABLED="false")
    async with ClientSession(server.url) as session:
        before = [await _upload(session, 64 + number) for number in range(5)]
        ends = [(await end_of(session, one))["status"] for one in before]
        with watched.asked("master") as master:
            assert master.execute_command("WAIT", 1, 5000) == 1  # the replica has all of it
        socket = await session.ws_connect("/ws")
        watched.master.send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        after, refused = await _upload_until_taken(session)
        away_s = time.monotonic() - killed_at
        await socket.send_json({"type": "subscribe", "jobId": after})
        told = await socket.receive_json(timeout=PATIENCE_S)
        while told["status"] != "completed":
            told = await socket.receive_json(timeout=PATIENCE_S)
        kept = [(await status_of(session, one))["status"] for one in before]
    with watched.asked("replica") as replica:
        role = replica.info("replication")["role"]
        jobs = {key.removeprefix("job:") for key in replica.keys("job:*")}

    assert ends == kept == ["completed"] * 5
    assert set(before) | {after} <= jobs and role == "master"
    assert set(refused) <= {503}
    print(f"killed to the next upload that was taken: {away_s:.1f} s, {len(refused)} refusals")


async def _upload(session: ClientSession, width: int) -> str:
    data = form(("a.jpg", jpeg(width)))
    async with session.post("/upload", data=data, headers=AT_ONCE) as response:
        assert response.status in (200, 202), await response.text()
        return str((await response.json())["jobId"])


async def _upload_until_taken(session: ClientSession) -> tuple[str, list[int]]:
    refused: list[int] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        data = form(("a.jpg", jpeg(200)))
        async with session.post("/upload", data=data, headers=AT_ONCE) as response:
            if response.status in (200, 202):
                return str((await response.json())["jobId"]), refused
            refused.append(response.status)
        await asyncio.sleep(0.1)
    raise AssertionError(f"nothing is taken after a failover: {refused}")


async def test_a_master_that_was_only_away_for_a_while_is_left(watched: Watched) -> None:
    """It wakes as a replica; whoever is still connected to it must not stay there."""
    async with command_client(watched.url, timeout_s=1) as redis:
        await redis.hset("queue", "before", "1")
        os.kill(watched.master.pid, signal.SIGSTOP)
        try:
            _wait(lambda: _role(watched, "replica") == "master", "no failover")
        finally:
            os.kill(watched.master.pid, signal.SIGCONT)
        _wait(lambda: _role(watched, "master") == "slave", "the old one is still a master")
        await redis.hset("queue", "after", "1")
    with watched.asked("replica") as now:
        assert now.hget("queue", "after") == "1"


def _role(watched: Watched, name: str) -> str:
    with watched.asked(name) as client:
        return str(client.info("replication")["role"])


async def test_a_cluster_is_refused_with_the_reason(tmp_path: Path) -> None:
    ports = free_ports(("node", "bus"))
    port, bus = ports["node"], str(ports["bus"])  # the bus would be at port + 10000, if that is one
    with valkey(tmp_path, HOST, port, "--cluster-enabled", "yes", "--cluster-port", bus):
        async with command_client(f"redis://{HOST}:{port}", timeout_s=30) as redis:
            with pytest.raises(RedisUnfit, match=r"cluster.*redis\+sentinel"):
                await refuse_unfit(redis)


def test_an_address_is_taken_apart() -> None:
    found = read_sentinel_url("rediss+sentinel://bob:p%40ss@one:1,[::1]:2,three/main/4")

    assert found.sentinels == (("one", 1), ("::1", 2), ("three", 26379))
    assert (found.master, found.db, found.is_tls) == ("main", 4, True)
    assert (found.username, found.password) == ("bob", "p@ss")


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one:1",
        "redis+sentinel:///main",
        "redis+sentinel://one:x/main",
        "redis+sentinel://user:secret@one/main/x",
        "redis+sentinel://one/main?db=3",
    ],
)
def test_a_wrong_address_says_what_is_wanted_and_tells_no_secret(url: str) -> None:
    with pytest.raises(RedisUnfit, match="host:port,host:port/name") as told:
        read_sentinel_url(url)
    assert "secret" not in str(told.value)
