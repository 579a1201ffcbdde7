"""A film of a page: the frames that the browser itself shows, as one animated WebP."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Page

SHORTEST_MS = 90  # a frame that follows sooner takes the place of the one before
LAST_MS = 2500
WIDTH = 960
QUALITY = 80


@dataclass
class Film:
    """Frames with the second each was shown."""

    frames: list[tuple[float, bytes]] = field(default_factory=list)

    def save(self, path: Path) -> int:
        """Write it; returns how many frames it has."""
        shown = self._thinned()
        pictures = [_scaled(content) for _, content in shown]
        times = [second for second, _ in shown]
        lengths = [round(1000 * (after - at)) for at, after in pairwise(times)]
        pictures[0].save(
            path,
            save_all=True,
            append_images=pictures[1:],
            duration=[*lengths, LAST_MS],
            loop=0,
            quality=QUALITY,
            method=6,
            minimize_size=True,
        )
        return len(pictures)

    def _thinned(self) -> list[tuple[float, bytes]]:
        kept: list[tuple[float, bytes]] = []
        for second, content in self.frames:
            if kept and 1000 * (second - kept[-1][0]) < SHORTEST_MS:
                kept[-1] = (kept[-1][0], content)
            else:
                kept.append((second, content))
        return kept


@asynccontextmanager
async def filmed(page: Page) -> AsyncIterator[Film]:
    """Everything that the page shows meanwhile."""
    film, line = Film(), await page.context.new_cdp_session(page)
    acknowledged: set[asyncio.Task[Any]] = set()

    def keep(frame: dict[str, Any]) -> None:
        film.frames.append((frame["metadata"]["timestamp"], base64.b64decode(frame["data"])))
        taken = {"sessionId": frame["sessionId"]}
        acknowledged.add(asyncio.ensure_future(line.send("Page.screencastFrameAck", taken)))

    line.on("Page.screencastFrame", keep)
    await line.send("Page.startScreencast", {"format": "jpeg", "quality": 95})
    yield film
    await line.send("Page.stopScreencast")
    await asyncio.gather(*acknowledged)


def _scaled(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    height = round(picture.height * WIDTH / picture.width)
    return picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
