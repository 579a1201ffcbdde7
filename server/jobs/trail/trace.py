"""The way of one job as hops: what its hash keeps, what this node remembers, in order of time.

Hops follow one another without a gap, so they add up: what nobody measured belongs to the hop in
which it ends. Only those after a job's last move run beside each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from server.jobs.job import Job
from server.jobs.trail import messages
from server.jobs.trail.notebook import Notes
from server.jobs.trail.way import Arriving, Tried, Working


class Part(StrEnum):
    """Who is at work in a hop."""

    API = "api"
    SPOOL = "spool"
    STORAGE = "storage"
    REDIS = "redis"
    QUEUE = "queue"
    LANE = "lane"
    WORKER = "worker"
    DATABASE = "database"
    NOTIFICATION = "notification"


@dataclass(frozen=True, slots=True)
class Hop:
    """One part of the way. Times in ms since 1970; `attempt` counts from 1, where there are any.

    message: what was said at this hop; None where this node does not have it. Any: JSON.
    """

    name: str
    part: Part
    start_ms: float
    end_ms: float
    attempt: int | None = None
    message: Any = None


class _Way:
    """Hops in the making: each begins where the one before ended, and none ends before it began."""

    def __init__(self, at_ms: float) -> None:
        self.at_ms = at_ms
        self.attempt: int | None = None
        self.hops: list[Hop] = []

    def to(self, end_ms: float, name: str, part: Part, message: Any = None) -> None:
        end_ms = max(self.at_ms, end_ms)
        self.hops.append(Hop(name, part, self.at_ms, end_ms, self.attempt, message))
        self.at_ms = end_ms


def hops_of(job: Job, notes: Notes) -> list[Hop]:
    """All that is known of a job's way, from the request to the last that was told of it."""
    came = Arriving.from_text(job.came)
    is_fetched = job.source_url is not None or job.source_image_id is not None
    way = _Way(_beginning(job, came, is_fetched=is_fetched))
    if is_fetched:
        way.to(float(job.created_ms), "order", Part.REDIS, messages.order(job))
    tried = [Tried.of(one) for one in job.tries]
    if is_fetched:
        _tries(way, [one for one in tried if one.lane == "fetch"], job)
    if came is not None:
        _arrival(way, came, job, notes, is_fetched=is_fetched)
    if is_fetched and came is None:
        _unfetched(way, job)
    elif _has_no_turn(job):
        _shared(way, job)
    else:
        way.attempt = 0
        _tries(way, [one for one in tried if one.lane != "fetch"], job)
        _last_attempt(way, job, notes)
    return [*way.hops, *_afterwards(way, notes)]


def _beginning(job: Job, came: Arriving | None, *, is_fetched: bool) -> float:
    if job.asked_ms is not None:
        return min(job.asked_ms, job.created_ms)
    if came is not None and not is_fetched:
        return came.asked_ms
    return float(job.created_ms)


def _arrival(way: _Way, came: Arriving, job: Job, notes: Notes, *, is_fetched: bool) -> None:
    if is_fetched:
        way.to(came.asked_ms, "wait to fetch", Part.QUEUE)
        way.to(came.first_byte_ms, "fetch", Part.API, messages.source(job))
        way.to(came.last_byte_ms, "download", Part.SPOOL, messages.body(job))
    else:
        way.to(came.first_byte_ms, "request", Part.API, notes.request)
        way.to(came.last_byte_ms, "body", Part.API, messages.body(job))
    way.to(came.spooled_ms, "spool", Part.SPOOL, messages.spooled(job))
    way.to(came.probed_ms, "probe", Part.WORKER, messages.header(job))
    way.to(came.storing_ms, "check", Part.API, messages.recipe(job))
    way.to(came.stored_ms, "store original", Part.STORAGE, messages.original(job))
    let_in_ms = job.arrived_ms if job.arrived_ms is not None else job.created_ms
    way.to(_exact(let_in_ms, job, 0), "admit", Part.REDIS, messages.fields(job))


def _unfetched(way: _Way, job: Job) -> None:
    """Its picture has not come, or never will."""
    if job.started_ms is None or job.started_ms < way.at_ms - 1:
        return
    way.to(float(job.started_ms), "wait to fetch", Part.QUEUE)
    if job.settled_ms is not None:
        way.to(float(job.settled_ms), "fetch", Part.API, messages.source(job))


def _has_no_turn(job: Job) -> bool:
    """It took the result of another, or waits with it for that."""
    is_made_elsewhere = job.maker_id is not None and job.maker_id != job.job_id
    return job.is_cached or job.leader_id is not None or is_made_elsewhere


def _shared(way: _Way, job: Job) -> None:
    """Another job with the same bytes and recipe did the work, or does it now."""
    if job.settled_ms is not None:
        way.to(float(job.settled_ms), "shared result", Part.REDIS, messages.end(job))


def _tries(way: _Way, tried: list[Tried], job: Job) -> None:
    """Attempts that did not end the job, each with the wait before it."""
    for one in tried:
        if way.attempt is not None:
            way.attempt += 1
        way.to(one.started_ms, "wait", Part.QUEUE, messages.line(job))
        said = {"lane": one.lane, "reason": one.reason}
        if one.is_death:
            way.to(one.ended_ms, "died", Part.WORKER, said)
        else:
            way.to(one.ended_ms, "given back", Part.LANE, said)


def _last_attempt(way: _Way, job: Job, notes: Notes) -> None:
    if job.started_ms is None or job.started_ms < way.at_ms - 1:
        return  # it waits: its last start, if any, is that of an attempt before
    way.attempt = (way.attempt or 0) + 1
    way.to(_exact(job.started_ms, job, 1), "wait", Part.QUEUE, messages.line(job))
    work = Working.from_text(job.work)
    if work is not None:
        _in_lane(way, work, job, notes)
    if job.settled_ms is not None:
        way.to(_exact(job.settled_ms, job, 2), "settle", Part.REDIS, messages.end(job))


def _in_lane(way: _Way, work: Working, job: Job, notes: Notes) -> None:
    turn = work.turn
    way.to(turn.claimed_ms, "claim", Part.LANE, messages.lease(job, turn.lane))
    way.to(turn.handed_ms, "prepare", Part.LANE, messages.prepared(job, turn.lane))
    way.to(work.began_ms, "hand over", Part.WORKER, messages.task(notes.task))
    for name, end_ms in work.laps:
        way.to(end_ms, name, Part.WORKER, messages.lap(name, job, notes.outcome))
    way.to(turn.answered_ms, "answer", Part.LANE, messages.outcome(notes.outcome))
    if job.variants:
        way.to(work.stored_ms, "store results", Part.STORAGE, messages.results(job))


def _afterwards(way: _Way, notes: Notes) -> Iterator[Hop]:
    """What follows the last move, side by side; as far as it happened on this node."""
    start_ms = way.at_ms
    if notes.told_ms is not None:
        end_ms = max(start_ms, notes.told_ms)
        yield Hop("publish", Part.NOTIFICATION, start_ms, end_ms, None, messages.event(notes))
    if notes.recorded_ms is not None:
        end_ms = max(start_ms, notes.recorded_ms)
        yield Hop("record", Part.DATABASE, start_ms, end_ms, None, messages.row(notes.row))
    for posted in notes.posted:
        at_ms = max(start_ms, posted.at_ms)
        said = messages.webhook(posted)
        yield Hop("webhook", Part.NOTIFICATION, at_ms, at_ms + posted.taken_ms, None, said)


def _exact(at_ms: int, job: Job, place: int) -> float:
    """A time of Redis with its tenth, where that was kept."""
    digit = job.ticks[place : place + 1]
    return at_ms + (int(digit) / 10 if digit.isdecimal() else 0.5)
