"""The client, in a process of its own: uploads, watches the WebSocket, tells when each is done.

`python -m bench.driver URL RECIPE` reads a line `{"files": [...], "window": N}` from stdin for each
round and answers on stdout: `{"taken_s": ...}` or `{"failed": ...}` for a picture, at the end
`{"wall_s": ..., "refused": ...}`. At most `window` pictures are under way at a time.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse, TCPConnector, WSMsgType

from bench.photos import CONTENT_TYPES

SETTLED = {"completed", "failed", "cancelled", "expired"}
PICTURE_TIMEOUT_S = 120.0
LONGEST_PAUSE_S = 1.0


class Round:
    """The pictures of one round: which wait for their event, and what came of the others."""

    def __init__(self, session: ClientSession, socket: ClientWebSocketResponse, recipe: str):
        self._session = session
        self._socket = socket
        self._recipe = recipe
        self._watched: dict[str, asyncio.Future[dict[str, Any]]] = {}
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
        job_id = await self._upload(body, CONTENT_TYPES[path.suffix])
        waiting = self._watched[job_id] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"type": "subscribe", "jobId": job_id})
        async with asyncio.timeout(PICTURE_TIMEOUT_S):
            event = await waiting
        taken_s = time.perf_counter() - started
        del self._watched[job_id]
        if event.get("status") == "completed":
            tell({"taken_s": taken_s})
        else:
            tell({"failed": event.get("error") or event})

    async def _upload(self, body: bytes, content_type: str) -> str:
        headers = {"Content-Type": content_type, "Prefer": "respond-async"}
        while True:
            async with self._session.post(
                "/upload", params={"options": self._recipe}, data=body, headers=headers
            ) as response:
                answer = await response.json(content_type=None)
                if response.status in (200, 202):
                    return str(answer["jobId"])
                if response.status != 429:
                    raise RuntimeError(f"{response.status} {answer}")
                self.refused += 1
                pause_s = float(response.headers["Retry-After"])
            await asyncio.sleep(min(pause_s, LONGEST_PAUSE_S))


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
                await _all(round_, [Path(name) for name in order["files"]], order["window"])
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


def tell(answer: dict[str, Any]) -> None:
    """One line of JSON to whoever started us."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(run(*sys.argv[1:]))
