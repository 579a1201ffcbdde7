"""Several nodes, each in a namespace, over one Valkey, one bucket and one PostgreSQL: all real."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from server.ops.valkey_setup import find_server
from tests import server_process
from tests.nodes.lan import Lan, lan
from tests.ports import free_ports
from tests.records import postgres
from tests.server_process import ServerProcess
from tests.storage.weed import Weed

READY_S = 60.0
START_S = 150.0  # of a node, while others work
LEASE_S = 3.0
SHARED = {
    "SAFELIGHT_SIGNING__KEYS": '["what-all-of-these-nodes-know-and-nobody-else"]',
    "SAFELIGHT_WEBHOOKS__SECRETS": '["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]',
    "SAFELIGHT_QUEUE__LEASE_S": str(LEASE_S),
    "SAFELIGHT_QUEUE__RETRY_DELAY_S": "0.1",
    "SAFELIGHT_REDIS__TIMEOUT_S": "1",
    "SAFELIGHT_LIVE__PING_S": "1",
    "SAFELIGHT_LIVE__CONFIRM_TIMEOUT_S": "2",
    "SAFELIGHT_AI__ENABLED": "false",  # or each start measures the networks
    "SAFELIGHT_POOL__MIN_LANES": "1",
    "SAFELIGHT_POOL__MAX_LANES": "1",
}


@dataclass
class Shared:
    """What all nodes share. `folder`/redis is Valkey's, in the layout that tests.chaos reads."""

    lan: Lan
    folder: Path
    port: int
    weed: Weed
    records_url: str

    @property
    def redis_url(self) -> str:
        """Where Valkey listens."""
        return f"redis://{self.lan.hub}:{self.port}/0"

    @property
    def environment(self) -> dict[str, str]:
        """What a node is told of them."""
        return self.weed.environment | {
            "SAFELIGHT_REDIS__URL": self.redis_url,
            "SAFELIGHT_STORAGE__URL": "s3://pictures/nodes",
            "SAFELIGHT_RECORDS__URL": self.records_url,
        }


@dataclass
class Fleet:
    """Nodes by their names; `environment` is the same for all of them."""

    shared: Shared
    folder: Path
    environment: Mapping[str, str]
    roles: Mapping[str, str]
    nodes: dict[str, ServerProcess] = field(default_factory=dict)

    def url(self, name: str) -> str:
        """Where a node answers."""
        return self.nodes[name].url

    def data_dir(self, name: str) -> Path:
        """A node's own folder; it stays over its lives."""
        return self.folder / name / "data"

    def node_of(self) -> dict[str, str]:
        """The names of nodes by what Redis calls them."""
        return {(self.data_dir(name) / "node").read_text().strip(): name for name in self.roles}

    def start(self, name: str) -> ServerProcess:
        """Start a node, or start it again where it was; it has the port that it had."""
        network = self.shared.lan
        if name not in network.hosts:
            network.add(name)
        self.nodes[name] = server_process.start(
            self.data_dir(name),
            environment=self.shared.environment | SHARED | dict(self.environment),
            arguments=(
                *("--role", self.roles[name], "--open"),
                *("--host", network.hosts[name], "--port", "8080"),
            ),
            through=network.inside(name),
            within_s=START_S,
        )
        return self.nodes[name]

    def close(self) -> None:
        """End all nodes; fails when one leaves a process behind."""
        with ExitStack() as stack:
            for node in self.nodes.values():
                stack.callback(node.close)


@contextmanager
def shared(folder: Path, binaries: Path) -> Iterator[Shared]:
    """Network, Valkey, bucket and database for as long as they are needed."""
    with ExitStack() as stack:
        network = stack.enter_context(lan())
        port = free_ports(("valkey",))["valkey"]
        stack.enter_context(valkey(folder, network.hub, port))
        weed = Weed(folder / "weed", hook_port=9, host=network.hub)
        weed.start()
        stack.callback(weed.stop)
        database = stack.enter_context(postgres.running(binaries))
        yield Shared(network, folder, port, weed, database.url())


@contextmanager
def fleet(
    shared: Shared, folder: Path, roles: Mapping[str, str], **environment: str
) -> Iterator[Fleet]:
    """Nodes of these roles by name, all started, on an empty Redis."""
    made = Fleet(shared, folder, environment, roles)
    with Redis.from_url(shared.redis_url) as client:
        client.flushall()
    try:
        for name in roles:
            made.start(name)
        yield made
    finally:
        made.close()


@contextmanager
def valkey(
    folder: Path, host: str, port: int, *settings: str, program: str = "valkey"
) -> Iterator["subprocess.Popen[bytes]"]:
    """A Valkey that listens where other machines reach it; it keeps what it holds."""
    home = folder / "redis"
    home.mkdir(parents=True, exist_ok=True)
    command = [
        *(str(find_server()), "--port", str(port), "--bind", host, "--dir", str(home)),
        *("--protected-mode", "no", "--save", "", "--appendonly", "yes"),
        *("--appendfsync", "everysec", "--aof-use-rdb-preamble", "no"),
        *("--auto-aof-rewrite-percentage", "0", "--hash-max-listpack-value", "2048"),
        *("--logfile", str(home / f"{program}.log"), *settings),
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_until_it_answers(process, host, port)
        yield process
    finally:
        process.kill()
        process.wait(10)


def wait_until_it_answers(process: "subprocess.Popen[bytes]", host: str, port: int) -> None:
    """Wait for a PONG."""
    deadline = time.monotonic() + READY_S
    with Redis(host=host, port=port, socket_timeout=2) as client:
        while True:
            assert process.poll() is None, "Valkey ended at its start"
            try:
                client.ping()
                return
            except (RedisError, OSError):
                assert time.monotonic() < deadline, "Valkey does not answer"
                time.sleep(0.05)
