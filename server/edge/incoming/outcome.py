"""What a request for one picture is told of its job, whichever way the picture came."""

import asyncio

from aiohttp import web

from server.edge.prefer import Patience
from server.edge.problems import problem_response
from server.edge.reply import reply
from server.jobs.job import Job, JobState
from server.jobs.links import Links
from server.jobs.picture import result_picture
from server.live.feed import Feed
from server.live.mailbox import Mailbox
from server.refusals import Faulted


async def job_outcome(
    request: web.Request, feed: Feed, links: Links, job_id: str, wait: Patience
) -> web.Response:
    """The result of a job that was admitted before, or 202 when it is not there in time."""
    async with feed.watch(job_id) as mailbox:
        await feed.snapshot(job_id, mailbox)
        job = await settled_job(mailbox, wait.wait_s)
    return processing(job_id, wait) if job is None else settled(request, job, links, wait)


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


def settled(request: web.Request, job: Job, links: Links, wait: Patience) -> web.Response:
    """The result, or the problem that the job ended with."""
    if job.status is not JobState.COMPLETED:
        fault = Faulted(job.error_code or "internal_error", job.error_detail or "")
        return problem_response(request, fault, jobId=job.job_id)
    answer = {"status": "completed", "imageId": job.job_id, "jobId": job.job_id}
    return reply(answer | result_picture(job, links), headers=wait.headers())


def processing(job_id: str, wait: Patience) -> web.Response:
    """202: where to ask for it."""
    answer = {
        "status": "processing",
        "imageId": job_id,
        "jobId": job_id,
        "message": f"The picture is in work; watch /status/{job_id}.",
    }
    return reply(answer, status=202, headers=later_at(f"/status/{job_id}") | wait.headers())


def later_at(location: str) -> dict[str, str]:
    """The headers of a 202."""
    return {"Location": location, "Retry-After": "1"}
