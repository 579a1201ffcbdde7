"""The processes of a running server, to be stopped or killed at the right moment."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import ClientSession

from tests.server_process import ServerProcess

# About three seconds of work for one lane, hardly any of it in Python.
SLOW = {"resize": {"width": 2600, "enlarge": True}, "format": "avif", "quality": 90}
# Half a minute of it; each output differs, or they would be made once.
VERY_SLOW = {
    "format": "avif",
    "variants": [
        {"name": f"slow{n}", "resize": {"width": 2000 + n, "enlarge": True}, "quality": 80 + n}
        for n in range(16)
    ],
}


async def lane_pids(session: ClientSession) -> list[int]:
    """The workers that develop pictures now, as /health tells."""
    async with session.get("/health") as response:
        lanes = (await response.json())["lanes"]
    return [lane["pid"] for lane in lanes if lane["alive"]]


def valkey_pid(server: ServerProcess) -> int:
    """The Valkey that the server has started."""
    return next(one.pid for one in server.children() if one.name().startswith("valkey"))


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that hangs for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
