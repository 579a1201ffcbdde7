"""A service whose pictures lie in a bucket: browsers bring them there themselves, if they can."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, Request, Route, expect

from tests import server_process
from tests.ports import free_ports
from tests.server_process import ServerProcess
from tests.storage.weed import Weed
from tests.web.darkroom import DESKTOP, DEVELOPED, OpenDarkroom, choose

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest.fixture(scope="module")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weed]:
    """A real S3 server, which lets pages of every origin in."""
    for attempts_left in (2, 1, 0):
        weed = Weed(tmp_path_factory.mktemp("weed"), free_ports(("hook",))["hook"])
        try:
            weed.start()
            break
        except AssertionError:  # a port that was free was taken before it listened there
            weed.stop()
            if not attempts_left:
                raise
    yield weed
    weed.stop()


@pytest.fixture(scope="module")
def bucket_server(tmp_path_factory: pytest.TempPathFactory, weed: Weed) -> Iterator[ServerProcess]:
    """Keeps its pictures there."""
    server = server_process.start(
        tmp_path_factory.mktemp("bucket-server") / "data",
        environment=weed.environment | {"SAFELIGHT_STORAGE__URL": "s3://pictures/safe"},
    )
    yield server
    server.close()


def bodies(page: Page) -> list[str]:
    """Where bytes are sent to, as they go."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method == "PUT" or request.url.endswith(("/upload", "/complete")):
            sent.append(f"{request.method} {request.url.partition('?')[0]}")

    page.on("request", note)
    return sent


async def test_pictures_go_straight_into_the_bucket(
    open_darkroom: OpenDarkroom, bucket_server: ServerProcess, weed: Weed, photos: list[Path]
) -> None:
    page = await open_darkroom(url=bucket_server.url, **DESKTOP)
    sent = bodies(page)
    await choose(page, photos[:1])

    card = page.locator(DEVELOPED)
    await expect(card.locator(".after")).to_have_js_property("naturalWidth", 900)
    put, complete = sent
    assert put.startswith(f"PUT {weed.url}/pictures/safe/incoming/")
    assert complete.startswith(f"POST {bucket_server.url}/uploads/")


async def test_bucket_that_no_page_can_reach_costs_one_try(
    open_darkroom: OpenDarkroom,
    bucket_server: ServerProcess,
    weed: Weed,
    photos: list[Path],
    allowed_complaints: list[str],
) -> None:
    allowed_complaints.append("net::ERR")

    async def refuse(route: Route) -> None:
        await route.abort("connectionrefused")

    page = await open_darkroom(url=bucket_server.url, **DESKTOP)
    await page.route(f"{weed.url}/**", refuse)
    sent = bodies(page)
    await choose(page, photos[:1])
    await expect(page.locator(DEVELOPED)).to_have_count(1)
    await choose(page, photos[1:])
    await expect(page.locator(DEVELOPED)).to_have_count(2)

    assert [one.partition(" ")[0] for one in sent] == ["PUT", "POST", "POST"]
