"""What this machine, or the container we are in, allows: files, memory, clock, kernel."""

import os
import resource
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from server.ops.doctor.finding import Finding, Surroundings, good, size, warning, wrong
from server.ops.machine import cores, memory_budget_bytes, memory_bytes

_OTHER_FILES = 512  # Redis, storage, workers, fetches
_BACKLOG = 1024
_FEWEST_FILES = 1024
_SERVER_BYTES = 200 * 1024 * 1024
_LEAST_YEAR = 2025


async def check(here: Surroundings) -> AsyncIterator[Finding]:
    """Limits, from the one that is met first."""
    yield _files(here)
    yield _memory(here)
    yield _children(here)
    for finding in (_backlog(), _clock()):
        if finding is not None:
            yield finding
    yield _heaps()


def _files(here: Surroundings) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    live = here.settings.live
    needed = live.max_sockets + live.max_streams + _OTHER_FILES
    says = f"{soft} open files are allowed"
    advice = (
        f"ulimit -n {needed}, or LimitNOFILE={needed} in the systemd unit"
        + ("" if hard >= needed else f" (the hard limit is {hard}, too)")
        + ", or lower live.max_sockets and live.max_streams"
    )
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return good(says)
    if soft < _FEWEST_FILES:
        return wrong(f"{says}; connections will be refused", advice)
    wanted = f"live.max_sockets and live.max_streams together may open {needed - _OTHER_FILES}"
    return warning(f"{says}; {wanted}", advice)


def _memory(here: Surroundings) -> Finding:
    """What the parts may take together, beside what there is."""
    there, pool = memory_bytes(), here.settings.pool
    budget = pool.memory_budget_bytes or memory_budget_bytes()
    own_redis = 0 if here.settings.redis.url else here.settings.redis.max_memory_bytes
    needed = budget + own_redis + here.settings.hosting.hot_bytes + _SERVER_BYTES
    says = f"{size(there)} of memory; lanes may plan with {size(budget)}"
    if budget > there:
        return wrong(
            f"{says}, which is more",
            "lower pool.memory_budget_bytes; 0 takes 60 % of what is there",
        )
    if needed > there:
        return warning(
            f"{says}; with Redis, the server and hot pictures that makes {size(needed)}",
            "lower pool.memory_budget_bytes or redis.max_memory_bytes, or give it more",
        )
    return good(says)


def _children(here: Surroundings) -> Finding:
    pool, there = here.settings.pool, memory_bytes()
    lanes = pool.max_lanes or cores()
    says = f"{cores()} cores, {lanes} lanes at most"
    if pool.memory_kill_bytes > there:
        return warning(
            f"{says}; pool.memory_kill_bytes is {size(pool.memory_kill_bytes)}, more than there is",
            "lower pool.memory_kill_bytes, or the kernel chooses whom it kills",
        )
    if lanes > 2 * cores():
        return warning(
            f"{says}: they will wait for each other", "lower pool.max_lanes, or set it 0"
        )
    return good(says)


def _backlog() -> Finding | None:
    allowed = _number("/proc/sys/net/core/somaxconn")
    if allowed is None or allowed >= _BACKLOG:
        return None
    return warning(
        f"the kernel lets {allowed} connections wait to be accepted",
        f"sysctl -w net.core.somaxconn={_BACKLOG}",
    )


def _clock() -> Finding | None:
    if time.gmtime().tm_year >= _LEAST_YEAR:
        return None
    return wrong(
        f"the clock says {time.strftime('%Y-%m-%d', time.gmtime())}",
        "set it, and run an NTP client: signed addresses and buckets refuse wrong clocks",
    )


def _heaps() -> Finding:
    found = os.environ.get("MALLOC_ARENA_MAX")
    version = ".".join(map(str, sys.version_info[:3]))
    told = "not set" if found is None else found
    return good(
        f"Python {version} on {os.uname().machine}; MALLOC_ARENA_MAX is {told}"
        " (workers limit their own heaps)"
    )


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None  # not on this kernel
