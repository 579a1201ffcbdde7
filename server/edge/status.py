"""How jobs and batches stand: GET /status, GET /job, DELETE /job, POST /job/retry."""

import asyncio
from contextlib import suppress

import orjson
from aiohttp import web

from server.config.sections import UploadSettings
from server.edge.paging import FIRST_PAGE, Page, page_parameters
from server.edge.prefer import wait_parameter
from server.edge.reply import reply
from server.jobs.job import Batch, Job, JobState, is_batch_id
from server.jobs.links import Links
from server.jobs.picture import batch_picture, job_details, job_picture
from server.jobs.queue import JobQueue
from server.live.feed import Feed
from server.refusals import AlreadyEnded, Gone, NotFailed, NotFound


class StatusHandler:
    """Reads, and the two things one can do to a job."""

    def __init__(self, queue: JobQueue, feed: Feed, settings: UploadSettings, links: Links) -> None:
        self._links = links
        self._queue = queue
        self._feed = feed
        self._settings = settings

    async def get_status(self, request: web.Request) -> web.Response:
        """The state now, or with ?wait=N the state when it ends, N seconds from now at most."""
        some_id = request.match_info["id"]
        wait_s = wait_parameter(request, longest_s=self._settings.max_wait_s)
        page = page_parameters(request)
        subject = await self._look(some_id)
        if wait_s and not subject.is_settled:
            subject = await self._await_end(some_id, wait_s)
        return await self._answer(subject, page)

    async def get_job(self, request: web.Request) -> web.Response:
        """Everything known of a job."""
        job = await self._look_at_job(request.match_info["id"])
        return reply(job_details(job, orjson.loads(job.recipe), self._links), headers=_FRESH)

    async def delete_job(self, request: web.Request) -> web.Response:
        """Cancel: a waiting job at once, a running one as soon as its lane has stopped."""
        some_id = request.match_info["id"]
        if is_batch_id(some_id):
            await self._look(some_id)
            with suppress(TimeoutError):  # of a long one the rest is stopped after the answer
                async with asyncio.timeout(self._settings.sync_wait_s):
                    await self._queue.cancel_batch(some_id)
            return await self._answer(await self._look(some_id))
        state = await self._queue.cancel(some_id)
        if state is None:
            raise _unknown(some_id)
        if state not in (JobState.CANCELLED, JobState.PROCESSING):
            raise AlreadyEnded(f"The job is {state}.")
        subject = await self._await_end(some_id, self._settings.sync_wait_s)
        return await self._answer(subject)

    async def retry_job(self, request: web.Request) -> web.Response:
        """Queue a failed job again."""
        job_id = request.match_info["id"]
        is_queued, state = await self._queue.retry(job_id)
        if state is None:
            raise _unknown(job_id)
        if state is JobState.EXPIRED:
            raise Gone("The picture itself is gone; upload it again.")
        if not is_queued:
            raise NotFailed(f"The job is {state}.")
        return reply(job_picture(await self._look_at_job(job_id), self._links), status=202)

    async def _await_end(self, some_id: str, wait_s: float) -> Job | Batch:
        async with self._feed.watch(some_id) as mailbox:
            await self._feed.snapshot(some_id, mailbox)
            try:
                async with asyncio.timeout(wait_s):
                    while True:
                        for event in await mailbox.take():
                            if event.subject.is_settled:
                                return event.subject
            except TimeoutError:
                return await self._look(some_id)

    async def _answer(self, subject: Job | Batch, page: Page = FIRST_PAGE) -> web.Response:
        if isinstance(subject, Job):
            return reply(job_picture(subject, self._links), headers=_FRESH)
        jobs = await self._queue.jobs_of(subject.batch_id, first=page.first, most=page.most)
        images = [job_picture(job, self._links) for job in jobs]
        answer = batch_picture(subject) | {"images": images}
        end = page.first + page.most
        if end < subject.total:
            answer["next"] = f"/status/{subject.batch_id}?cursor={end}&limit={page.most}"
        return reply(answer, headers=_FRESH)

    async def _look(self, some_id: str) -> Job | Batch:
        subject = await self._queue.look(some_id)
        if subject is None:
            raise _unknown(some_id)
        return subject

    async def _look_at_job(self, job_id: str) -> Job:
        subject = await self._look(job_id)
        if isinstance(subject, Batch):
            raise NotFound(f"'{job_id}' is a batch; look at /status/{job_id}.")
        return subject


_FRESH = {"Cache-Control": "no-store"}


def _unknown(some_id: str) -> NotFound:
    return NotFound(f"There is no job or batch '{some_id}'; it may have expired.")
