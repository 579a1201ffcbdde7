"""When a job passed each station: short texts in its hash, written with moves that happen anyway.

`came` says how its picture came in, `work` what its last attempt was busy with, `tries` what became
of the attempts before. Times are milliseconds since 1970 UTC, by the clock of the node that writes.
"""

import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any, Self

from pool import Lap

_TENTHS = 10  # a time is kept in tenths of a millisecond
_MOST_LAPS = 20
_LONGEST_NAME = 32


def now_ms() -> float:
    """The wall clock, which workers of this machine share."""
    return time.time() * 1000


@dataclass(frozen=True, slots=True)
class Came:
    """A request, from the moment at which its head was read; `head` shows it without secrets.

    trace: as Traced.text, "" where it is not traced.
    """

    at_ms: float
    head: Callable[[], dict[str, Any]]
    request_id: str = ""
    trace: str = ""


CAME: ContextVar[Came | None] = ContextVar("came", default=None)
"""The request that is being served; None where nobody asks (a fetcher, a sweep)."""


@dataclass(frozen=True, slots=True)
class Arriving:
    """One picture from the request, or from a fetcher's claim, to the script that lets it in."""

    asked_ms: float
    first_byte_ms: float
    last_byte_ms: float
    spooled_ms: float
    probed_ms: float
    storing_ms: float
    stored_ms: float

    def text(self) -> str:
        """As it stands in the hash: the first time, then what was added to it."""
        return _packed([getattr(self, one.name) for one in fields(self)])

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """None for what another version of this program may have written."""
        times = _unpacked(text)
        return cls(*times) if len(times) == len(fields(cls)) else None


@dataclass(frozen=True, slots=True)
class Turn:
    """A job's time in a lane as its parent sees it."""

    lane: str
    claimed_ms: float
    handed_ms: float
    answered_ms: float


@dataclass(frozen=True, slots=True)
class Working:
    """One attempt: its turn in a lane, what the worker did meanwhile, and what followed."""

    turn: Turn
    began_ms: float
    laps: tuple[tuple[str, float], ...]
    """Name and end of each part of the work; each begins where the one before ended."""
    stored_ms: float
    sent_ms: float

    @classmethod
    def of(cls, turn: Turn, began_s: float, laps: Sequence[Lap], stored_ms: float) -> Self:
        """A worker's word on times is not believed beyond what its parent saw."""

        def within(at_ms: float, least_ms: float) -> float:
            return min(max(at_ms, least_ms), turn.answered_ms) if at_ms == at_ms else least_ms

        at_ms = began_ms = within(began_s * 1000, turn.handed_ms)
        kept: list[tuple[str, float]] = []
        for lap in laps[:_MOST_LAPS]:
            at_ms = within(lap.ended_s * 1000, at_ms)
            kept.append((_plain(lap.name), at_ms))
        return cls(turn, began_ms, tuple(kept), stored_ms, now_ms())

    def text(self) -> str:
        """lane;times;names of the laps."""
        turn = self.turn
        times = [turn.claimed_ms, turn.handed_ms, self.began_ms]
        times += [at_ms for _, at_ms in self.laps]
        times += [turn.answered_ms, self.stored_ms, self.sent_ms]
        return ";".join([turn.lane, _packed(times), ",".join(name for name, _ in self.laps)])

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """None for what another version of this program may have written."""
        lane, _, rest = text.partition(";")
        packed, _, named = rest.partition(";")
        times, names = _unpacked(packed), named.split(",") if named else []
        if len(times) != len(names) + 6:
            return None
        claimed_ms, handed_ms, began_ms, *ends = times
        answered_ms, stored_ms, sent_ms = ends[len(names) :]
        laps = tuple(zip(names, ends[: len(names)], strict=True))
        turn = Turn(lane, claimed_ms, handed_ms, answered_ms)
        return cls(turn, began_ms, laps, stored_ms, sent_ms)


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt that did not end its job. lane: "fetch" for one that was to fetch it.

    blame: `attempt`, `loss` or `none` where it was given back, "" where it was tried again by hand.
    """

    started_ms: float
    ended_ms: float
    lane: str
    reason: str
    blame: str

    @property
    def is_death(self) -> bool:
        """Whether a worker died on it."""
        return self.blame == "attempt" and self.lane != "fetch"

    @classmethod
    def of(cls, entry: Sequence[Any]) -> Self:
        """As the scripts write it; versions before this one wrote no blame. Any: JSON."""
        started_ms, ended_ms, lane, reason, *blame = entry
        return cls(float(started_ms), float(ended_ms), str(lane), str(reason), "".join(blame))


def _plain(name: str) -> str:
    return name.replace(",", " ").replace(";", " ")[:_LONGEST_NAME]


def _packed(times_ms: Sequence[float]) -> str:
    """Whole tenths; a clock that was set back meanwhile adds nothing."""
    parts, before = [], 0
    for at_ms in times_ms:
        at = max(before, round(at_ms * _TENTHS))
        parts.append(str(at - before))
        before = at
    return ",".join(parts)


def _unpacked(text: str) -> list[float]:
    times, at = [], 0
    for part in text.split(","):
        if not part.isdecimal():
            return []
        at += int(part)
        times.append(at / _TENTHS)
    return times
