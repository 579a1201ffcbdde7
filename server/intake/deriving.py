"""A stored original and a recipe → an admitted job that belongs to the picture.

The bytes stay where they are: the new job holds them together with the picture. Who asks for the
same at the same moment waits for the same work; what cannot be made is noted with the picture.
"""

import asyncio
from dataclasses import replace

import structlog

from pool import Recipe
from server.intake.arriving import arrival, misfit
from server.intake.upload import Intake, refused
from server.jobs.arrival import Arrival
from server.jobs.derived import DerivedJobs, original_gone
from server.jobs.job import Job, new_job_id
from server.refusals import Faulted, QueueFull
from server.storage.spool import Spooled

log = structlog.get_logger(__name__)

_MOST_AT_ONCE = 100  # beginnings, each a file of the spool and a question to the probe
_READ_AT_ONCE = 4


class Deriving:
    """Begins to make what is asked for, each thing once."""

    def __init__(self, intake: Intake, jobs: DerivedJobs) -> None:
        self._intake = intake
        self._jobs = jobs
        self._begun: dict[tuple[str, str], asyncio.Task[str]] = {}
        self._reading = asyncio.Semaphore(_READ_AT_ONCE)

    async def begin(self, picture: Job, name: str, recipe: Recipe) -> str:
        """The id of the job that makes it, which may have been there. Raises Refusal.

        name: under which it stands with the picture, see server/jobs/derived.py.

        Whoever leaves does not end it: others may wait for the same.
        """
        return await asyncio.shield(self.start(picture, name, recipe))

    def start(self, picture: Job, name: str, recipe: Recipe) -> "asyncio.Task[str]":
        """The same, without waiting. Raises QueueFull when too much is begun on this node."""
        about = (picture.job_id, name)
        task = self._begun.get(about)
        if task is None:
            self._intake.refuse_if_closed()
            if len(self._begun) >= _MOST_AT_ONCE:
                raise QueueFull(
                    f"{len(self._begun)} pictures are about to be made here. Ask again in 1 s.",
                    limit=_MOST_AT_ONCE,
                    actual=len(self._begun) + 1,
                    retry_after_s=1,
                )
            task = asyncio.create_task(self._admit(picture, name, recipe))
            self._begun[about] = task
            task.add_done_callback(lambda ended: self._end(about, ended))
        return task

    async def close(self) -> None:
        """End what has begun and is not admitted; it has left nothing."""
        tasks = list(self._begun.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # each was told to who asked

    def _end(self, about: tuple[str, str], task: "asyncio.Task[str]") -> None:
        del self._begun[about]
        if not task.cancelled() and (error := task.exception()) is not None:
            # Whoever waits is told; where nobody does (a format in the background) this is all.
            log.debug("not made", picture_id=about[0], name=about[1], reason=str(error))

    async def _admit(self, picture: Job, name: str, recipe: Recipe) -> str:
        await self._jobs.refuse_if_full()
        self._intake.storage.refuse_if_low()
        if not picture.original_key:
            raise original_gone()
        async with self._intake.upload() as nothing_yet:
            await nothing_yet.check(recipe)  # what the recipe names is here
        try:
            async with self._reading:
                await self._jobs.refuse_if_full()  # by those that were read before
                one = await self._arrival(picture, recipe)
        except Faulted as fault:
            if fault.code != "source_gone":
                await self._jobs.remember(picture.job_id, name, fault)
            raise
        job_id = await self._jobs.admit(picture, name, one)
        log.info("derived", picture_id=picture.job_id, job_id=job_id, is_new=job_id == one.job_id)
        return job_id

    async def _arrival(self, picture: Job, recipe: Recipe) -> Arrival:
        """Looked at anew, since only the header tells what the work will cost."""
        job_id, limits = new_job_id(), self._intake.limits
        async with self._intake.spool.workdir(job_id, 0) as folder:
            path = folder / "source"
            try:
                await self._intake.storage.fetch(picture.original_key, path)
            except FileNotFoundError as error:
                raise original_gone() from error
            spooled = Spooled(job_id, picture.name, path, picture.original_bytes, picture.digest)
            header = await self._intake.read_header(spooled)
        if fault := misfit(header, recipe, limits, budget_bytes=self._intake.budget_bytes):
            raise refused(fault)
        kin = await self._intake.sameness.kin(
            recipe, client=picture.client, private=picture.private
        )
        return replace(
            arrival(spooled, header, recipe, kin, limits.engines),
            original_key=picture.original_key,
            private=picture.private,
        )
