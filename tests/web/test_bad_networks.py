"""Slow lines, cuts, a server that goes and comes back: what was begun is finished, and once."""

import asyncio
import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from aiohttp import ClientSession
from PIL import Image, ImageChops
from playwright.async_api import CDPSession, Page, Request, Route, expect

from tests import server_process
from tests.conftest import StartServer
from tests.edge.gated import key_of, settings
from tests.ports import free_port
from tests.server_process import ServerProcess
from tests.web.axe import bring_axe, violations_in_both_themes
from tests.web.darkroom import DESKTOP, DEVELOPED, OpenDarkroom, choose

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SIDE = 1900  # of a picture that no format makes small: about 10.8 MB
SLOW_BYTES_A_SECOND = 400_000
GONE_FOR_A_WHILE = ["net::ERR", "WebSocket connection", "status of 50"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that is sent by tus; every pixel tells whether it came through."""
    path = tmp_path_factory.mktemp("large") / "large.png"
    bands = [Image.effect_noise((SIDE, SIDE), 90 + 10 * band) for band in range(3)]
    Image.merge("RGB", bands).save(path, compress_level=0)
    assert path.stat().st_size > 8 * 1024 * 1024
    return path


@pytest.fixture(scope="module")
def keyed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that wants keys."""
    server = server_process.start(
        tmp_path_factory.mktemp("keyed") / "data", environment=settings(public_images=True)
    )
    yield server
    server.close()


async def slow_line(page: Page, bytes_a_second: int = SLOW_BYTES_A_SECOND) -> CDPSession:
    line = await page.context.new_cdp_session(page)
    await line.send("Network.enable")
    await throttle(line, bytes_a_second)
    return line


async def throttle(line: CDPSession, bytes_a_second: int) -> None:
    limits = {"latency": 20, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
    await line.send("Network.emulateNetworkConditions", {"offline": False, **limits})


def offsets(page: Page) -> list[int]:
    """Where each PATCH of a resumable upload begins, as they are sent."""
    found: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            found.append(int(request.headers["upload-offset"]))

    page.on("request", note)
    return found


async def uploaded_beyond(page: Page, tens: int) -> None:
    """More than so many tens of percent."""
    beyond = re.compile(rf"^[{tens}-9]\d%$")
    await expect(page.locator(".card-percent").first).to_have_text(beyond)


async def came_through(page: Page, sent: Path) -> bool:
    """Whether the result has every pixel of the picture that was sent."""
    link = page.locator(DEVELOPED).get_by_role("link", name="Download")
    answer = await page.request.get(str(await link.get_attribute("href")))
    result = Image.open(io.BytesIO(await answer.body())).convert("RGB")
    return ImageChops.difference(result, Image.open(sent)).getbbox() is None


async def wish_every_pixel(page: Page) -> None:
    await page.get_by_label("Width").fill("")
    await page.locator("[name=format][value=png]").check()


async def test_large_picture_is_paused_and_goes_on_where_it_was(
    open_darkroom: OpenDarkroom, large: Path
) -> None:
    page = await open_darkroom(**DESKTOP)
    await wish_every_pixel(page)
    begun = offsets(page)
    line = await slow_line(page)
    await choose(page, [large])
    await uploaded_beyond(page, 1)
    await page.locator(".card-hold").click()
    await expect(page.locator(".card-stage")).to_have_text("Paused")
    await expect(page.locator(".card-percent")).to_have_text(re.compile(r"^[1-9]\d%$"))
    await throttle(line, -1)
    await page.locator(".card-resume").click()

    await expect(page.locator(DEVELOPED)).to_be_visible()
    assert begun[0] == 0
    assert begun[1] > 1_000_000
    assert await came_through(page, large)


async def test_large_picture_goes_on_after_a_reload_when_it_is_chosen_again(
    open_darkroom: OpenDarkroom, large: Path
) -> None:
    page = await open_darkroom(**DESKTOP)
    await page.get_by_label("Width").fill("500")
    line = await slow_line(page)
    await choose(page, [large])
    await uploaded_beyond(page, 1)
    await page.reload()
    await expect(page.locator("#unfinished")).to_have_text(
        "One upload was cut off. Choose large.png again, and it goes on where it was."
    )
    begun = offsets(page)
    await throttle(line, -1)
    await page.get_by_label("Width").fill("500")
    await choose(page, [large])

    await expect(page.locator(DEVELOPED)).to_be_visible()
    assert begun[0] > 1_000_000
    await page.reload()
    await expect(page.locator("#unfinished")).to_be_hidden()


async def test_removed_upload_is_given_up_on_the_server_too(
    open_darkroom: OpenDarkroom, large: Path
) -> None:
    page = await open_darkroom(**DESKTOP)
    await slow_line(page)
    async with page.expect_response(lambda one: one.url.endswith("/files")) as begun:
        await choose(page, [large])
    url = await (await begun.value).header_value("location")
    await uploaded_beyond(page, 1)
    async with page.expect_response(lambda one: one.request.method == "DELETE") as ended:
        await page.get_by_role("button", name="Cancel large.png").click()

    assert (await ended.value).status == 204
    head = await page.request.head(urljoin(page.url, str(url)), headers={"Tus-Resumable": "1.0.0"})
    assert head.status == 404


async def test_server_that_dies_and_comes_back_costs_nothing(
    open_darkroom: OpenDarkroom,
    start_server: StartServer,
    photos: list[Path],
    large: Path,
    tmp_path: Path,
    allowed_complaints: list[str],
) -> None:
    allowed_complaints.extend(GONE_FOR_A_WHILE)
    port = str(free_port())
    first = await asyncio.to_thread(start_server, "--port", port, data_dir=tmp_path / "data")
    page = await open_darkroom(url=first.url, **DESKTOP)
    await wish_every_pixel(page)
    begun = offsets(page)
    line = await slow_line(page)
    await choose(page, [large])
    await uploaded_beyond(page, 1)
    await asyncio.to_thread(first.kill)
    await expect(page.locator(".card-stage")).to_have_text(re.compile("^No answer: trying again"))
    await expect(page.locator("connection-light")).not_to_have_attribute("data-state", "open")
    await choose(page, photos)
    await throttle(line, -1)
    await asyncio.to_thread(start_server, "--port", port, data_dir=tmp_path / "data")

    await expect(page.locator(DEVELOPED)).to_have_count(3)
    await expect(page.locator("connection-light")).to_have_attribute("data-state", "open")
    assert max(begun) > 1_000_000  # not from the start
    async with ClientSession() as client, client.get(f"{first.url}/jobs") as answer:
        jobs = (await answer.json())["jobs"]
    assert sorted(job["name"] for job in jobs) == ["evening.jpg", "large.png", "morning.jpg"]


async def test_request_whose_answer_was_lost_is_not_done_twice(
    open_darkroom: OpenDarkroom, photos: list[Path], allowed_complaints: list[str]
) -> None:
    allowed_complaints.append("net::ERR")
    jobs: list[str] = []

    async def lose_the_first(route: Route) -> None:
        answer = await route.fetch()
        jobs.append((await answer.json())["jobId"])
        if len(jobs) == 1:
            return await route.abort("connectionreset")
        return await route.fulfill(response=answer)

    page = await open_darkroom(**DESKTOP)
    await choose(page, photos[:1])
    await expect(page.locator(DEVELOPED)).to_be_visible()
    await page.route("**/process", lose_the_first)
    await page.get_by_label("Width").fill("333")
    await page.get_by_role("button", name="Develop again").click()
    await expect(page.locator(".card-stage")).to_have_text(re.compile("^No answer"))

    await expect(page.locator(DEVELOPED)).to_be_visible()
    assert len(jobs) == 2
    assert jobs[0] == jobs[1]


async def test_two_tabs_send_the_same_large_picture_without_disturbing_each_other(
    open_darkroom: OpenDarkroom, large: Path
) -> None:
    one = await open_darkroom(**DESKTOP)
    other = await one.context.new_page()
    await other.goto(one.url)
    await other.wait_for_selector("connection-light[data-state=open]")
    for page in (one, other):
        await page.get_by_label("Width").fill("640")
    await asyncio.gather(*(choose(page, [large]) for page in (one, other)))

    for page in (one, other):
        await expect(page.locator(DEVELOPED)).to_be_visible()


async def test_code_of_the_cards_may_come_in_any_order(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    others_are_there = asyncio.Event()

    async def come_last(route: Route) -> None:
        await others_are_there.wait()
        await route.continue_()

    page = await open_darkroom(**DESKTOP)
    await page.route("**/picture-card.js", come_last)
    await choose(page, photos)
    for name in ("picture-viewer", "copy-menu"):
        await page.evaluate("(name) => customElements.whenDefined(name)", name)
    await page.evaluate("new Promise((resolve) => requestAnimationFrame(resolve))")
    others_are_there.set()

    await expect(page.locator(DEVELOPED)).to_have_count(2)


async def test_all_uploads_stand_still_and_go_on(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    page = await open_darkroom(**DESKTOP)
    line = await slow_line(page, 20_000)
    await choose(page, photos)
    await expect(page.locator("picture-card[data-phase=uploading]")).to_have_count(2)
    await page.locator(".hold-all").click()
    await expect(page.locator("picture-card[data-phase=waiting]")).to_have_count(2)
    await throttle(line, -1)
    await page.locator(".resume-all").click()

    await expect(page.locator(DEVELOPED)).to_have_count(2)


async def test_key_is_asked_for_kept_for_the_tab_and_sent_over_the_socket(
    open_darkroom: OpenDarkroom,
    keyed_server: ServerProcess,
    photos: list[Path],
    allowed_complaints: list[str],
) -> None:
    allowed_complaints.extend(["status of 401", "WebSocket connection"])
    page = await open_darkroom(url=keyed_server.url, state="waiting", prepare=bring_axe, **DESKTOP)
    dialog = page.get_by_role("dialog", name="API key")
    await expect(dialog).to_be_visible()
    assert await violations_in_both_themes(page) == []
    await dialog.get_by_label("Key").fill("sl_wrong")
    await dialog.get_by_role("button", name="Use this key").click()
    await expect(dialog).to_contain_text("Give another key")  # asked again
    await dialog.get_by_label("Key").fill(key_of("ci"))
    await dialog.get_by_role("button", name="Use this key").click()
    await expect(dialog).to_be_hidden()
    await expect(page.locator("connection-light")).to_have_attribute("data-state", "open")
    await choose(page, photos[:1])
    await expect(page.locator(DEVELOPED)).to_be_visible()
    await page.reload()
    await expect(page.locator("connection-light")).to_have_attribute("data-state", "open")

    stored = "() => [sessionStorage, localStorage].map((one) => one.getItem('safelight-key'))"
    assert await page.evaluate(stored) == [key_of("ci"), None]


async def test_key_is_remembered_if_that_is_ticked_and_can_be_forgotten(
    open_darkroom: OpenDarkroom, keyed_server: ServerProcess, allowed_complaints: list[str]
) -> None:
    allowed_complaints.extend(["status of 401", "WebSocket connection"])
    page = await open_darkroom(url=keyed_server.url, state="waiting", **DESKTOP)
    dialog = page.get_by_role("dialog", name="API key")
    await dialog.get_by_label("Key").fill(key_of("boss"))
    await dialog.get_by_label("Remember it on this device").check()
    await page.keyboard.press("Enter")
    await expect(page.locator("connection-light")).to_have_attribute("data-state", "open")
    next_day = await page.context.new_page()
    await next_day.goto(keyed_server.url)
    await expect(next_day.locator("connection-light")).to_have_attribute("data-state", "open")
    await next_day.get_by_role("button", name="API key").click()
    await next_day.get_by_role("button", name="Use this key").click()  # an empty one

    await expect(next_day.get_by_role("dialog", name="API key")).to_be_visible()  # asked for again
    assert await next_day.evaluate("localStorage.getItem('safelight-key')") is None


async def test_refused_upload_waits_for_the_key_and_then_goes(
    open_darkroom: OpenDarkroom,
    keyed_server: ServerProcess,
    photos: list[Path],
    allowed_complaints: list[str],
) -> None:
    allowed_complaints.extend(["status of 401", "WebSocket connection"])
    page = await open_darkroom(url=keyed_server.url, state="waiting", **DESKTOP)
    dialog = page.get_by_role("dialog", name="API key")
    await expect(dialog).to_be_visible()
    await choose(page, photos)
    await dialog.get_by_label("Key").fill(key_of("ci"))
    await dialog.get_by_role("button", name="Use this key").click()

    await expect(page.locator(DEVELOPED)).to_have_count(2)
