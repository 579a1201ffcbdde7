"""Runs the checks, one area after the other, in the order in which things must be put right."""

import asyncio
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from server.config import Settings
from server.ops.doctor import access, folder, machine, records, redis, storage, workers
from server.ops.doctor.finding import Check, Finding, Surroundings, wrong
from server.ops.lock import LOCK

AREAS: tuple[tuple[str, Check], ...] = (
    ("data folder", folder.check),
    ("machine", machine.check),
    ("Redis", redis.check),
    ("storage", storage.check),
    ("records", records.check),
    ("workers", workers.check),
    ("networks", workers.check_networks),
    ("access", access.check),
)
_LONGEST_S = 150.0  # of one area


@dataclass(frozen=True, slots=True)
class Examined:
    """One finding and the area that it is of."""

    area: str
    finding: Finding


async def examine(settings: Settings, *, api_key: str | None) -> AsyncIterator[Examined]:
    """Everything that these settings lead to."""
    data_dir = settings.server.data_dir.resolve()
    holder = await asyncio.to_thread(holder_of, data_dir)
    with tempfile.TemporaryDirectory(prefix="safelight-doctor-") as own:
        here = Surroundings(settings, data_dir, Path(own), holder, api_key)
        for area, check in AREAS:
            async for finding in _bounded(check, here):
                yield Examined(area, finding)


async def _bounded(check: Check, here: Surroundings) -> AsyncIterator[Finding]:
    """A check that breaks is a finding, and the others go on."""
    try:
        async with asyncio.timeout(_LONGEST_S):
            found = [finding async for finding in check(here)]
    except TimeoutError:
        found = [wrong(f"no answer within {_LONGEST_S:g} s", "something hangs: look at `top`")]
    except (OSError, RedisError, SQLAlchemyError) as error:
        found = [wrong(f"{type(error).__name__}: {error}", "put right what stands above it first")]
    for finding in found:
        yield finding


def holder_of(data_dir: Path) -> int | None:
    """The process that serves this folder; 0: it cannot be told which; None: nobody does."""
    try:
        descriptor = os.open(data_dir / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None  # nobody has ever held it, or it is not ours to see
    try:
        # Shared and let go at once: a server that holds it does not notice.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode("ascii", errors="replace").strip()
        return int(text) if text.isdecimal() else 0
    finally:
        os.close(descriptor)
    return None
