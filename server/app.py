"""THE wiring: areas are built here in order and closed in reverse. Nobody else sees all of them."""

import asyncio
from contextlib import AsyncExitStack
from typing import Self

from pool import Lane
from server.config import Settings
from server.edge.access.gate import refuse_unguarded
from server.edge.health import HealthHandler
from server.jobs import names
from server.live.feed import Feed
from server.live.system import System
from server.wiring.access import Access, build_access
from server.wiring.front import Front, build_front
from server.wiring.ground import Ground, lay_ground
from server.wiring.health import build_health
from server.wiring.history import History, open_history
from server.wiring.live import build_feed, build_system
from server.wiring.metrics import Measuring, build_measuring
from server.wiring.role import refuse_unshared
from server.wiring.running import Running, build_running


class Parts:
    """All parts of one running server, by area; `async with` builds and closes them."""

    ground: Ground
    history: History | None
    """None where no records are kept."""
    running: Running
    access: Access
    feed: Feed
    system: System
    front: Front | None
    """None on a worker: it meets no clients."""
    health: HealthHandler
    measuring: Measuring

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with self._stack:
            await self._build()
            self._stack = self._stack.pop_all()  # all of it stands; else what stood is closed
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def _build(self) -> None:
        refuse_unguarded(self.settings)
        refuse_unshared(self.settings)
        ground = self.ground = await lay_ground(self.settings, self._stack)
        self.history = await open_history(ground)
        journal = self.history.journal if self.history else None
        self.running = build_running(ground)
        probe = await self._start_lanes()
        self.access = build_access(ground)
        self.feed = build_feed(ground, self.access)
        self.system = build_system(ground, self.running, self.feed, journal, lambda: self.front)
        self.front = None
        if probe is not None:
            self.front = await build_front(
                ground, self.running, self.access, self.feed, self.system, probe=probe
            )
            self._meet_clients(self.front)
        self.feed.listen(names.WAKE, self._wake)
        self.feed.listen(names.CANCEL, self._cancel)
        self.health = build_health(ground, self.running, self.feed, self.history)
        self.measuring = build_measuring(
            ground,
            self.running,
            journal,
            self.feed,
            front=self.front,
            probe=probe,
            health=self.health,
        )

    async def _start_lanes(self) -> Lane | None:
        """Bring up the first lanes, and the one that only reads headers for what comes in."""
        running, server = self.running, self.settings.server
        starting, probe = [running.lanes.start()], None
        if server.meets_clients:
            probe = running.make_lane("probe")
            self._stack.push_async_callback(probe.close)
            starting.append(probe.start())
        await asyncio.gather(*starting)
        if server.has_lanes:
            await running.networks.prepare(running.speeds)
        return probe

    def _meet_clients(self, front: Front) -> None:
        """What fetches holds leases, too; who tells others and who remembers pictures has news."""
        self.running.leases.renew_also(front.incoming.fetcher)
        self.feed.listen(names.DELIVER, front.webhooks.sender.wake)
        self.feed.listen(names.GONE, front.hosting.forget)

    def _wake(self, message: str) -> None:
        """Most news are for one of them only: names.WAKE."""
        if message != "fetchers":
            self.running.dispatcher.wake()
        if message != "lanes" and self.front is not None:
            self.front.incoming.fetcher.wake()

    def _cancel(self, job_id: str) -> None:
        self.running.dispatcher.cancel(job_id)
        if self.front is not None:
            self.front.incoming.fetcher.cancel(job_id)
