"""A mailbox keeps the newest event of each watched thing, so that a slow reader costs nobody."""

import asyncio
from dataclasses import dataclass

import orjson

from server.jobs.job import Batch, Job
from server.jobs.links import PUBLIC, Links
from server.jobs.picture import batch_picture, job_picture


@dataclass(frozen=True, slots=True)
class Event:
    """One state of a job or batch; encoded once, however many watch."""

    watched_id: str
    revision: int
    subject: Job | Batch
    payload: bytes

    @classmethod
    def of(cls, subject: Job | Batch, links: Links = PUBLIC) -> "Event":
        """The event that tells how this job or batch stands."""
        if isinstance(subject, Job):
            body = orjson.dumps(job_picture(subject, links))
            return cls(subject.job_id, subject.revision, subject, body)
        body = orjson.dumps(batch_picture(subject))
        return cls(subject.batch_id, subject.revision, subject, body)


class Latest:
    """Latest wins: at most one event for each watched id waits here."""

    __slots__ = ("_latest", "_revisions")

    def __init__(self) -> None:
        self._latest: dict[str, Event] = {}
        self._revisions: dict[str, int] = {}

    def put(self, event: Event) -> bool:
        """Keep the event unless a newer one was here already; whether one was lost by that: the
        event, or an older one that nobody has taken yet."""
        if event.revision < self._revisions.get(event.watched_id, -1):
            return True
        is_unread = event.watched_id in self._latest
        self._revisions[event.watched_id] = event.revision
        self._latest[event.watched_id] = event
        return is_unread

    def forget(self, watched_id: str) -> None:
        """Drop what waits for an id that is no longer watched."""
        self._latest.pop(watched_id, None)
        self._revisions.pop(watched_id, None)


class Mailbox(Latest):
    """One that somebody waits at."""

    __slots__ = ("_filled",)

    def __init__(self) -> None:
        super().__init__()
        self._filled = asyncio.Event()

    def put(self, event: Event) -> bool:
        """See Latest.put."""
        is_lost = super().put(event)
        if self._latest:
            self._filled.set()
        return is_lost

    async def take(self) -> list[Event]:
        """Wait until there is something and take all of it."""
        await self._filled.wait()
        self._filled.clear()
        events = list(self._latest.values())
        self._latest.clear()
        return events
