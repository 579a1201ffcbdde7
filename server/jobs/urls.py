"""The line of URLs in Redis: jobs whose pictures are still to be fetched, one method a move.

Behind its URL a job has all that a job has, but no picture; `bring` sends it on to the lanes.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
from redis.asyncio import Redis

from server.config.sections import FetchSettings, QueueSettings
from server.jobs import names
from server.jobs.arrival import Arrival
from server.jobs.job import Job, JobState
from server.jobs.once import Promise
from server.jobs.queue import JobQueue
from server.jobs.source import Source
from server.jobs.trail.way import CAME
from server.refusals import AlreadyEnded, QueueFull

_COME_AGAIN_S = 10
_CLOSED = -4
_STALE = "stale"
_KNOWN = ("name", "recipe", "private", "expires")  # fields that a job has from its order on


@dataclass(frozen=True, slots=True)
class Order:
    """A job about to line up. Either `url` or `image_id` says where its picture is.

    recipe: canonical; None where it is that of the batch.
    """

    job_id: str
    name: str
    url: str = ""
    image_id: str = ""
    recipe: str | None = None
    source: Source = Source.URL

    def fields(self) -> list[str]:
        """The hash's fields, flat."""
        own = {"name": self.name, "url": self.url, "image": self.image_id}
        own["source"] = self.source
        own["recipe"] = self.recipe or ""
        return [part for name, value in own.items() if value for part in (name, value)]


@dataclass(frozen=True, slots=True)
class Terms:
    """What all orders of one request have in common. recipe: canonical."""

    client: str
    recipe: str
    private: bool = False
    expires_in_s: int | None = None
    callback_url: str = ""

    def fields(self) -> list[str]:
        """The hash's fields, flat, without the recipe."""
        private = ["private", "1"] if self.private else []
        if self.expires_in_s is None:
            return private
        return [*private, "expires", str(self.expires_in_s * 1000)]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a URL led to, and when (ms since 1970): the digest of the bytes, ETag, Last-Modified."""

    at_ms: int
    digest: str
    etag: str
    modified: str


class UrlQueue:
    """Lines up URLs, hands them to this node's fetchers, and sends on what they bring."""

    def __init__(
        self, redis: Redis, queue: JobQueue, settings: FetchSettings, lanes: QueueSettings
    ) -> None:
        self._redis = redis
        self._queue = queue
        self._scripts = queue.scripts
        self._settings = settings
        self._lanes = lanes
        self._reading: set[str] = set()
        self.left_waiting = 0
        """How many URLs the last claim of this node has left in line."""

    async def admit(
        self,
        orders: Sequence[Order],
        terms: Terms,
        *,
        batch_id: str | None,
        is_open: bool = False,
        promise: Promise | None = None,
    ) -> int | None:
        """Let all of them in, at the end of the batch if there is one; None: they are in.

        Otherwise none is, and the answer is how many wait already. is_open: more will come.
        AlreadyEnded: somebody has cancelled the open batch meanwhile.
        promise: what is kept under an Idempotency-Key; QuotaExceeded and IdempotencyBusy as of
        JobQueue.admit.
        """
        alone = {} if batch_id else {"recipe": terms.recipe} | _asked()
        queue_class = names.FETCH_CLASSES[batch_id is not None]
        request = {
            "class": queue_class,
            "client": terms.client,
            "batch": batch_id,
            "recipe": terms.recipe,
            "is_open": is_open,
            "shared": [*terms.fields(), *(part for pair in alone.items() for part in pair)],
            "asked": _asked_by(),
            "jobs": [(one.job_id, one.fields()) for one in orders],
            "most_unsettled": self._queue.door.most_unsettled,
            "once": promise,
            "callback": terms.callback_url,
        }
        admitted, waiting, *wait_ms = await self._scripts.admit_urls(
            args=[self._settings.max_waiting, orjson.dumps(request)]
        )
        self._queue.door.heed(admitted, waiting, *(wait_ms or [0]), arriving=len(orders))
        if admitted == _CLOSED:
            raise AlreadyEnded("The batch was cancelled while its list was read.")
        if admitted:
            for one in orders:
                self._queue.tally.ever.admitted.add(queue_class, one.source)
        return None if admitted else int(waiting)

    async def refuse_if_full(self) -> None:
        """Say QueueFull before a body is read when it can be known. admit() has the last word."""
        self._queue.door.refuse_if_behind()
        waiting = await self.waiting()
        if waiting >= self._settings.max_waiting:
            raise self.full(waiting + 1)

    def full(self, wanted: int) -> QueueFull:
        """What to say when so many would wait, those that come among them."""
        limit = self._settings.max_waiting
        return QueueFull(
            f"At most {limit} URLs may wait to be fetched, {wanted} would. Send it again later.",
            limit=limit,
            actual=wanted,
            retry_after_s=_COME_AGAIN_S,
        )

    async def waiting(self) -> int:
        """How many URLs wait to be fetched."""
        found = await self._redis.hmget(
            names.QUEUE, [names.waiting_count(one) for one in names.FETCH_CLASSES]
        )
        return sum(int(value or 0) for value in found)

    async def claim(self, wanted: int, *, of_batches: int) -> list[Job]:
        """Take up to `wanted` jobs, so many of batches at most, each with a new lease."""
        self.left_waiting, texts, buried = await self._scripts.claim_urls(
            args=[
                *(self._queue.node, wanted, of_batches, self._lanes.max_depth),
                *(self._settings.max_ahead, self._lanes.bulk_share),
            ]
        )
        self._queue.reading.note_buried(buried)
        return await self._queue.reading.jobs(texts)

    async def bring(self, job: Job, arrival: Arrival, found: Remembered | None) -> JobState | None:
        """A job's picture lies in the storage under the arrival's key: on to the lanes with it.

        Returns the state it is in now. None, it was no longer ours, or CANCELLED: the file belongs
        to nobody. `found` is kept for the next time that somebody names this URL.
        """
        is_batch = job.queue_class == names.FETCH_CLASSES[1]
        fields = arrival.fields()
        pairs = zip(fields[::2], fields[1::2], strict=True)
        fields = [part for pair in pairs if pair[0] not in _KNOWN for part in pair]
        remembered = [] if found is None else _flat(found)
        state = await self._scripts.fetched(
            args=[
                *(job.job_id, job.token, names.CLASSES[is_batch], orjson.dumps(fields)),
                "" if found is None else _digest(job),
                max(self._settings.remember_s, self._settings.cache_s) * 1000,
                orjson.dumps(remembered),
            ]
        )
        if state == _STALE:
            return None
        self._queue.tally.arrived(arrival.original_bytes, arrival.original_format)
        self._queue.tally.reused(int(state == JobState.COMPLETED))
        return JobState(state)

    async def recall(self, job: Job) -> tuple[Remembered, str] | None:
        """What the job's URL led to before, and the key of the original that has those bytes."""
        fields = {
            str(name): str(value)
            for name, value in (await self._redis.hgetall(names.FETCHED + _digest(job))).items()
        }
        if not fields:
            return None
        found = Remembered(
            int(fields["at"]), fields["digest"], fields.get("etag", ""), fields.get("modified", "")
        )
        holder = await self._redis.srandmember(names.BLOB + found.digest)
        key = await self._redis.hget(names.job(str(holder)), "original_key") if holder else None
        return (found, str(key)) if key else None

    async def close_batch(self, batch_id: str) -> None:
        """All of a batch has been read."""
        await self._scripts.close_batch(args=[batch_id])

    async def beat(self) -> list[str]:
        """A sign of life for the batches that are read in here.

        Returns those of which there was no sign for two leases, to be cancelled: their node died
        over them, or over cancelling them.
        """
        silent_ms = int(self._lanes.lease_s * 2000)
        found = await self._scripts.open_batches(args=[silent_ms, *self._reading])
        return [str(one) for one in found]

    @contextmanager
    def reading(self, batch_id: str) -> Iterator[None]:
        """This node reads a batch in until the context ends."""
        self._reading.add(batch_id)
        try:
            yield
        finally:
            self._reading.discard(batch_id)


def _asked_by() -> list[str]:
    """The request that orders, as fields of its jobs and their batch, flat."""
    came = CAME.get()
    ids = {} if came is None else {"request": came.request_id, "trace": came.trace}
    return [part for name, value in ids.items() if value for part in (name, value)]


def _asked() -> dict[str, str]:
    came = CAME.get()
    return {} if came is None else {"asked": f"{came.at_ms:.1f}"}


def _digest(job: Job) -> str:
    """Private pictures share nothing with other clients, not even that a URL was seen."""
    scope = job.client if job.private else ""
    whole = hashlib.sha256(f"{scope}\n{job.source_url}".encode()).digest()
    return urlsafe_b64encode(whole[:24]).decode()


def _flat(found: Remembered) -> list[str]:
    named = {"digest": found.digest, "etag": found.etag, "modified": found.modified}
    return [part for name, value in named.items() if value for part in (name, value)]
