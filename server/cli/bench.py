"""`safelight bench`: the benchmarks of a source checkout, under the name of the command."""

import os
import sys
from pathlib import Path

import typer

from server.cli.flags import refuse
from server.cli.manual import manual

MANUAL = manual(
    "safelight bench throughput --photos holiday",
    "safelight bench latency",
    "safelight bench --help",
    exit_codes={2: "this is no source checkout"},
)
_CHECKOUT = Path(__file__).parents[2]


def bench(context: typer.Context) -> None:
    """Measure the service beside bare libvips; what follows goes to python -m bench.

    The benchmarks start services of their own, on folders of their own. They come with the source
    and not with the installed package, since they bring pictures and other services to compare.
    """
    if not (_CHECKOUT / "bench" / "__main__.py").is_file():
        refuse("bench needs a source checkout; docs/benchmarks.md there has what it measures")
    os.chdir(_CHECKOUT)
    os.execv(sys.executable, [sys.executable, "-m", "bench", *context.args])
