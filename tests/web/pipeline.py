"""What a visitor of the Pipeline page does: send, wait for the replay, step through it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession
from playwright.async_api import Page, WebSocketRoute, expect

from tests.chaos.parts import lane_pids, stopped
from tests.patience import PATIENCE_S

OpenPipeline = Callable[..., Awaitable[Page]]

WAY = [
    *("You ask for a picture", "The request arrives", "The bytes come in"),
    *("Hashed in passing", "A worker reads the header", "Recipe and quota are checked"),
    *("The original is kept", "Let in by one script", "202: your job is safe"),
    *("It waits its turn", "A lane takes it", "Handed to a worker process", "Opened and decoded"),
    *("The recipe is followed", "Each file is written", "The worker answers"),
    *("The results are kept", "The job has ended", "Everybody is told", "Written into the history"),
    *("The picture is delivered", "You see it"),
]


@dataclass(frozen=True)
class Shown:
    """One step as the panel shows it; messages by the names of their hops."""

    title: str
    part: str
    taken: str
    messages: dict[str, Any]


async def send_sample(page: Page, name: str = "dunes") -> None:
    """Until its replay is ready, and stands at its first step."""
    await page.click(f"[data-sample={name}]")
    await replay_is_ready(page)


async def replay_is_ready(page: Page) -> None:
    await expect(page.locator("#live")).to_have_attribute("data-state", "ready")
    await pause(page)
    await go_to(page, 0)


class Held:
    """Workers that wait until the page watches its job: or it may end before anybody is told."""

    def __init__(self) -> None:
        self._is_watched = asyncio.Event()

    async def listen(self, page: Page) -> None:
        """Before the page is opened."""
        page.on("websocket", lambda socket: socket.on("framesent", self._note))

    @asynccontextmanager
    async def workers(self, url: str) -> AsyncIterator[None]:
        """A picture is sent in here; returns when it is watched and worked on."""
        async with ClientSession(url) as client:
            pids = await lane_pids(client)
        with ExitStack() as stack:
            for pid in pids:
                stack.enter_context(stopped(pid))
            yield
            async with asyncio.timeout(PATIENCE_S):
                await self._is_watched.wait()

    def _note(self, frame: bytes | str) -> None:
        if "subscribe" in str(frame) and "jobId" in str(frame):
            self._is_watched.set()


async def pause(page: Page) -> None:
    if await page.locator(".player-toggle").get_attribute("aria-label") == "Pause":
        await page.click(".player-toggle")
    await expect(page.locator(".player-toggle")).to_have_attribute("aria-label", "Play")


async def go_to(page: Page, index: int) -> None:
    await page.locator(".player-scrub input").fill(str(index))


async def steps_shown(page: Page) -> list[Shown]:
    """Every step, walked through by the button that goes forward."""
    count = int(str(await page.locator(".player-scrub input").get_attribute("max"))) + 1
    await go_to(page, 0)
    shown = []
    for number in range(1, count + 1):
        await expect(page.locator(".panel-number")).to_contain_text(f"Step {number} of {count}")
        shown.append(await step_shown(page))
        await page.click(".player-forward")
    return shown


async def step_shown(page: Page) -> Shown:
    """The present step; its messages are read though they are folded."""
    names = await page.locator(".message-name").all_text_contents()
    texts = await page.locator(".message-text").all_text_contents()
    return Shown(
        title=await page.locator(".panel-title").inner_text(),
        part=await page.locator(".panel-part").inner_text(),
        taken=await page.locator(".panel-taken").inner_text(),
        messages={
            name: json.loads(text) if text else None
            for name, text in zip(names, texts, strict=True)
        },
    )


async def count_of(page: Page, name: str) -> int:
    """One of the numbers of a crowd."""
    return int(await page.locator(f"[data-count-of={name}] dd").inner_text())


async def watch_many(page: Page) -> None:
    await page.get_by_label("Many at once").check(force=True)
    await expect(page.locator("crowd-panel")).to_be_visible()


class ScriptedSystem:
    """Stands where the WebSocket would; a test says how the service stands and what moved."""

    def __init__(self) -> None:
        self._socket: WebSocketRoute | None = None
        self.asked: list[dict[str, Any]] = []

    async def replace_socket(self, page: Page) -> None:
        await page.route_web_socket("**/ws", self._open)

    def stands(
        self, *lanes: str, state: str = "idle", completed_per_s: float = 0.0, waiting: int = 0
    ) -> None:
        shown = [{"name": lane, "state": state, "jobId": None} for lane in lanes]
        system = {
            "type": "system",
            "queue": {"interactive": waiting, "bulk": 0, "ai": 0, "maxDepth": 1000},
            "throughput": {"completedPerS": completed_per_s},
            "records": {"waiting": 0, "isWritten": True, "limit": 50000},
            "sockets": 3,
            "nodes": [{"node": "n1", "lanes": shown}],
        }
        self._send(system)

    def move(
        self,
        *moves: tuple[str, str | None, str, str | None],
        dropped: int = 0,
        blame: str | None = None,
        node: str | None = "n1",
    ) -> None:
        """(job, from, to, lane) each."""
        told = [
            {"jobId": job, "from": before, "to": after, "queue": "interactive", "node": node,
             "lane": lane, "errorCode": None, "blame": blame}
            for job, before, after, lane in moves
        ]  # fmt: skip
        self._send({"type": "moves", "moves": told, "dropped": dropped})

    def refuse(self) -> None:
        problem = {"type": "/problems/scope_missing", "title": "No", "status": 403, "detail": "No."}
        self._send({"type": "error", "topic": "system", "problem": problem})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._socket is not None
        self._socket.send(json.dumps(message))

    def _open(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(lambda text: self.asked.append(json.loads(str(text))))


def any_of(titles: list[str]) -> re.Pattern[str]:
    """A replay goes on while a busy machine looks away."""
    return re.compile("|".join(map(re.escape, titles)))
