"""`python -m bench SCENARIO`."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench import report
from bench.scenarios.chaos import Options as ChaosOptions
from bench.scenarios.chaos import chaos
from bench.scenarios.lanes import lanes
from bench.scenarios.memory import memory
from bench.scenarios.quality import quality
from bench.scenarios.soak import Options as SoakOptions
from bench.scenarios.soak import soak
from bench.scenarios.throughput import Options, throughput

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


@app.callback()
def _scenarios() -> None:
    """Benchmarks of Safelight; each starts a server of its own."""
    # Left to itself SIGTERM would end us without ending the server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@app.command("throughput")
def _throughput(
    photos: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of JPEG and PNG files")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="Generated pictures without --photos: mixed, large or small")
    ] = "mixed",
    count: Annotated[int, typer.Option(min=1, max=2000, help="Pictures in a round")] = 40,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each side, in turn")] = 3,
    window: Annotated[int, typer.Option(min=1, help="Pictures under way at a time")] = 16,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Pictures to 800 px WebP at saturation, beside bare libvips."""
    measured = throughput(Options(photos, kind, count, rounds, window))
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("lanes")
def _lanes(
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """A lane's replacement after a kill, and the hop to its child for small pictures."""
    measured = lanes()
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("memory")
def _memory(
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """What one job takes of memory beside what was foretold; takes about five minutes."""
    measured = memory()
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("chaos")
def _chaos(
    uploads: Annotated[int, typer.Option(min=1, max=2000, help="Pictures to be accepted")] = 2000,
    kills: Annotated[int, typer.Option(min=0, help="kill -9 of worker, server or Valkey")] = 200,
    seed: Annotated[int | None, typer.Option(help="Repeats the order of an earlier run")] = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Uploads under kill -9 at random: all that was accepted completes exactly once."""
    measured = chaos(ChaosOptions(uploads, kills, seed))
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("soak")
def _soak(
    jobs: Annotated[int, typer.Option(min=100, help="Pictures in all")] = 10_000,
    plot: Annotated[Path | None, typer.Option(help="Draw the curves into this SVG file")] = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Thousands of pictures: memory, keys, files and streams over time."""
    measured = soak(SoakOptions(jobs, plot))
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("quality")
def _quality(
    photos: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of JPEG and PNG files")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Quality "auto" beside a fixed 80: bytes, and the worst picture."""
    measured = quality(photos)
    report.show(measured)
    if json is not None:
        report.write(measured, json)


if __name__ == "__main__":
    app()
