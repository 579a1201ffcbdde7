"""kill -9 at random while pictures are uploaded: the long version of tests/chaos."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.progress import Progress

from bench.report import Report, Row
from tests.chaos import evidence
from tests.chaos.storm import Storm


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses."""

    uploads: int
    kills: int
    seed: int | None


def chaos(options: Options) -> Report:
    """Raises AssertionError with what was found wrong."""
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory(prefix="safelight-chaos-") as name, Progress() as progress:
        progress.console.print(f"seed {seed}")
        bar = progress.add_task("uploading and killing", total=options.uploads)

        def told(accepted: int, killed: int) -> None:
            progress.update(bar, completed=accepted, description=f"{killed} killed")

        storm = Storm(
            Path(name) / "data", uploads=options.uploads, kills=options.kills, seed=seed, told=told
        )
        wall_s = asyncio.run(_weather(storm, progress.console.print))
    return _report(storm, wall_s)


async def _weather(storm: Storm, say: Callable[[str], None]) -> float:
    started = time.monotonic()
    server = await storm.rage()
    wall_s = time.monotonic() - started
    try:
        say("looking at what is left")
        await evidence.all_is_well(storm.data_dir, storm.accepted, server.url)
        code = server.stop()
        assert code == 0, f"the server ended with exit code {code}"
    finally:
        server.close()  # fails when a process is left
    return wall_s


def _report(storm: Storm, wall_s: float) -> Report:
    accepted = len(storm.accepted)
    restart_s = [round(one, 2) for one in storm.restart_s]
    rows = (
        Row("seed", str(storm.seed)),
        Row("killed", ", ".join(f"{kind} {number}" for kind, number in storm.killed.items())),
        Row("wall time, s", f"{wall_s:.0f}"),
        Row("uploads accepted (2xx)", str(accepted)),
        Row("of them completed exactly once, with the right pixels", str(accepted), "all", True),
        Row("answers", ", ".join(f"{name} {number}" for name, number in storm.answers.items())),
        Row("kill of the server to the next 'ready', s", _spread(restart_s)),
    )
    figures = {
        "seed": storm.seed,
        "killed": dict(storm.killed),
        "wall_s": wall_s,
        "accepted": accepted,
        "answers": dict(storm.answers),
        "restart_s": restart_s,
    }
    return Report(f"chaos, {storm.killed.total()} kills", rows, figures)


def _spread(values: list[float]) -> str:
    return f"median {median(values):.2f}, longest {max(values):.2f}" if values else "none"
