"""How a job leaves its lane: settled, or given back for another attempt, in exactly one move."""

import random

import orjson
import structlog

from pool import Fault, Lap, Outcome
from server.config.sections import QueueSettings
from server.jobs.job import Job, JobState
from server.jobs.queue import JobQueue
from server.jobs.running.outlast import until_redis_answers
from server.jobs.trail.spans import Tracer
from server.jobs.trail.way import Turn, Working, now_ms
from server.refusals import is_fault_of_picture

log = structlog.get_logger(__name__)

NODE_LOST = "its node was lost"
STORAGE_FAILED = "storage failed"

_LONGEST_DELAY_S = 30.0


class Settler:
    """Makes those moves, for as long as it takes Redis to answer."""

    def __init__(
        self, queue: JobQueue, settings: QueueSettings, tracer: Tracer | None = None
    ) -> None:
        self._queue = queue
        self._settings = settings
        self._tracer = tracer

    async def settle(
        self,
        job: Job,
        state: JobState,
        fields: dict[str, str],
        *,
        quarantine: bool = False,
        at_fault: bool = False,
    ) -> bool:
        """Its end; False: it was no longer ours. Raises ResponseError if Redis refuses."""
        settled = await until_redis_answers(
            lambda: self._queue.settle(job, state, fields, quarantine=quarantine, at_fault=at_fault)
        )
        event = log.info if settled else log.warning
        event(
            "job settled" if settled else "job was no longer ours",
            job_id=job.job_id,
            to=state.value,
            attempt=job.attempts,
            error=fields.get("error_code"),
            taken_ms=round(now_ms() - job.created_ms),
        )
        return settled

    async def fail(self, job: Job, fault: Fault, outcome: Outcome, turn: Turn) -> None:
        """No other attempt would end better; a picture that is itself at fault is not kept."""
        fields = {"error_code": fault.code, "error_detail": fault.detail}
        fields["timings"] = orjson.dumps(outcome.timings_ms).decode()
        work = Working.of(turn, outcome.began_s, outcome.laps, turn.answered_ms)
        fields["work"] = work.text()
        state = JobState.CANCELLED if fault.code == "cancelled" else JobState.FAILED
        at_fault = is_fault_of_picture(fault.code)
        settled = await self.settle(job, state, fields, at_fault=at_fault)
        if self._tracer is not None:
            self._tracer.attempted(job, turn, work, fault.code)
        if not settled and state is JobState.CANCELLED:
            # Nobody asked: an earlier attempt of it was stopped because its lease was lost.
            await self.give_back(job, blame="none", reason="it was stopped unasked")

    async def original_is_gone(self, job: Job) -> None:
        """Nothing can be made of it any more."""
        detail = "The picture as it came is no longer in the storage; upload it again."
        await self.settle(
            job, JobState.FAILED, {"error_code": "storage_failed", "error_detail": detail}
        )

    async def storage_failed(self, job: Job, error: OSError, turn: Turn | None = None) -> None:
        """A bucket may be away for minutes: that is no job's blame, and it is tried for longer."""
        log.error("storage failed", job_id=job.job_id, error=str(error))
        await self.give_back(job, blame="loss", reason=STORAGE_FAILED, turn=turn)

    async def give_back(
        self, job: Job, *, blame: str, reason: str, turn: Turn | None = None
    ) -> None:
        """Another attempt, later if this one failed; too many of them end the job."""
        exhausted = _exhausted(job, blame, reason, self._settings)
        if exhausted is not None:
            log.error("job is quarantined", job_id=job.job_id, reason=reason, attempts=job.attempts)
            fields = {"error_code": exhausted.code, "error_detail": exhausted.detail}
            if turn is not None:
                died = [Lap("died", turn.answered_ms / 1000)]
                work = Working.of(turn, turn.handed_ms / 1000, died, turn.answered_ms)
                fields["work"] = work.text()
            await self.settle(job, JobState.FAILED, fields, quarantine=True)
            self._trace_death(job, turn, exhausted.code)
            return
        failures = {"attempt": job.attempts - 1, STORAGE_FAILED: job.losses}
        before = failures.get(reason if reason == STORAGE_FAILED else blame)
        delay_s = 0.0
        if before is not None:
            # Full jitter, so that what failed together does not come back together.
            longest_s = min(_LONGEST_DELAY_S, self._settings.retry_delay_s * 2**before)
            delay_s = longest_s * random.random()
        log.warning(
            "job is given back", job_id=job.job_id, reason=reason, delay_s=round(delay_s, 2)
        )
        await until_redis_answers(
            lambda: self._queue.requeue(
                job, delay_s=delay_s, blame=blame, reason=reason, lane=turn.lane if turn else ""
            )
        )
        self._trace_death(job, turn, reason)

    def _trace_death(self, job: Job, turn: Turn | None, reason: str) -> None:
        if self._tracer is not None and turn is not None:
            self._tracer.attempted(job, turn, None, reason)


def _exhausted(job: Job, blame: str, reason: str, settings: QueueSettings) -> Fault | None:
    if blame == "attempt" and job.attempts >= settings.max_attempts:
        code = "out_of_memory" if reason == "out of memory" else "worker_crashed"
        return Fault(code, f"{job.attempts} attempts failed, the last one with: {reason}.")
    if blame == "loss" and job.losses >= settings.max_losses:
        if reason == STORAGE_FAILED:
            detail = f"The storage did not answer, the last time after {job.losses} failures."
            return Fault("storage_failed", detail)
        if reason == NODE_LOST:
            detail = f"The server died {job.losses} times with this picture in work."
            return Fault("node_lost", detail)
        return Fault("worker_crashed", "Its worker died again and again before it could begin.")
    return None
