"""What a server keeps of uploads: files on its disk, keys and counters in its Redis."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from server.jobs import names
from server.ops.valkey import EmbeddedValkey
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

KEPT_FOLDERS = ("spool", "originals", "results")
OF_NODES = {names.NODES, names.NODE_LANES, names.SWEEP, names.QUEUE, names.JOURNAL}
COUNTERS = (
    *("waiting:interactive", "waiting:bulk", "waiting:fetch", "waiting:fetch-bulk", "processing"),
    *("admitted", "completed", "failed", "cancelled"),
)


@dataclass(frozen=True)
class Traces:
    """Equal to an earlier one: nothing was left behind."""

    files: frozenset[str]
    keys: frozenset[str]
    counters: dict[str, int]


def redis_of(server: ServerProcess) -> "Redis":
    """The Redis that a server has started for itself."""
    return Redis.from_url(EmbeddedValkey(server.data_dir).url, decode_responses=True)


def files_of(server: ServerProcess) -> frozenset[str]:
    """Everything kept below the data folder but Redis' own files."""
    return frozenset(
        str((Path(folder) / name).relative_to(server.data_dir))
        for top in KEPT_FOLDERS
        for folder, _, files in os.walk(server.data_dir / top)  # bears folders that vanish
        for name in files
    )


def is_idle(server: ServerProcess) -> bool:
    """Nothing waits, runs or is being tidied up."""
    found = traces(server)
    busy = [name for name in COUNTERS if name == "processing" or name.startswith("waiting:")]
    return not any(found.counters[name] for name in busy) and not any(
        name.startswith(("spool/incoming/", "spool/work/")) for name in found.files
    )


def traces(server: ServerProcess) -> Traces:
    """All of it at this moment."""
    with redis_of(server) as redis:
        keys = frozenset(redis.keys()) - OF_NODES
        values = redis.hmget(names.QUEUE, list(COUNTERS))
    counters = {name: int(value or 0) for name, value in zip(COUNTERS, values, strict=True)}
    return Traces(files_of(server), keys, counters)


async def eventually(is_so: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds that no event tells of."""
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110 (another process makes it so)
            await asyncio.sleep(0.02)
