"""The lanes of this node: as many as the work needs, between a least and a most.

A lane more when new work would wait too long, a lane less when one has long been idle: the two
conditions lie far apart, so that the number does not flutter.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import structlog
from redis.exceptions import RedisError

from pool import ChildDied, Lane
from server.config.sections import PoolSettings
from server.jobs.queue import JobQueue

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 0.25


class Lanes:
    """Starts and ends lanes; the dispatcher marks which are busy."""

    def __init__(
        self,
        make_lane: Callable[[str], Lane],
        queue: JobQueue,
        settings: PoolSettings,
        *,
        most: int,
    ) -> None:
        self._make_lane = make_lane
        self._queue = queue
        self._settings = settings
        self._least = min(settings.min_lanes, most)
        self._most = most
        self._idle_since: dict[Lane, float] = {}
        self._busy: dict[Lane, int] = {}
        self._long: set[Lane] = set()  # busy for as long as a network takes
        self._numbers = iter(range(1_000_000_000))
        self._restarts: Counter[str] = Counter()
        self._tasks_done = 0
        self.changed = asyncio.Event()
        """Set when a lane has come; whoever waits clears it."""

    @property
    def all(self) -> list[Lane]:
        """Every lane there is."""
        return list(self._busy)

    @property
    def most(self) -> int:
        """How many there may be."""
        return self._most

    @property
    def restarts(self) -> Counter[str]:
        """How often a child was replaced, by reason; of all lanes there ever were."""
        return sum((lane.restarts for lane in self._busy), self._restarts)

    @property
    def tasks_done(self) -> int:
        """How many tasks all of them have done."""
        return self._tasks_done + sum(lane.tasks_done for lane in self._busy)

    def held_by(self, lane: Lane) -> int:
        """How many groups of jobs a lane has in hand."""
        return self._busy[lane]

    def take(self, lane: Lane, *, is_long: bool = False) -> None:
        """A group of jobs goes to this lane; a long one keeps it, so that another may be needed."""
        self._busy[lane] += 1
        if is_long:
            self._long.add(lane)
        self._idle_since.pop(lane, None)

    def give_back(self, lane: Lane) -> None:
        """A group of jobs of this lane is done."""
        self._busy[lane] -= 1
        if not self._busy[lane]:
            self._long.discard(lane)
            self._idle_since[lane] = time.monotonic()

    async def start(self) -> None:
        """Bring up the least number of lanes."""
        await asyncio.gather(*(self._grow() for _ in range(self._least)))

    async def close(self) -> None:
        """End every lane."""
        await asyncio.gather(*(lane.close() for lane in self._busy))

    async def run(self) -> None:
        """Look at the queue now and then for as long as the process lives."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self._adjust()
            except (RedisError, OSError, ChildDied) as error:
                log.warning("cannot adjust the lanes", error=str(error))

    async def _adjust(self) -> None:
        if len(self._busy) < self._most and not self._idle_since:
            # Who comes while a network works waits for it, whatever a mean job takes.
            if self._long or await self._queue.door.expected_wait_s() > self._settings.grow_wait_s:
                await self._grow()
                self.changed.set()
            return
        idle_until = time.monotonic() - self._settings.shrink_idle_s
        for lane, since in tuple(self._idle_since.items()):
            if len(self._busy) > self._least and since < idle_until:
                await self._shrink(lane)

    async def _grow(self) -> None:
        lane = self._make_lane(f"lane-{next(self._numbers)}")
        await lane.start()
        self._busy[lane] = 0
        self._idle_since[lane] = time.monotonic()
        log.info("a lane more", lane=lane.name, lanes=len(self._busy))

    async def _shrink(self, lane: Lane) -> None:
        del self._busy[lane], self._idle_since[lane]
        self._restarts += lane.restarts
        self._tasks_done += lane.tasks_done
        await lane.close()
        log.info("a lane less", lane=lane.name, lanes=len(self._busy))
