"""`python -m bench SCENARIO`."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench import report
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


if __name__ == "__main__":
    app()
