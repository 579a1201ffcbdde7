"""Hands waiting jobs to lanes: no more than can start, plus one in hand where that one is quick.

All other waiting happens in Redis, so every node sees the same queue.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from redis.exceptions import RedisError

from pool import Lane
from server.jobs.job import Job
from server.jobs.queue import JobQueue

log = structlog.get_logger(__name__)

Carry = Callable[[Lane, Job], Awaitable[None]]

# A job of at most this estimated memory ends soon enough to let another wait behind it.
_QUICK_COST_BYTES = 256 * 1024 * 1024
_POLL_S = 1.0  # for delayed jobs and for a wake that was lost; news come through wake()


class Dispatcher:
    """Claims for as long as there is room, and keeps every carried job's task."""

    def __init__(
        self, queue: JobQueue, lanes: Sequence[Lane], carry: Carry, *, budget_bytes: int
    ) -> None:
        self._queue = queue
        self._lanes = lanes
        self._carry = carry
        self._budget_bytes = budget_bytes
        self._held: dict[Lane, list[Job]] = {lane: [] for lane in lanes}
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._is_draining = False

    @property
    def held(self) -> list[Job]:
        """The jobs whose leases this node must renew."""
        return [job for jobs in self._held.values() for job in jobs]

    def wake(self, _message: str = "") -> None:
        """There may be work, or room for it."""
        self._news.set()

    def cancel(self, job_id: str) -> None:
        """Stop a job if one of our lanes has it."""
        for lane, jobs in self._held.items():
            if any(job.job_id == job_id for job in jobs):
                lane.cancel(job_id)

    async def run(self) -> None:
        """Claim and hand out until drained."""
        while not self._is_draining:
            self._news.clear()
            if not await self._claim_some():
                await self._wait_for_news()

    async def drain(self, grace_s: float) -> list[Job]:
        """Claim no more, let the lanes finish; returns what is unfinished after the grace."""
        self._is_draining = True
        self.wake()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        return self.held

    async def stop(self) -> None:
        """Give up what is still carried."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _claim_some(self) -> bool:
        room = self._room()
        if not room:
            return False
        used = sum(job.cost_bytes for job in self.held)
        try:
            jobs = await self._queue.claim(
                len(room), free_bytes=max(0, self._budget_bytes - used), is_idle=not self.held
            )
        except (RedisError, OSError) as error:
            log.warning("cannot claim jobs", error=str(error))
            return False
        for lane, job in zip(room, jobs, strict=False):
            self._start(lane, job)
        return bool(jobs)

    def _room(self) -> list[Lane]:
        """Lanes that can take a job: idle ones, else those whose only job will soon be done."""
        alive = [lane for lane in self._lanes if lane.is_alive]
        idle = [lane for lane in alive if not self._held[lane]]
        if idle:
            return idle
        return [
            lane
            for lane in alive
            if len(self._held[lane]) == 1 and self._held[lane][0].cost_bytes <= _QUICK_COST_BYTES
        ]

    def _start(self, lane: Lane, job: Job) -> None:
        self._held[lane].append(job)
        task = asyncio.create_task(self._carry_one(lane, job), name=f"job {job.job_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_one(self, lane: Lane, job: Job) -> None:
        try:
            await self._carry(lane, job)
        except Exception:  # a lane's edge: the job's lease runs out and another attempt follows
            log.exception("a job could not be carried", job_id=job.job_id)
        finally:
            self._held[lane].remove(job)
            self.wake()

    async def _wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(_POLL_S):
                await self._news.wait()
        except TimeoutError:
            return
