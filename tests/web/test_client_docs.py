"""Every example of docs/client.md runs, in a real browser against the real server."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.web.darkroom import DESKTOP, OpenDarkroom

pytestmark = pytest.mark.browser

DOCS = Path(__file__).parents[2] / "docs" / "client.md"
EXAMPLES = re.findall(r"^## ([^\n]+)\n.*?^```js\n(.*?)^```", DOCS.read_text(), re.M | re.S)
IMPORT = re.compile(r'^import (\{[^}]*\}) from "(/web/client\.js)";', re.M)
SAID = {
    "Send a picture, watch it develop": r"\d+ of \d+ bytes(.|\n)*completed http://\S+ \d+",
    "Patience": r"^\w{24}$",
    "Pause, go on, give up": r"^(paused\n)?\w{24} 0$",
    "Pictures by address": r"^fetch_refused\n\w{24}$",
    "Stop, try again, delete, download": r"^(cancelled|completed)\napplication/zip \d{3,}$",
    "The service as a whole": r"^104857600 \[\] false .* ok",
    "API keys": r"^true$",
}


def test_every_chapter_with_an_example_is_known() -> None:
    assert [title for title, _ in EXAMPLES] == list(SAID)


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
async def test_example_runs(
    open_darkroom: OpenDarkroom, photos: list[Path], title: str, code: str
) -> None:
    page = await open_darkroom(**DESKTOP)
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text))
    body = IMPORT.sub(r'const \1 = await import("\2");', code)
    await _keep_file(page, photos[0])
    await page.evaluate(f"async () => {{ const file = globalThis.file; {body} }}")

    assert re.search(SAID[title], "\n".join(said)), said


async def _keep_file(page: Page, photo: Path) -> None:
    await page.evaluate(
        """() => {
          const field = document.createElement("input");
          field.type = "file";
          field.id = "example";
          field.addEventListener("change", () => (globalThis.file = field.files[0]));
          document.body.append(field);
        }"""
    )
    await page.set_input_files("#example", photo)
    await expect(page.locator("#example")).not_to_have_value("")
