"""The client, in a process of its own: uploads, watches the WebSocket, tells when each is done.

`python -m bench.driver URL RECIPE` reads a line of JSON from stdin for each round:

- `{"files": [...], "window": N}`: at most N pictures are under way; a 429 is sent again later.
- `{"files": [...], "at_s": [...]}`: each is sent at its time whatever has come of the others, and
  its time counts from there, so that a slow server cannot hide that it was slow; a 429 is an end.

It answers on stdout: `{"taken_s": ...}`, `{"failed": ...}` or `{"refused": status}` for a picture,
at the end `{"wall_s": ..., "refused": ...}`.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    TCPConnector,
    WSMsgType,
)

from bench.photos import CONTENT_TYPES

SETTLED = {"completed", "failed", "cancelled", "expired"}
PICTURE_TIMEOUT_S = 120.0
LONGEST_PAUSE_S = 1.0
READ_AHEAD_S = 0.5  # before a picture is due


class Round:
    """The pictures of one round: which wait for their event, and what came of the others."""

    def __init__(self, session: ClientSession, socket: ClientWebSocketResponse, recipe: str):
        self._session = session
        self._socket = socket
        self._recipe = recipe
        self._watched: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._retry_after_s = 0.0
        self.refused = 0

    async def listen(self) -> None:
        """Hand each final event to the picture that waits for it."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                break
            event = json.loads(message.data)
            waiting = self._watched.get(event.get("jobId"))
            is_final = event["type"] == "error" or event.get("status") in SETTLED
            if waiting is not None and is_final and not waiting.done():
                waiting.set_result(event)
        raise ConnectionError("the server closed the WebSocket")

    async def picture(self, path: Path) -> None:
        """From the first byte of the upload to the event that says completed."""
        body = await asyncio.to_thread(path.read_bytes)
        started = time.perf_counter()
        while (job_id := await self._upload(body, CONTENT_TYPES[path.suffix])) is None:
            self.refused += 1
            await asyncio.sleep(min(self._retry_after_s, LONGEST_PAUSE_S))
        await self._watch(job_id, started)

    async def picture_at(self, path: Path, due: float) -> None:
        """The same from the moment when it was due; whoever is refused goes away."""
        await asyncio.sleep(due - time.perf_counter() - READ_AHEAD_S)
        body = await asyncio.to_thread(path.read_bytes)
        await asyncio.sleep(due - time.perf_counter())
        try:
            job_id = await self._upload(body, CONTENT_TYPES[path.suffix])
        except (RuntimeError, ClientError, TimeoutError) as error:
            tell({"failed": f"{type(error).__name__}: {error}"})
            return
        if job_id is None:
            self.refused += 1
            tell({"refused": 429})
        else:
            await self._watch(job_id, due)

    async def _watch(self, job_id: str, started: float) -> None:
        waiting = self._watched[job_id] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"type": "subscribe", "jobId": job_id})
        async with asyncio.timeout(PICTURE_TIMEOUT_S):
            event = await waiting
        taken_s = time.perf_counter() - started
        del self._watched[job_id]
        # Or a long round would watch more than one socket may.
        await self._socket.send_json({"type": "unsubscribe", "jobId": job_id})
        if event.get("status") == "completed":
            tell({"taken_s": taken_s})
        else:
            tell({"failed": event.get("error") or event})

    async def _upload(self, body: bytes, content_type: str) -> str | None:
        """The job's id; None: answered 429."""
        headers = {"Content-Type": content_type, "Prefer": "respond-async"}
        async with self._session.post(
            "/upload", params={"options": self._recipe}, data=body, headers=headers
        ) as response:
            answer = await response.json(content_type=None)
            if response.status in (200, 202):
                return str(answer["jobId"])
            if response.status != 429:
                raise RuntimeError(f"{response.status} {answer}")
            self._retry_after_s = float(response.headers["Retry-After"])
            return None


async def run(url: str, recipe: str) -> None:
    """One round after another until stdin ends."""
    loop = asyncio.get_running_loop()
    connector, timeout = TCPConnector(limit=0), ClientTimeout(total=PICTURE_TIMEOUT_S)
    async with ClientSession(url, connector=connector, timeout=timeout) as session:
        tell({"ready": True})
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            async with session.ws_connect("/ws") as socket:
                round_ = Round(session, socket, recipe)
                started = time.perf_counter()
                paths = [Path(name) for name in order["files"]]
                if "at_s" in order:
                    await _in_time(round_, paths, order["at_s"])
                else:
                    await _all(round_, paths, order["window"])
                tell({"wall_s": time.perf_counter() - started, "refused": round_.refused})


async def _all(round_: Round, paths: list[Path], window: int) -> None:
    rest = iter(paths)

    async def lane() -> None:
        for path in rest:
            await round_.picture(path)

    async with asyncio.TaskGroup() as group:
        listener = group.create_task(round_.listen())
        lanes = [group.create_task(lane()) for _ in range(window)]
        await asyncio.wait(lanes)
        listener.cancel()


async def _in_time(round_: Round, paths: list[Path], at_s: list[float]) -> None:
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        listener = group.create_task(round_.listen())
        pictures = [
            group.create_task(round_.picture_at(path, started + due_s))
            for path, due_s in zip(paths, at_s, strict=True)
        ]
        await asyncio.wait(pictures)
        listener.cancel()


def tell(answer: dict[str, Any]) -> None:
    """One line of JSON to whoever started us."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(run(*sys.argv[1:]))
