"""POST /upload: pictures in, a result or a promise of one out."""

import asyncio

from aiohttp import web
from redis.exceptions import RedisError

from pool import Recipe
from server.config import Settings
from server.edge.form import read_form, refuse_too_large
from server.edge.prefer import Patience, patience
from server.edge.problems import error_response, problem_response
from server.edge.reply import reply
from server.intake.upload import Intake, Refused, Upload
from server.jobs.job import Job, JobState
from server.jobs.picture import result_picture
from server.live.feed import Feed
from server.live.mailbox import Mailbox
from server.refusals import Faulted, Refusal


class UploadHandler:
    """The way in for pictures that a client sends."""

    def __init__(self, intake: Intake, feed: Feed, settings: Settings) -> None:
        self._intake = intake
        self._feed = feed
        self._settings = settings

    async def expect(self, request: web.Request) -> web.StreamResponse | None:
        """`Expect: 100-continue`: say no before the client sends what would be refused."""
        try:
            await self._refuse_early(request)
        except (Refusal, RedisError, OSError) as error:  # no middleware runs around this one
            return error_response(request, error)
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
        return None

    async def post(self, request: web.Request) -> web.StreamResponse:
        """One picture: wait a while for the result. Several: a batch at once."""
        await self._refuse_early(request)
        waits = self._settings.upload
        wait = patience(request, default_s=waits.sync_wait_s, longest_s=waits.max_wait_s)
        async with self._intake.upload() as upload:
            form = await read_form(request, upload, self._settings)
            recipe = form.recipe(self._settings)
            upload.check(recipe)
            if not upload.spooled:
                raise _none_taken(upload)
            client = request.remote or "unknown"
            if upload.seen > 1:
                return await self._answer_batch(upload, recipe, client)
            return await self._answer_one(request, upload, recipe, client, wait)

    async def _refuse_early(self, request: web.Request) -> None:
        self._intake.refuse_if_closed()
        refuse_too_large(request, self._settings)
        self._intake.storage.refuse_if_low(request.content_length or 0)
        await self._intake.queue.refuse_if_full()

    async def _answer_batch(self, upload: Upload, recipe: Recipe, client: str) -> web.Response:
        images = [{"imageId": one.job_id, "name": one.name} for one in upload.spooled]
        batch_id = await upload.admit(recipe, client=client, as_batch=True)
        answer = {
            "status": "processing",
            "jobId": batch_id,
            "message": f"{len(images)} pictures are queued; watch /status/{batch_id}.",
            "images": images,
            "refused": [_refused(one) for one in upload.refused],
        }
        return reply(answer, status=202, headers=_later(f"/status/{batch_id}"))

    async def _answer_one(
        self, request: web.Request, upload: Upload, recipe: Recipe, client: str, wait: Patience
    ) -> web.Response:
        job_id = upload.spooled[0].job_id
        if wait.wait_s == 0:
            await upload.admit(recipe, client=client, as_batch=False)
            return _processing(job_id, wait)
        async with self._feed.watch(job_id) as mailbox:
            await upload.admit(recipe, client=client, as_batch=False)
            job = await settled_job(mailbox, wait.wait_s)
        if job is None:
            return _processing(job_id, wait)
        if job.status is not JobState.COMPLETED:
            fault = Faulted(job.error_code or "internal_error", job.error_detail or "")
            return problem_response(request, fault, jobId=job_id)
        answer = {"status": "completed", "imageId": job_id, "jobId": job_id}
        return reply(answer | result_picture(job), headers=wait.headers())


async def settled_job(mailbox: Mailbox, wait_s: float) -> Job | None:
    """Wait for a watched job to end; None when it has not by then."""
    try:
        async with asyncio.timeout(wait_s):
            while True:
                for event in await mailbox.take():
                    if isinstance(event.subject, Job) and event.subject.is_settled:
                        return event.subject
    except TimeoutError:
        return None


def _processing(job_id: str, wait: Patience) -> web.Response:
    answer = {
        "status": "processing",
        "imageId": job_id,
        "jobId": job_id,
        "message": f"The picture is in work; watch /status/{job_id}.",
    }
    return reply(answer, status=202, headers=_later(f"/status/{job_id}") | wait.headers())


def _later(location: str) -> dict[str, str]:
    return {"Location": location, "Retry-After": "1"}


def _none_taken(upload: Upload) -> Refusal:
    first = upload.refused[0]
    if upload.seen > 1:
        first.refusal.detail = (
            f"None of the {upload.seen} pictures can be taken; {first.name}: {first.refusal.detail}"
        )
    return first.refusal


def _refused(one: Refused) -> dict[str, object]:
    problem = {
        "type": f"/problems/{one.refusal.code}",
        "title": one.refusal.title,
        "status": one.refusal.status,
        "detail": one.refusal.detail,
    }
    return {"name": one.name, "problem": problem}
