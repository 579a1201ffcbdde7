"""One job's way through a lane: prepare the folder, develop, store, settle.

Whatever happens ends in exactly one move: settled, or given back for another attempt.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import orjson
import structlog
from redis.exceptions import (
    ClusterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from pool import (
    ChildDied,
    Fault,
    Lane,
    Lap,
    Limits,
    NotStarted,
    Outcome,
    Output,
    Recipe,
    Stage,
    Task,
)
from server.config.sections import QueueSettings
from server.jobs.job import Job, JobState
from server.jobs.queue import JobQueue
from server.jobs.recipes import recipe_of
from server.jobs.running.progress import ProgressBoard
from server.jobs.running.speeds import Speeds
from server.jobs.trail.behalf import ids_of, on_behalf_of
from server.jobs.trail.notebook import Notebook
from server.jobs.trail.spans import Tracer
from server.jobs.trail.way import Turn, Working, now_ms
from server.refusals import is_fault_of_picture
from server.storage.spool import Spool
from server.storage.storage import Storage, put_all, result_key

log = structlog.get_logger(__name__)

T = TypeVar("T")

_REPLACED = "its lane was replaced"
_NODE_LOST = "its node was lost"
_STORAGE_FAILED = "storage failed"
_LONGEST_DELAY_S = 30.0
# A job that never began is innocent, but not for ever: something about it may end each worker.
_UNBEGUN_WITHOUT_BLAME = 5
_HAND_BACK_S = 5.0
# Refusals of a Redis that may answer otherwise a moment later; LOADING is a lost connection to us.
_PASSING = (OutOfMemoryError, ReadOnlyError, ClusterDownError, TryAgainError, NoScriptError)
_PASSING_CODES = ("BUSY", "MISCONF", "NOREPLICAS")  # those without a class


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
        speeds: Speeds,
        assets: Mapping[str, str],
        public_images: bool = True,
        notebook: Notebook | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer
        self._queue = queue
        self._public_images = public_images
        self._spool = spool
        self._storage = storage
        self._progress = progress
        self._settings = settings
        self._limits = limits
        self._speeds = speeds
        self._assets = assets
        self._notebook = notebook or Notebook()
        self._renewed_at = time.monotonic()

    def note_renewal(self) -> None:
        """The leases of all that is carried are good for another `lease_s` from now."""
        self._renewed_at = time.monotonic()

    async def carry(self, lane: Lane, jobs: Sequence[Job], threads: int = 1) -> None:
        """Develop a group of jobs in one lane, one after the other, and settle each."""
        claimed_ms = now_ms()
        with ExitStack() as stack:
            tasks: dict[str, Task] = {}
            for job in jobs:
                with _left_to_its_lease(job):
                    workdir = stack.enter_context(self._spool.workplace(job.job_id, job.token))
                    task = await self._prepared(job, workdir, threads)
                    if task is not None:
                        tasks[job.job_id] = task
                        stack.enter_context(self._progress.open(job.job_id, job.token))
            started = [job for job in jobs if job.job_id in tasks]
            for job in started:
                self._notebook.on(job.job_id).task = tasks[job.job_id]
            handed_ms = now_ms()
            endings = await lane.develop([tasks[job.job_id] for job in started])
            turn = Turn(lane.name, claimed_ms, handed_ms, now_ms())
            await asyncio.gather(
                *(self._end(job, end, turn) for job, end in zip(started, endings, strict=True))
            )

    async def _end(self, job: Job, ending: Outcome | ChildDied | NotStarted, turn: Turn) -> None:
        with _left_to_its_lease(job):
            match ending:
                case Outcome():
                    self._notebook.on(job.job_id).outcome = ending
                    await self._finish(job, ending, turn)
                case NotStarted():
                    is_strange = job.history.count(_REPLACED) >= _UNBEGUN_WITHOUT_BLAME
                    blame = "loss" if is_strange else "none"
                    await self._give_back(job, blame=blame, reason=_REPLACED, turn=turn)
                case ChildDied():
                    await self._give_back(job, blame="attempt", reason=ending.reason, turn=turn)

    async def recover(self, jobs: Sequence[Job]) -> None:
        """Requeue jobs whose node died while it had them."""
        for job in jobs:
            with _left_to_its_lease(job):
                await self._give_back(job, blame="loss", reason=_NODE_LOST)

    async def hand_back(self, jobs: Sequence[Job]) -> None:
        """Requeue what is unfinished when this node stops. Without Redis the next start does it."""
        try:
            async with asyncio.timeout(_HAND_BACK_S):
                for job in jobs:
                    await self._queue.requeue(
                        job, delay_s=0, blame="none", reason="the node stopped"
                    )
        except (RedisError, OSError) as error:
            log.warning("jobs are not handed back", jobs=len(jobs), error=str(error))

    async def _prepared(self, job: Job, workdir: Path, threads: int) -> Task | None:
        """What its lane is to do; None: the job is settled or given back instead."""
        try:
            return await self._task(job, workdir, threads)
        except FileNotFoundError:
            await self._original_is_gone(job)
        except OSError as error:
            await self._storage_failed(job, error)
        return None

    async def _task(self, job: Job, workdir: Path, threads: int) -> Task:
        source = workdir / "source"
        await self._storage.fetch(job.original_key, source)
        recipe = recipe_of(job.recipe)
        return Task(
            job_id=job.job_id,
            attempt=job.token,
            source=str(source),
            recipe=recipe,
            workdir=str(workdir),
            limits=self._limits,
            deadline_s=self._speeds.deadline_s(job, recipe),
            threads=threads,
            assets={**self._assets, **await self._watermark(job, recipe, workdir)},
            log_ids=ids_of(job.job_id, job.request_id, job.trace),
        )

    async def _watermark(self, job: Job, recipe: Recipe, workdir: Path) -> dict[str, str]:
        """A picture made here before, brought beside the one it marks; {} where it is gone."""
        if recipe.watermark is None or recipe.watermark.image_id is None:
            return {}
        marked = await self._queue.look(recipe.watermark.image_id)
        if not isinstance(marked, Job) or not marked.variants:
            return {}
        if marked.client != job.client and (marked.private or not self._public_images):
            return {}  # or whoever knows its id could see it through his own
        path = workdir / "watermark"
        await self._storage.fetch(marked.variants[0].key, path)
        return {recipe.watermark.source: str(path)}

    async def _finish(self, job: Job, outcome: Outcome, turn: Turn) -> None:
        if outcome.fault is not None:
            await self._fail(job, outcome.fault, outcome, turn)
            return
        if not await self._is_still_ours(job):
            log.warning("job was no longer ours", job_id=job.job_id, attempt=job.attempts)
            return
        self._progress.note(job.job_id, Stage.STORING, 99)
        try:
            await put_all(
                self._storage, [(_key(job, one), Path(one.path)) for one in outcome.outputs]
            )
        except OSError as error:
            await self._storage_failed(job, error, turn)
            return
        stored_ms = now_ms()
        fields = {
            "variants": orjson.dumps([_variant(job, one) for one in outcome.outputs]).decode(),
            "timings": orjson.dumps(outcome.timings_ms).decode(),
            "progress": "100",
        }
        if outcome.engines:
            self._speeds.learn(outcome.engines)
            by_step = {one.step: one.engine for one in outcome.engines}
            fields["engines"] = orjson.dumps(by_step).decode()
        if outcome.look is not None:
            fields["look"] = orjson.dumps(outcome.look).decode()
        work = Working.of(turn, outcome.began_s, outcome.laps, stored_ms)
        fields["work"] = work.text()
        if await self._settle(job, JobState.COMPLETED, fields):
            since_ms = job.arrived_ms or job.created_ms
            self._queue.tally.ever.worked(work, since_ms, now_ms())
        if self._tracer is not None:
            self._tracer.attempted(job, turn, work, "")

    async def _fail(self, job: Job, fault: Fault, outcome: Outcome, turn: Turn) -> None:
        """No other attempt would end better; a picture that is itself at fault is not kept."""
        fields = {"error_code": fault.code, "error_detail": fault.detail}
        fields["timings"] = orjson.dumps(outcome.timings_ms).decode()
        work = Working.of(turn, outcome.began_s, outcome.laps, turn.answered_ms)
        fields["work"] = work.text()
        state = JobState.CANCELLED if fault.code == "cancelled" else JobState.FAILED
        at_fault = is_fault_of_picture(fault.code)
        settled = await self._settle(job, state, fields, at_fault=at_fault)
        if self._tracer is not None:
            self._tracer.attempted(job, turn, work, fault.code)
        if not settled and state is JobState.CANCELLED:
            # Nobody asked: an earlier attempt of it was stopped because its lease was lost.
            await self._give_back(job, blame="none", reason="it was stopped unasked")

    async def _is_still_ours(self, job: Job) -> bool:
        """Asked only after a pause: another node may have stored its own result meanwhile."""
        if time.monotonic() - self._renewed_at < self._settings.lease_s:
            return True
        found = await _until_redis_answers(lambda: self._queue.look(job.job_id))
        return isinstance(found, Job) and found.token == job.token and not found.is_settled

    async def _original_is_gone(self, job: Job) -> None:
        detail = "The picture as it came is no longer in the storage; upload it again."
        await self._settle(
            job, JobState.FAILED, {"error_code": "storage_failed", "error_detail": detail}
        )

    async def _storage_failed(self, job: Job, error: OSError, turn: Turn | None = None) -> None:
        """A bucket may be away for minutes: that is no job's blame, and it is tried for longer."""
        log.error("storage failed", job_id=job.job_id, error=str(error))
        await self._give_back(job, blame="loss", reason=_STORAGE_FAILED, turn=turn)

    async def _give_back(
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
            await self._settle(job, JobState.FAILED, fields, quarantine=True)
            self._trace_death(job, turn, exhausted.code)
            return
        failures = {"attempt": job.attempts - 1, _STORAGE_FAILED: job.losses}
        before = failures.get(reason if reason == _STORAGE_FAILED else blame)
        delay_s = 0.0
        if before is not None:
            # Full jitter, so that what failed together does not come back together.
            longest_s = min(_LONGEST_DELAY_S, self._settings.retry_delay_s * 2**before)
            delay_s = longest_s * random.random()
        log.warning(
            "job is given back", job_id=job.job_id, reason=reason, delay_s=round(delay_s, 2)
        )
        await _until_redis_answers(
            lambda: self._queue.requeue(
                job, delay_s=delay_s, blame=blame, reason=reason, lane=turn.lane if turn else ""
            )
        )
        self._trace_death(job, turn, reason)

    def _trace_death(self, job: Job, turn: Turn | None, reason: str) -> None:
        if self._tracer is not None and turn is not None:
            self._tracer.attempted(job, turn, None, reason)

    async def _settle(
        self,
        job: Job,
        state: JobState,
        fields: dict[str, str],
        *,
        quarantine: bool = False,
        at_fault: bool = False,
    ) -> bool:
        settled = await _until_redis_answers(
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


@contextmanager
def _left_to_its_lease(job: Job) -> Iterator[None]:
    """Redis refuses for good what shall become of a job: say so and let go; its lease runs out."""
    with on_behalf_of(job):
        try:
            yield
        except ResponseError as error:
            log.error("Redis refuses a move", job_id=job.job_id, token=job.token, error=str(error))


def _key(job: Job, output: Output) -> str:
    return result_key(job.job_id, output.path.rpartition("/")[2])


def _variant(job: Job, output: Output) -> dict[str, object]:
    """One output as it stands in the job's hash."""
    return {
        "name": output.variant,
        "key": _key(job, output),
        "format": output.format,
        "width": output.width,
        "height": output.height,
        "bytes": output.bytes,
        "digest": output.digest,
        "frames": output.frames,
        "quality": output.quality,
    }


def _exhausted(job: Job, blame: str, reason: str, settings: QueueSettings) -> Fault | None:
    if blame == "attempt" and job.attempts >= settings.max_attempts:
        code = "out_of_memory" if reason == "out of memory" else "worker_crashed"
        return Fault(code, f"{job.attempts} attempts failed, the last one with: {reason}.")
    if blame == "loss" and job.losses >= settings.max_losses:
        if reason == _STORAGE_FAILED:
            detail = f"The storage did not answer, the last time after {job.losses} failures."
            return Fault("storage_failed", detail)
        if reason == _NODE_LOST:
            detail = f"The server died {job.losses} times with this picture in work."
            return Fault("node_lost", detail)
        return Fault("worker_crashed", "Its worker died again and again before it could begin.")
    return None


async def _until_redis_answers(move: Callable[[], Awaitable[T]]) -> T:
    """Moves are safe to repeat; what is done is not thrown away because Redis restarts.

    What Redis refuses for good is raised: the attempt is lost and its lease runs out.
    """
    delay_s = 0.1
    while True:
        try:
            return await move()
        except (RedisError, OSError) as error:
            if _is_for_good(error):
                raise
            log.warning("waiting for Redis", error=str(error))
            await asyncio.sleep(delay_s)
            delay_s = min(2.0, delay_s * 2)


def _is_for_good(error: Exception) -> bool:
    """An error of a script, or a key that is not what it should be: no later time makes it well."""
    if not isinstance(error, ResponseError) or isinstance(error, _PASSING):
        return False
    return not str(error).startswith(_PASSING_CODES)
