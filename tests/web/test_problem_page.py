"""An address that answers no, opened in a real browser: a page in words, and a way on."""

import pytest
from playwright.async_api import Browser, expect

from tests.web.axe import bring_axe, violations_in_both_themes
from tests.web.darkroom import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_picture_that_is_gone_is_told_in_words(browser: Browser, live_server: str) -> None:
    page = await browser.new_page(**PHONE)
    await bring_axe(page)
    answer = await page.goto(f"{live_server}/image/{'a' * 24}")

    assert answer is not None and answer.status == 404
    await expect(page.get_by_role("heading")).to_have_text("There is nothing here")
    await expect(page.get_by_text("it may have expired")).to_be_visible()
    assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert await violations_in_both_themes(page) == []
    await page.get_by_role("link", name="To the Darkroom").click()
    await expect(page.get_by_role("heading", name="Drop pictures.")).to_be_visible()
    await page.close()
