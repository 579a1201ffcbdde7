"""What one would build instead, from bench/peers: a Node service with a Valkey of its own.

They speak as much of our HTTP as the driver needs. Their Valkey syncs its file once a second, as
is usual there; ours does so before each answer.
"""

import asyncio
import os
import shutil
import socket
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import tree
from server.ops.valkey import EmbeddedValkey
from server.ops.valkey_setup import socket_path

FOLDER = Path(__file__).parent / "peers"
PROGRAMS: Mapping[str, str] = {
    "Fastify + BullMQ + sharp": "bullmq/api.js",
    "Express + worker_threads + sharp": "threads/server.js",
}
MAX_WAITING = 1000
"""Pictures in line beyond which a peer answers 429."""
KEEP_S = 3600
"""So long a peer keeps pictures and what it knows of them."""
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Peer:
    """One that runs: its address, and the processes that it consists of."""

    url: str
    data_dir: Path
    pid: int
    valkey_pid: int

    @property
    def roots(self) -> tuple[int, ...]:
        """The processes at the top: Node, and the Valkey beside it."""
        return self.pid, self.valkey_pid

    def cpu(self) -> tree.Cpu:
        """CPU seconds until now; threads of Node count as the server."""
        return tree.cpu_of_service(*self.roots)


def missing() -> str | None:
    """Why no peer can run here: a sentence, or None."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "Node.js and npm are not installed, so there is no peer to compare with."
    return None


def install() -> None:
    """What package-lock.json names, by npm. Raises CalledProcessError."""
    stamp = FOLDER / "node_modules" / ".package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < (FOLDER / "package-lock.json").stat().st_mtime:
        subprocess.run(["npm", "ci", "--silent", "--prefix", str(FOLDER)], check=True)


@asynccontextmanager
async def running(
    name: str, folder: Path, *, max_waiting: int = MAX_WAITING, keep_s: int = KEEP_S
) -> AsyncIterator[Peer]:
    """A peer of `PROGRAMS` on a free port, with as many workers as cores."""
    async with EmbeddedValkey(folder, fsync="everysec") as valkey:
        assert valkey.pid is not None
        port = _free_port()
        environment = os.environ | {
            "NODE_ENV": "production",
            "PORT": str(port),
            "REDIS_SOCKET": str(socket_path(folder)),
            "FOLDER": str(folder / "pictures"),
            "WORKERS": str(os.cpu_count() or 1),
            "MAX_WAITING": str(max_waiting),
            "KEEP_S": str(keep_s),
        }
        process = await _start(name, environment)
        keeper = asyncio.create_task(_keep(name, environment, process))
        try:
            yield Peer(f"http://127.0.0.1:{port}", folder, process.pid, valkey.pid)
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])


async def _start(name: str, environment: Mapping[str, str]) -> Process:
    process = await asyncio.create_subprocess_exec(
        "node", str(FOLDER / PROGRAMS[name]), env=environment, stdout=PIPE
    )
    try:
        await _wait_until_ready(name, process)
    except BaseException:
        await _stop(process)
        raise
    return process


async def _keep(name: str, environment: Mapping[str, str], process: Process) -> None:
    """Start it again when it was killed, as a supervisor would; end it with this task."""
    try:
        while True:
            await process.wait()
            process = await _start(name, environment)
    finally:
        await _stop(process)


async def _wait_until_ready(name: str, process: Process) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(READY_TIMEOUT_S):
        line = await process.stdout.readline()
    if line.strip() != b"ready":
        raise RuntimeError(f"{name} did not start: {line.decode()!r}")


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
