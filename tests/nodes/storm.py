"""Uploads to three nodes while nodes are killed and cut off from Redis at random (seeded)."""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.chaos import numbered
from tests.nodes.fleet import LEASE_S, Fleet

ROLES = {"a": "all", "b": "all", "c": "all"}
ENVIRONMENT = {
    # Innocent jobs are hit again and again here; by default the third hit is the last.
    "SAFELIGHT_QUEUE__MAX_ATTEMPTS": "50",
    "SAFELIGHT_QUEUE__MAX_LOSSES": "50",
    "SAFELIGHT_WEBHOOKS__MAX_WAITING": "20000",
}
TO_TRY_AGAIN = (429, 503)  # the only answers beside 2xx that an upload may get in a storm
KILL, CUT = "kill", "cut"


@dataclass
class Storm:
    """Until `uploads` were accepted, with kills and cuts spread over them; at most one node of the
    three is away at a time, so that somebody is there."""

    fleet: Fleet
    uploads: int
    kills: int
    cuts: int
    seed: int
    window: int = 9
    told: Callable[[int, int], None] = lambda accepted, blows: None
    accepted: dict[str, int] = field(default_factory=dict)
    """Job ids and the numbers of their pictures."""
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    blows: list[tuple[str, str]] = field(default_factory=list)
    """What was done to whom."""

    async def rage(self) -> None:
        """All of it; at its end every node is up and connected."""
        self._random = random.Random(self.seed)
        self._numbers = count()
        self._unused: list[int] = []
        self._changed = asyncio.Condition()
        self._away: set[str] = set()
        timeout = ClientTimeout(total=20)
        async with asyncio.TaskGroup() as group, ClientSession(timeout=timeout) as session:
            uploaders = [group.create_task(self._upload(session)) for _ in range(self.window)]
            await self._strike_all()
            await asyncio.wait(uploaders)
        assert not self.wrong, f"{len(self.wrong)} answers: {self.wrong[:5]}"

    async def _upload(self, session: ClientSession) -> None:
        chance = random.Random(self._random.random())
        while len(self.accepted) < self.uploads:
            number = self._unused.pop() if self._unused else next(self._numbers)
            body = await asyncio.to_thread(numbered.picture, number)
            node = chance.choice(sorted(self.fleet.roles))
            try:
                await self._send(session, node, number, body)
            except (ClientError, ConnectionError, TimeoutError) as error:
                self.answers[type(error).__name__] += 1
                self._unused.append(number)  # it may be there all the same: the answer was lost
                await asyncio.sleep(0.1)

    async def _send(self, session: ClientSession, node: str, number: int, body: bytes) -> None:
        headers = {"Content-Type": "image/jpeg", "Prefer": "respond-async"}
        options = {"options": json.dumps(numbered.RECIPE)}
        url = f"{self.fleet.url(node)}/upload"
        async with session.post(url, data=body, params=options, headers=headers) as response:
            answer = await response.json(content_type=None)
        self.answers[str(response.status)] += 1
        if response.status in (200, 202):
            async with self._changed:
                self.accepted[answer["jobId"]] = number
                self._changed.notify_all()
            self.told(len(self.accepted), len(self.blows))
        elif response.status in TO_TRY_AGAIN and "Retry-After" in response.headers:
            self._unused.append(number)
            await asyncio.sleep(0.1)
        else:
            self.wrong.append(f"{node}: {response.status} {answer}")

    async def _strike_all(self) -> None:
        blows = [KILL] * self.kills + [CUT] * self.cuts
        self._random.shuffle(blows)
        when = sorted(self._random.sample(range(1, self.uploads), len(blows)))
        for blow, accepted in zip(blows, when, strict=True):
            async with self._changed:
                await self._changed.wait_for(lambda at=accepted: len(self.accepted) >= at)
            await asyncio.sleep(self._random.random() * 0.05)  # at any point of a picture's way
            node = self._random.choice(sorted(self.fleet.roles))
            self.blows.append((blow, node))
            if blow == KILL:
                await self._kill(node)
            else:
                await self._cut_off(node)

    async def _kill(self, node: str) -> None:
        dead = self.fleet.nodes[node]
        dead.children()
        os.kill(dead.pid, signal.SIGKILL)
        await asyncio.sleep(
            self._random.random() * LEASE_S
        )  # some come back before their lease ends
        await asyncio.to_thread(dead.close)  # fails when a process of its family is left
        await asyncio.to_thread(self.fleet.start, node)

    async def _cut_off(self, node: str) -> None:
        shared = self.fleet.shared
        with shared.lan.cut(node, shared.port):
            await asyncio.sleep(self._random.uniform(0.3, 2.5) * LEASE_S)
        await until_ready(self.fleet.url(node))


async def until_ready(url: str, *, within_s: float = 120) -> None:
    """Wait until a node says that it takes work."""
    deadline = time.monotonic() + within_s
    async with ClientSession(url, timeout=ClientTimeout(total=5)) as session:
        while True:
            with suppress(ClientError, TimeoutError):
                async with session.get("/readyz") as response:
                    told = await response.text()
                    if response.status == 200:
                        return
            assert time.monotonic() < deadline, f"{url} is not ready: {told}"
            await asyncio.sleep(0.05)
