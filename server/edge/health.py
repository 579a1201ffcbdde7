"""GET /livez, /readyz, /health: is the loop alive, can it take work, how do its parts stand."""

import asyncio
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pool import Lane, engine_version
from server.edge.access.client import CALLER
from server.edge.reply import reply
from server.jobs import names
from server.jobs.job import iso
from server.jobs.queue import JobQueue
from server.jobs.running.dispatcher import Dispatcher
from server.jobs.running.lanes import Lanes
from server.ops.health import Health, Standing, State
from server.ops.journal import Journal
from server.ops.machine import free_bytes, own_rss_bytes
from server.ops.tracing import Sending
from server.records.store import Records
from server.storage.storage import Storage

_NOT_STORED = {"Cache-Control": "no-store"}
_LONGEST_QUESTION_S = 2.0
_ACCEPTING = "accepting"
_STOPPING = "The server is stopping."


@dataclass(frozen=True, slots=True)
class Facts:
    """Where the details of /health come from. None: this node has no such part."""

    queue: JobQueue
    redis: Redis
    lanes: Lanes
    dispatcher: Dispatcher
    storage: Storage
    data_dir: Path
    role: str
    min_free_bytes: int
    journal: Journal | None
    records: Records | None
    sending: Sending | None


class HealthHandler:
    """Answers probes and people."""

    def __init__(self, health: Health, facts: Facts) -> None:
        self.health = health
        self._facts = facts
        self._started = time.time()
        self.is_draining = False

    async def get_livez(self, _request: web.Request) -> web.Response:
        """200 while the event loop turns; asks nobody."""
        return reply({"status": "ok"}, headers=_NOT_STORED)

    async def get_readyz(self, _request: web.Request) -> web.Response:
        """200 when a picture sent now would be worked on, or, where only other nodes have lanes,
        would wait for them: what is stored can be looked at meanwhile."""
        answer = await self._standing()
        is_ready = "reasons" not in answer
        return reply(answer, status=200 if is_ready else 503, headers=_NOT_STORED)

    async def get_health(self, request: web.Request) -> web.Response:
        """Every part with its state; the details are for an admin."""
        answer, standings = await self._standing(), await self.health.standings()
        is_well = all(one.finding.state is State.OK for one in standings.values())
        if answer["status"] == "ok" and not is_well:
            answer["status"] = "degraded"
        if request[CALLER].is_admin:
            answer["parts"] = {name: _standing(one) for name, one in standings.items()}
            answer |= await self._details()
        return reply(answer, headers=_NOT_STORED)

    async def checks(self) -> dict[str, bool]:
        """Each part, and whether it works, for who wants to know without asking by HTTP."""
        return self._checks(await self._reasons())

    def _checks(self, reasons: Mapping[str, str]) -> dict[str, bool]:
        return {name: name not in reasons for name in (*self.health.needed, _ACCEPTING)}

    async def _standing(self) -> dict[str, Any]:
        """Of the parts that are needed; what everybody may know."""
        reasons, degraded = await self._reasons(), await self.health.degraded()
        answer: dict[str, Any] = {
            "status": "unavailable" if reasons else "degraded" if degraded else "ok",
            "checks": self._checks(reasons),
        }
        told = {"reasons": reasons, "degraded": degraded}
        return answer | {name: found for name, found in told.items() if found}

    async def _reasons(self) -> dict[str, str]:
        """Why a picture sent now would not be worked on; what is about to stop need not look."""
        reasons = await self.health.not_ready()
        return reasons | {_ACCEPTING: _STOPPING} if self.is_draining else reasons

    async def _details(self) -> dict[str, Any]:
        facts = self._facts
        counters, redis = await asyncio.gather(
            _asked(facts.queue.counters()), _asked(facts.redis.info("server"))
        )
        lanes = facts.lanes.all
        return {
            "node": facts.queue.node,
            "role": facts.role,
            "draining": self.is_draining,
            "startedAt": iso(int(self._started * 1000)),
            "uptimeS": round(time.time() - self._started, 1),
            "versions": _versions(redis, facts.records),
            "queue": None if counters is None else _queue(counters),
            "memory": {
                "serverBytes": own_rss_bytes(),
                "workerBytes": sum(lane.rss_bytes for lane in lanes),
                "budgetBytes": facts.dispatcher.budget_bytes,
                "budgetUsedBytes": facts.dispatcher.used_bytes,
            },
            "disk": {
                "freeBytes": free_bytes(facts.data_dir),
                "minFreeBytes": facts.min_free_bytes,
            },
            "sandbox": _sandbox(lanes),
            "lanes": [_lane(lane) for lane in lanes],
            "storage": {"kind": facts.storage.kind},
            "records": None if facts.journal is None else _records(facts.journal),
            "tracing": None if facts.sending is None else asdict(facts.sending),
        }


async def _asked(question: Any) -> Any:
    """The answer of Redis; None where it does not come. Any: redis-py."""
    try:
        async with asyncio.timeout(_LONGEST_QUESTION_S):
            return await question
    except (RedisError, OSError, TimeoutError):
        return None  # parts.redis says so


def _standing(one: Standing) -> dict[str, Any]:
    finding = one.finding
    return {
        "state": finding.state.value,
        "since": iso(int(one.since_ms)),
        "trouble": finding.trouble or None,
        "todo": finding.todo or None,
    }


def _versions(redis: Any, records: Records | None) -> dict[str, str | None]:
    server = None
    if redis is not None:
        name = redis.get("server_name") or "redis"
        server = f"{name} {redis.get(f'{name}_version') or redis.get('redis_version')}"
    return {
        "safelight": version("safelight"),
        "python": platform.python_version(),
        "libvips": engine_version().partition("/")[2],
        "aiohttp": aiohttp.__version__,
        "redis": server,
        "database": None if records is None else records.engine,
    }


def _queue(counters: Mapping[str, str]) -> dict[str, Any]:
    waiting = {
        one: int(counters.get(names.waiting_count(one), 0))
        for one in (*names.LANE_CLASSES, *names.FETCH_CLASSES)
    }
    return {
        "waiting": waiting,
        "processing": int(counters.get("processing", 0)),
        "lanesOfAllNodes": int(counters.get("lanes", 0)),
    }


def _lane(lane: Lane) -> dict[str, Any]:
    return {
        "name": lane.name,
        "alive": lane.is_alive,
        "pid": lane.pid,
        "memoryBytes": lane.rss_bytes,
        "restarts": dict(lane.restarts),
        "sandbox": asdict(lane.sandbox) if lane.sandbox else None,
    }


def _sandbox(lanes: list[Lane]) -> dict[str, str] | None:
    """What holds the workers; they are all alike. None: there is none."""
    held = [lane.sandbox for lane in lanes if lane.sandbox is not None]
    if not held:
        return None
    network = "shut off" if held[0].seccomp == "on" else "open"
    return asdict(held[0]) | {"network": network}


def _records(journal: Journal) -> dict[str, object]:
    return {"written": journal.is_written, "waiting": journal.length, "limit": journal.limit}
