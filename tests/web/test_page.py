"""The Darkroom in a real browser against the real server."""

import asyncio
import gzip
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import FileChooser, Page, Response, Route, WebSocketRoute, expect

from tests.web.darkroom import (
    DESKTOP,
    DEVELOPED,
    PATIENCE_MS,
    PHONE,
    OpenDarkroom,
    ScriptedFeed,
    Visitor,
    choose,
    drag,
    photos_to_show,
    screenshot,
    screenshot_folder,
    screenshots,
    seen_pictures_are_drawn,
    tab_to,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FIRST_LOAD_BYTES = 60_000


async def test_dropped_photos_develop_and_tell_what_was_saved(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    page = await open_darkroom(**DESKTOP)
    await page.get_by_label("Width").fill("320")
    await drag(page, "dragover", photos)
    await expect(page.locator(".drop-veil")).to_be_visible()
    await drag(page, "drop", photos)

    await expect(page.locator(".drop-veil")).to_be_hidden()
    await expect(page.locator(DEVELOPED)).to_have_count(2)
    for card, name in zip(await page.locator(DEVELOPED).all(), ("evening", "morning"), strict=True):
        await expect(card.locator(".before")).to_have_js_property("naturalWidth", 900)
        await expect(card.locator(".after")).to_have_js_property("naturalWidth", 320)
        await expect(card.locator(".card-name")).to_have_text(f"{name}.jpg")
        await expect(card.locator(".card-stage")).to_have_text(re.compile(r"\d kB → [\d.]+ kB"))
        await expect(card.locator(".card-percent")).to_have_text(re.compile(r"^\u2212[\d.]+%$"))
        await expect(card.locator(".card-dimensions")).to_have_text(
            re.compile(r"900\D+600 JPEG → 320\D+213 WebP")
        )
        download = card.get_by_role("link", name="Download")
        await expect(download).to_have_attribute("download", f"{name}.webp")
        answer = await page.request.get(str(await download.get_attribute("href")))
        assert Image.open(io.BytesIO(await answer.body())).size == (320, 213)
    await expect(page.locator(".totals")).to_have_text(
        re.compile(r"2 pictures.* kB → .* kB.*[\d.]+% saved")
    )


async def test_text_named_jpg_shows_the_problem_and_can_be_tried_again(
    open_darkroom: OpenDarkroom, tmp_path: Path, allowed_complaints: list[str]
) -> None:
    allowed_complaints.append("status of 4")  # Chromium logs each refused request
    text = tmp_path / "notes.jpg"
    text.write_text("These are notes, not a picture.\n" * 9)
    page = await open_darkroom(**DESKTOP)
    await choose(page, [text])

    card = page.locator("picture-card[data-phase=failed]")
    await expect(card.locator(".fault-title")).to_have_text(re.compile(r"\w+"))
    await expect(card.locator(".fault-detail")).to_have_text(re.compile(r"\w+"))
    async with page.expect_request("**/upload"):
        await card.get_by_role("button", name="Try again").click()
    await expect(card).to_be_visible()


async def test_everything_works_by_keyboard(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    page = await open_darkroom(**DESKTOP)
    choosers: asyncio.Queue[FileChooser] = asyncio.Queue()
    page.on("filechooser", choosers.put_nowait)  # early: the browser must know before the key comes
    await tab_to(page, ".choose")
    await page.keyboard.press("Enter")
    async with asyncio.timeout(PATIENCE_MS / 1000):
        await (await choosers.get()).set_files(photos[:1])
    card = page.locator(DEVELOPED)
    await expect(card).to_be_visible()

    await tab_to(page, "picture-card .split")
    await page.keyboard.press("ArrowRight")
    await expect(card.locator(".split")).to_have_attribute("aria-valuetext", "51% original")
    await tab_to(page, ".card-enlarge")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="evening.jpg")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await tab_to(page, ".card-download")
    await tab_to(page, "[name=quality]")
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator(".recipe-json")).to_contain_text('"quality": 79')
    await tab_to(page, ".again-all")
    await page.keyboard.press("Enter")
    await expect(page.locator(".again-all")).to_be_hidden()
    await expect(page.locator(DEVELOPED)).to_have_count(1)


@pytest.mark.parametrize(
    ("screen", "visitor"), [("desktop", DESKTOP), ("phone", PHONE)], ids=["desktop", "phone"]
)
async def test_page_fits_its_screen(
    open_darkroom: OpenDarkroom, photos: list[Path], tmp_path: Path, screen: str, visitor: Visitor
) -> None:
    page = await open_darkroom(**visitor)
    shown = photos_to_show(photos)
    await screenshots(page, screenshot_folder(tmp_path), f"empty-{screen}")
    await choose(page, shown)
    await expect(page.locator(DEVELOPED)).to_have_count(len(shown))
    await expect(page.locator(".prints [only-after]")).to_have_count(0)
    await screenshots(page, screenshot_folder(tmp_path), f"darkroom-{screen}")
    if screen == "phone":
        await page.locator(".recipe-opener").click()
        await expect(page.get_by_label("Width")).to_be_visible()

    width = visitor["viewport"]["width"]
    assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_progress_is_told_by_stage_and_percent_and_never_goes_back(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    feed = ScriptedFeed()
    page = await open_darkroom(prepare=feed.replace_socket, **DESKTOP)
    await choose(page, photos[:1])
    [job_id] = await feed.subscribed(1)
    stage = page.locator(".card-stage")

    feed.tell(job_id, 1, stage="queued", progress=0, queuePosition=3, etaSeconds=3.2)
    await expect(stage).to_have_text("Queued, number 3, about 4 s")
    feed.tell(job_id, 2, stage="upscaling", progress=30)
    await expect(stage).to_have_text("Upscaling")
    feed.tell(job_id, 4, stage="encoding", progress=63)
    await expect(stage).to_have_text("Encoding")
    await expect(page.locator(".card-percent")).to_have_text("63%")
    await expect(page.locator(".bar-upload")).to_have_js_property("value", 100)
    await expect(page.locator(".bar-develop")).to_have_js_property("value", 63)
    feed.tell(job_id, 3, stage="decoding", progress=20)
    feed.tell("a job of somebody else", 9, stage="storing", progress=99)
    await expect(page.locator(".bar-develop")).to_have_js_property("value", 63)
    feed.tell(job_id, 5, stage="storing", progress=90)
    await expect(stage).to_have_text("Storing")


async def test_pictures_develop_side_by_side(
    open_darkroom: OpenDarkroom, photos: list[Path], tmp_path: Path
) -> None:
    feed = ScriptedFeed()
    page = await open_darkroom(prepare=feed.replace_socket, color_scheme="dark", **DESKTOP)
    shown = photos_to_show(photos)
    await choose(page, shown)
    for place, job_id in enumerate(await feed.subscribed(len(shown)), start=1):
        feed.tell(job_id, 1, stage="processing", progress=14 * place)

    percents = [f"{14 * place}%" for place in range(1, len(shown) + 1)]
    for percent in percents:
        await expect(page.get_by_text(percent, exact=True)).to_be_attached()
    await expect(page.locator(".card-preview:not([hidden])")).to_have_count(len(shown))
    await seen_pictures_are_drawn(page)
    await screenshot(page, screenshot_folder(tmp_path) / "developing-desktop-dark.png")


async def test_busy_server_is_waited_for_in_sight(
    open_darkroom: OpenDarkroom, photos: list[Path], allowed_complaints: list[str]
) -> None:
    allowed_complaints.append("status of 429")
    refusals = 1

    async def refuse_once(route: Route) -> None:
        nonlocal refusals
        if not refusals:
            return await route.continue_()
        refusals -= 1
        problem = json.dumps({"type": "/problems/queue_full", "title": "Full", "status": 429})
        return await route.fulfill(status=429, headers={"Retry-After": "2"}, body=problem)

    page = await open_darkroom(**DESKTOP)
    await page.route("**/upload", refuse_once)
    await choose(page, photos[:1])

    await expect(page.locator(".card-stage")).to_have_text("Busy: trying again in 2 s")
    await expect(page.locator(".card-stage")).to_have_text("Busy: trying again in 1 s")
    await expect(page.locator(DEVELOPED)).to_be_visible()


async def test_broken_connection_is_mended_and_the_job_is_watched_again(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    sockets: list[WebSocketRoute] = []

    def break_the_first(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if len(sockets) == 1:
            socket.on_message(lambda _: asyncio.ensure_future(socket.close(code=1001)))
        else:
            socket.connect_to_server()

    async def prepare(page: Page) -> None:
        await page.route_web_socket("**/ws", break_the_first)

    page = await open_darkroom(prepare=prepare, **DESKTOP)
    await choose(page, photos[:1])

    await expect(page.locator(DEVELOPED)).to_be_visible()
    await expect(page.locator("connection-light")).to_have_attribute("data-state", "open")
    assert len(sockets) == 2


async def test_copied_curl_sends_the_same_picture(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: this test runs the copied command")
    awkward = photos[0].rename(photos[0].with_name('it\'s "one"; two.jpg'))
    page = await open_darkroom(permissions=["clipboard-read", "clipboard-write"], **DESKTOP)
    await choose(page, [awkward])
    await expect(page.locator(DEVELOPED)).to_be_visible()
    await page.get_by_role("button", name="Copy of it's").click()
    await page.get_by_role("menuitem", name="This request by curl").click()
    await expect(page.locator("#announcer")).to_have_text("Copied to the clipboard.")
    command = await page.evaluate("navigator.clipboard.readText()")
    shell = await asyncio.create_subprocess_shell(
        f"{command} --silent", cwd=awkward.parent, stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await shell.communicate()

    told = json.loads(answer)
    assert (told["status"], told["cached"]) == ("completed", True)  # the same picture, same recipe


async def test_chosen_theme_is_remembered(open_darkroom: OpenDarkroom) -> None:
    page = await open_darkroom(color_scheme="dark")
    await page.get_by_role("button", name="Theme: as the system").click()
    await page.reload()

    await expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    await expect(page.locator(":root")).to_have_css("color-scheme", "light")


async def test_first_load_is_small(open_darkroom: OpenDarkroom, live_server: str) -> None:
    loaded: list[Response] = []

    async def prepare(page: Page) -> None:
        page.on("response", lambda response: loaded.append(response))

    page = await open_darkroom(prepare=prepare)
    await page.wait_for_load_state("networkidle")
    bodies = {one.url: await one.body() for one in loaded if one.status == 200}

    assert all(url.startswith(live_server) for url in bodies)
    assert f"{live_server}/web/client.js" in bodies
    files = [body for url, body in bodies.items() if not url.endswith("/schema/recipe")]
    assert sum(len(gzip.compress(body)) for body in files) < FIRST_LOAD_BYTES
