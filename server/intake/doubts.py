"""Pictures of which nobody knows whether they became jobs: after a crash, or a lost answer."""

import asyncio
import math
from collections.abc import Iterable

import structlog
from redis.exceptions import RedisError

from server.jobs.queue import JobQueue
from server.refusals import Unavailable
from server.storage.spool import Spool
from server.storage.storage import Storage, original_key

log = structlog.get_logger(__name__)

_ASKED_EVERY_S = 5.0


class Doubts:
    """Asks Redis again until it says; what is no job then leaves nothing behind."""

    def __init__(self, *, queue: JobQueue, storage: Storage, spool: Spool) -> None:
        self._queue = queue
        self._storage = storage
        self._spool = spool
        self._doubtful: set[str] = set()

    async def sweep_leftovers(self) -> None:
        """After a crash: what was coming in either became a job or leaves nothing behind."""
        leftovers = self._spool.leftovers()
        missed = await self._without_job(leftovers)
        try:
            await self._forget(missed)
        except OSError as error:
            log.warning("half-done uploads are swept later", error=str(error))
            self.note(missed)
        if leftovers:
            log.info("swept half-done uploads", uploads=len(leftovers))

    def note(self, job_ids: Iterable[str]) -> None:
        """Redis did not answer whether these were admitted; `run` asks again later."""
        self._doubtful.update(job_ids)

    def refuse_if_doubtful(self, job_id: str) -> None:
        """Say Unavailable while it is not known whether this job was admitted."""
        if job_id in self._doubtful:
            raise Unavailable(
                "Redis did not say whether the picture was admitted.",
                retry_after_s=math.ceil(_ASKED_EVERY_S),
            )

    async def run(self) -> None:
        """Settle doubts for as long as the process lives."""
        missed: set[str] = set()
        while True:
            await asyncio.sleep(_ASKED_EVERY_S)
            if not self._doubtful:
                continue
            try:
                missed = await self._settle_doubts(missed)
            except (RedisError, OSError) as error:
                log.warning("uploads are still in doubt", error=str(error))

    async def _settle_doubts(self, missed_before: set[str]) -> set[str]:
        """An admission may still be on its way: only who is missed twice was not admitted."""
        missed = await self._without_job(sorted(self._doubtful))
        await self._forget(missed & missed_before)
        self._doubtful &= missed - missed_before
        return missed - missed_before

    async def _without_job(self, job_ids: list[str]) -> set[str]:
        """Those of which there is no job; the others' incoming files are done with."""
        jobs = await self._queue.look_all(job_ids)
        missed = {job_id for job_id, job in zip(job_ids, jobs, strict=True) if job is None}
        for job_id in set(job_ids) - missed:
            self._spool.discard(job_id)
        return missed

    async def _forget(self, job_ids: set[str]) -> None:
        """They were not admitted; or so long ago that they are forgotten while others like them
        still hold the original that they had brought.
        """
        held = await self._queue.trash.originals_held() if job_ids else set()
        for job_id in job_ids:
            if original_key(job_id) not in held:
                await self._storage.delete(original_key(job_id))
            self._spool.discard(job_id)
