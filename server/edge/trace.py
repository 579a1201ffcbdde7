"""GET /job/{id}/trace: the way of one picture through the service, hop by hop."""

from typing import Any

from aiohttp import web

from server.edge.reply import reply
from server.jobs.job import Batch, Job, iso
from server.jobs.queue import JobQueue
from server.jobs.trail.notebook import Notebook
from server.jobs.trail.trace import Hop, hops_of
from server.jobs.trail.way import now_ms
from server.refusals import NotFound

_FRESH = {"Cache-Control": "no-store"}


class TraceHandler:
    """Reads one job's hash and this node's notes on it."""

    def __init__(self, queue: JobQueue, notebook: Notebook) -> None:
        self._queue = queue
        self._notebook = notebook

    async def get(self, request: web.Request) -> web.Response:
        """Every hop so far, with its time; `nowMs` tells a client how far its clock is off."""
        job = await self._look(request.match_info["id"])
        hops = hops_of(job, self._notebook.find(job.job_id))
        return reply(trace_picture(job, hops), headers=_FRESH)

    async def _look(self, job_id: str) -> Job:
        subject = await self._queue.look(job_id)
        if subject is None:
            raise NotFound(f"There is no job '{job_id}'; it may have expired.")
        if isinstance(subject, Batch):
            raise NotFound(f"'{job_id}' is a batch; look at the trace of one of its jobs.")
        return subject


def trace_picture(job: Job, hops: list[Hop]) -> dict[str, Any]:
    """The JSON of the answer. Any: messages are JSON of any shape."""
    start_ms = hops[0].start_ms if hops else float(job.created_ms)
    end_ms = max((hop.end_ms for hop in hops), default=start_ms)
    return {
        "jobId": job.job_id,
        "status": job.status.value,
        "startedAt": iso(round(start_ms)),
        "atMs": round(start_ms, 1),
        "nowMs": round(now_ms(), 1),
        "totalMs": round(end_ms - start_ms, 1),
        "attempts": job.attempts,
        "cached": job.is_cached,
        "hops": [_hop_picture(hop, start_ms) for hop in hops],
    }


def _hop_picture(hop: Hop, start_ms: float) -> dict[str, Any]:
    begins_ms = round(hop.start_ms - start_ms, 1)
    return {
        "name": hop.name,
        "part": hop.part.value,
        "attempt": hop.attempt,
        "startMs": begins_ms,
        "durationMs": round(round(hop.end_ms - start_ms, 1) - begins_ms, 1),
        "message": hop.message,
    }
