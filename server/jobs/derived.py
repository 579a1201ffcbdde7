"""What is made of stored pictures on first ask: looked up in Redis, let in, refused for a while.

Such a job belongs to its picture. It stands there under names of what it is (`recipe_name`,
`format_name`), so that of all who ask for the same, on any node, one makes it.
"""

import hashlib
import math
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

import orjson

from server.config.deriving import DerivedSettings
from server.config.sections import QueueSettings
from server.jobs import names
from server.jobs.arrival import Arrival
from server.jobs.job import Job, is_batch_id
from server.jobs.queue import JobQueue
from server.jobs.source import Source
from server.jobs.trail.way import now_ms
from server.refusals import Faulted, QueueFull, QuotaExceeded, TooManyDerived

_DIGEST_BYTES = 24  # in 32 letters
_LONGEST_WAIT_S = 60


@dataclass(frozen=True, slots=True)
class CannotBe:
    """Why something is not made of a picture, and until when nobody tries (ms since 1970)."""

    code: str
    detail: str
    until_ms: int
    limit: int | None = None
    actual: int | None = None

    @classmethod
    def from_json(cls, text: str) -> "CannotBe":
        """As the scripts keep it."""
        found = orjson.loads(text)
        until_ms = int(found["until"])
        return cls(
            found["code"], found["detail"], until_ms, found.get("limit"), found.get("actual")
        )

    def refusal(self) -> Faulted:
        """As an answer."""
        wait_s = max(1, math.ceil((self.until_ms - now_ms()) / 1000))
        return Faulted(
            self.code, self.detail, limit=self.limit, actual=self.actual, retry_after_s=wait_s
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A picture, and what was made of it under the name that was asked for."""

    picture: Job | None
    made: Job | CannotBe | None = None


@lru_cache(maxsize=1000)
def recipe_name(canonical: str) -> str:
    """What a canonical recipe is called among what was made of a picture."""
    whole = hashlib.sha256(canonical.encode()).digest()
    return urlsafe_b64encode(whole[:_DIGEST_BYTES]).decode()


def format_name(variant: str, media_format: str) -> str:
    """The same for a variant in one more format; no digest has a dot."""
    return f"{variant}.{media_format}"


class DerivedJobs:
    """One method a script."""

    def __init__(
        self, queue: JobQueue, settings: DerivedSettings, queue_settings: QueueSettings
    ) -> None:
        self._queue = queue
        self._settings = settings
        share = settings.queue_share
        # Strangers ask, too: they leave room in the line, and in its owner's quota, to who uploads.
        self._max_depth = max(1, math.floor(queue_settings.max_depth * share))
        self._most_unsettled = math.ceil(queue.door.most_unsettled * share)
        is_spooling = queue_settings.overload == "spool"
        self._spool_bytes = int(queue_settings.spool_max_bytes * share) if is_spooling else 0

    async def look(self, picture_id: str, name: str) -> Found:
        """A picture and what was made of it, as they stand, in one visit to Redis."""
        if is_batch_id(picture_id):
            return Found(None)
        texts = await self._queue.scripts.look_derived(args=[picture_id, name])
        picture, made = texts
        return Found(None) if picture is None else Found(Job.from_json(picture), _made(made))

    async def admit(self, picture: Job, name: str, arrival: Arrival) -> str:
        """Let in what makes this of a picture; returns the id of the job that does, its or another.

        Raises Faulted where it cannot be made or the picture has gone, QueueFull, QuotaExceeded,
        TooManyDerived.
        """
        self._queue.door.refuse_if_behind()
        request = {
            "picture": picture.job_id,
            "original_key": arrival.original_key,
            "name": name,
            "id": arrival.job_id,
            "class": names.CLASSES[0],
            "fields": arrival.fields(),
            "most_unsettled": self._most_unsettled,
            "most": self._settings.max_per_image,
            "retry_ms": self._settings.retry_failed_s * 1000,
        }
        word, *rest = await self._queue.scripts.derive(
            args=[self._max_depth, self._spool_bytes, orjson.dumps(request)]
        )
        if word not in ("made", "there"):
            self._refuse(word, rest)
        if word == "made":
            self._queue.tally.ever.admitted.add(names.CLASSES[0], Source.DERIVED)
        return str(rest[0])

    async def refuse_if_full(self) -> None:
        """Say QueueFull before any work is put into it; `admit` has the last word."""
        self._queue.door.refuse_if_behind()
        load = await self._queue.door.load()
        if load.depth >= self._max_depth and load.waiting_bytes >= self._spool_bytes:
            raise self._full(load.depth, self._max_depth / 10 * load.drain_ms)

    async def remember(self, picture_id: str, name: str, fault: Faulted) -> None:
        """This cannot be made of that picture: nobody need try again for a while."""
        told: dict[str, Any] = {"code": fault.code, "detail": fault.detail}
        if fault.limit is not None:
            told |= {"limit": fault.limit, "actual": fault.actual}
        await self._queue.scripts.derive_refuse(
            args=[
                *(picture_id, name, self._settings.max_per_image),
                *(self._settings.retry_failed_s * 1000, orjson.dumps(told)),
            ]
        )

    def failure(self, job: Job) -> Faulted | None:
        """Why a job has failed, as long as nobody tries again; None: it may be tried.

        What is in quarantine is tried by hand alone (POST /job/{id}/retry).
        """
        left_ms = (job.settled_ms or 0) + self._settings.retry_failed_s * 1000 - now_ms()
        code, detail = job.error_code or "internal_error", job.error_detail or ""
        if job.is_quarantined:
            return Faulted(code, detail)
        if left_ms <= 0:
            return None
        return Faulted(code, detail, retry_after_s=math.ceil(left_ms / 1000))

    def _refuse(self, word: str, rest: list[Any]) -> NoReturn:
        if word == "refused":
            raise CannotBe.from_json(rest[0]).refusal()
        if word == "many":
            most = self._settings.max_per_image
            raise TooManyDerived(
                f"{rest[0]} others were made of this picture; at most {most} may be.",
                limit=most,
                actual=int(rest[0]) + 1,
            )
        if word == "quota":
            unsettled, wait_s = int(rest[0]), _seconds(rest[1])
            raise QuotaExceeded(
                f"At most {self._most_unsettled} jobs of this picture's owner may wait or be in"
                f" work before another is made on ask; {unsettled} do.",
                limit=self._most_unsettled,
                actual=unsettled + 1,
                retry_after_s=wait_s,
            )
        if word == "full":
            raise self._full(int(rest[0]), float(rest[1]))
        raise original_gone()

    def _full(self, depth: int, wait_ms: float) -> QueueFull:
        limit, wait_s = self._max_depth, _seconds(wait_ms)
        return QueueFull(
            f"{depth} pictures wait; while {limit} do, none is made because it is asked for."
            f" Ask again in {wait_s} s.",
            limit=limit,
            actual=depth,
            retry_after_s=wait_s,
        )


def original_gone() -> Faulted:
    """Nothing new can be made of a picture that was not kept as it came."""
    detail = "The picture as it came is no longer kept, so nothing more can be made of it."
    return Faulted("source_gone", detail)


def _seconds(wait_ms: float) -> int:
    return max(1, min(_LONGEST_WAIT_S, math.ceil(wait_ms / 1000)))


def _made(text: str | None) -> Job | CannotBe | None:
    if text is None:
        return None
    return CannotBe.from_json(text[1:]) if text.startswith("!") else Job.from_json(text)
