"""Follows any number of jobs and batches over one WebSocket, which comes back by itself."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from server.cli.client.problem import Problem
from server.cli.client.session import Service, Socket

Picture = dict[str, Any]
"""The public picture of a job or batch, as /status and events show it."""

ENDED = frozenset({"completed", "failed", "cancelled", "expired"})
UNKNOWN = "unknown"  # in the place of a status: the server has never heard of it, or forgot it

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 15.0
_MOST_POLLED = 20  # while there is no WebSocket


class Watch:
    """`tell` hears the newest picture of each; what has ended is not watched any more.

    Two pictures of one job may come; they are in order, and the last one has ended.
    """

    def __init__(
        self, service: Service, tell: Callable[[Picture], None], *, patience_s: float
    ) -> None:
        self._service = service
        self._tell = tell
        self._patience_s = patience_s
        self._heard_at = time.monotonic()
        self._wanted: dict[str, None] = {}  # a set that keeps its order
        self._to_say: asyncio.Queue[str] = asyncio.Queue()
        self._is_open = False

    def add(self, some_id: str) -> None:
        """From now on."""
        self._wanted[some_id] = None
        if self._is_open:
            self._to_say.put_nowait(some_id)

    def watched(self) -> Iterable[str]:
        """What has not ended."""
        return tuple(self._wanted)

    async def run(self) -> None:
        """For ever. Raises Problem when the server lets nobody watch, or is away for too long."""
        failures = 0
        while True:
            try:
                async with self._service.socket() as socket:
                    failures = 0
                    await self._listen(socket)
            except Problem as problem:
                if problem.status in (401, 403):
                    raise
                failures += 1
                await self._poll()
                if not self._wanted:
                    self._heard_at = time.monotonic()
                elif time.monotonic() - self._heard_at > self._patience_s:
                    raise
            wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(failures, 10))
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))

    async def _listen(self, socket: Socket) -> None:
        """Until it breaks; each connection subscribes to all, since snapshots fill the gap."""
        self._to_say = asyncio.Queue()
        for some_id in self._wanted:
            self._to_say.put_nowait(some_id)
        self._is_open = True
        speaking = asyncio.create_task(self._speak(socket))
        try:
            async for message in socket.messages():
                self._heard_at = time.monotonic()
                self._hear(message)
        finally:
            self._is_open = False
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    async def _speak(self, socket: Socket) -> None:
        with suppress(Problem):  # the listener hears of it, too
            while True:
                some_id = await self._to_say.get()
                kind = "subscribe" if some_id in self._wanted else "unsubscribe"
                await socket.send({"type": kind, "jobId": some_id})

    def _hear(self, message: dict[str, Any]) -> None:
        kind, some_id = message.get("type"), str(message.get("jobId", ""))
        if some_id not in self._wanted:
            return
        if kind == "error" and message["problem"].get("status") == 404:
            self._end({"jobId": some_id, "status": UNKNOWN})
        elif kind in ("job", "batch"):
            self._take(message)

    def _take(self, picture: Picture) -> None:
        if picture["status"] in ENDED:
            self._end(picture)
        else:
            self._tell(picture)

    def _end(self, picture: Picture) -> None:
        self._wanted.pop(picture["jobId"], None)
        self._to_say.put_nowait(picture["jobId"])  # a socket may watch so many at a time
        self._tell(picture)

    async def _poll(self) -> None:
        """Whoever has no WebSocket still learns how the first few stand."""
        for some_id in list(self._wanted)[:_MOST_POLLED]:
            try:
                answer = await self._service.ask("GET", f"/status/{quote(some_id, safe='')}")
            except Problem as problem:
                if problem.status != 404:
                    return
                self._end({"jobId": some_id, "status": UNKNOWN})
            else:
                self._heard_at = time.monotonic()
                self._take({**answer.body, "jobId": some_id})
