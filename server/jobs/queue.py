"""The queue of jobs in Redis: one method a move, each one script.

Nothing here knows of pictures, processes or HTTP.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from server.config.sections import QueueSettings
from server.jobs import names
from server.jobs.job import Batch, Job, JobState, is_batch_id
from server.jobs.scripts import Scripts
from server.refusals import BatchTooLarge, QueueFull

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A checked picture with its recipe, about to be admitted. Sizes in bytes."""

    job_id: str
    name: str
    recipe: str
    original_key: str
    original_bytes: int
    original_format: str
    width: int
    height: int
    cost_bytes: int
    group: str
    digest: str

    def fields(self) -> list[str]:
        """The hash's fields, flat."""
        return [
            *("name", self.name),
            *("recipe", self.recipe),
            *("original_key", self.original_key),
            *("original_bytes", str(self.original_bytes)),
            *("original_format", self.original_format),
            *("width", str(self.width)),
            *("height", str(self.height)),
            *("cost", str(self.cost_bytes)),
            *("group", self.group),
            *("digest", self.digest),
        ]


@dataclass(frozen=True, slots=True)
class Load:
    """How full the queue is; drain_ms is the time until one more job has left it."""

    depth: int
    waiting_bytes: int
    drain_ms: float


class JobQueue:
    """Admit, claim, settle and what lies between, for one node."""

    def __init__(self, redis: Redis, settings: QueueSettings, *, node: str, keep_s: int) -> None:
        self._redis = redis
        self._settings = settings
        self._scripts = Scripts(redis)
        self._node = node
        self._keep_ms = keep_s * 1000

    async def prepare(self) -> None:
        """Make the consumer groups, from the very first entry on, if they are missing."""
        for queue_class in names.CLASSES:
            try:
                await self._redis.xgroup_create(
                    names.stream(queue_class), names.GROUP, id="0", mkstream=True
                )
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    async def admit(
        self, arrivals: Sequence[Arrival], *, client: str, queue_class: str, batch_id: str | None
    ) -> None:
        """Let all of them in, or none: QueueFull says when to come again."""
        request = {
            "class": queue_class,
            "client": client,
            "batch": batch_id,
            "jobs": [{"id": one.job_id, "fields": one.fields()} for one in arrivals],
        }
        if len(arrivals) > self._settings.max_depth and not self._spool_limit_bytes:
            raise BatchTooLarge(
                f"At most {self._settings.max_depth} pictures may wait; send them in several.",
                limit=self._settings.max_depth,
                actual=len(arrivals),
            )
        arriving_bytes = sum(one.original_bytes for one in arrivals)
        admitted, depth, waiting_bytes, wait_ms = await self._scripts.admit(
            args=[
                *(self._settings.max_depth, self._spool_limit_bytes, arriving_bytes),
                orjson.dumps(request),
            ]
        )
        if not admitted:
            raise self._full(depth, waiting_bytes, wait_ms)

    async def refuse_if_full(self) -> None:
        """Say QueueFull before a body is read when it can be known. admit() has the last word."""
        load = await self._load()
        limit = self._settings.max_depth
        if load.depth >= limit and load.waiting_bytes >= self._spool_limit_bytes:
            raise self._full(load.depth, load.waiting_bytes, limit / 10 * load.drain_ms)

    async def claim(self, wanted: int, *, free_bytes: int, is_idle: bool) -> list[list[Job]]:
        """Take up to `wanted` groups of jobs that fit in `free_bytes`, each job with a new lease.

        Jobs of a group are small and alike, to be done one after the other by one worker.
        """
        groups = await self._scripts.claim(
            args=[
                *(self._node, wanted, free_bytes, int(is_idle)),
                *(self._settings.bulk_share, self._settings.max_group),
            ]
        )
        return [[Job.from_json(text) for text in texts] for texts in groups]

    async def report(self, reports: Sequence[tuple[str, int, str, int]]) -> None:
        """Publish how far jobs are: (job id, token, stage, percent) each."""
        await self._scripts.progress(args=[orjson.dumps(reports)])

    async def settle(
        self, job: Job, state: JobState, fields: dict[str, str], *, quarantine: bool = False
    ) -> bool:
        """End a job that this node holds. False: it was no longer ours to end."""
        flat = [part for pair in fields.items() for part in pair]
        answer = await self._scripts.settle(
            args=[
                *(job.job_id, job.token, state.value, self._keep_ms, int(quarantine)),
                orjson.dumps(flat),
            ]
        )
        return bool(answer == "settled")

    async def requeue(self, job: Job, *, delay_s: float, blame: str, reason: str) -> bool:
        """Give a job back. blame: `attempt` (its own), `loss` (the node's), `none`.

        False: it was no longer ours, or it is cancelled, since somebody had asked for that.
        """
        delay_ms = math.ceil(delay_s * 1000)
        answer = await self._scripts.requeue(
            args=[*(job.job_id, job.token, delay_ms, blame, reason, self._keep_ms)]
        )
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
        texts = await self._scripts.reclaim(args=[self._node, idle])
        return [Job.from_json(text) for text in texts]

    async def cancel(self, job_id: str) -> JobState | None:
        """Stop a job. The state it is in now, `processing` while its node stops it."""
        state = await self._scripts.cancel(args=[job_id, self._keep_ms])
        return JobState(state) if state else None

    async def retry(self, job_id: str) -> tuple[bool, JobState | None]:
        """Queue a failed job again: whether it was, and the state it is in; None: unknown."""
        is_queued, *state = await self._scripts.retry(args=[job_id])
        return bool(is_queued), JobState(state[0]) if state else None

    async def look(self, some_id: str) -> Job | Batch | None:
        """A job or a batch as it stands."""
        return (await self.look_all([some_id]))[0]

    async def look_all(self, some_ids: Sequence[str]) -> list[Job | Batch | None]:
        """Jobs and batches as they stand, in the order asked for."""
        texts = await self._scripts.look(args=list(some_ids)) if some_ids else []
        return [
            None
            if text is None
            else Batch.from_json(text)
            if is_batch_id(one)
            else Job.from_json(text)
            for one, text in zip(some_ids, texts, strict=True)
        ]

    async def jobs_of(self, batch_id: str) -> list[Job]:
        """A batch's jobs in the client's order; those that are gone are left out."""
        ids: Any = self._redis.lrange(names.batch_jobs(batch_id), 0, -1)
        found = await self.look_all(await ids)
        return [job for job in found if isinstance(job, Job)]

    async def due(self, most: int) -> list[str]:
        """Ids of settled jobs whose files are to be removed now."""
        return [str(one) for one in await self._scripts.due(args=[most])]

    async def expire(self, job_id: str) -> None:
        """Note that a job's files are gone."""
        await self._scripts.expire(args=[job_id])

    async def expected_wait_s(self) -> float:
        """How long a job that came now would wait, by the mean time of a job and all lanes."""
        load = await self._load()
        return load.depth * load.drain_ms / 1000

    async def counters(self) -> dict[str, str]:
        """The queue's counters as they stand: waiting:interactive, processing, completed ..."""
        counters = await self._redis.hgetall(names.QUEUE)
        return {str(name): str(value) for name, value in counters.items()}

    async def failed(self, most: int) -> list[Job]:
        """The failed jobs that are still kept, the latest first."""
        ids = await self._redis.zrange(names.FAILED, 0, most - 1, desc=True)
        found = await self.look_all([str(one) for one in ids])
        return [job for job in found if isinstance(job, Job)]

    @property
    def _spool_limit_bytes(self) -> int:
        return self._settings.spool_max_bytes if self._settings.overload == "spool" else 0

    async def _load(self) -> "Load":
        fields = [*map(names.waiting_count, names.CLASSES), "waiting_bytes", "mean_ms", "lanes"]
        found = await self._redis.hmget(names.QUEUE, fields)
        *waiting, waiting_bytes, mean_ms, lanes = (int(value or 0) for value in found)
        return Load(sum(waiting), waiting_bytes, (mean_ms or 1000) / max(1, lanes))

    def _full(self, depth: int, waiting_bytes: int, wait_ms: float) -> QueueFull:
        wait_s = max(1, min(60, math.ceil(wait_ms / 1000)))
        limit, actual = self._settings.max_depth, depth
        detail = f"At most {limit} pictures may wait and {depth} do"
        if self._spool_limit_bytes:
            limit, actual = self._spool_limit_bytes, waiting_bytes
            detail += f", with {actual} of the {limit} bytes that may wait on disk"
        return QueueFull(
            f"{detail}. Send it again in {wait_s} s.",
            limit=limit,
            actual=actual,
            retry_after_s=wait_s,
        )
