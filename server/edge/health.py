"""GET /livez, /readyz, /health: is the loop alive, can it take work, how do its parts stand."""

from dataclasses import asdict

from aiohttp import web
from redis.exceptions import RedisError

from server.edge.reply import reply
from server.jobs.lanes import Lanes
from server.jobs.queue import JobQueue
from server.live.feed import Feed


class HealthHandler:
    """Looks at the parts when asked; keeps nothing."""

    def __init__(self, queue: JobQueue, feed: Feed, lanes: Lanes) -> None:
        self._queue = queue
        self._feed = feed
        self._lanes = lanes
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

    async def get_health(self, _request: web.Request) -> web.Response:
        """Every part with its state."""
        checks = await self._checks()
        answer = {
            "status": "ok" if all(checks.values()) else "unavailable",
            "checks": checks,
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
        }
        return reply(answer, headers={"Cache-Control": "no-store"})

    async def _checks(self) -> dict[str, bool]:
        return {
            "redis": await self._redis_answers(),
            "feed": self._feed.connected.is_set(),
            "lanes": any(lane.is_alive for lane in self._lanes.all),
            "accepting": not self.is_draining,
        }

    async def _redis_answers(self) -> bool:
        try:
            await self._queue.counters()
        except (RedisError, OSError):
            return False  # the answer is the report
        return True
