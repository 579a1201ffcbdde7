"""Hands waiting jobs to lanes: no more than can start, plus a group in hand where that is quick.

All other waiting happens in Redis, so every node sees the same queue.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog
from redis.exceptions import RedisError

from pool import Lane
from server.jobs.job import Job
from server.jobs.names import AI_CLASS
from server.jobs.queue import JobQueue
from server.jobs.running.lanes import Lanes
from server.jobs.running.news import News

log = structlog.get_logger(__name__)

Carry = Callable[[Lane, Sequence[Job], int], Coroutine[Any, Any, None]]  # int: threads

# A job of at most so many pixels ends soon enough to let another wait behind it in the worker.
_QUICK_PIXELS = 24_000_000
# A job of so many bytes is worth several threads, if nothing else wants the cores: same size AVIF
# of 6, 12 and 24 MP ends 18, 27 and 34 % sooner on two; other formats neither gain nor lose.
_BIG_BYTES = 192 * 1024 * 1024
_MOST_THREADS = 4  # each takes 8 MiB more
_POLL_S = 1.0  # for delayed jobs and for a wake that was lost; news come through wake()
_REMEMBERED = 500  # of so many jobs it is known which lane they went to
_POLL_LANE_S = 0.05  # while a lane gets a new child, of which nobody tells


class Dispatcher:
    """Claims for as long as there is room, and keeps every carried group's task."""

    def __init__(
        self,
        queue: JobQueue,
        lanes: Lanes,
        carry: Carry,
        *,
        budget_bytes: int,
        networks: int = 0,
    ) -> None:
        """networks: the most jobs at once that networks work on."""
        self._queue = queue
        self._lanes = lanes
        self._carry = carry
        self._budget_bytes = budget_bytes
        self._networks = networks
        self._last_networks: Lane | None = None  # it has them loaded
        self._held: dict[asyncio.Task[None], tuple[Lane, Sequence[Job]]] = {}
        self._lane_of: OrderedDict[str, str] = OrderedDict()  # the last _REMEMBERED jobs
        self._news = News(every_s=_POLL_S)
        self._is_draining = False
        self._claiming = asyncio.Lock()

    @property
    def held(self) -> list[Job]:
        """The jobs whose leases this node must renew."""
        return [job for _, jobs in self._held.values() for job in jobs]

    @property
    def budget_bytes(self) -> int:
        """What the jobs in hand may need together."""
        return self._budget_bytes

    @property
    def used_bytes(self) -> int:
        """What they need; jobs of a group run one after the other, so the largest counts."""
        return sum(max(job.cost_bytes for job in jobs) for _, jobs in self._held.values())

    def jobs_of(self, lane: Lane) -> list[Job]:
        """What a lane has in hand, in order."""
        return [job for one, jobs in self._held.values() if one is lane for job in jobs]

    def lane_of(self, job_id: str) -> str | None:
        """The lane that a job went to, if it was one of the last."""
        return self._lane_of.get(job_id)

    def wake(self) -> None:
        """There may be work."""
        self._news.note()
        self._lanes.changed.set()

    def cancel(self, job_id: str) -> None:
        """Stop a job if one of our lanes has it."""
        for lane, jobs in self._held.values():
            if any(job.job_id == job_id for job in jobs):
                lane.cancel(job_id)

    async def run(self) -> None:
        """Claim and hand out until drained."""
        while not self._is_draining:
            self._lanes.changed.clear()
            async with self._claiming:
                has_claimed = await self._claim_some()
            if not has_claimed:
                await self._wait_for_news()
        await asyncio.Event().wait()  # a part ends only when it is told to

    async def drain(self, grace_s: float) -> None:
        """Claim no more and let the lanes finish for a while."""
        self._is_draining = True
        self.wake()
        async with self._claiming:  # what a claim under way still brings is ours to end
            pass
        if self._held:
            await asyncio.wait(self._held, timeout=grace_s)

    async def stop(self) -> list[Job]:
        """Let go of what is still carried; returns it."""
        unfinished = self.held
        tasks = list(self._held)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return unfinished

    async def _claim_some(self) -> bool:
        room = self._room()
        if not room or not self._news.is_due:
            return False
        self._news.ask()
        try:
            groups = await self._queue.claim(
                len(room),
                free_bytes=max(0, self._budget_bytes - self.used_bytes),
                is_idle=not self._held,
                networks=self._networks - sum(map(_needs_network, self.held)),
            )
        except (RedisError, OSError) as error:
            log.warning("cannot claim jobs", error=str(error))
            return False
        if self._queue.left_waiting:
            self._news.note()
        threads = await self._threads(groups)
        for jobs in sorted(groups, key=_is_plain):
            self._hand_out(self._fitting(room, jobs), jobs, threads)
        return bool(groups)

    async def _threads(self, groups: Sequence[Sequence[Job]]) -> int:
        """Several for a big job that has this node to itself and nothing behind it."""
        if self._held or len(groups) != 1 or groups[0][0].cost_bytes < _BIG_BYTES:
            return 1
        try:
            is_waited_for = await self._queue.door.expected_wait_s() > 0
        except (RedisError, OSError):
            return 1  # it only would have been faster
        return 1 if is_waited_for else min(self._lanes.most, _MOST_THREADS)

    def _room(self) -> list[Lane]:
        """Idle lanes; if there is none, lanes whose only group will soon be done."""
        alive = [lane for lane in self._lanes.all if lane.is_alive]
        idle = [lane for lane in alive if self._lanes.held_by(lane) == 0]
        if idle:
            return idle
        slow = {
            lane
            for lane, jobs in self._held.values()
            if sum(job.width * job.height for job in jobs) > _QUICK_PIXELS or not _is_plain(jobs)
        }
        return [lane for lane in alive if self._lanes.held_by(lane) == 1 and lane not in slow]

    def _fitting(self, room: list[Lane], jobs: Sequence[Job]) -> Lane:
        """Take a lane out of the room: for networks the one that has them, for others not that."""
        last, is_plain = self._last_networks, _is_plain(jobs)
        liked = [lane for lane in room if (lane is last) != is_plain]
        lane = liked[0] if liked else room[0]
        room.remove(lane)
        if not is_plain:
            self._last_networks = lane
        return lane

    def _hand_out(self, lane: Lane, jobs: Sequence[Job], threads: int) -> None:
        self._lanes.take(lane, is_long=not _is_plain(jobs))
        task = asyncio.create_task(self._carry(lane, jobs, threads), name=f"job {jobs[0].job_id}")
        self._held[task] = (lane, jobs)
        task.add_done_callback(self._carried)
        for job in jobs:
            self._lane_of[job.job_id] = lane.name
            if len(self._lane_of) > _REMEMBERED:
                self._lane_of.popitem(last=False)

    def _carried(self, task: asyncio.Task[None]) -> None:
        lane, jobs = self._held.pop(task)
        self._lanes.give_back(lane)
        if not task.cancelled() and task.exception() is not None:
            # A lane's edge: the leases run out, and another attempt follows.
            ids = [job.job_id for job in jobs]
            log.error("jobs could not be carried", job_ids=ids, exc_info=task.exception())
        self._lanes.changed.set()

    async def _wait_for_news(self) -> None:
        is_whole = all(lane.is_alive for lane in self._lanes.all)
        try:
            async with asyncio.timeout(_POLL_S if is_whole else _POLL_LANE_S):
                await self._lanes.changed.wait()
        except TimeoutError:
            return


def _needs_network(job: Job) -> bool:
    return job.queue_class == AI_CLASS


def _is_plain(jobs: Sequence[Job]) -> bool:
    return not any(map(_needs_network, jobs))
