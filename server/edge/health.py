"""GET /livez, /readyz, /health: is the loop alive, can it take work, how do its parts stand."""

from dataclasses import asdict
from typing import Any

import structlog
from aiohttp import web
from redis.exceptions import RedisError

from server.edge.access.client import CALLER
from server.edge.reply import reply
from server.jobs.queue import JobQueue
from server.jobs.running.lanes import Lanes
from server.live.feed import Feed
from server.ops.journal import Journal
from server.storage.storage import Storage

log = structlog.get_logger(__name__)


class HealthHandler:
    """Looks at the parts when asked; keeps nothing."""

    def __init__(
        self,
        queue: JobQueue,
        feed: Feed,
        lanes: Lanes,
        storage: Storage,
        journal: Journal | None = None,
    ) -> None:
        self._queue = queue
        self._feed = feed
        self._lanes = lanes
        self._storage = storage
        self._journal = journal
        self.is_draining = False

    async def get_livez(self, _request: web.Request) -> web.Response:
        """200 while the event loop turns."""
        return reply({"status": "ok"})

    async def get_readyz(self, _request: web.Request) -> web.Response:
        """200 when a picture sent now would be worked on."""
        checks = await self._checks()
        is_ready = all(checks.values())
        return reply(
            {"status": "ok" if is_ready else "unavailable", "checks": checks},
            status=200 if is_ready else 503,
        )

    async def get_health(self, request: web.Request) -> web.Response:
        """Every part with its state; the details are for an admin."""
        checks = await self._checks()
        answer: dict[str, Any] = {
            "status": "ok" if all(checks.values()) else "unavailable",
            "checks": checks,
        }
        if request[CALLER].is_admin:
            answer |= self._details()
        return reply(answer, headers={"Cache-Control": "no-store"})

    def _details(self) -> dict[str, Any]:
        return {
            "lanes": [
                {
                    "name": lane.name,
                    "alive": lane.is_alive,
                    "pid": lane.pid,
                    "memoryBytes": lane.rss_bytes,
                    "restarts": dict(lane.restarts),
                    "sandbox": asdict(lane.sandbox) if lane.sandbox else None,
                }
                for lane in self._lanes.all
            ],
            "storage": {"kind": self._storage.kind},
            "records": None if self._journal is None else _state(self._journal),
        }

    async def _checks(self) -> dict[str, bool]:
        return {
            "redis": await self._redis_answers(),
            "feed": self._feed.connected.is_set(),
            "lanes": any(lane.is_alive for lane in self._lanes.all),
            "storage": await self._storage_works(),
            "accepting": not self.is_draining,
            "journal": self._journal is None or not self._journal.is_behind,
        }

    async def _storage_works(self) -> bool:
        try:
            await self._storage.check()
        except OSError as error:
            log.warning("the storage does not work", error=str(error))
            return False
        return True

    async def _redis_answers(self) -> bool:
        try:
            await self._queue.counters()
        except (RedisError, OSError):
            return False  # the answer is the report
        return True


def _state(journal: Journal) -> dict[str, object]:
    """Records that cannot be written make nothing unready until the journal is full of them."""
    return {"written": journal.is_written, "waiting": journal.length, "limit": journal.limit}
