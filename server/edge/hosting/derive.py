"""What is made of a picture when somebody first asks for it: looked up, begun, waited for."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import structlog

from server.config.deriving import DerivedSettings
from server.counting import Counts
from server.edge.hosting.derive_wish import DerivedWish
from server.edge.hosting.negotiate import Lack
from server.edge.incoming.outcome import settled_job
from server.intake.deriving import Deriving
from server.jobs.derived import CannotBe, DerivedJobs, Found, format_name
from server.jobs.heads import Heads
from server.jobs.job import Job, JobState
from server.jobs.queue import JobQueue
from server.jobs.trail.way import now_ms
from server.live.feed import Feed
from server.refusals import BeingMade, Faulted, Gone, Refusal

log = structlog.get_logger(__name__)

_LONGEST_RETRY_S = 60
_MOST_REMEMBERED = 2000


class Derive:
    """Knows how to come by what was made of pictures."""

    def __init__(
        self,
        jobs: DerivedJobs,
        deriving: Deriving,
        queue: JobQueue,
        *,
        heads: Heads,
        feed: Feed,
        settings: DerivedSettings,
    ) -> None:
        self._jobs = jobs
        self._deriving = deriving
        self._queue = queue
        self._heads = heads
        self._feed = feed
        self._settings = settings
        self._waiting = 0
        self.asked = Counts("outcome", known=("there", "made", "late"))
        """What was asked for by name: there already, made while its asker waited, or too late."""
        # What is called so of a picture; believed while both are known to be shown.
        self._made: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def look(self, picture_id: str, name: str) -> Found:
        """A picture and what was made of it under a name; a hot one costs no visit to Redis."""
        about = (picture_id, name)
        picture, made = self._heads.head(picture_id), self._heads.head(self._made.get(about, ""))
        if picture is not None and made is not None:
            return Found(picture.job, made.job)
        moment = self._heads.moment()
        found = await self._jobs.look(picture_id, name)
        for job in (found.picture, found.made):
            if isinstance(job, Job):
                self._heads.note(job, moment)
        if isinstance(found.made, Job):
            self._made[about] = found.made.job_id
            self._made.move_to_end(about)
            if len(self._made) > _MOST_REMEMBERED:
                self._made.popitem(last=False)
        return found

    async def made(self, picture: Job, wish: DerivedWish, found: Job | CannotBe | None) -> Job:
        """The completed job that makes this of a picture, when it has been waited for.

        `found`: what `look` knows of it. Raises BeingMade when it takes longer, Faulted when it
        cannot be made, and what stands against beginning it: QueueFull, QuotaExceeded ...
        """
        self._refuse_if_failed(found)
        if isinstance(found, Job) and found.status is JobState.COMPLETED:
            self.asked.add("there")
            return found
        job_id = found.job_id if isinstance(found, Job) and not found.is_settled else None
        with self._waiter() as wait_s:
            job_id, job = await self._first_end(picture, wish, job_id, wait_s)
        if job is not None and job.status is JobState.COMPLETED:
            self.asked.add("made")
            return replace(job, recipe=wish.recipe.canonical())  # events come without it
        if job is not None:
            self._refuse_if_failed(job)
            await self._refuse_if_gone(picture)
        self.asked.add("late")
        raise await self._being_made(job_id)

    async def in_format(self, job: Job, lack: Lack, *, may_begin: bool) -> Job | None:
        """The job that has made a format which was left out; None while there is none.

        Asked for by its name it is waited for, like a preset. Else it is begun, and whoever asked
        gets what there is.
        """
        wish = DerivedWish(lack.recipe, format_name(lack.variant, lack.format))
        found = (await self.look(job.job_id, wish.name)).made
        if lack.is_named:
            return await self.made(job, wish, found)
        if isinstance(found, Job) and found.status is JobState.COMPLETED:
            return found
        if may_begin and job.original_key and self._may_begin(found):
            self._begin(job, wish)
        return None

    def _begin(self, job: Job, wish: DerivedWish) -> None:
        try:
            self._deriving.start(job, wish.name, wish.recipe)
        except Refusal as refusal:  # whoever asked has a picture; the next one tries again
            log.debug("not made", picture_id=job.job_id, name=wish.name, reason=refusal.detail)

    def _may_begin(self, found: Job | CannotBe | None) -> bool:
        """Whether nobody makes it, and it is not known that it cannot be made."""
        if isinstance(found, Job) and not found.is_settled:
            return False
        try:
            self._refuse_if_failed(found)
        except Faulted:
            return False
        return True

    def _refuse_if_failed(self, found: Job | CannotBe | None) -> None:
        if isinstance(found, CannotBe) and found.until_ms > now_ms():
            raise found.refusal()
        if isinstance(found, Job) and found.status is JobState.FAILED:
            failure = self._jobs.failure(found)
            if failure is not None:
                raise failure

    async def _refuse_if_gone(self, picture: Job) -> None:
        """What was being made is stopped when its picture goes."""
        now = await self._queue.look(picture.job_id)
        if not isinstance(now, Job) or now.status is not JobState.COMPLETED:
            raise Gone("The picture has expired.")

    @contextmanager
    def _waiter(self) -> Iterator[float]:
        """How long may be waited: not at all when too many do."""
        is_full = self._waiting >= self._settings.max_waiting
        self._waiting += 1
        try:
            yield 0 if is_full else self._settings.wait_s
        finally:
            self._waiting -= 1

    async def _first_end(
        self, picture: Job, wish: DerivedWish, job_id: str | None, wait_s: float
    ) -> tuple[str | None, Job | None]:
        """The job, begun if there is none, and how it has ended; None for what takes longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                if job_id is None:
                    job_id = await self._deriving.begin(picture, wish.name, wish.recipe)
                async with self._feed.watch(job_id) as mailbox:
                    await self._feed.snapshot(job_id, mailbox)
                    return job_id, await settled_job(mailbox, wait_s)
        return job_id, None

    async def _being_made(self, job_id: str | None) -> BeingMade:
        """Come again when it should be there, by the time that the queue expects."""
        wait_s = 1
        job = await self._queue.look(job_id) if job_id else None
        if isinstance(job, Job) and job.eta_ms is not None:
            wait_s = max(1, min(_LONGEST_RETRY_S, math.ceil(job.eta_ms / 1000)))
        return BeingMade(
            f"It is made because it was asked for just now. Ask again in {wait_s} s.",
            job_id=job_id,
            retry_after_s=wait_s,
        )
