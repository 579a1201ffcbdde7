"""On whose behalf something is told: in this context every line of the log has the ids of a job."""

from contextlib import AbstractContextManager

from structlog.contextvars import bound_contextvars

from server.jobs.job import Job
from server.jobs.trail.context import Traced


def on_behalf_of(job: Job) -> AbstractContextManager[None]:
    """Bind `job_id`, and the request that brought it, where it is known."""
    return bound_contextvars(**ids_of(job.job_id, job.request_id, job.trace))


def ids_of(job_id: str, request_id: str, trace: str) -> dict[str, str]:
    """The fields; those that are not known are left out."""
    traced = Traced.from_text(trace)
    ids = {"job_id": job_id, "request_id": request_id, "trace_id": traced and traced.trace_id}
    return {name: value for name, value in ids.items() if value}
