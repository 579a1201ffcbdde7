"""Three nodes in networks of their own, killed and cut off at random while pictures are uploaded:
the long version of tests/nodes."""

import asyncio
import secrets
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from rich.progress import Progress

from bench.report import Report, Row
from tests.nodes import evidence, lan
from tests.nodes.evidence import Found
from tests.nodes.fleet import fleet, shared
from tests.nodes.storm import ENVIRONMENT, ROLES, Storm
from tests.records import postgres


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses."""

    uploads: int
    kills: int
    cuts: int
    seed: int | None


def nodes(options: Options) -> Report:
    """Raises AssertionError with what was found wrong."""
    binaries = postgres.programs()
    why_not = lan.why_not() or ("" if binaries else "PostgreSQL (initdb) is not installed")
    if why_not or binaries is None:
        raise typer.BadParameter(f"three nodes cannot be run here: {why_not}")
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="safelight-nodes-")))
        progress = stack.enter_context(Progress())
        progress.console.print(f"seed {seed}")
        bar = progress.add_task("uploading", total=options.uploads)

        def told(accepted: int, blows: int) -> None:
            progress.update(bar, completed=accepted, description=f"{blows} blows")

        commons = stack.enter_context(shared(folder, binaries))
        three = stack.enter_context(fleet(commons, folder / "nodes", ROLES, **ENVIRONMENT))
        storm = Storm(three, options.uploads, options.kills, options.cuts, seed, told=told)
        started = time.monotonic()
        asyncio.run(storm.rage())
        wall_s = time.monotonic() - started
        progress.console.print("looking at what is left")
        found = asyncio.run(evidence.all_is_well(three, storm.accepted))
    return _report(storm, found, wall_s)


def _report(storm: Storm, found: Found, wall_s: float) -> Report:
    accepted = len(storm.accepted)
    blows = Counter(f"{blow} {node}" for blow, node in storm.blows)
    rows = (
        Row("seed", str(storm.seed)),
        Row("wall time, s", f"{wall_s:.0f}"),
        Row("uploads accepted (2xx)", str(accepted)),
        Row("of them completed", str(sum(found.by_node.values())), "all", not found.lost),
        Row("lost", str(found.lost), "0", not found.lost),
        Row("completed twice", str(found.twice), "0", not found.twice),
        Row("completed by node", _listed(found.by_node)),
        Row("kills and cuts by node", _listed(blows)),
        Row("times a job was lost with its node", str(found.losses)),
        Row("longest time in which none was completed, s", f"{found.longest_gap_s:.1f}"),
        Row("answers", _listed(storm.answers)),
    )
    figures = {
        **asdict(found),
        "seed": storm.seed,
        "wall_s": wall_s,
        "accepted": accepted,
        "blows": dict(blows),
        "answers": dict(storm.answers),
    }
    return Report(f"three nodes, {storm.kills} kills and {storm.cuts} cuts", rows, figures)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))
