"""What a tree of processes costs: CPU seconds by part, and memory as the share of each process.

CPU is utime + stime of the living plus what their parents reaped, so a worker that was replaced
within a round still counts. Memory is PSS: shared pages once, not once a process.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SAMPLE_EVERY_S = 0.25
PARTS = ("workers", "server", "redis")


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds by part of the service."""

    workers: float = 0.0
    server: float = 0.0
    redis: float = 0.0

    @property
    def total(self) -> float:
        return self.workers + self.server + self.redis

    def __sub__(self, before: "Cpu") -> "Cpu":
        return Cpu(*(getattr(self, part) - getattr(before, part) for part in PARTS))


@dataclass(slots=True)
class Peak:
    """The most memory that all processes had together, in bytes, with its parts."""

    total: int = 0
    parts: dict[str, int] = field(default_factory=dict)


def cpu_of_service(*roots: int) -> Cpu:
    """The server (the first), its Valkey, and everything else below them as workers."""
    spent = dict.fromkeys(PARTS, 0.0)
    for pid in family(*roots):
        own_s, reaped_s = _cpu_s(pid)
        spent[part_of(pid, roots[0])] += own_s
        spent["workers"] += reaped_s
    return Cpu(**spent)


def cpu_s_of(pids: Iterable[int]) -> float:
    """CPU seconds of these processes alone."""
    return sum(_cpu_s(pid)[0] for pid in pids)


def family(*roots: int) -> list[int]:
    """These processes and all below them that live now."""
    found = [*roots]
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found.extend(map(int, _read(children).split()))
    return found


def part_of(pid: int, root: int) -> str:
    """Which part of the service a process is."""
    if pid == root:
        return "server"
    is_redis = re.match("(valkey|redis)-", _read(Path(f"/proc/{pid}/comm")))
    return "redis" if is_redis else "workers"


def pss_bytes(pid: int) -> int:
    """Memory of one process, what it shares in part; 0 when it is gone."""
    found = re.search(r"^Pss:\s+(\d+) kB", _read(Path(f"/proc/{pid}/smaps_rollup")), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def pss_of(*roots: int) -> int:
    """Memory of these processes and all below them."""
    return sum(pss_bytes(pid) for pid in family(*roots))


def pss_by_part(*roots: int) -> dict[str, int]:
    """The same by part of the service."""
    parts = dict.fromkeys(PARTS, 0)
    for pid in family(*roots):
        parts[part_of(pid, roots[0])] += pss_bytes(pid)
    return parts


def open_files(*roots: int) -> int:
    """Descriptors of these processes and all below them, sockets among them."""
    return sum(map(_open_files, family(*roots)))


@asynccontextmanager
async def peak_memory(*roots: int) -> AsyncIterator[Peak]:
    """Look at the memory of the trees again and again; the peak is whole at the end."""
    peak = Peak()

    async def sample() -> None:
        while True:
            _look(roots, peak)
            await asyncio.sleep(SAMPLE_EVERY_S)

    sampler = asyncio.create_task(sample())
    try:
        yield peak
    finally:
        sampler.cancel()
        await asyncio.wait([sampler])


def _look(roots: Sequence[int], peak: Peak) -> None:
    parts = pss_by_part(*roots)
    if sum(parts.values()) > peak.total:
        peak.total, peak.parts = sum(parts.values()), parts


def _cpu_s(pid: int) -> tuple[float, float]:
    """Its own seconds, and those of children it has reaped."""
    # The name in brackets may hold spaces; what follows starts with field 3 of proc(5).
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    if not fields:
        return 0.0, 0.0
    utime, stime, children_utime, children_stime = map(int, fields[11:15])
    return (utime + stime) / TICKS_PER_S, (children_utime + children_stime) / TICKS_PER_S


def _open_files(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # the process ended meanwhile
        return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # the process ended meanwhile
        return ""
