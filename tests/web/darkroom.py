"""What a visitor of the Darkroom does: come with a screen, drop, choose, press Tab."""

import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.async_api import Page, WebSocketRoute

from tests.patience import PATIENCE_S

OpenDarkroom = Callable[..., Awaitable[Page]]
Visitor = dict[str, Any]  # options of Playwright's new_context

THEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
PATIENCE_MS = int(PATIENCE_S * 1000)
PHONE: Visitor = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
DESKTOP: Visitor = {"viewport": {"width": 1280, "height": 860}}
DEVELOPED = "picture-card[data-phase=done]"

# Playwright's own waiting in the page evaluates strings, which our policy forbids; drops are built
# by an isolated call instead.
DROP = """([type, files]) => {
  const dataTransfer = new DataTransfer();
  for (const [name, base64] of files) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    dataTransfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  }
  document.body.dispatchEvent(
    new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }),
  );
}"""


async def drag(page: Page, event: str, files: list[Path]) -> None:
    content = [[file.name, base64.b64encode(file.read_bytes()).decode()] for file in files]
    await page.evaluate(DROP, [event, content])


async def choose(page: Page, files: list[Path]) -> None:
    await page.set_input_files(".from-files", files)


async def seen_pictures_are_drawn(page: Page) -> None:
    """Every picture in the window is decoded."""
    await page.evaluate(
        """() => Promise.all([...document.images]
            .filter((image) => image.checkVisibility({ contentVisibilityAuto: true }))
            .filter((image) => image.getBoundingClientRect().top < innerHeight)
            .map((image) => image.decode()))"""
    )


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus; it then shows it."""
    target = page.locator(selector).first
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await target.evaluate("(element) => element === document.activeElement"):
            assert await target.evaluate("(element) => element.matches(':focus-visible')")
            return
    raise AssertionError(f"{selector} cannot be reached by Tab")


class ScriptedFeed:
    """Stands where the WebSocket of the server would; a test says what is told, and when."""

    def __init__(self) -> None:
        self._socket: WebSocketRoute | None = None
        self._subscribed: asyncio.Queue[str] = asyncio.Queue()

    async def replace_socket(self, page: Page) -> None:
        await page.route_web_socket("**/ws", self._open)

    async def subscribed(self, count: int) -> list[str]:
        """The next so many jobs that the page asks for."""
        async with asyncio.timeout(PATIENCE_MS / 1000):
            return [await self._subscribed.get() for _ in range(count)]

    def tell(self, job_id: str, revision: int, **job: object) -> None:
        assert self._socket is not None
        event = {"type": "job", "jobId": job_id, "revision": revision, "status": "processing"}
        self._socket.send(json.dumps(event | job))

    def _open(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(lambda text: self._subscribed.put_nowait(json.loads(str(text))["jobId"]))


async def screenshots(page: Page, folder: Path, name: str) -> None:
    """One in each theme."""
    for theme in THEMES:
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        await seen_pictures_are_drawn(page)
        await screenshot(page, folder / f"{name}-{theme}.png")


async def screenshot(page: Page, path: Path) -> None:
    """What is in the window, as a small file."""
    await page.screenshot(path=path)
    await asyncio.to_thread(_reduce, path)


def _reduce(path: Path) -> None:
    """To 256 colours: a third of the bytes. Dots between them would cost more, and be seen."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256, kmeans=2)
    small.save(path, optimize=True)


def screenshot_folder(otherwise: Path) -> Path:
    """docs/screenshots if SAFELIGHT_SCREENSHOTS=1 asks for new ones; else a folder of the test."""
    wanted = os.environ.get("SAFELIGHT_SCREENSHOTS") == "1"
    return Path(__file__).parents[2] / "docs" / "screenshots" if wanted else otherwise


def photos_to_show(otherwise: list[Path]) -> list[Path]:
    """Those named by SAFELIGHT_PHOTOS (paths with : between them): screenshots of real ones."""
    return [Path(path) for path in os.environ.get("SAFELIGHT_PHOTOS", "").split(":") if path] or (
        otherwise
    )
