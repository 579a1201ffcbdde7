"""The film of pictures that develop, which the README shows: made of what the page really does."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import expect

from tests.web.darkroom import DEVELOPED, OpenDarkroom, choose, photos_to_show, screenshot_folder
from tests.web.film import filmed

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MOST_BYTES = 1_000_000
UPLOAD_BYTES_A_SECOND = 2_500_000  # a good line at home


async def test_pictures_are_filmed_while_they_develop(
    open_darkroom: OpenDarkroom, photos: list[Path], tmp_path: Path
) -> None:
    page = await open_darkroom(viewport={"width": 1280, "height": 800}, color_scheme="dark")
    shown = photos_to_show(photos)[:6]
    line = await page.context.new_cdp_session(page)
    await line.send("Network.enable")
    limits = {"latency": 20, "downloadThroughput": -1, "uploadThroughput": UPLOAD_BYTES_A_SECOND}
    await line.send("Network.emulateNetworkConditions", {"offline": False, **limits})
    async with filmed(page) as film:
        await choose(page, shown)
        await expect(page.locator(DEVELOPED)).to_have_count(len(shown), timeout=180_000)
        await page.locator(".split").first.focus()
        for _ in range(12):
            await page.keyboard.press("ArrowRight")
        for _ in range(12):
            await page.keyboard.press("ArrowLeft")
    path = screenshot_folder(tmp_path) / "developing.webp"
    count = film.save(path)

    assert count > 5
    with Image.open(path) as animation:
        assert animation.n_frames > 5  # equal ones are one
    assert path.stat().st_size < MOST_BYTES
