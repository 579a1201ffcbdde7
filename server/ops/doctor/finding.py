"""What a check has found, in one line, and what to do about it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from server.config import Settings


class State(StrEnum):
    """How bad it is."""

    GOOD = "good"
    WARNING = "warning"  # it works; something may be lost, slow or open
    WRONG = "wrong"  # the service does not start, or loses or refuses what it should not
    SKIPPED = "skipped"  # not asked for, or not possible beside a running server


@dataclass(frozen=True, slots=True)
class Finding:
    """`says` is what was found, `advice` what to do; "" where there is nothing to do."""

    state: State
    says: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every check is given. `folder` is one of its own, outside of data_dir, for a while."""

    settings: Settings
    data_dir: Path
    folder: Path
    holder: int | None
    """Process id of the server that holds data_dir; 0: it cannot be told which; None: nobody."""
    api_key: str | None

    @property
    def is_running(self) -> bool:
        """Whether a server works on data_dir now."""
        return self.holder is not None


Check = Callable[[Surroundings], AsyncIterator[Finding]]


def good(says: str) -> Finding:
    """All is well."""
    return Finding(State.GOOD, says)


def warning(says: str, advice: str) -> Finding:
    """It works."""
    return Finding(State.WARNING, says, advice)


def wrong(says: str, advice: str) -> Finding:
    """It must be put right."""
    return Finding(State.WRONG, says, advice)


def skipped(says: str) -> Finding:
    """Nobody looked."""
    return Finding(State.SKIPPED, says)


def size(count: int) -> str:
    """Bytes for people."""
    for unit, bytes_each in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= bytes_each:
            return f"{count / bytes_each:.1f} {unit}"
    return f"{count} bytes"
