"""What this node remembers of the jobs that passed it lately, for those who want to watch closely.

Only in memory, only the newest: messages as they were sent, and the times of what happens after a
job's last move, when its hash is not written any more.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from pool import Outcome, Task

MOST_JOBS = 256
MOST_POSTED = 4  # of one job


@dataclass(frozen=True, slots=True)
class Posted:
    """One attempt to send a webhook to the address that came with a job. Times in ms since 1970."""

    url: str
    at_ms: float
    taken_ms: float
    status: int | None
    error: str
    body: str


@dataclass(slots=True)
class Notes:
    """Of one job; None where it happened elsewhere or has not happened. Times in ms since 1970."""

    request: dict[str, Any] | None = None
    task: Task | None = None
    outcome: Outcome | None = None
    told_ms: float | None = None
    watchers: int = 0
    event: bytes | None = None
    recorded_ms: float | None = None
    row: dict[str, Any] | None = None
    posted: list[Posted] = field(default_factory=list)


class Notebook:
    """Notes on the newest jobs; an older job's go when a newer one's come."""

    def __init__(self, most: int = MOST_JOBS) -> None:
        self._most = most
        self._notes: OrderedDict[str, Notes] = OrderedDict()

    def on(self, job_id: str) -> Notes:
        """The notes on a job, to write in; empty ones for a job that is new here."""
        notes = self._notes.get(job_id)
        if notes is None:
            notes = self._notes[job_id] = Notes()
            if len(self._notes) > self._most:
                self._notes.popitem(last=False)
        return notes

    def post(self, job_id: str, posted: Posted) -> None:
        """A webhook about a job was sent, or could not be."""
        notes = self.on(job_id)
        notes.posted = [*notes.posted, posted][-MOST_POSTED:]

    def find(self, job_id: str) -> Notes:
        """The notes on a job, to read; asking for what is not there keeps nothing."""
        return self._notes.get(job_id) or Notes()
