"""One job's way through a lane: prepare the folder, develop, store, settle.

Whatever happens ends in exactly one move: settled, or given back for another attempt.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import orjson
import structlog
from redis.exceptions import RedisError

from pool import (
    ChildDied,
    Fault,
    Lane,
    Limits,
    NotStarted,
    Outcome,
    Output,
    Recipe,
    Stage,
    Task,
    parse_recipe,
)
from server.config import QueueSettings
from server.jobs.job import Job, JobState
from server.jobs.progress import ProgressBoard
from server.jobs.queue import JobQueue
from server.refusals import is_fault_of_picture
from server.storage.spool import Spool
from server.storage.storage import Storage, result_key

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Carrier:
    """Carries claimed jobs through lanes to their end."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        spool: Spool,
        storage: Storage,
        progress: ProgressBoard,
        settings: QueueSettings,
        limits: Limits,
        deadline_s: float,
    ) -> None:
        self._queue = queue
        self._spool = spool
        self._storage = storage
        self._progress = progress
        self._settings = settings
        self._limits = limits
        self._deadline_s = deadline_s

    async def carry(self, lane: Lane, jobs: Sequence[Job]) -> None:
        """Develop a group of jobs in one lane, one after the other, and settle each."""
        with ExitStack() as stack:
            tasks: dict[str, Task] = {}
            for job in jobs:
                workdir = stack.enter_context(self._spool.workdir(job.job_id, job.token))
                try:
                    tasks[job.job_id] = await self._task(job, workdir)
                except OSError as error:
                    await self._storage_failed(job, error)
                else:
                    stack.enter_context(self._progress.open(job.job_id, job.token))
            started = [job for job in jobs if job.job_id in tasks]
            endings = await lane.develop([tasks[job.job_id] for job in started])
            await asyncio.gather(
                *(self._end(job, ending) for job, ending in zip(started, endings, strict=True))
            )

    async def _end(self, job: Job, ending: Outcome | ChildDied | NotStarted) -> None:
        match ending:
            case Outcome():
                await self._finish(job, ending)
            case NotStarted():
                await self._give_back(job, blame="none", reason="its lane was replaced")
            case ChildDied():
                await self._give_back(job, blame="attempt", reason=ending.reason)

    async def recover(self, jobs: Sequence[Job]) -> None:
        """Requeue jobs whose node died while it had them."""
        for job in jobs:
            await self._give_back(job, blame="loss", reason="its node was lost")

    async def hand_back(self, jobs: Sequence[Job]) -> None:
        """Requeue what is unfinished when this node stops."""
        for job in jobs:
            await self._queue.requeue(job, delay_s=0, blame="none", reason="the node stopped")

    async def _task(self, job: Job, workdir: Path) -> Task:
        source = workdir / "source"
        await self._storage.fetch(job.original_key, source)
        outputs = workdir / "out"
        outputs.mkdir()
        return Task(
            job_id=job.job_id,
            attempt=job.token,
            source=str(source),
            recipe=_recipe(job),
            workdir=str(outputs),
            limits=self._limits,
            deadline_s=self._deadline_s,
        )

    async def _finish(self, job: Job, outcome: Outcome) -> None:
        if outcome.fault is not None:
            await self._fail(job, outcome.fault, outcome)
            return
        self._progress.note(job.job_id, Stage.STORING, 99)
        try:
            variants = [await self._store(job, output) for output in outcome.outputs]
        except OSError as error:
            await self._storage_failed(job, error)
            return
        fields = {
            "variants": orjson.dumps(variants).decode(),
            "timings": orjson.dumps(outcome.timings_ms).decode(),
            "progress": "100",
        }
        await self._settle(job, JobState.COMPLETED, fields)

    async def _fail(self, job: Job, fault: Fault, outcome: Outcome) -> None:
        """No other attempt would end better; a picture that is itself at fault is not kept."""
        fields = {"error_code": fault.code, "error_detail": fault.detail}
        fields["timings"] = orjson.dumps(outcome.timings_ms).decode()
        if is_fault_of_picture(fault.code):
            fields["original_key"] = ""
        state = JobState.CANCELLED if fault.code == "cancelled" else JobState.FAILED
        await self._settle(job, state, fields)
        if is_fault_of_picture(fault.code):
            await self._storage.delete(job.original_key)

    async def _store(self, job: Job, output: Output) -> dict[str, object]:
        path = Path(output.path)
        key = result_key(job.job_id, path.name)
        await self._storage.put(key, path)
        return {
            "name": output.variant,
            "key": key,
            "format": output.format,
            "width": output.width,
            "height": output.height,
            "bytes": output.bytes,
            "digest": output.digest,
        }

    async def _storage_failed(self, job: Job, error: OSError) -> None:
        log.error("storage failed", job_id=job.job_id, error=str(error))
        await self._give_back(job, blame="attempt", reason="storage failed")

    async def _give_back(self, job: Job, *, blame: str, reason: str) -> None:
        """Another attempt, later if this one failed; too many of them end the job."""
        exhausted = _exhausted(job, blame, reason, self._settings)
        if exhausted is not None:
            log.error("job is quarantined", job_id=job.job_id, reason=reason, attempts=job.attempts)
            fields = {"error_code": exhausted.code, "error_detail": exhausted.detail}
            await self._settle(job, JobState.FAILED, fields, quarantine=True)
            return
        delay_s = 0.0
        if blame == "attempt":
            # Full jitter, so that what failed together does not come back together.
            delay_s = self._settings.retry_delay_s * 2 ** (job.attempts - 1) * random.random()
        log.warning(
            "job is given back", job_id=job.job_id, reason=reason, delay_s=round(delay_s, 2)
        )
        await _until_redis_answers(
            lambda: self._queue.requeue(job, delay_s=delay_s, blame=blame, reason=reason)
        )

    async def _settle(
        self, job: Job, state: JobState, fields: dict[str, str], *, quarantine: bool = False
    ) -> None:
        settled = await _until_redis_answers(
            lambda: self._queue.settle(job, state, fields, quarantine=quarantine)
        )
        event = log.info if settled else log.warning
        event(
            "job settled" if settled else "job was no longer ours",
            job_id=job.job_id,
            to=state.value,
            attempt=job.attempts,
            error=fields.get("error_code"),
        )


def _recipe(job: Job) -> Recipe:
    return parse_recipe(orjson.loads(job.recipe))


def _exhausted(job: Job, blame: str, reason: str, settings: QueueSettings) -> Fault | None:
    if blame == "attempt" and job.attempts >= settings.max_attempts:
        code = "storage_failed" if reason == "storage failed" else "worker_crashed"
        code = "out_of_memory" if reason == "out of memory" else code
        return Fault(code, f"{job.attempts} attempts failed, the last one with: {reason}.")
    if blame == "loss" and job.losses >= settings.max_losses:
        return Fault("node_lost", f"The server died {job.losses} times with this picture in work.")
    return None


async def _until_redis_answers(move: Callable[[], Awaitable[T]]) -> T:
    """Moves are safe to repeat; what is done is not thrown away because Redis restarts."""
    delay_s = 0.1
    while True:
        try:
            return await move()
        except (RedisError, OSError) as error:
            log.warning("waiting for Redis", error=str(error))
            await asyncio.sleep(delay_s)
            delay_s = min(2.0, delay_s * 2)
