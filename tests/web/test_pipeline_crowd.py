"""Many pictures at once on the Pipeline page: dots are moves, refusals bounce, deaths are seen."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests import server_process
from tests.chaos.parts import SLOW, lane_pids
from tests.edge.forms import end_of, until_worked_on, upload
from tests.edge.pictures import jpeg
from tests.server_process import ServerProcess
from tests.web.darkroom import DESKTOP, PATIENCE_MS, PHONE, screenshot_folder, screenshots
from tests.web.pipeline import ScriptedSystem, any_of, count_of, watch_many

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MAX_DEPTH = 4
MANY_MS = 180_000  # a busy machine takes its time with a hundred pictures


@pytest.fixture(scope="module")
def narrow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Lets few wait, and works in two lanes that are always there."""
    server = server_process.start(
        tmp_path_factory.mktemp("narrow-server") / "data",
        environment={
            "SAFELIGHT_QUEUE__MAX_DEPTH": str(MAX_DEPTH),
            "SAFELIGHT_QUEUE__RETRY_DELAY_S": "0.05",
            "SAFELIGHT_POOL__MIN_LANES": "2",
            "SAFELIGHT_POOL__MAX_LANES": "2",
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A visitor's page that is not opened yet."""
    context = await browser.new_context(**DESKTOP)
    context.set_default_timeout(PATIENCE_MS)
    yield await context.new_page()
    await context.close()


async def watched_system(page: Page, url: str) -> ScriptedSystem:
    """The page watches many, and hears what a test tells."""
    system = ScriptedSystem()
    await system.replace_socket(page)
    await page.goto(f"{url}/pipeline")
    await watch_many(page)
    await expect(page.locator("connection-light")).to_have_attribute("data-state", "open")
    return system


async def dots(page: Page) -> int:
    return int(await page.evaluate("() => document.querySelector('crowd-canvas').size"))


async def test_dots_and_numbers_are_the_moves_that_were_told(page: Page, live_server: str) -> None:
    system = await watched_system(page, live_server)
    system.stands("lane-0")
    await expect(page.locator(".map-lane")).to_have_text(["lane-0"])

    system.move(*((f"job-{n}", None, "queued", None) for n in range(5)))
    await expect_dots(page, 5)
    system.move(("job-0", "queued", "processing", "lane-0"))
    await expect(page.locator(".map-lane")).to_have_attribute("data-state", "working")
    system.move(("job-0", "processing", "queued", None), blame="attempt")
    await expect(page.locator(".crowd-log li")).to_contain_text(["A worker died"])
    system.stands("lane-0", "lane-1", state="working")
    await expect(page.locator(".map-lane")).to_have_text(["lane-0", "lane-1"])
    await expect(page.locator(".crowd-log li").first).to_contain_text("A lane more: lane-1")
    system.move(
        ("job-0", "queued", "processing", "lane-1"),
        ("job-0", "processing", "completed", None),
        ("job-1", "queued", "cancelled", None),
        dropped=3,
    )
    await expect_dots(page, 3)
    await expect(page.locator(".crowd-unseen")).to_contain_text("3 moves")
    system.stands("lane-0")
    await expect(page.locator(".map-lane")).to_have_text(["lane-0"])
    system.refuse()
    await expect(page.locator(".crowd-closed")).to_be_visible()


@pytest.mark.parametrize(
    ("blame", "told"),
    [
        ("attempt", "A worker died on a picture in lane-0."),
        ("loss", "its server or the storage was lost"),
        ("none", "Nobody is to blame."),
        (None, "Nothing out of the ordinary."),  # it was fetched, and waits for a lane now
    ],
)
async def test_only_a_worker_that_died_is_told_as_dead(
    page: Page, live_server: str, blame: str | None, told: str
) -> None:
    system = await watched_system(page, live_server)
    await expect(page.locator(".crowd-log")).to_have_text("Nothing out of the ordinary.")
    system.move(("job-0", None, "queued", None), ("job-0", "queued", "processing", "lane-0"))
    system.move(("job-0", "processing", "queued", "lane-0"), blame=blame)

    await expect(page.locator(".crowd-log li")).to_have_count(1)
    await expect(page.locator(".crowd-log li")).to_contain_text(told)
    assert await page.locator(".crowd-log [data-kind=died]").count() == (blame == "attempt")


async def test_the_map_says_how_full_the_queue_is_and_who_listens(
    page: Page, live_server: str
) -> None:
    system = await watched_system(page, live_server)
    system.stands("lane-0", waiting=12)

    notes = page.locator(".map-part-note")
    await expect(notes.filter(has_text="12 of 1,000 places")).to_be_visible()
    await expect(notes.filter(has_text="3 browsers listen")).to_be_visible()
    await expect(notes.filter(has_text="all written")).to_be_visible()


async def test_one_picture_sent_twenty_times_is_made_once(page: Page, live_server: str) -> None:
    await page.goto(f"{live_server}/pipeline")
    await watch_many(page)
    await expect(page.locator(".map-lane").first).to_be_visible()
    await page.get_by_label("Same picture each time").check()
    await page.get_by_role("button", name="Send 20").click()

    await expect(number(page, "done")).to_have_text("20", timeout=MANY_MS)
    assert await count_of(page, "shared") == 19


async def test_who_wants_to_kill_a_worker_is_told_which(
    page: Page, narrow_server: ServerProcess
) -> None:
    await page.goto(f"{narrow_server.url}/pipeline")
    await watch_many(page)
    await page.get_by_text("Make it go wrong").click()

    killing = [f"kill -9 {pid}" for pid in await lanes_of(narrow_server)]
    await expect(page.locator(".crowd-victim code")).to_have_text(any_of(killing))


async def test_thousands_of_moves_stay_bounded(page: Page, live_server: str) -> None:
    system = await watched_system(page, live_server)

    for start in range(0, 3000, 500):
        system.move(*((f"job-{n}", None, "queued", None) for n in range(start, start + 500)))
    await expect(page.locator(".crowd-unseen")).to_contain_text("2600 moves")
    assert await dots(page) == 400
    for start in range(0, 3000, 500):
        ends = ((f"job-{n}", "queued", "completed", None) for n in range(start, start + 500))
        system.move(*ends)
    await expect_dots(page, 0)
    # What ended long ago takes no place when it goes.
    system.move(*((f"old-{n}", "completed", "expired", None) for n in range(400)))
    system.move(("new", None, "queued", None))
    await expect_dots(page, 1)


async def test_many_pictures_are_sent_queue_and_end(page: Page, live_server: str) -> None:
    await page.goto(f"{live_server}/pipeline")
    await watch_many(page)
    await expect(page.locator(".map-lane").first).to_be_visible()
    await page.get_by_role("button", name="Send 20").click()

    await expect(number(page, "done")).to_have_text("20", timeout=MANY_MS)
    assert {name: await count_of(page, name) for name in ("sent", "waiting", "working")} == {
        "sent": 20,
        "waiting": 0,
        "working": 0,
    }
    await expect(page.get_by_role("button", name="Send 20")).to_be_enabled()
    await expect_dots(page, 0)


async def test_a_full_queue_bounces_pictures_that_come_back_and_end(
    page: Page, narrow_server: ServerProcess
) -> None:
    await page.goto(f"{narrow_server.url}/pipeline")
    await watch_many(page)
    await expect(page.locator(".map-lane")).to_have_count(2)
    pids = await lanes_of(narrow_server)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # nothing leaves the queue, so that it fills
    try:
        await page.get_by_role("button", name="Send 20").click()
        await expect(page.locator(".crowd-log [data-kind=refused]").first).to_contain_text("429")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    await expect(number(page, "done")).to_have_text("20", timeout=MANY_MS)
    assert await count_of(page, "refused") > 0
    assert await count_of(page, "failed") == 0


async def test_a_killed_worker_is_seen_and_costs_no_picture(
    page: Page, narrow_server: ServerProcess
) -> None:
    await page.goto(f"{narrow_server.url}/pipeline")
    await watch_many(page)
    await expect(page.locator(".map-lane")).to_have_count(2)
    died = page.locator(".crowd-log [data-kind=died]")
    async with ClientSession(narrow_server.url) as client:
        slow = (await upload(client, jpeg(640, 480), options=SLOW, at_once=True))["jobId"]
        await until_worked_on(client, slow)
        for pid in await lane_pids(client):
            os.kill(pid, signal.SIGKILL)
        await expect(died).to_have_count(1)
        assert (await end_of(client, slow))["status"] == "completed"

    await expect(page.locator(".map-lane[data-state=idle]")).to_have_count(2)
    await kill_before_they_begin(page, narrow_server)
    await expect(number(page, "done")).to_have_text("20", timeout=MANY_MS)
    assert await count_of(page, "retried") > 0
    assert await count_of(page, "failed") == await died.count() == 0


async def kill_before_they_begin(page: Page, server: ServerProcess) -> None:
    """Send twenty pictures, and kill every worker while it has some in hand and works on none."""
    pids = await lanes_of(server)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    await page.get_by_role("button", name="Send 20").click()
    await expect(number(page, "working")).not_to_have_text("0")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


async def test_screenshots(
    browser: Browser, live_server: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = screenshot_folder(tmp_path_factory.mktemp("crowd"))
    for name, visitor in (("desktop", DESKTOP), ("phone", PHONE)):
        context = await browser.new_context(**visitor)
        shown = await context.new_page()
        await busy_moment(shown, live_server)
        await screenshots(shown, folder, f"pipeline-crowd-{name}")
        await context.close()
    assert len(list(folder.glob("pipeline-crowd-*.png"))) >= 4


async def busy_moment(page: Page, live_server: str) -> None:
    """Scripted: most of a hundred wait, two lanes work, a worker has died, some are back."""
    system, taken = ScriptedSystem(), count()

    async def take(route: Route) -> None:
        await route.fulfill(status=202, json={"jobId": f"job-{next(taken)}"})

    await system.replace_socket(page)
    await page.route("**/upload", take)
    await page.goto(f"{live_server}/pipeline")
    await watch_many(page)
    await expect(page.locator("connection-light")).to_have_attribute("data-state", "open")
    system.stands("lane-0", "lane-1", state="working")
    await page.get_by_role("button", name="Send 100").click()
    await expect(number(page, "waiting")).to_have_text("100", timeout=MANY_MS)
    started = [f"job-{n}" for n in range(26)]
    system.move(*((job, "queued", "processing", "lane-0") for job in started))
    system.stands("lane-0", "lane-1", "lane-2", state="working", completed_per_s=41.5, waiting=75)
    system.move(("job-25", "processing", "queued", "lane-0"), blame="attempt")
    system.move(*((job, "processing", "completed", None) for job in started[:20]))
    for n, job in enumerate(started[20:25]):
        system.move((job, "processing", "processing", f"lane-{n % 3}"))
    await expect(number(page, "done")).to_have_text("20")
    await expect_dots(page, 80)
    await page.wait_for_selector("crowd-canvas[data-rest]")


async def expect_dots(page: Page, count: int) -> None:
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while await dots(page) != count:  # noqa: ASYNC110 (a canvas tells nobody)
            await asyncio.sleep(0.05)


def number(page: Page, name: str) -> Locator:
    return page.locator(f"[data-count-of={name}] dd")


async def lanes_of(server: ServerProcess) -> list[int]:
    async with ClientSession(server.url) as client:
        return await lane_pids(client)
