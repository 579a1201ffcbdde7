"""What this machine, or the container we are in, lets us use."""

import os
import shutil
from pathlib import Path

_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),  # cgroup v2, as a container sees its own
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # v1
)
_BUDGET_SHARE = 0.6


def cores() -> int:
    """Processor cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """The machine's memory or the cgroup's limit, whichever is smaller."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_cgroup_limits()])


def memory_budget_bytes() -> int:
    """What the lanes together may plan to use."""
    return int(memory_bytes() * _BUDGET_SHARE)


def own_rss_bytes() -> int:
    """Memory that this process holds."""
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def free_bytes(folder: Path) -> int | None:
    """Room on the disk of a folder; None where that cannot be told."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _cgroup_limits() -> list[int]:
    texts = [path.read_text().strip() for path in _CGROUP_LIMITS if path.is_file()]
    return [int(text) for text in texts if text.isdecimal()]
