"""One URL job's way from its claim to the lanes: fetch, probe, store, and one move at the end.

Whatever happens ends in that move, or, when Redis does not answer, is left to the job's lease.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

import structlog
from redis.exceptions import RedisError

from server.config.sections import FetchSettings
from server.counting import Counts
from server.intake.arriving import arrival, misfit
from server.intake.fetch.download import Download, Downloader, Validators
from server.intake.fetch.faults import FetchFailed
from server.intake.passing import Passing
from server.intake.upload import Intake, refused
from server.jobs import names
from server.jobs.arrival import Arrival
from server.jobs.job import Job, JobState
from server.jobs.queue import JobQueue
from server.jobs.recipes import recipe_of
from server.jobs.trail.behalf import on_behalf_of
from server.jobs.urls import Remembered, UrlQueue
from server.refusals import FETCH_FAULTS, DiskFull, Faulted, Unavailable
from server.storage.spool import Spooled

log = structlog.get_logger(__name__)

_PUT_OFF_S = 5.0  # while this machine cannot store or probe, which is no job's fault
_NOTHING = Validators()

Abide = Callable[[Job, Coroutine[Any, Any, Download]], Awaitable[Download]]


class JobFetcher:
    """Brings the pictures of claimed URL jobs."""

    def __init__(
        self,
        *,
        urls: UrlQueue,
        queue: JobQueue,
        intake: Intake,
        downloader: Downloader,
        settings: FetchSettings,
    ) -> None:
        self._urls = urls
        self._queue = queue
        self._intake = intake
        self._downloader = downloader
        self._settings = settings
        self.outcomes = Counts("outcome", known=("fetched", "unchanged", "retried", *FETCH_FAULTS))
        """What became of URLs: fetched, unchanged since then, retried, cancelled, or why not."""

    def refuse_if_low(self) -> None:
        """Raise DiskFull when nothing more should come to this machine."""
        self._intake.storage.refuse_if_low()

    async def carry(self, job: Job, abide: Abide) -> None:
        """Fetch a job's picture and send the job on, or settle it, or give it back.

        `abide` awaits the download itself, the one part that can be stopped at any moment.
        """
        with on_behalf_of(job):
            await self._carry_or_end(job, abide)

    async def _carry_or_end(self, job: Job, abide: Abide) -> None:
        try:
            await self._carry(job, abide)
        except FetchFailed as failed:
            await self._fail_or_retry(job, failed)
        except Faulted as faulted:
            code = "fetch_not_image" if faulted.code == "not_an_image" else faulted.code
            await self._fail(job, code, faulted.detail)
        except (DiskFull, Unavailable, OSError) as error:
            log.warning("a fetched picture is put off", job_id=job.job_id, error=str(error))
            await self._queue.requeue(
                job, delay_s=_PUT_OFF_S, blame="none", reason="the node could not take it"
            )

    async def _carry(self, job: Job, abide: Abide) -> None:
        # A name of this attempt alone: nothing that another node does can be taken for it.
        attempt = f"{job.job_id}.{job.token}"
        passing = Passing(None)
        spooled, found = await self._bring(job, attempt, abide, passing)
        how = "unchanged" if job.source_url and passing.has_no_bytes else "fetched"
        passing.spooled()
        try:
            one = await self._arrival(job, spooled)
            passing.probed()
            passing.storing()
            await self._intake.storage.put(one.original_key, spooled.path)
            one = replace(one, came=passing.text())
        except Exception:
            self._intake.spool.discard(attempt)
            raise
        try:
            state = await self._urls.bring(job, one, found)
        except (RedisError, OSError):
            self._intake.doubts.note([attempt])  # it may hold the file, or not
            raise
        if state is None or state is JobState.CANCELLED:
            await self._intake.storage.delete(one.original_key)
        self._intake.spool.discard(attempt)
        passing.tell(self._queue.tally.ever)
        self.outcomes.add("cancelled" if state is JobState.CANCELLED else how)
        if self._intake.tracer is not None:
            queue_class = names.CLASSES[job.queue_class == names.FETCH_CLASSES[1]]
            self._intake.tracer.fetched(job, one.came, queue_class=queue_class)
        log.info("fetched", job_id=job.job_id, bytes=one.original_bytes, state=state)

    async def _arrival(self, job: Job, spooled: Spooled) -> Arrival:
        header = await self._intake.read_header(spooled)
        recipe = recipe_of(job.recipe)
        limits, budget_bytes = self._intake.limits, self._intake.budget_bytes
        if fault := misfit(header, recipe, limits, budget_bytes=budget_bytes):
            raise refused(fault)
        kin = await self._intake.sameness.kin(recipe, client=job.client, private=job.private)
        return arrival(spooled, header, recipe, kin, limits.engines)

    async def _bring(
        self, job: Job, attempt: str, abide: Abide, passing: Passing
    ) -> tuple[Spooled, Remembered | None]:
        """The picture in the spool, and what to remember of its URL."""
        if job.source_image_id is not None:
            return await self._of_image(job, attempt), None
        recalled = await self._urls.recall(job)
        if recalled is None:
            return await self._download(job, attempt, abide, passing)
        found, key = recalled
        is_fresh = found.at_ms + self._settings.cache_s * 1000 > time.time() * 1000
        if not is_fresh:
            known = Validators(found.etag, found.modified)
            download = await abide(job, self._fetch(job, attempt, known, passing))
            if download.spooled is not None:
                return download.spooled, self._remembered(download)
        try:
            spooled = await self._reuse(job, attempt, key, found.digest)
        except FileNotFoundError:  # it expired just now
            return await self._download(job, attempt, abide, passing)
        return spooled, None if is_fresh else found  # which is of now, then

    async def _download(
        self, job: Job, attempt: str, abide: Abide, passing: Passing
    ) -> tuple[Spooled, Remembered | None]:
        download = await abide(job, self._fetch(job, attempt, _NOTHING, passing))
        assert download.spooled is not None  # nothing was known
        return download.spooled, self._remembered(download)

    async def _fetch(self, job: Job, attempt: str, known: Validators, passing: Passing) -> Download:
        async def receive(chunks: AsyncIterator[bytes]) -> Spooled:
            return await self._intake.spool.receive(attempt, job.name, passing.watched(chunks))

        return await self._downloader.fetch(job.source_url or "", receive, known)

    def _remembered(self, download: Download) -> Remembered | None:
        """Only what can be of use: with a way to ask again, or while no question is needed."""
        etag, modified = download.validators.etag, download.validators.modified
        can_ask = (etag or modified) and self._settings.remember_s
        if download.spooled is None or not (can_ask or self._settings.cache_s):
            return None
        return Remembered(0, download.spooled.digest, etag, modified)

    async def _of_image(self, job: Job, attempt: str) -> Spooled:
        """The original of a picture that is here already."""
        source = await self._queue.look(job.source_image_id or "")
        gone = FetchFailed("source_gone", "The original of that picture is no longer kept.")
        if not isinstance(source, Job) or not source.original_key:
            raise gone
        try:
            return await self._reuse(job, attempt, source.original_key, source.digest)
        except FileNotFoundError as error:
            raise gone from error

    async def _reuse(self, job: Job, attempt: str, key: str, digest: str) -> Spooled:
        path = self._intake.spool.incoming / attempt
        await self._intake.storage.fetch(key, path)
        size = (await asyncio.to_thread(path.stat)).st_size
        return Spooled(attempt, job.name, path, size, digest)

    async def _fail_or_retry(self, job: Job, failed: FetchFailed) -> None:
        pause_s = failed.retry_after_s or 0.0
        is_last = job.attempts >= self._settings.max_attempts
        if not failed.may_recover or is_last or pause_s > self._settings.max_retry_after_s:
            await self._fail(job, failed.code, failed.detail)
            return
        # With jitter, so that what failed together does not come back together.
        backoff_s = self._settings.retry_delay_s * 2 ** (job.attempts - 1)
        delay_s = max(pause_s, backoff_s * (0.5 + random.random() / 2))
        self.outcomes.add("retried")
        log.info("fetched again later", job_id=job.job_id, code=failed.code, delay_s=delay_s)
        await self._queue.requeue(job, delay_s=delay_s, blame="attempt", reason=failed.detail)

    async def _fail(self, job: Job, code: str, detail: str) -> None:
        await self._queue.settle(job, JobState.FAILED, {"error_code": code, "error_detail": detail})
        self.outcomes.add(code)
        log.info("job settled", job_id=job.job_id, to="failed", error=code)
