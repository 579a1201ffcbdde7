"""Uploads without end and kill -9 at random: of workers, of the server, of Valkey."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psutil
from aiohttp import ClientError, ClientSession, ClientTimeout

from tests import server_process
from tests.chaos import numbered
from tests.server_process import ServerProcess

KINDS = ("worker", "server", "valkey")
ENVIRONMENT = {
    "SAFELIGHT_QUEUE__LEASE_S": "3",
    "SAFELIGHT_QUEUE__RETRY_DELAY_S": "0.1",
    # Innocent jobs are hit again and again here; by default the third hit is the last.
    "SAFELIGHT_QUEUE__MAX_ATTEMPTS": "20",
    "SAFELIGHT_QUEUE__MAX_LOSSES": "20",
    "SAFELIGHT_LIVE__CONFIRM_TIMEOUT_S": "2",
    "SAFELIGHT_UPLOAD__SYNC_WAIT_S": "5",  # some uploads are answered before their end
}
TO_TRY_AGAIN = (429, 503)  # the only answers beside 2xx that an upload may get in a storm


@dataclass
class Storm:
    """Until `uploads` were accepted, with `kills` spread over them; one server at a time."""

    data_dir: Path
    uploads: int
    kills: int
    seed: int
    window: int = 8
    told: Callable[[int, int], None] = lambda accepted, killed: None
    accepted: dict[str, int] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    restart_s: list[float] = field(default_factory=list)

    async def rage(self) -> ServerProcess:
        """All of it; returns the server that lives at the end."""
        self._random = random.Random(self.seed)
        self._numbers = count()
        self._changed = asyncio.Condition()
        self._server = await self._start()
        try:
            async with asyncio.TaskGroup() as group, self._session() as session:
                uploaders = [group.create_task(self._upload(session)) for _ in range(self.window)]
                await self._kill_all()
                await asyncio.wait(uploaders)
        except BaseException:
            self._server.close()
            raise
        if self.wrong:
            errors = self._server.errors_logged()
            self._server.close()
            raise AssertionError(f"{len(self.wrong)} answers: {self.wrong[:5]}; errors:\n{errors}")
        return self._server

    def _session(self) -> ClientSession:
        return ClientSession(timeout=ClientTimeout(total=60))

    async def _start(self) -> ServerProcess:
        return await asyncio.to_thread(server_process.start, self.data_dir, environment=ENVIRONMENT)

    async def _upload(self, session: ClientSession) -> None:
        while len(self.accepted) < self.uploads:
            number = next(self._numbers) % numbered.LEVELS**3
            body = await asyncio.to_thread(numbered.picture, number)
            try:
                await self._send(session, number, body)
            except (ClientError, ConnectionError, TimeoutError) as error:
                self.answers[type(error).__name__] += 1
                await asyncio.sleep(0.2)

    async def _send(self, session: ClientSession, number: int, body: bytes) -> None:
        headers = {"Content-Type": "image/jpeg"}
        if number % 4:
            headers["Prefer"] = "respond-async"
        options = {"options": json.dumps(numbered.RECIPE)}
        url = f"{self._server.url}/upload"
        async with session.post(url, data=body, params=options, headers=headers) as response:
            answer = await response.json(content_type=None)
        self.answers[str(response.status)] += 1
        if response.status in (200, 202):
            async with self._changed:
                self.accepted[answer["jobId"]] = number
                self._changed.notify_all()
            self.told(len(self.accepted), self.killed.total())
        elif response.status in TO_TRY_AGAIN and "Retry-After" in response.headers:
            await asyncio.sleep(0.2)
        else:
            self.wrong.append(f"{response.status} {answer}")

    async def _kill_all(self) -> None:
        kinds = [KINDS[turn % len(KINDS)] for turn in range(self.kills)]
        self._random.shuffle(kinds)
        when = sorted(self._random.sample(range(1, self.uploads), self.kills))
        ways: dict[str, Callable[[], Awaitable[bool]]] = {
            "worker": self._kill_worker,
            "server": self._kill_server,
            "valkey": self._kill_valkey,
        }
        for kind, accepted in zip(kinds, when, strict=True):
            await self._until_accepted(accepted)
            await asyncio.sleep(self._random.random() * 0.05)  # at any point of a picture's way
            is_killed = False
            while not is_killed:
                is_killed = await ways[kind]()
                await asyncio.sleep(0.01)  # there may be none just now: it is being started
            self.killed[kind] += 1

    async def _until_accepted(self, number: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.accepted) >= number)

    async def _kill_worker(self) -> bool:
        return _kill_one_of(self._children(is_valkey=False), self._random)

    async def _kill_valkey(self) -> bool:
        return _kill_one_of(self._children(is_valkey=True), self._random)

    async def _kill_server(self) -> bool:
        dead = self._server
        dead.children()
        started = time.monotonic()
        await asyncio.to_thread(dead.kill)  # a folder is free once its server has ended
        self._server = await self._start()
        self.restart_s.append(time.monotonic() - started)
        await asyncio.to_thread(dead.close)  # fails when a process of its family is left
        return True

    def _children(self, *, is_valkey: bool) -> list[psutil.Process]:
        return [one for one in self._server.children() if _is_valkey(one) == is_valkey]


def _is_valkey(process: psutil.Process) -> bool:
    try:
        return process.name().startswith(("valkey", "redis"))
    except psutil.NoSuchProcess:
        return False


def _kill_one_of(processes: list[psutil.Process], chance: random.Random) -> bool:
    """The fork server and the tracker of the pool are workers, too."""
    chance.shuffle(processes)
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
        return True
    return False
