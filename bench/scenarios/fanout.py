"""Thousands of WebSockets that watch the same jobs: how soon all have heard that one completed.

The watched pictures stand in line behind slow ones until every socket is connected; then those are
cancelled. Told is the time from the first socket that heard of it to the others; beside them one
socket never reads. A service that does not manage within SIDE_TIMEOUT_S is told as such.
"""

import asyncio
import json
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession
from rich.progress import Progress

from bench import own, photos, redis_use, tree
from bench.report import Report, Row, at_most
from bench.services import OURS, Served, install_peers, services
from bench.uploads import upload
from bench.watchers import masked
from tests.server_process import ServerProcess

PROJECT = Path(__file__).parents[2]
RECIPE = {"resize": {"width": 640}, "format": "webp", "quality": 80}
SLOW = {"resize": {"width": 4000}, "format": "webp", "quality": 80}
SLOWEST = {True: {**SLOW, "effort": "best"}, False: {**SLOW, "effort": 6}}  # ours, and a peer's
WATCHED = 1
SOCKETS_PER_SLOW = 1000
LEAST_SLOW = 6
KIB = 1024
SIDE_TIMEOUT_S = 240.0
"""For one service with so many sockets, from the first upload to the last event."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses."""

    sockets: tuple[int, ...]
    peers: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one service with so many sockets."""

    spread_ms: list[float]
    missing: int
    bytes_a_socket: float
    subscriptions: int


def fanout(options: Options) -> Report:
    """Raises RuntimeError where there is no Node.js for the peers."""
    if options.peers:
        install_peers()
    most = max(options.sockets) + 100
    with tempfile.TemporaryDirectory(prefix="safelight-fanout-") as name:
        work = Path(name)
        environment = {
            "SAFELIGHT_DEDUP__ENABLED": "false",
            "SAFELIGHT_LIVE__MAX_SOCKETS": str(most),
            "SAFELIGHT_LIVE__PING_S": "600",  # the watchers answer none, nor do the peers ask
        }
        server = own.start(work / "data", environment=environment)
        try:
            measured = asyncio.run(_measure(options, server, work))
        finally:
            server.close()
    return _report(measured)


async def _measure(
    options: Options, server: ServerProcess, work: Path
) -> dict[str, dict[int, Measured | str]]:
    """By service and number of sockets; a text says why there is no figure."""
    measured: dict[str, dict[int, Measured | str]] = {}
    slow = photos.generate(work / "large", "large")
    small = photos.generate(work / "small", "small")
    with Progress() as progress:
        async with services(server, RECIPE, work, peers=options.peers) as served:
            bar = progress.add_task("", total=len(served) * len(options.sockets))
            for count in options.sockets:
                for side in served:
                    progress.update(bar, description=f"{side.name}, {count} sockets")
                    measured.setdefault(side.name, {})[count] = await _one_in_time(
                        side, count, slow, small, work
                    )
                    progress.advance(bar)
    return measured


async def _one_in_time(
    side: Served, count: int, slow: Sequence[Path], small: Sequence[Path], work: Path
) -> Measured | str:
    try:
        async with asyncio.timeout(SIDE_TIMEOUT_S):
            return await _one(side, count, slow, small, work)
    except TimeoutError:
        return f"not within {SIDE_TIMEOUT_S:.0f} s"
    except (RuntimeError, ClientError) as error:
        return str(error)


async def _one(
    side: Served, count: int, slow: Sequence[Path], small: Sequence[Path], work: Path
) -> Measured:
    label = f"{side.name}-{count}".replace(" ", "")
    ahead = LEAST_SLOW + count // SOCKETS_PER_SLOW
    behind = photos.stamp(slow, work / f"{label}-slow", count=ahead, label=label)
    watched = photos.stamp(small, work / f"{label}-small", count=WATCHED, label=label)
    held, in_front = 0, list[str]()
    async with ClientSession(side.url) as session, _watchers(side.url, count) as watchers:
        try:
            before = tree.pss_bytes(side.roots[0])
            await _line(watchers)  # all are open
            held += tree.pss_bytes(side.roots[0]) - before
            for path in behind:
                in_front.append(await upload(session, path, SLOWEST[side.name == OURS]))
            jobs = [await upload(session, path, RECIPE) for path in watched]
            with _deaf(side.url, jobs):
                before = tree.pss_bytes(side.roots[0])
                await _subscribe(watchers, jobs)
                held += tree.pss_bytes(side.roots[0]) - before
                subscriptions = await _subscriptions(side)
                await _cancel(session, in_front)
                told = await _line(watchers)
        finally:
            await _cancel(session, in_front)  # whose turn is next has the machine for itself
    spread_ms = [one for each in told["spread_ms"].values() for one in each]
    return Measured(spread_ms, told["missing"], held / count, subscriptions)


async def _cancel(session: ClientSession, jobs: list[str]) -> None:
    """Those that have ended by themselves, or cannot be stopped any more, are left alone."""
    while jobs:
        async with session.delete(f"/job/{jobs.pop()}") as response:
            await response.read()


@contextmanager
def _deaf(url: str, jobs: Sequence[str]) -> Iterator[None]:
    """A socket that watches all jobs and never reads a byte."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname or "", where.port or 80)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        for job in jobs:
            message = {"type": "subscribe", "jobId": job}
            deaf.sendall(masked(json.dumps(message).encode()))
        yield


@asynccontextmanager
async def _watchers(url: str, count: int) -> AsyncIterator[Process]:
    where = urlsplit(url)
    watchers = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.watchers", str(where.hostname), str(where.port), str(count)),
        cwd=PROJECT,
        stdin=PIPE,
        stdout=PIPE,
        limit=64 * 1024 * 1024,
    )
    try:
        yield watchers
    finally:
        if watchers.returncode is None:
            watchers.kill()
        await watchers.wait()


async def _subscribe(watchers: Process, jobs: Sequence[str]) -> None:
    """Returns when each socket has heard of each job."""
    assert watchers.stdin is not None
    watchers.stdin.write(json.dumps(jobs).encode() + b"\n")
    await watchers.stdin.drain()
    await _line(watchers)


async def _line(watchers: Process) -> dict[str, Any]:
    assert watchers.stdout is not None
    line = await watchers.stdout.readline()
    if not line:
        raise RuntimeError(f"the watchers ended with exit code {await watchers.wait()}")
    return dict(json.loads(line))


async def _subscriptions(side: Served) -> int:
    """Connections to Redis that are subscribed to anything."""
    async with redis_use.connected(side.data_dir) as redis:
        return len(await redis.client_list(_type="pubsub"))


def _report(measured: dict[str, dict[int, Measured | str]]) -> Report:
    figures = {
        name: {str(count): _figures(one) for count, one in by_count.items()}
        for name, by_count in measured.items()
    }
    return Report("fan-out", tuple(_rows(measured)), {"served": figures})


def _figures(one: Measured | str) -> dict[str, Any]:
    if isinstance(one, str):
        return {"failed": one}
    return {
        "spread_ms": _percentiles(one.spread_ms),
        "missing": one.missing,
        "bytes_a_socket": round(one.bytes_a_socket),
        "subscriptions": one.subscriptions,
    }


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    cuts = quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98], "max": max(values)}


def _rows(measured: dict[str, dict[int, Measured | str]]) -> Iterator[Row]:
    for name, by_count in measured.items():
        for count, one in by_count.items():
            if isinstance(one, str):
                yield Row(f"[bold]{name}, {count} sockets[/]", one)
                continue
            yield Row(f"[bold]{name}, {count} sockets[/]", "")
            found = _percentiles(one.spread_ms)
            yield Row("first to median socket, ms", f"{found['p50']:.1f}")
            if name == OURS:
                yield at_most("first to 99 % of the sockets", found["p99"], 200, " ms")
                yield at_most("events that never came", one.missing, 0)
                yield at_most("memory a socket", one.bytes_a_socket / KIB, 10, " KiB")
                yield at_most("Redis connections that are subscribed", one.subscriptions, 1)
            else:
                yield Row("first to 99 % of the sockets", f"{found['p99']:.3g} ms")
                yield Row("events that never came", str(one.missing))
                yield Row("memory a socket", f"{one.bytes_a_socket / KIB:.3g} KiB")
                yield Row("Redis connections that are subscribed", str(one.subscriptions))
