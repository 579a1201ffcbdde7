"""What a visitor does with a picture: cancel, delete and take back, compare, copy, pack, fetch."""

import asyncio
import io
import json
import re
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from PIL import Image
from playwright.async_api import Page, Route, expect

from tests import server_process
from tests.intake.origin import Origin, serve_origin
from tests.server_process import ServerProcess
from tests.web.darkroom import DESKTOP, DEVELOPED, PATIENCE_MS, OpenDarkroom, choose

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CHOOSE_URLS = """(urls) => document.dispatchEvent(
  new CustomEvent("urls-chosen", { detail: { urls } }))"""
MARK = (20, 200, 40)
MANY = 200
CLIPBOARD = ["clipboard-read", "clipboard-write"]


@pytest.fixture(scope="module")
def fetching_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a watermark, that fetches from this machine as it would not by itself."""
    folder = tmp_path_factory.mktemp("fetching")
    mark = folder / "studio.png"
    Image.new("RGB", (90, 60), MARK).save(mark)
    server = server_process.start(
        folder / "data",
        environment={
            "SAFELIGHT_FETCH__ALLOW_NETWORKS": '["127.0.0.0/8"]',
            "SAFELIGHT_FETCH__PORTS": "[0]",
            "SAFELIGHT_FETCH__MAX_ATTEMPTS": "1",
            "SAFELIGHT_ASSETS": json.dumps({"studio": str(mark)}),
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def origin() -> AsyncIterator[Origin]:
    """A server of pictures."""
    async with serve_origin() as served:
        yield served


async def developed(page: Page, photos: list[Path]) -> None:
    await choose(page, photos)
    await expect(page.locator(DEVELOPED)).to_have_count(len(photos))


async def address_of(page: Page, name: str) -> str:
    await page.locator("file-drop").scroll_into_view_if_needed()  # cards far away are empty
    link = page.locator("picture-card", has_text=name).get_by_role("link", name="Download")
    return str(await link.get_attribute("href"))


async def status_becomes(url: str, status: int) -> None:
    """Bounded: what is deleted is deleted soon."""
    async with ClientSession() as client, asyncio.timeout(PATIENCE_MS / 1000):
        while True:
            async with client.head(url) as answer:
                if answer.status == status:
                    return
            await asyncio.sleep(0.05)


async def copied(page: Page, name: str, what: str) -> str:
    await page.locator("picture-card", has_text=name).locator(".card-copy").click()
    await page.get_by_role("menuitem", name=what, exact=True).click()
    await expect(page.locator("#announcer")).to_have_text("Copied to the clipboard.")
    return str(await page.evaluate("navigator.clipboard.readText()"))


async def test_networks_say_before_how_long_they_take_and_are_stopped_by_cancel(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    page = await open_darkroom(**DESKTOP)
    networks = await (await page.request.get(f"{page.url}ai")).json()
    if not networks["available"]:
        pytest.skip("onnxruntime is not installed: this test upscales by a network")
    await page.get_by_text("All steps and options").click()
    upscale = page.locator("[data-option=upscale]")
    await upscale.locator("summary").click()
    await upscale.get_by_role("checkbox", name="Upscale").check()
    await upscale.get_by_label("Factor").select_option("4")
    await expect(page.locator(".recipe-estimate")).to_have_text(
        re.compile(r"^upscale: about \d+ (s|min) for a photo of 12 megapixels on this server\.$")
    )
    await choose(page, photos)

    # One at a time: the other waits.
    left = re.compile(r"^Upscaling by a neural network, about \d+ s left$")
    await expect(page.locator(".card-stage", has_text=left)).to_have_count(1)
    await page.get_by_role("button", name="Cancel morning.jpg").click()
    await page.get_by_role("button", name="Cancel evening.jpg").click()
    for name in ("morning.jpg", "evening.jpg"):
        card = page.locator("picture-card[data-phase=failed]", has_text=name)
        await expect(card.locator(".fault-title")).to_have_text(re.compile("[Cc]ancelled$"))


async def test_deleted_picture_can_be_taken_back_and_is_then_gone_for_good(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    page = await open_darkroom(**DESKTOP)
    await developed(page, photos)
    evening, morning = await address_of(page, "evening.jpg"), await address_of(page, "morning.jpg")
    names = page.locator(".card-name")

    await page.get_by_role("button", name="Remove evening.jpg").click()
    await expect(names).to_have_text(["morning.jpg"])
    await page.get_by_role("button", name="Undo").click()
    await expect(names).to_have_text(["evening.jpg", "morning.jpg"])
    await status_becomes(evening, 200)
    await page.get_by_role("button", name="Remove evening.jpg").click()
    await page.get_by_role("button", name="Remove morning.jpg").click()
    await status_becomes(evening, 410)  # the second removal made the first one final
    await page.close(run_before_unload=True)
    await status_becomes(morning, 410)  # and leaving the page the second


async def test_cleared_pictures_keep_their_addresses_unless_they_are_to_be_deleted(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    page = await open_darkroom(**DESKTOP)
    await developed(page, photos)
    evening = await address_of(page, "evening.jpg")

    await page.get_by_role("button", name="Clear").click()
    await expect(page.locator("picture-card")).to_have_count(0)
    await status_becomes(evening, 200)
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator(DEVELOPED)).to_have_count(2)
    await page.get_by_role("button", name="Clear").click()
    await page.get_by_role("button", name="Delete on the server, too").click()
    await status_becomes(evening, 410)


async def test_recipe_is_changed_without_sending_the_picture_again(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    page = await open_darkroom(**DESKTOP)
    await developed(page, photos)
    uploads: list[str] = []
    page.on("request", lambda one: uploads.append(one.url) if one.url.endswith("/upload") else None)
    await page.get_by_label("Width").fill("200")
    await page.get_by_role("button", name="Develop again").click()

    await expect(page.locator(".card-dimensions").first).to_have_text(re.compile("→ 200"))
    await expect(page.locator(".card-dimensions").last).to_have_text(re.compile("→ 200"))
    assert uploads == []


async def test_results_come_as_one_zip(open_darkroom: OpenDarkroom, photos: list[Path]) -> None:
    page = await open_darkroom(**DESKTOP)
    await developed(page, photos)
    async with page.expect_download() as waiting:
        await page.get_by_role("button", name="ZIP").click()
    download = await waiting.value
    content = await asyncio.to_thread(Path(await download.path()).read_bytes)
    packed = zipfile.ZipFile(io.BytesIO(content))

    assert packed.namelist() == ["evening.webp", "morning.webp"]
    assert packed.testzip() is None


async def test_copied_markup_shows_the_picture(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    page = await open_darkroom(permissions=CLIPBOARD, **DESKTOP)
    await developed(page, photos[:1])
    url = await copied(page, "evening.jpg", "URL")
    markup = await copied(page, "evening.jpg", "<picture> for a page")
    shop = await page.context.new_page()
    await shop.set_content(markup)

    assert url == await address_of(page, "evening.jpg")
    await expect(shop.get_by_role("img", name="evening")).to_have_js_property("naturalWidth", 900)


async def test_copied_python_sends_the_same_picture(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    page = await open_darkroom(permissions=CLIPBOARD, **DESKTOP)
    await page.get_by_label("Width").fill("321")
    awkward = photos[0].rename(photos[0].with_name('a "quoted" näme.jpg'))
    await developed(page, [awkward])
    (awkward.parent / "sent.py").write_text(
        await copied(page, "näme.jpg", "This request in Python")
    )
    program = await asyncio.create_subprocess_exec(
        sys.executable, "sent.py", cwd=awkward.parent, stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await program.communicate()

    assert b"'cached': True" in answer, answer
    assert b"'width': 321" in answer


async def test_comparison_is_looked_at_closely(
    open_darkroom: OpenDarkroom, photos: list[Path]
) -> None:
    page = await open_darkroom(**DESKTOP)
    await developed(page, photos)
    await page.get_by_role("button", name="Compare evening.jpg large").click()
    viewer = page.get_by_role("dialog")
    frame, scale = viewer.locator("before-after"), viewer.locator(".zoom-value")
    await expect(scale).not_to_have_text("")
    await page.keyboard.press("1")
    await expect(scale).to_have_text("100%")
    await frame.hover()
    await page.mouse.wheel(0, -400)
    await expect(frame).to_have_attribute("zoomed", "")
    before = await frame.evaluate("(element) => element.style.getPropertyValue('--x')")
    box = await frame.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 200)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.8 - 60, box["y"] + 200, steps=3)
    await page.mouse.up()
    after = await frame.evaluate("(element) => element.style.getPropertyValue('--x')")
    assert float(after[:-2]) < float(before[:-2] or 0)

    middle = box["x"] + box["width"] / 2
    await page.mouse.move(middle, box["y"] + 200)
    await page.mouse.down()
    await page.mouse.move(middle - box["width"] / 4, box["y"] + 200, steps=3)
    await page.mouse.up()
    await expect(viewer.locator(".split")).to_have_attribute("aria-valuetext", "25% original")
    await viewer.get_by_role("button", name="Next picture").click()
    await expect(viewer.get_by_role("heading")).to_have_text("morning.jpg")
    await expect(frame).not_to_have_attribute("zoomed", "")


async def test_pasted_addresses_are_fetched_and_each_tells_its_own_end(
    open_darkroom: OpenDarkroom,
    fetching_server: ServerProcess,
    origin: Origin,
    photos: list[Path],
) -> None:
    urls = [
        origin.bytes("/evening.jpg", photos[0].read_bytes()),
        origin.url("/nowhere.jpg"),
        "http://10.1.2.3/private.jpg",
        origin.bytes("/notes.jpg", b"These are notes."),
    ]
    page = await open_darkroom(url=fetching_server.url, **DESKTOP)
    await page.evaluate(
        """(text) => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", text);
          const paste = new ClipboardEvent("paste", { clipboardData, bubbles: true });
          document.body.dispatchEvent(paste);
        }""",
        "\n".join(urls),
    )

    card = page.locator(DEVELOPED)
    await expect(card.locator(".card-name")).to_have_text("evening.jpg")
    await expect(card.locator(".after")).to_have_js_property("naturalWidth", 900)
    await expect(card.locator(".card-stage")).to_have_text(re.compile(r"^\d+ kB → \d+ kB$"))
    faults = page.locator("picture-card[data-phase=failed] .fault-title")
    await expect(faults).to_have_text(
        [
            "The picture could not be fetched",
            "This address is not fetched",
            re.compile("not a pict"),
        ]
    )


async def test_watermark_is_chosen_by_its_name(
    open_darkroom: OpenDarkroom, fetching_server: ServerProcess, photos: list[Path]
) -> None:
    page = await open_darkroom(url=fetching_server.url, **DESKTOP)
    await page.locator("[name=format][value=png]").check()
    await page.get_by_text("All steps and options").click()
    watermark = page.locator("[data-option=watermark]")
    await watermark.locator("summary").click()
    await watermark.get_by_role("checkbox", name="Watermark").check()
    names = watermark.locator("datalist option")
    await expect(names).to_have_attribute("value", "studio")
    await watermark.get_by_label("Asset").fill("studio")
    await watermark.get_by_label("Gravity").select_option("center")
    await watermark.get_by_label("Opacity").fill("1")
    await developed(page, photos[:1])
    answer = await page.request.get(await address_of(page, "evening.jpg"))

    assert Image.open(io.BytesIO(await answer.body())).convert("RGB").getpixel((450, 300)) == MARK


async def test_cancelled_address_leaves_those_sent_with_it_alone(
    open_darkroom: OpenDarkroom,
    fetching_server: ServerProcess,
    origin: Origin,
    photos: list[Path],
) -> None:
    urls = [origin.bytes(f"/{name}.jpg", photos[0].read_bytes()) for name in ("one", "two")]
    page = await open_darkroom(url=fetching_server.url, **DESKTOP)
    asked: asyncio.Queue[Route] = asyncio.Queue()
    await page.route("**/process", asked.put)
    await page.evaluate(CHOOSE_URLS, urls)
    first = await asked.get()
    await page.get_by_role("button", name="Cancel one.jpg").click()
    await expect(page.locator("picture-card[data-phase=failed] .card-name")).to_have_text("one.jpg")
    await first.abort()
    await (await asked.get()).continue_()

    await expect(page.locator(DEVELOPED).locator(".card-name")).to_have_text("two.jpg")


async def test_one_address_is_typed_and_its_curl_asks_for_the_same(
    open_darkroom: OpenDarkroom,
    fetching_server: ServerProcess,
    origin: Origin,
    photos: list[Path],
) -> None:
    url = origin.bytes("/photos/morning.jpg", photos[1].read_bytes())
    page = await open_darkroom(url=fetching_server.url, permissions=CLIPBOARD, **DESKTOP)
    await page.get_by_role("button", name="From URLs").click()
    dialog = page.get_by_role("dialog", name="Pictures from URLs")
    await expect(dialog.get_by_role("button", name="Fetch and develop")).to_be_disabled()
    await dialog.get_by_label("URLs of pictures").fill(f"see {url}, it is nice")
    await expect(dialog.locator(".url-count")).to_have_text("1 URL")
    await dialog.get_by_role("button", name="Fetch and develop").click()
    await expect(page.locator(DEVELOPED)).to_have_count(1)
    command = await copied(page, "morning.jpg", "This request by curl")
    shell = await asyncio.create_subprocess_shell(
        f"{command} --silent", stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await shell.communicate()

    assert json.loads(answer)["cached"] is True


async def test_failed_fetch_is_tried_again_as_the_same_job(
    open_darkroom: OpenDarkroom,
    fetching_server: ServerProcess,
    origin: Origin,
    photos: list[Path],
) -> None:
    page = await open_darkroom(url=fetching_server.url, **DESKTOP)
    await page.evaluate(CHOOSE_URLS, [origin.url("/late.jpg")])
    await expect(page.locator("picture-card[data-phase=failed]")).to_be_visible()
    origin.bytes("/late.jpg", photos[0].read_bytes())
    async with page.expect_request(re.compile(r"/job/\w+/retry$")):
        await page.get_by_role("button", name="Try again").click()

    await expect(page.locator(DEVELOPED)).to_be_visible()


async def test_hundreds_of_pictures_have_a_place_each_and_only_those_in_sight_a_body(
    open_darkroom: OpenDarkroom, tmp_path: Path
) -> None:
    files = []
    for number in range(MANY):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (8, 8), (number % 256, 80, 40)).save(path)
        files.append(path)
    page = await open_darkroom(**DESKTOP)
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    await choose(page, files)

    await expect(page.locator("picture-card")).to_have_count(MANY)
    bodies = await page.locator("picture-card > article").count()
    assert 6 <= bodies <= 40
    await expect(page.locator(DEVELOPED)).to_have_count(MANY, timeout=180_000)
    assert sockets == []  # the one that was open from the start serves all of them
