"""Jobs in a Redis without any server: admitted, claimed, moved on by hand."""

from typing import Any

from redis.asyncio import Redis

from server.config.sections import QueueSettings
from server.jobs.arrival import Arrival
from server.jobs.job import Job, new_job_id
from server.jobs.queue import JobQueue


async def queue_of(redis: "Redis") -> JobQueue:
    """A queue with room for all that a test brings."""
    queue = JobQueue(redis, QueueSettings(), node="test", keep_s=60)
    await queue.prepare()
    return queue


async def admit(queue: JobQueue) -> str:
    """One more job; returns its id."""
    job_id = new_job_id()
    known: dict[str, Any] = dict.fromkeys(Arrival.__dataclass_fields__, "x")
    numbers = dict.fromkeys(("original_bytes", "width", "height", "cost_bytes"), 1)
    alone: dict[str, Any] = {"dedup": "", "private": False, "expires_in_s": None}
    alone |= {"network_s": 0.0, "network_turn_s": 0.0}
    arrival = Arrival(**known | numbers | alone | {"job_id": job_id, "recipe": "{}"})
    await queue.admit([arrival], client="10.0.0.1", queue_class="interactive", batch_id=None)
    return job_id


async def job_of(queue: JobQueue, job_id: str) -> Job:
    """The job as it stands."""
    job = await queue.look(job_id)
    assert isinstance(job, Job)
    return job
