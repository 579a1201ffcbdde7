"""Hands waiting jobs to lanes: no more than can start, plus a group in hand where that is quick.

All other waiting happens in Redis, so every node sees the same queue.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Any

import structlog
from redis.exceptions import RedisError

from pool import Lane
from server.jobs.job import Job
from server.jobs.names import AI_CLASS
from server.jobs.queue import Admitted, Claimed, JobQueue, Room
from server.jobs.running.claiming import POLL_S, Claiming
from server.jobs.running.lanes import Lanes
from server.storage.threads import to_its_end

log = structlog.get_logger(__name__)

Carry = Callable[[Lane, Sequence[Job], int], Coroutine[Any, Any, None]]  # int: threads

# A job of at most so many pixels ends soon enough to let another wait behind it in the worker.
_QUICK_PIXELS = 24_000_000
# A job of so many bytes is worth several threads, if nothing else wants the cores: same size AVIF
# of 6, 12 and 24 MP ends 18, 27 and 34 % sooner on two; other formats neither gain nor lose.
_BIG_BYTES = 192 * 1024 * 1024
_MOST_THREADS = 4  # each takes 8 MiB more
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
        self._lane_of: OrderedDict[str, str] = OrderedDict()  # the last _REMEMBERED jobs
        self._claiming = Claiming[tuple[Lane, Sequence[Job]]](lanes.changed)

    @property
    def _in_hand(self) -> Collection[tuple[Lane, Sequence[Job]]]:
        return self._claiming.held.values()

    @property
    def held(self) -> list[Job]:
        """The jobs whose leases this node must renew."""
        return [job for _, jobs in self._in_hand for job in jobs]

    @property
    def budget_bytes(self) -> int:
        """What the jobs in hand may need together."""
        return self._budget_bytes

    @property
    def used_bytes(self) -> int:
        """What they need; jobs of a group run one after the other, so the largest counts."""
        return sum(max(job.cost_bytes for job in jobs) for _, jobs in self._in_hand)

    def jobs_of(self, lane: Lane) -> list[Job]:
        """What a lane has in hand, in order."""
        return [job for one, jobs in self._in_hand if one is lane for job in jobs]

    def lane_of(self, job_id: str) -> str | None:
        """The lane that a job went to, if it was one of the last."""
        return self._lane_of.get(job_id)

    def wake(self) -> None:
        """There may be work."""
        self._claiming.wake()

    def cancel(self, job_id: str) -> None:
        """Stop a job if one of our lanes has it."""
        for lane, jobs in self._in_hand:
            if any(job.job_id == job_id for job in jobs):
                lane.cancel(job_id)

    async def run(self) -> None:
        """Claim and hand out until drained."""
        await self._claiming.run(self._claim_some, wait_s=self._wait_s)

    async def drain(self, grace_s: float) -> None:
        """Claim no more and let the lanes finish for a while."""
        await self._claiming.drain(grace_s)

    async def stop(self) -> list[Job]:
        """Let go of what is still carried; returns it."""
        unfinished = self.held
        await self._claiming.stop()
        return unfinished

    async def admit(self, admission: Callable[[Room | None], Awaitable[Admitted]]) -> Admitted:
        """Make an admission, which claims in the same move what idle lanes of this node can begin.

        So a picture that comes alone is at work as soon as it is let in.
        """
        is_taken = self._claiming.is_draining or self._claiming.turn.locked()
        if is_taken or not (idle := self._idle()):
            return await admission(None)
        return await to_its_end(self._admit(admission, idle))

    async def _admit(
        self, admission: Callable[[Room | None], Awaitable[Admitted]], idle: list[Lane]
    ) -> Admitted:
        async with self._claiming.turn:
            self._claiming.ask()
            try:
                admitted = await admission(self._room_in(idle))
            except BaseException:
                self.wake()  # nothing was claimed, or nobody knows
                raise
            await self._begin(admitted.claimed, idle)
        return admitted

    async def _claim_some(self) -> bool:
        lanes = self._idle() or self._soon_done()
        if not lanes or not self._claiming.is_due:
            return False
        self._claiming.ask()
        try:
            claimed = await self._queue.claim(self._room_in(lanes))
        except (RedisError, OSError) as error:
            log.warning("cannot claim jobs", error=str(error))
            return False
        await self._begin(claimed, lanes)
        return bool(claimed.groups)

    def _room_in(self, lanes: list[Lane]) -> Room:
        return Room(
            groups=len(lanes),
            bytes=max(0, self._budget_bytes - self.used_bytes),
            is_idle=not self._in_hand,
            networks=self._networks - sum(map(_needs_network, self.held)),
        )

    async def _begin(self, claimed: Claimed, lanes: list[Lane]) -> None:
        self._claiming.note_left(claimed.left)
        threads = await self._threads(claimed.groups)
        for jobs in sorted(claimed.groups, key=_is_plain):
            self._hand_out(self._fitting(lanes, jobs), jobs, threads)

    async def _threads(self, groups: Sequence[Sequence[Job]]) -> int:
        """Several for a big job that has this node to itself and nothing behind it."""
        if self._in_hand or len(groups) != 1 or groups[0][0].cost_bytes < _BIG_BYTES:
            return 1
        try:
            is_waited_for = await self._queue.door.expected_wait_s() > 0
        except (RedisError, OSError):
            return 1  # it only would have been faster
        return 1 if is_waited_for else min(self._lanes.most, _MOST_THREADS)

    def _idle(self) -> list[Lane]:
        return [lane for lane in self._lanes.all if lane.is_alive and not self._lanes.held_by(lane)]

    def _soon_done(self) -> list[Lane]:
        """Lanes whose only group takes so little time that another may wait behind it."""
        alive = [lane for lane in self._lanes.all if lane.is_alive]
        slow = {
            lane
            for lane, jobs in self._in_hand
            if sum(job.width * job.height for job in jobs) > _QUICK_PIXELS or not _is_plain(jobs)
        }
        return [lane for lane in alive if self._lanes.held_by(lane) == 1 and lane not in slow]

    def _fitting(self, room: list[Lane], jobs: Sequence[Job]) -> Lane:
        """Take a lane out of the room: for networks the one that has them, for others not that."""
        last, is_plain = self._last_networks, _is_plain(jobs)
        there = [lane for lane in room if lane in self._lanes.all]  # one may have gone meanwhile
        there = there or sorted(self._lanes.all, key=self._lanes.held_by)
        liked = [lane for lane in there if (lane is last) != is_plain]
        lane = liked[0] if liked else there[0]
        room[:] = [one for one in room if one is not lane]
        if not is_plain:
            self._last_networks = lane
        return lane

    def _hand_out(self, lane: Lane, jobs: Sequence[Job], threads: int) -> None:
        self._lanes.take(lane, is_long=not _is_plain(jobs))
        self._claiming.begin(
            self._carry(lane, jobs, threads),
            jobs,
            (lane, jobs),
            let_go=lambda held: self._lanes.give_back(held[0]),
        )
        for job in jobs:
            self._lane_of[job.job_id] = lane.name
            if len(self._lane_of) > _REMEMBERED:
                self._lane_of.popitem(last=False)

    def _wait_s(self) -> float:
        return POLL_S if all(lane.is_alive for lane in self._lanes.all) else _POLL_LANE_S


def _needs_network(job: Job) -> bool:
    return job.queue_class == AI_CLASS


def _is_plain(jobs: Sequence[Job]) -> bool:
    return not any(map(_needs_network, jobs))
