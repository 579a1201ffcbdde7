"""The API docs in a real browser: the whole contract, found, linked to, its curls tried."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from playwright.async_api import Page, expect

from tests.conftest import StartServer
from tests.edge import gated
from tests.edge.pictures import jpeg
from tests.web.axe import bring_axe, violations
from tests.web.darkroom import DESKTOP, PHONE, OpenDarkroom, screenshot_folder, screenshots

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest_asyncio.fixture(loop_scope="session")
async def contract(live_server: str) -> dict[str, Any]:
    async with ClientSession(live_server) as client, client.get("/openapi.json") as response:
        told: dict[str, Any] = await response.json()
    return told


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_darkroom: OpenDarkroom, live_server: str) -> Page:
    """The docs on a large screen."""
    page = await open_darkroom(url=f"{live_server}/docs", **DESKTOP)
    await expect(page.locator("body")).to_have_attribute("data-ready", "")
    return page


def operations(contract: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Id, method and path of each."""
    return [
        (one["operationId"], method.upper(), path)
        for path, methods in contract["paths"].items()
        for method, one in methods.items()
    ]


async def test_every_operation_parameter_schema_and_problem_is_shown(
    page: Page, contract: dict[str, Any]
) -> None:
    shown = await page.evaluate(
        """() => [...document.querySelectorAll("docs-operation")].map((one) => [one.id,
            one.querySelector(".docs-method").textContent,
            one.querySelector(".docs-path").textContent])"""
    )
    listed = await page.evaluate(
        "() => [...document.querySelectorAll('.docs-to')].map((one) => one.hash.slice(1))"
    )
    schemas = await page.evaluate(
        "() => [...document.querySelectorAll('.docs-schema')].map((one) => one.id)"
    )
    problems = await page.locator(".docs-problem").count()

    wanted = operations(contract)
    assert sorted(map(tuple, shown)) == sorted(wanted)
    assert sorted(listed) == sorted(one for one, _, _ in wanted)
    assert schemas == [f"schema-{name}" for name in contract["components"]["schemas"]]
    assert problems == len(
        contract["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    )
    for path, methods in contract["paths"].items():
        for told in methods.values():
            names = [one["name"] for one in told.get("parameters", ())]
            texts = await page.locator(f"#{told['operationId']} .docs-name").all_text_contents()
            assert set(names) <= set(texts), path


async def test_every_link_in_the_page_leads_somewhere(page: Page) -> None:
    await page.evaluate(
        "() => document.querySelectorAll('details').forEach((one) => { one.open = true; })"
    )
    await expect(page.locator(".docs-answers .docs-whole").first).to_be_visible()
    lost = await page.evaluate(
        """() => [...document.querySelectorAll("main a[href^='#']")]
            .map((link) => link.hash).filter((hash) => !document.getElementById(hash.slice(1)))"""
    )

    assert lost == []


async def test_an_address_with_a_fragment_opens_at_its_operation(
    open_darkroom: OpenDarkroom, live_server: str
) -> None:
    page = await open_darkroom(url=f"{live_server}/docs#getJobs", **DESKTOP)
    operation = page.locator("#getJobs")
    await expect(operation).to_be_in_viewport()
    await expect(operation).to_be_focused()
    await expect(page.locator(".docs-to[aria-current]")).to_have_attribute("href", "#getJobs")

    await page.locator("#getStatusById .docs-answers summary").first.click()
    await page.locator("#getStatusById .docs-answers .docs-type a").first.click()

    await expect(page.locator(".docs-schema:target")).to_be_in_viewport()


async def test_a_search_narrows_down_by_keyboard_alone(page: Page) -> None:
    total = await page.locator("docs-operation").count()
    await page.keyboard.press("Control+k")
    await page.keyboard.type("queue_full raw")
    shown = page.locator("docs-operation:visible")
    await expect(shown).not_to_have_count(total)
    await expect(page.locator("#postUpload")).to_be_visible()
    await expect(page.locator("#getHealth")).to_be_hidden()
    await expect(page.locator(".docs-found")).to_have_text(f"{await shown.count()} operations")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator(".docs-to:focus")).to_have_attribute("href", "#postUpload")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Escape")

    await expect(shown).to_have_count(total)


async def test_a_link_to_what_the_search_hides_shows_it(page: Page) -> None:
    await page.get_by_role("searchbox").fill("queue_full raw")
    await expect(page.locator("#schema-Job")).to_be_hidden()
    await page.evaluate("() => { location.hash = 'schema-Job'; }")

    await expect(page.locator("#schema-Job")).to_be_in_viewport()


async def test_the_curl_of_an_upload_works_as_it_is_copied(page: Page, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.locator("#postUpload copy-button button").click()
    await expect(page.locator("#announcer")).to_have_text("Copied to the clipboard.")
    copied = await page.evaluate("() => navigator.clipboard.readText()")
    await asyncio.to_thread((tmp_path / "cat.jpg").write_bytes, jpeg(900, 600))
    process = await asyncio.create_subprocess_shell(
        copied, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    answer, _ = await process.communicate()

    assert json.loads(answer)["variants"][0]["width"] == 800


async def test_with_keys_the_page_is_open_and_its_curls_send_one(
    open_darkroom: OpenDarkroom, start_server: StartServer, allowed_complaints: list[str]
) -> None:
    allowed_complaints += ["WebSocket", "status of 4", "ERR_CONNECTION"]  # it ends before the page
    server = start_server(SAFELIGHT_POOL__MAX_LANES="1", **gated.settings())
    page = await open_darkroom(url=f"{server.url}/docs", state="waiting", **DESKTOP)

    await expect(page.locator("#postUpload .docs-curl")).to_contain_text("Bearer $key")


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_it_is_accessible_and_stays_within_the_screen(
    open_darkroom: OpenDarkroom, live_server: str, tmp_path: Path, screen: dict[str, object]
) -> None:
    page = await open_darkroom(url=f"{live_server}/docs", prepare=bring_axe, **screen)
    await expect(page.locator("#postUpload")).to_be_visible()
    found = []
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        found += await violations(page)
    name = "docs-phone" if screen is PHONE else "docs-desktop"
    await screenshots(page, screenshot_folder(tmp_path), name)

    assert found == []
    assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
