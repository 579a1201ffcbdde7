"""kill -9 of what develops pictures while accepted jobs wait: which of them never complete.

The same pictures and the same kill for each service, one after the other. Ours and BullMQ's workers
are processes of their own; threads can only be killed with their service, which is started again
as a supervisor would.
"""

import asyncio
import os
import re
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession
from rich.progress import Progress

from bench import own, photos, tree
from bench.report import Report, Row
from bench.services import OURS, Served, install_peers, services
from bench.uploads import upload

JOBS = 60
KILL_AFTER = 8
"""So many have completed when it happens."""
RECIPE = {"resize": {"width": 800}, "format": "webp", "quality": 80}
ENVIRONMENT = {"SAFELIGHT_DEDUP__ENABLED": "false"}
LOOK_EVERY_S = 0.25
START_TIMEOUT_S = 120.0
PATIENCE_S = 180.0
"""BullMQ finds a stalled job after 60 to 91 s."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one service. last_s: from the kill to the last completion."""

    killed: str
    completed: int
    failed: int
    never: int
    last_s: float


def killed_beside_peers() -> Report:
    """Raises RuntimeError where there is no Node.js."""
    install_peers()
    with tempfile.TemporaryDirectory(prefix="safelight-killed-") as name:
        work = Path(name)
        server = own.start(work / "data", environment=ENVIRONMENT)
        try:
            found = asyncio.run(_all(server, work))
        finally:
            server.close()
    figures = {name: asdict(one) for name, one in found.items()}
    return Report(f"one kill -9 among {JOBS} accepted jobs", tuple(_rows(found)), figures)


async def _all(server: own.ServerProcess, work: Path) -> dict[str, Outcome]:
    sources = photos.generate(work / "small", "small")
    found = {}
    with Progress() as progress:
        async with services(server, RECIPE, work, peers=True) as served:
            bar = progress.add_task("", total=len(served))
            for side in served:
                progress.update(bar, description=side.name)
                files = photos.stamp(sources, work / side.name, count=JOBS, label=side.name)
                found[side.name] = await _one(side, files)
                progress.advance(bar)
    return found


async def _one(side: Served, files: Sequence[Path]) -> Outcome:
    states: dict[str, str] = {}
    async with ClientSession(side.url) as session:
        for path in files:
            states[await upload(session, path, side.recipe)] = "accepted"
        await _look_until(session, states, KILL_AFTER, START_TIMEOUT_S)
        victim = await _victim(session, side)
        os.kill(victim, signal.SIGKILL)
        killed_at = time.monotonic()
        last_at = await _look_until(session, states, JOBS, PATIENCE_S)
    ended = list(states.values())
    completed, failed = ended.count("completed"), ended.count("failed")
    what = "the service" if victim == side.roots[0] else "a worker"
    return Outcome(what, completed, failed, JOBS - completed - failed, last_at - killed_at)


async def _victim(session: ClientSession, side: Served) -> int:
    if side.name == OURS:
        async with session.get("/health") as response:
            lanes = (await response.json())["lanes"]
        return int(next(lane["pid"] for lane in lanes if lane["alive"]))
    workers = [pid for pid in tree.family(side.roots[0])[1:] if _is_worker(pid)]
    return workers[0] if workers else side.roots[0]


def _is_worker(pid: int) -> bool:
    command = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    return re.search(r"worker\.js", command) is not None


async def _look_until(
    session: ClientSession, states: dict[str, str], ended: int, patience_s: float
) -> float:
    """Ask for all that have not ended; returns when the last one did that was seen to."""
    last_at, give_up_at = time.monotonic(), time.monotonic() + patience_s
    while time.monotonic() < give_up_at:
        for job_id in [one for one, state in states.items() if state not in _ENDS]:
            states[job_id] = await _state(session, job_id) or states[job_id]
            if states[job_id] in _ENDS:
                last_at = time.monotonic()
        if sum(state in _ENDS for state in states.values()) >= ended:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    return last_at


_ENDS = ("completed", "failed")


async def _state(session: ClientSession, job_id: str) -> str | None:
    """None: there is nobody to ask just now."""
    try:
        async with session.get(f"/status/{job_id}") as response:
            return str((await response.json()).get("status"))
    except (ClientError, ConnectionError):
        return None


def _rows(found: dict[str, Outcome]) -> list[Row]:
    rows = []
    for name, one in found.items():
        is_ours = name == OURS
        rows += [
            Row(f"[bold]{name}[/], killed", one.killed),
            Row("completed", str(one.completed)),
            Row("told as failed", str(one.failed)),
            Row(
                f"of {JOBS} accepted never ended, within {PATIENCE_S:.0f} s",
                str(one.never),
                "0" if is_ours else "",
                one.never == 0 if is_ours else None,
            ),
            Row("from the kill to the last that ended, s", f"{one.last_s:.1f}"),
        ]
    return rows
