"""Thousands of jobs through one server, and what grows: the long version of tests/chaos."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.progress import Progress

from bench import lines, own
from bench.report import Report, Row, at_most
from tests.chaos.soak import ENVIRONMENT, Sample, Soak


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses."""

    jobs: int
    plot: Path | None


def soak(options: Options) -> Report:
    """A server of its own on a data folder of its own."""
    with tempfile.TemporaryDirectory(prefix="safelight-soak-") as name, Progress() as progress:
        bar = progress.add_task("uploading", total=options.jobs)
        server = own.start(Path(name) / "data", environment=ENVIRONMENT)
        try:
            run = Soak(server, options.jobs, told=lambda done: progress.update(bar, completed=done))
            samples = asyncio.run(run.run())
        finally:
            server.close()
    if options.plot is not None:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        options.plot.write_text(_drawing(samples), encoding="utf-8")
    return _report(options, samples)


def _report(options: Options, samples: Sequence[Sample]) -> Report:
    before, after = samples[0], samples[-1]
    busy = [one for one in samples if 0 < one.completed < options.jobs]
    early = [one for one in busy if options.jobs / 10 < one.completed <= options.jobs / 5]
    late = [one for one in busy if one.completed > options.jobs * 0.9]

    def grown(name: str) -> float:
        return _typical(late, name) - _typical(early, name)

    def change(name: str) -> str:
        return f"{_typical(early, name):.1f} → {_typical(late, name):.1f}"

    last_s = next(one.at_s for one in samples if one.completed == options.jobs)
    rows = (
        Row("jobs a second, all in all", f"{options.jobs / last_s:.1f}"),
        Row("server RSS, MiB, second tenth → last tenth", change("server_mib")),
        at_most("its growth", grown("server_mib"), 8, " MiB"),
        Row("workers RSS, MiB, second tenth → last tenth", change("workers_mib")),
        Row("Redis memory, MiB, start → all forgotten", _change(before, after, "redis_mib")),
        at_most("its growth", after.redis_mib - before.redis_mib, 1, " MiB"),
        Row("Redis keys, start → all forgotten", _change(before, after, "redis_keys")),
        Row("most keys between", str(max(one.redis_keys for one in samples))),
        at_most("files left", after.files, 0),
        at_most("entries left in streams", after.in_streams, 0),
        Row("open files of the server, second → last tenth", change("server_fds")),
        Row("threads of the server, second → last tenth", change("server_threads")),
    )
    figures = {"jobs": options.jobs, "samples": [asdict(one) for one in samples]}
    return Report(f"soak, {options.jobs} jobs", rows, figures)


def _typical(samples: Sequence[Sample], name: str) -> float:
    return median(getattr(one, name) for one in samples) if samples else 0.0


def _change(before: Sample, after: Sample, name: str) -> str:
    return f"{getattr(before, name):.1f} → {getattr(after, name):.1f}"


def _drawing(samples: Sequence[Sample]) -> str:
    at_s = [one.at_s for one in samples]
    panels = [
        lines.Panel("server, RSS MiB", [one.server_mib for one in samples]),
        lines.Panel(
            "workers with their fork server, RSS MiB", [one.workers_mib for one in samples]
        ),
        lines.Panel("Redis, allocated MiB", [one.redis_mib for one in samples]),
        lines.Panel("keys in Redis", [one.redis_keys for one in samples]),
        lines.Panel("files kept", [one.files for one in samples]),
        lines.Panel("jobs completed", [one.completed for one in samples]),
    ]
    return lines.drawing("seconds", at_s, panels)
