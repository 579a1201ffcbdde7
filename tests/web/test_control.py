"""The control room in a real browser: it shows what the service does, as it does it."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from aiohttp import ClientSession, web
from playwright.async_api import Download, Locator, Page, expect

from tests import server_process
from tests.conftest import StartServer
from tests.edge import gated
from tests.edge.busy import SLOW, busy_lane
from tests.edge.forms import end_of, form, status_of, upload
from tests.edge.pictures import jpeg
from tests.ports import free_port
from tests.server_process import ServerProcess
from tests.web.axe import bring_axe, violations
from tests.web.darkroom import DESKTOP, PHONE, OpenDarkroom, screenshot_folder, screenshots
from tests.webhooks.conftest import LOOPBACK
from tests.webhooks.receiver import receiver_in_thread

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

WELL = "All is well"
DAMAGED = jpeg(640, 480)[:4000]
# A sum of how far things jumped, by Chromium's own measure; 0.1 is what others call good.
CUMULATIVE_SHIFT = """() => new Promise((resolve) => {
  let sum = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(sum), 300);
})"""


@pytest.fixture(scope="module")
def watched_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One lane, and a job whose worker dies is given up at once."""
    server = server_process.start(
        tmp_path_factory.mktemp("watched-server") / "data",
        environment={
            "SAFELIGHT_DEDUP__ENABLED": "false",
            "SAFELIGHT_POOL__MAX_LANES": "1",
            "SAFELIGHT_QUEUE__MAX_DEPTH": "100",
            "SAFELIGHT_QUEUE__MAX_ATTEMPTS": "1",
            **LOOPBACK,
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def service(watched_server: ServerProcess) -> AsyncIterator[ClientSession]:
    """Talks to the watched server."""
    async with ClientSession(watched_server.url) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_darkroom: OpenDarkroom, watched_server: ServerProcess) -> Page:
    """The control room of the watched server, on a large screen."""
    return await open_darkroom(url=f"{watched_server.url}/control", prepare=bring_axe, **DESKTOP)


def headline(page: Page) -> Locator:
    return page.locator(".headline-state")


def figure(page: Page, name: str) -> Locator:
    return page.locator(f"#figure-{name} .figure-number")


async def text_of(download: Download) -> str:
    return await asyncio.to_thread((await download.path()).read_text)


async def test_figures_lanes_and_queue_move_with_the_jobs(
    page: Page, service: ClientSession, watched_server: ServerProcess, tmp_path: Path
) -> None:
    lane = page.locator(".lane")
    await expect(lane).to_have_attribute("data-state", "idle")
    async with busy_lane(service, watched_server) as busy_id:
        for _ in range(3):
            await upload(service, jpeg(), at_once=True)
        await expect(lane).to_have_attribute("data-state", "working")
        await expect(lane.locator(".lane-job")).to_have_text(busy_id)
        await expect(figure(page, "waiting")).to_have_text("3")
        await expect(page.locator("[data-class=interactive] dd")).to_have_text("3")
        await expect(page.locator(".queue-pictures .bound-value")).to_have_text("3 of 100")
        await expect(page.locator(".queue-oldest")).to_have_text(re.compile(r"\d"))
        await expect(lane.locator(".lane-stage")).to_have_text(re.compile("Decoding|Encoding|Proc"))
        await screenshots(page, screenshot_folder(tmp_path), "control-busy-desktop")

    await expect(figure(page, "waiting")).to_have_text("0")
    await expect(figure(page, "done")).to_have_text(re.compile(r"0\.[1-9]"))
    await expect(figure(page, "latency")).to_have_text(re.compile(r"\d+ ms|s"))
    await expect(lane.locator(".lane-jobs")).to_have_text(re.compile(r"[1-9]\d* jobs"))
    drawing = page.locator("#figure-done spark-line")
    await expect(drawing).to_have_attribute(
        "aria-label", re.compile(r"Jobs done per second over 15 minutes: 0\.\d now, at most")
    )


async def test_a_killed_worker_is_seen_its_job_is_listed_and_can_be_tried_again(
    page: Page, service: ClientSession, watched_server: ServerProcess
) -> None:
    async with service.get("/health") as response:
        pid = (await response.json())["lanes"][0]["pid"]
    before = int((await page.locator(".lane-restarts").inner_text()).split()[0])
    slow = {**SLOW, "variants": SLOW["variants"][:4]}  # some seconds: it is told of once a second
    job_id = (await upload(service, jpeg(800, 600), options=slow, at_once=True))["jobId"]
    await expect(page.locator(".lane-job")).to_have_text(job_id)
    psutil.Process(pid).kill()

    await expect(page.locator(".lane-restarts")).to_have_text(
        re.compile(rf"^{before + 1} restart.*signal 9|killed", re.DOTALL)
    )
    failed = page.locator(f"#failures [data-key='{job_id}']")
    await expect(failed.locator(".failed-code")).to_have_text("worker_crashed")
    await expect(failed.locator(".failed-why")).to_have_text(re.compile("attempts? failed"))
    quarantined = page.locator(f"#quarantine [data-key='{job_id}']")
    await expect(quarantined).to_be_visible()
    await expect(page.locator("control-headline")).to_contain_text("1 picture is in quarantine")
    await expect(page.locator("#errors .count-code")).to_contain_text(["worker_crashed"])

    await quarantined.get_by_role("button", name="Try").click()

    await expect(quarantined).to_have_count(0)
    await expect(failed).to_have_count(0)
    await expect(page.locator("control-headline")).not_to_contain_text("quarantine")
    assert (await status_of(service, job_id, wait_s=60))["status"] == "completed"


async def test_a_picture_that_is_itself_at_fault_offers_no_retry(
    page: Page, service: ClientSession
) -> None:
    job_id = (await upload(service, DAMAGED, at_once=True))["jobId"]
    failed = page.locator(f"#failures [data-key='{job_id}']")

    await expect(failed.locator(".failed-code")).to_have_text("corrupt_image")
    await expect(failed.locator(".failed-final")).to_be_visible()
    await expect(failed.locator(".failed-retry")).to_be_hidden()


async def test_refusals_are_counted_and_named_in_the_headline(
    page: Page, service: ClientSession, watched_server: ServerProcess
) -> None:
    async with busy_lane(service, watched_server):
        await upload(service, *[jpeg()] * 100, at_once=True)
        await expect(headline(page)).to_have_text("The queue is full: 100 of 100 pictures wait")
        async with service.post(
            "/upload", data=jpeg(), headers={"Content-Type": "image/jpeg"}
        ) as no:
            assert no.status == 429
        rejects = page.locator("#rejects li")
        await expect(rejects.locator(".count-code")).to_have_text("queue_full")
        await expect(rejects.locator(".count-about")).to_have_text("Too many pictures are waiting")
    await expect(figure(page, "waiting")).to_have_text("0")


async def test_a_webhook_that_was_given_up_is_told_and_can_be_sent_again(
    page: Page, service: ClientSession
) -> None:
    with receiver_in_thread() as receiver:
        url = receiver.at("/hook", lambda times: web.Response(status=500 if times < 5 else 204))
        body = form(("a.jpg", jpeg()), callbackUrl=url)
        async with service.post("/upload", data=body) as response:
            assert response.status == 200
        delivery = page.locator(".delivery").first
        await expect(delivery.locator(".delivery-state")).to_have_text("Given up")
        await expect(delivery.locator(".delivery-why")).to_have_text(re.compile("answered 500"))
        await expect(page.locator("control-headline")).to_contain_text("1 webhook was given up")
        await delivery.get_by_role("button", name="Send again").click()
        await expect(delivery.locator(".delivery-state")).to_have_text("Delivered")


async def test_the_history_is_filtered_paged_and_exported(
    page: Page, service: ClientSession
) -> None:
    batch_id = (await upload(service, *[jpeg()] * 60, at_once=True))["jobId"]
    await expect(page.locator(".history-newer")).to_be_visible()
    assert (await end_of(service, batch_id))["status"] == "completed"
    await page.locator(".history-newer").click()
    rows = page.locator("history-table tbody tr")
    await expect(rows).to_have_count(50)
    await page.get_by_role("button", name="Older jobs").click()
    await expect(rows).not_to_have_count(50)
    grown = await rows.count()

    await page.get_by_label("State").select_option("failed")
    await expect(rows.locator(".past-status").first).to_have_text("Failed")
    await expect(rows.locator("[data-status=completed]")).to_have_count(0)
    await expect(page.get_by_label("Source").locator("option")).not_to_have_count(1)
    await page.get_by_label("Source").select_option("url")
    await expect(page.locator(".history-note")).to_have_text("No job fits.")
    await page.get_by_role("button", name="Clear").click()
    await expect(rows).to_have_count(50)
    await page.get_by_label("State").select_option("completed")
    await page.get_by_label("Format").select_option("jpeg")
    link = page.get_by_role("link", name="CSV", exact=True)
    await expect(link).to_have_attribute("href", re.compile("status=completed&format=jpeg"))
    async with page.expect_download() as downloading:
        await link.click()
    lines = list(csv.DictReader(io.StringIO(await text_of(await downloading.value))))

    assert grown > 60
    assert len(lines) >= 60
    assert {line["status"] for line in lines} == {"completed"}


async def test_a_restart_of_the_server_is_told_and_survived(
    open_darkroom: OpenDarkroom, start_server: StartServer, allowed_complaints: list[str]
) -> None:
    allowed_complaints += ["WebSocket", "ERR_", "Failed to load"]
    port = str(free_port())
    server = start_server("--port", port, SAFELIGHT_POOL__MAX_LANES="1")
    page = await open_darkroom(url=f"{server.url}/control", **DESKTOP)
    await expect(headline(page)).to_have_text(WELL)
    server.kill()
    await expect(headline(page)).to_have_text(re.compile("^No news from the service for"))
    start_server("--port", port, data_dir=server.data_dir, SAFELIGHT_POOL__MAX_LANES="1")

    await expect(headline(page)).to_have_text(WELL)


async def test_only_an_admins_key_opens_it(
    open_darkroom: OpenDarkroom, start_server: StartServer, allowed_complaints: list[str]
) -> None:
    allowed_complaints += ["WebSocket", "status of 4", "ERR_CONNECTION"]  # it ends before the page
    server = start_server(SAFELIGHT_POOL__MAX_LANES="1", **gated.settings())
    page = await open_darkroom(url=f"{server.url}/control", state="waiting", **DESKTOP)
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Key", exact=True).fill(gated.key_of("reader"))
    await dialog.get_by_role("button", name="Use this key").click()
    await expect(headline(page)).to_have_text("This page needs an API key with the scope admin")
    await page.get_by_role("button", name="API key").click()
    await dialog.get_by_label("Key", exact=True).fill(gated.key_of("boss"))
    await dialog.get_by_role("button", name="Use this key").click()

    await expect(headline(page)).to_have_text(WELL)
    await expect(page.locator(".lane")).to_have_count(1)
    async with ClientSession(server.url, headers=gated.bearer("ci")) as uploader:
        await upload(uploader, jpeg())
    await expect(page.locator(".history-newer")).to_be_visible()
    await page.locator(".history-newer").click()
    await expect(page.locator(".past-client")).to_have_text("ci")
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="NDJSON").click()
    assert '"client":"ci"' in await text_of(await downloading.value)


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_it_is_accessible_stays_within_the_screen_and_does_not_jump(
    open_darkroom: OpenDarkroom,
    watched_server: ServerProcess,
    service: ClientSession,
    tmp_path: Path,
    screen: dict[str, object],
) -> None:
    await upload(service, *[jpeg(64 + number, 48) for number in range(12)])
    page = await open_darkroom(url=f"{watched_server.url}/control", prepare=bring_axe, **screen)
    await expect(page.locator("history-table tbody tr").first).to_be_visible()
    await expect(page.locator(".lane")).to_be_visible()
    shift = await page.evaluate(CUMULATIVE_SHIFT)
    found = []
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        found += await violations(page)
    name = "control-phone" if screen is PHONE else "control-desktop"
    await screenshots(page, screenshot_folder(tmp_path), name)

    assert found == []
    assert shift < 0.02
    assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


async def test_it_can_be_read_on_a_wall(
    open_darkroom: OpenDarkroom, watched_server: ServerProcess, service: ClientSession
) -> None:
    page = await open_darkroom(
        url=f"{watched_server.url}/control", viewport={"width": 3840, "height": 2160}
    )
    await expect(page.locator(".lane")).to_be_visible()
    size = await page.evaluate(
        "() => parseFloat(getComputedStyle(document.querySelector('.headline-state')).fontSize)"
    )

    assert size >= 30
    assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
