"""A real browser on the page; whatever it complains of fails the test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image, ImageDraw, ImageFilter
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.web.darkroom import PATIENCE_MS, OpenDarkroom
from tests.web.pipeline import OpenPipeline

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The pages are drawn by software either way; without its own emulation of a GPU, it is cheaper.
    "--disable-gpu-rasterization",
    "--disable-software-rasterizer",
]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """Chromium, without what it would like to fetch by itself."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
def allowed_complaints() -> list[str]:
    """Parts of console lines that a test brings about on purpose."""
    return []


@pytest_asyncio.fixture(loop_scope="session")
async def open_darkroom(
    browser: Browser, live_server: str, allowed_complaints: list[str]
) -> AsyncIterator[OpenDarkroom]:
    """Open the page as a visitor with this screen and these habits (options of a context)."""
    complaints: list[str] = []
    async with AsyncExitStack() as stack:

        async def open_page(
            *,
            prepare: Callable[[Page], Awaitable[None]] | None = None,
            url: str = live_server,
            state: str = "open",
            **visitor: object,
        ) -> Page:
            context = await browser.new_context(**visitor)  # type: ignore[arg-type] # any option
            stack.push_async_callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            page = await context.new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on(
                "console",
                lambda line: (
                    complaints.append(line.text) if line.type in ("error", "warning") else None
                ),
            )
            if prepare is not None:
                await prepare(page)
            await page.goto(url)
            await page.wait_for_selector(f"connection-light[data-state={state}]")
            return page

        yield open_page
    unexpected = [
        line for line in complaints if not any(part in line for part in allowed_complaints)
    ]
    assert not unexpected


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Two landscapes: evening.jpg and morning.jpg, 900 by 600."""
    evening = _landscape(tmp_path / "evening.jpg", sky=(196, 84, 52), sun=(640, 250))
    morning = _landscape(tmp_path / "morning.jpg", sky=(104, 158, 204), sun=(210, 170))
    return [evening, morning]


def _landscape(path: Path, *, sky: tuple[int, int, int], sun: tuple[int, int]) -> Path:
    light = Image.linear_gradient("L").resize((900, 600))
    picture = Image.composite(
        Image.new("RGB", (900, 600), (250, 226, 190)), Image.new("RGB", (900, 600), sky), light
    )
    draw = ImageDraw.Draw(picture)
    draw.circle(sun, 46, fill=(255, 240, 205))
    for row, shade in enumerate((0.62, 0.45, 0.28)):
        top = 330 + 80 * row
        ridge = [(x, top + (x * (37 + 11 * row)) // 60 % 90) for x in range(0, 901, 100)]
        colour = tuple(int(part * shade) for part in sky)
        draw.polygon([(0, 600), *ridge, (900, 600)], fill=colour)
    picture = picture.filter(ImageFilter.GaussianBlur(2))
    grain = Image.effect_noise((900, 600), 26).convert("RGB")
    Image.blend(picture, grain, 0.12).save(path, quality=95)
    return path


@pytest_asyncio.fixture(loop_scope="session")
async def open_pipeline(browser: Browser, live_server: str) -> AsyncIterator[OpenPipeline]:
    """Open the page as a visitor with this screen; what the browser complains of fails the test."""
    complaints: list[str] = []
    async with AsyncExitStack() as stack:

        async def open_page(
            *, prepare: Callable[[Page], Awaitable[None]] | None = None, **visitor: object
        ) -> Page:
            context = await browser.new_context(**visitor)  # type: ignore[arg-type] # any option
            stack.push_async_callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            page = await context.new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda line: complaints.append(line.text))
            if prepare is not None:
                await prepare(page)
            await page.goto(f"{live_server}/pipeline")
            await page.wait_for_selector("body[data-ready]")
            return page

        yield open_page
    assert complaints == []
