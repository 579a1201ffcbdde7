"""The queue of jobs in Redis: one method a move, each one script.

Nothing here knows of pictures, processes or HTTP.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from server.config.sections import QueueSettings
from server.jobs import names
from server.jobs.arrival import Arrival
from server.jobs.counts.tally import Tally
from server.jobs.door import Door
from server.jobs.job import Batch, Job, JobState, Unreadable, is_batch_id
from server.jobs.once import Promise
from server.jobs.outbox import OutboxRules
from server.jobs.reading import Reading
from server.jobs.scripts import Scripts
from server.jobs.trash import Trash
from server.refusals import BatchTooLarge, UploadTaken

log = structlog.get_logger(__name__)

_CANCEL_AT_ONCE = 50  # Redis does nothing else meanwhile, for a millisecond or two
# So many such pieces are under way: one fsync and one turn of our loop serve all of them.
_CANCEL_WALKS = 4

FOLLOWERS_MOST = 100
"""So many jobs may wait for the work of one; each of its moves moves them, too."""


@dataclass(frozen=True, slots=True)
class Room:
    """What the lanes of a node could begin now.

    groups: so many groups of jobs; bytes: of memory that are free; is_idle: it has nothing in hand;
    networks: so many of the jobs may be such that networks work on.
    """

    groups: int
    bytes: int
    is_idle: bool
    networks: int = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """Jobs that this node holds from now on.

    Those of a group are small and alike, to be done one after the other by one worker. `left`: so
    many jobs still wait in line.
    """

    groups: list[list[Job]]
    left: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """cached: ids of jobs that are completed already, by results that were there."""

    cached: set[str]
    claimed: Claimed


NOTHING = Claimed([], 0)


class JobQueue:
    """Admit, claim, settle and what lies between, for one node."""

    def __init__(
        self,
        redis: Redis,
        settings: QueueSettings,
        *,
        node: str,
        keep_s: int,
        keep_original_s: int | None = None,
        most_unsettled: int = 0,
        has_records: bool = False,
        outbox: OutboxRules | None = None,
    ) -> None:
        """keep_s: results after the end of their job; originals as long if not said otherwise.

        most_unsettled: jobs of one client that may wait or be in work; 0 is any number.
        has_records: every end of a job goes to the journal, and somebody reads it.
        outbox: which ends become webhooks, beside those whose clients ask for them.
        """
        outbox = outbox or OutboxRules()
        self.door = Door(redis, settings, most_unsettled=most_unsettled)
        self._redis = redis
        self._settings = settings
        self._node = node
        self._scripts = Scripts(
            redis,
            {
                "KEEP_MS": keep_s * 1000,
                "KEEP_ORIGINAL_MS": (keep_s if keep_original_s is None else keep_original_s) * 1000,
                "FOLLOWERS_MOST": FOLLOWERS_MOST,
                "FOLLOWING_MOST": settings.max_depth,
                "HAS_RECORDS": int(has_records),
                **outbox.numbers,
            },
            outbox.subscribers,
        )
        self.trash = Trash(redis, self._scripts)
        """Files that nobody holds any more."""
        self.tally = Tally()
        """What this node has done lately."""
        self.reading = Reading(self._scripts, self.tally)
        """Of jobs that were handed to this node."""

    @property
    def scripts(self) -> Scripts:
        """The moves, for queues beside this one."""
        return self._scripts

    @property
    def node(self) -> str:
        """The name under which this process holds jobs."""
        return self._node

    async def prepare(self) -> None:
        """Make the consumer groups, from the very first entry on, if they are missing."""
        for queue_class in (*names.LANE_CLASSES, *names.FETCH_CLASSES):
            try:
                await self._redis.xgroup_create(
                    names.stream(queue_class), names.GROUP, id="0", mkstream=True
                )
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
        await self._scripts.forget_others()

    async def admit(
        self,
        arrivals: Sequence[Arrival],
        *,
        client: str,
        queue_class: str,
        batch_id: str | None,
        promise: Promise | None = None,
        brought: tuple[str, int] | None = None,
        callback_url: str = "",
        room: Room | None = None,
    ) -> Admitted:
        """Let all of them in, or none: QueueFull says when to come again.

        brought: id and token of the presigned upload that ends with this; UploadTaken when
        another has taken it over.

        promise: what is kept under the Idempotency-Key; IdempotencyBusy when another request has
        been admitted under it meanwhile.

        callback_url: is told when the batch ends, or where there is none, each of the jobs.

        room: of idle lanes, which claim in the same move.
        """
        self.door.refuse_if_behind()
        request = {
            "class": queue_class,
            "client": client,
            "batch": batch_id,
            "jobs": [{"id": one.job_id, "fields": one.fields()} for one in arrivals],
            "most_unsettled": self.door.most_unsettled,
            "once": promise,
            "brought": {"id": brought[0], "token": brought[1]} if brought else None,
            "callback": callback_url,
        }
        limit = self.door.max_depth
        if len(arrivals) > limit and not self.door.spool_limit_bytes:
            raise BatchTooLarge(
                f"At most {limit} pictures may wait; send them in several.",
                limit=limit,
                actual=len(arrivals),
            )
        in_room = "" if room is None else self._in_room(room)
        admitted, depth, waiting_bytes, wait_ms, cached, *claimed = await self._scripts.admit(
            args=[limit, self.door.spool_limit_bytes, orjson.dumps(request), in_room]
        )
        self.door.heed(admitted, depth, wait_ms, arriving=len(arrivals))
        if admitted == -3:
            raise UploadTaken("Another request has taken this upload in.", retry_after_s=1)
        if not admitted:
            raise self.door.full(depth, waiting_bytes, wait_ms)
        for one in arrivals:
            self.tally.arrived(one.original_bytes, one.original_format)
            self.tally.ever.admitted.add(queue_class, one.source)
        self.tally.reused(len(cached))
        return Admitted(set(cached), await self._claimed(*claimed) if claimed else NOTHING)

    async def claim(self, room: Room) -> Claimed:
        """Take what fits into the room, each job with a new lease."""
        return await self._claimed(*await self._scripts.claim(args=[self._in_room(room)]))

    async def _claimed(
        self, left: int, groups: Sequence[Sequence[str]], buried: Sequence[str]
    ) -> Claimed:
        self.reading.note_buried(buried)
        read = [await self.reading.jobs(texts) for texts in groups]
        return Claimed([jobs for jobs in read if jobs], left)

    def _in_room(self, room: Room) -> bytes:
        """What the scripts need to know to claim for this node."""
        shares = {
            "node": self._node,
            "bulk_share": self._settings.bulk_share,
            "group_most": self._settings.max_group,
        }
        return orjson.dumps(asdict(room) | shares)

    async def report(self, reports: Sequence[tuple[str, int, str, int]]) -> None:
        """Publish how far jobs are: (job id, token, stage, percent) each."""
        await self._scripts.progress(args=[orjson.dumps(reports)])

    async def settle(
        self,
        job: Job,
        state: JobState,
        fields: dict[str, str],
        *,
        quarantine: bool = False,
        at_fault: bool = False,
    ) -> bool:
        """End a job that this node holds. False: it was no longer ours to end.

        at_fault: the picture itself is to blame, so that its original is not kept.
        """
        flat = [part for pair in fields.items() for part in pair]
        answer, *followers = await self._scripts.settle(
            args=[
                *(job.job_id, job.token, state.value, int(quarantine), int(at_fault)),
                orjson.dumps(flat),
            ]
        )
        if answer != "settled":
            return False
        jobs = 1 + int(followers[0])
        if jobs:  # none: this settle was sent twice, and the first has been counted
            self.tally.ended(job, state, code=fields.get("error_code", ""), jobs=jobs)
            for one in orjson.loads(fields.get("variants", "[]")):
                self.tally.made(one["format"], int(one["bytes"]))
        return True

    async def requeue(
        self, job: Job, *, delay_s: float, blame: str, reason: str, lane: str = ""
    ) -> bool:
        """Give a job back. blame: `attempt` (its own), `loss` (the node's), `none`.

        lane: the name of the lane that had it, for who looks later; "" where none had.
        False: it was no longer ours, or it is cancelled, since somebody had asked for that.
        """
        delay_ms = math.ceil(delay_s * 1000)
        answer = await self._scripts.requeue(
            args=[job.job_id, job.token, delay_ms, blame, reason, lane]
        )
        if answer == "requeued":
            self.tally.ever.given_back.add(blame)
        return bool(answer == "requeued")

    async def renew(
        self, held: Sequence[tuple[str, int]], *, lanes: int
    ) -> tuple[list[str], list[str]]:
        """Renew the leases of (job id, token) pairs; returns ids that are lost, ids to cancel."""
        silent_ms = int(self._settings.lease_s * 2000)
        lost, unwanted = await self._scripts.renew(
            args=[self._node, lanes, silent_ms, orjson.dumps(held)]
        )
        return lost, unwanted

    async def reclaim(self, *, own: bool) -> list[Job]:
        """Lease again what nobody renews any more, or (own) what this node held when it died."""
        idle = "own" if own else int(self._settings.lease_s * 1000)
        texts, buried = await self._scripts.reclaim(args=[self._node, idle])
        self.reading.note_buried(buried)
        return await self.reading.jobs(texts)

    async def cancel(self, job_id: str) -> JobState | None:
        """Stop a job. The state it is in now, `processing` while its node stops it."""
        state = await self._scripts.cancel(args=[job_id])
        return JobState(state) if state else None

    async def cancel_batch(self, batch_id: str) -> None:
        """Stop all jobs of a batch, a few at a time; no more can come to it.

        That it shall be so is noted first: when this is broken off, some node goes on with it.
        """
        await self._scripts.doom_batch(args=[batch_id])
        starts = count(0, _CANCEL_AT_ONCE)

        async def walk() -> None:
            while await self._scripts.cancel_batch(
                args=[batch_id, start := next(starts), start + _CANCEL_AT_ONCE - 1]
            ):
                pass

        outcomes = await asyncio.gather(
            *(walk() for _ in range(_CANCEL_WALKS)), return_exceptions=True
        )
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        await self._scripts.close_batch(args=[batch_id])

    async def remove(self, job_id: str) -> JobState | None:
        """Let a picture's time end now: original and results. None: there is no such job.

        `processing`: its node stops it first, and then it goes.
        """
        state = await self._scripts.remove(args=[job_id])
        return JobState(state) if state else None

    async def retry(self, job_id: str) -> tuple[bool, JobState | None]:
        """Queue a failed job again: whether it was, and the state it is in; None: unknown."""
        is_queued, *state = await self._scripts.retry(args=[job_id])
        return bool(is_queued), JobState(state[0]) if state else None

    async def look(self, some_id: str) -> Job | Batch | None:
        """A job or a batch as it stands."""
        return (await self.look_all([some_id]))[0]

    async def look_all(self, some_ids: Sequence[str]) -> list[Job | Batch | None]:
        """Jobs and batches as they stand, in the order asked for; None: unknown, or unreadable."""
        texts = await self._scripts.look(args=list(some_ids)) if some_ids else []
        return [_seen(one, text) for one, text in zip(some_ids, texts, strict=True)]

    async def jobs_of(self, batch_id: str, *, first: int = 0, most: int = 0) -> list[Job]:
        """A batch's jobs in the client's order; those that are gone are left out.

        most: how many, from place `first` on; 0: all of them.
        """
        last = first + most - 1 if most else -1
        ids: Any = self._redis.lrange(names.batch_jobs(batch_id), first, last)
        found = await self.look_all(await ids)
        return [job for job in found if isinstance(job, Job)]

    async def expire_due(self, most: int) -> int:
        """End the time of what is due, `most` jobs and originals; returns how many there were."""
        return int(await self._scripts.expire(args=[most]))

    async def counters(self) -> dict[str, str]:
        """The queue's counters as they stand: waiting:interactive, processing, completed ..."""
        counters = await self._redis.hgetall(names.QUEUE)
        return {str(name): str(value) for name, value in counters.items()}

    async def failed(self, most: int) -> list[Job]:
        """The failed jobs that are still kept, the latest first."""
        ids = await self._redis.zrange(names.FAILED, 0, most - 1, desc=True)
        found = await self.look_all([str(one) for one in ids])
        return [job for job in found if isinstance(job, Job)]


def _seen(some_id: str, text: str | None) -> Job | Batch | None:
    if text is None:
        return None
    try:
        return Batch.from_json(text) if is_batch_id(some_id) else Job.from_json(text)
    except Unreadable as error:
        log.error("what stands in Redis cannot be read", job_id=some_id, error=str(error))
        return None
