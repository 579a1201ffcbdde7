"""One job's way through a lane: prepare the folder, develop, store, settle.

Whatever happens ends in exactly one move: settled, or given back for another attempt.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
import structlog
from redis.exceptions import RedisError, ResponseError

from pool import (
    ChildDied,
    Lane,
    Limits,
    NotStarted,
    Outcome,
    Output,
    Stage,
    Task,
)
from server.config.sections import QueueSettings
from server.jobs.job import Job, JobState
from server.jobs.queue import JobQueue
from server.jobs.running.outlast import until_redis_answers
from server.jobs.running.prepare import Preparer
from server.jobs.running.progress import ProgressBoard
from server.jobs.running.settle import NODE_LOST, Settler
from server.jobs.running.speeds import Speeds
from server.jobs.trail.behalf import on_behalf_of
from server.jobs.trail.notebook import Notebook
from server.jobs.trail.spans import Tracer
from server.jobs.trail.way import Turn, Working, now_ms
from server.storage.spool import Spool
from server.storage.storage import Storage, put_all, result_key

log = structlog.get_logger(__name__)

_REPLACED = "its lane was replaced"
# A job that never began is innocent, but not for ever: something about it may end each worker.
_UNBEGUN_WITHOUT_BLAME = 5
_HAND_BACK_S = 5.0


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
        self._spool = spool
        self._storage = storage
        self._progress = progress
        self._settings = settings
        self._speeds = speeds
        self._notebook = notebook or Notebook()
        self._settler = Settler(queue, settings, tracer)
        self._preparer = Preparer(
            queue=queue,
            storage=storage,
            limits=limits,
            speeds=speeds,
            assets=assets,
            public_images=public_images,
        )
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
                    await self._settler.give_back(job, blame=blame, reason=_REPLACED, turn=turn)
                case ChildDied():
                    await self._settler.give_back(
                        job, blame="attempt", reason=ending.reason, turn=turn
                    )

    async def recover(self, jobs: Sequence[Job]) -> None:
        """Requeue jobs whose node died while it had them."""
        for job in jobs:
            with _left_to_its_lease(job):
                await self._settler.give_back(job, blame="loss", reason=NODE_LOST)

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
            return await self._preparer.task(job, workdir, threads)
        except FileNotFoundError:
            await self._settler.original_is_gone(job)
        except OSError as error:
            await self._settler.storage_failed(job, error)
        return None

    async def _finish(self, job: Job, outcome: Outcome, turn: Turn) -> None:
        if outcome.fault is not None:
            await self._settler.fail(job, outcome.fault, outcome, turn)
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
            await self._settler.storage_failed(job, error, turn)
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
        if await self._settler.settle(job, JobState.COMPLETED, fields):
            since_ms = job.arrived_ms or job.created_ms
            self._queue.tally.ever.worked(work, since_ms, now_ms())
        if self._tracer is not None:
            self._tracer.attempted(job, turn, work, "")

    async def _is_still_ours(self, job: Job) -> bool:
        """Asked only after a pause: another node may have stored its own result meanwhile."""
        if time.monotonic() - self._renewed_at < self._settings.lease_s:
            return True
        found = await until_redis_answers(lambda: self._queue.look(job.job_id))
        return isinstance(found, Job) and found.token == job.token and not found.is_settled


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
