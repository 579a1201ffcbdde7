"""The services of a run: ours and, where they are wanted, the peers; each with its driver."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import peer
from bench.client import Client
from tests.server_process import ServerProcess

OURS = "Safelight"


@dataclass(frozen=True, slots=True)
class Served:
    """A service that runs: its processes at the top, its data folder, its driver.

    recipe: in its own words.
    """

    name: str
    url: str
    roots: tuple[int, ...]
    data_dir: Path
    recipe: Mapping[str, Any]
    client: Client


@asynccontextmanager
async def services(
    server: ServerProcess,
    recipe: Mapping[str, Any],
    work: Path,
    *,
    peers: bool,
    max_waiting: int = peer.MAX_WAITING,
    keep_s: int = peer.KEEP_S,
) -> AsyncIterator[list[Served]]:
    """Ours first. The peers are told the encoder's effort that ours uses unless told otherwise."""
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(Client(server.url, dict(recipe)))
        found = [Served(OURS, server.url, (server.pid,), server.data_dir, recipe, ours)]
        theirs = {**recipe, "effort": 4}
        for number, name in enumerate(peer.PROGRAMS if peers else ()):
            running = peer.running(
                name, work / f"peer-{number}", max_waiting=max_waiting, keep_s=keep_s
            )
            other = await stack.enter_async_context(running)
            client = await stack.enter_async_context(Client(other.url, theirs))
            found.append(Served(name, other.url, other.roots, other.data_dir, theirs, client))
        yield found


def install_peers() -> None:
    """Raises RuntimeError where there is no Node.js."""
    if reason := peer.missing():
        raise RuntimeError(reason)
    peer.install()
