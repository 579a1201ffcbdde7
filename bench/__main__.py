"""`python -m bench SCENARIO`."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench import report
from bench.plots import draw_all
from bench.scenarios.bulk import bulk
from bench.scenarios.bulk_report import Options as BulkOptions
from bench.scenarios.chaos import Options as ChaosOptions
from bench.scenarios.chaos import chaos
from bench.scenarios.fanout import Options as FanoutOptions
from bench.scenarios.fanout import fanout
from bench.scenarios.golden import golden
from bench.scenarios.history import Options as HistoryOptions
from bench.scenarios.history import history
from bench.scenarios.hosting import hosting
from bench.scenarios.hosting_report import Options as HostingOptions
from bench.scenarios.killed import killed_beside_peers
from bench.scenarios.lanes import lanes
from bench.scenarios.latency import Options as LatencyOptions
from bench.scenarios.latency import latency
from bench.scenarios.looks import Options as LooksOptions
from bench.scenarios.looks import looks
from bench.scenarios.memory import memory
from bench.scenarios.nodes import Options as NodesOptions
from bench.scenarios.nodes import nodes
from bench.scenarios.overload import Options as OverloadOptions
from bench.scenarios.overload import overload
from bench.scenarios.quality import quality
from bench.scenarios.scans import scans
from bench.scenarios.soak import soak
from bench.scenarios.soak_report import Options as SoakOptions
from bench.scenarios.steps import steps
from bench.scenarios.throughput import Options, throughput
from bench.scenarios.throughput_report import report_of

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
    peers: Annotated[bool, typer.Option(help="Beside two Node services, too; needs npm")] = False,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Pictures to 800 px WebP at saturation, beside bare libvips."""
    options = Options(photos, kind, count, rounds, window, peers)
    measured = report_of(options, throughput(options))
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("latency")
def _latency(
    photos: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of JPEG and PNG files")
    ] = None,
    seconds: Annotated[int, typer.Option(min=2, help="Of arrivals at each load")] = 20,
    peers: Annotated[bool, typer.Option(help="Beside two Node services, too; needs npm")] = False,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """From the upload that is due to the completed event, at 30, 60 and 90 % of capacity."""
    measured = latency(LatencyOptions(photos, seconds, peers))
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("fanout")
def _fanout(
    sockets: Annotated[
        list[int] | None, typer.Option(min=10, max=15_000, help="May be told again")
    ] = None,
    peers: Annotated[bool, typer.Option(help="Beside two Node services, too; needs npm")] = False,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Thousands of WebSockets on the same jobs: how soon all have heard, and what each holds."""
    measured = fanout(FanoutOptions(tuple(sockets or (1000, 5000, 10_000)), peers))
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("hosting")
def _hosting(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of all ways, in turn")] = 5,
    duration: Annotated[int, typer.Option(min=1, help="Seconds of each")] = 5,
    connections: Annotated[int, typer.Option(min=1, help="Open at a time")] = 16,
    peers: Annotated[bool, typer.Option(help="Beside express.static, too; needs npm")] = False,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """A hot picture: GET /image directly and behind nginx, beside nginx on the file; by wrk."""
    measured = hosting(HostingOptions(rounds, duration, connections, peers))
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("overload")
def _overload(
    seconds: Annotated[int, typer.Option(min=2, help="Of the flood")] = 20,
    depth: Annotated[int, typer.Option(min=1, help="Pictures in line, queue.max_depth")] = 200,
    peers: Annotated[bool, typer.Option(help="Beside two Node services, too; needs npm")] = False,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Five times the capacity: what is answered, and what a refusal costs."""
    measured = overload(OverloadOptions(seconds, depth, peers))
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


@app.command("looks")
def _looks(
    photos: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of JPEG and PNG files")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Of each way, in turn")] = 3,
    peers: Annotated[bool, typer.Option(help="Beside sharp, too; needs npm")] = False,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """What smaller pictures cost, weigh and look like, beside libvips' own way and sharp's."""
    measured = looks(LooksOptions(photos, rounds, peers))
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
    peers: Annotated[
        bool, typer.Option(help="Instead: one kill, beside two Node services; needs npm")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Uploads under kill -9 at random: all that was accepted completes exactly once."""
    measured = killed_beside_peers() if peers else chaos(ChaosOptions(uploads, kills, seed))
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("nodes")
def _nodes(
    uploads: Annotated[int, typer.Option(min=10, max=2000, help="Pictures to be accepted")] = 2000,
    kills: Annotated[int, typer.Option(min=0, help="kill -9 of a whole node")] = 12,
    cuts: Annotated[int, typer.Option(min=0, help="Nodes cut off from Redis for a while")] = 12,
    seed: Annotated[int | None, typer.Option(help="Repeats the order of an earlier run")] = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Three nodes, killed and cut off at random: all that was accepted completes exactly once."""
    measured = nodes(NodesOptions(uploads, kills, cuts, seed))
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("scans")
def _scans(
    photos: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of JPEG files")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Progressive JPEGs without the scans that a smaller picture does not need."""
    measured = scans(photos)
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("soak")
def _soak(
    jobs: Annotated[int, typer.Option(min=20, help="Pictures in all")] = 10_000,
    rate: Annotated[float, typer.Option(min=1, max=1000, help="Pictures a second")] = 40,
    peers: Annotated[bool, typer.Option(help="Beside two Node services, too; needs npm")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the curves into this SVG file")] = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Thousands of pictures at a steady rate: memory, keys, files and descriptors over time."""
    measured = soak(SoakOptions(jobs, rate, peers, plot))
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("history")
def _history(
    rows: Annotated[int, typer.Option(min=1000, help="Records in each database")] = 5_000_000,
    kind: Annotated[list[str] | None, typer.Option(help="sqlite or postgresql; both")] = None,
    folder: Annotated[Path | None, typer.Option(exists=True, help="Where SQLite's file is")] = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Millions of records: rates of writing, times of questions."""
    kinds = tuple(kind or ("sqlite", "postgresql"))
    for measured in history(HistoryOptions(rows, kinds, folder)):
        report.show(measured)
        if json is not None:
            name = measured.title.rsplit(" ", 1)[1].lower()
            report.write(measured, json.with_stem(f"{json.stem}-{name}"))


@app.command("bulk")
def _bulk(
    urls: Annotated[int, typer.Option(min=100, max=150_000, help="That wait, then stop")] = 100_000,
    developed: Annotated[int, typer.Option(min=10, max=150_000, help="Worked off after it")] = 5000,
    peers: Annotated[bool, typer.Option(help="Beside two Node services, too; needs npm")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the curves into this SVG file")] = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Long lists of URLs: how fast one is admitted, what each job takes, how fast one is done."""
    measured = bulk(BulkOptions(urls, developed, peers, plot))
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("quality")
def _quality(
    photos: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of JPEG and PNG files")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw every file into this SVG file")] = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Quality "auto" beside a fixed 80: bytes, and the worst picture."""
    measured = quality(photos, plot)
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("steps")
def _steps(
    photos: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of JPEG and PNG files")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """CPU of every step, how soon each is stopped, and five widths beside five jobs."""
    measured = steps(photos)
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("golden")
def _golden(
    photo: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A JPEG or PNG file")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure to this file")] = None,
) -> None:
    """Our pictures beside those of ImageMagick and Pillow."""
    measured = golden(photo)
    report.show(measured)
    if json is not None:
        report.write(measured, json)


@app.command("plots")
def _plots(
    measured: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="--json files")],
    folder: Annotated[Path, typer.Argument(help="Where the SVG files go")] = Path("docs/plots"),
) -> None:
    """Draw throughput.json, throughput-small.json, latency.json, fanout.json and overload.json."""
    for path in draw_all(measured, folder):
        typer.echo(path)


if __name__ == "__main__":
    app()
