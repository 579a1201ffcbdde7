"""Leases: renewed by the parent, never by the busy worker; lost ones are found and requeued."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

import structlog
from redis.exceptions import RedisError

from server.jobs.job import Job
from server.jobs.queue import JobQueue
from server.jobs.running.carry import Carrier
from server.jobs.running.dispatcher import Dispatcher
from server.jobs.running.lanes import Lanes

log = structlog.get_logger(__name__)


class Holder(Protocol):
    """A part of this node that has claimed jobs."""

    @property
    def held(self) -> Iterable[Job]:
        """The jobs whose leases must be renewed."""

    def cancel(self, job_id: str) -> None:
        """Stop a job, if it is held here."""


class Leases:
    """The heartbeat of this node."""

    def __init__(
        self,
        queue: JobQueue,
        dispatcher: Dispatcher,
        carrier: Carrier,
        *,
        lanes: Lanes,
        lease_s: float,
    ) -> None:
        self._queue = queue
        self._holders: list[Holder] = [dispatcher]
        self._carrier = carrier
        self._lanes = lanes
        self._interval_s = lease_s / 3

    def renew_also(self, holder: Holder) -> None:
        """Another part that holds jobs."""
        self._holders.append(holder)

    async def take_back(self) -> None:
        """At start: what this node held when it died goes back to the queue."""
        jobs = await self._queue.reclaim(own=True)
        await self._carrier.recover(jobs)
        if jobs:
            log.info("took back the jobs of the last run", jobs=len(jobs))

    async def beat(self) -> None:
        """Renew what we hold, stop what we lost or what is unwanted, find what others lost."""
        held = self._held()
        lost, unwanted = await self._queue.renew(
            [(job.job_id, job.token) for job in held], lanes=len(self._lanes.all)
        )
        self._carrier.note_renewal()
        for job_id in (*lost, *unwanted):
            for holder in self._holders:
                holder.cancel(job_id)
        held_ids = {job.job_id for job in self._held()}
        orphans = await self._queue.reclaim(own=False)
        await self._carrier.recover([job for job in orphans if job.job_id not in held_ids])

    def _held(self) -> list[Job]:
        return [job for holder in self._holders for job in holder.held]

    async def run(self) -> None:
        """Beat three times a lease."""
        while True:
            try:
                await self.beat()
            except (RedisError, OSError) as error:
                log.warning("cannot renew leases", error=str(error))
            await asyncio.sleep(self._interval_s)
