"""The whole recipe as a form: drawn from the schema; the server takes the JSON that it makes."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Response, Route, expect

from pool.recipe import Recipe, parse_recipe
from tests import server_process
from tests.server_process import ServerProcess
from tests.web.darkroom import DESKTOP, DEVELOPED, PHONE, OpenDarkroom, choose

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SCHEMA = Recipe.model_json_schema(by_alias=True)


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_darkroom: OpenDarkroom) -> Page:
    """The Darkroom with all steps and options open."""
    page = await open_darkroom(**DESKTOP)
    await _open_extra(page)
    return page


async def _open_extra(page: Page) -> None:
    await page.get_by_text("All steps and options").click()
    await expect(page.locator("recipe-extra details").first).to_be_visible()


async def test_every_step_and_option_of_the_schema_is_drawn(page: Page) -> None:
    drawn = {
        str(await part.get_attribute("data-option")): await part.get_attribute("data-section")
        for part in await page.locator("recipe-extra details").all()
    }

    assert drawn == {name: field["group"] for name, field in SCHEMA["properties"].items()}
    await expect(page.locator("recipe-extra section")).to_have_count(2)
    for name, field in SCHEMA["properties"].items():
        settings = await _option(page, name).locator("[data-setting]").all()
        found = {await setting.get_attribute("data-setting") for setting in settings}
        assert _inner_names(field) <= found, name


async def test_every_control_has_a_label_and_says_what_it_takes(page: Page) -> None:
    controls = page.locator("recipe-extra [data-setting]")
    assert await controls.count() > 90
    nameless = await controls.evaluate_all(
        """(all) => all.filter((one) => !one.labels.length || !one.labels[0].textContent.trim()
          || !document.getElementById(one.getAttribute("aria-describedby"))?.textContent.trim())
          .map((one) => one.dataset.setting)"""
    )
    assert nameless == []
    await _option(page, "blur").locator("summary").click()
    sigma = _setting(page, "blur", "sigma")
    await expect(page.get_by_label("Sigma (px)").first).to_be_attached()
    assert [await sigma.get_attribute(name) for name in ("min", "max")] == ["0.3", "250"]
    await expect(_option(page, "blur")).to_contain_text("Takes 0.3 to 250.")
    await expect(_option(page, "sharpen")).to_contain_text("Default: 0.8.")


async def test_what_is_set_is_sent_and_the_server_takes_it(page: Page, photos: list[Path]) -> None:
    await _use(page, "blur")
    await _setting(page, "blur", "sigma").fill("2.5")
    await _use(page, "text")
    await _setting(page, "text", "text").nth(1).fill("© 2026")
    await _setting(page, "text", "gravity").select_option("north")
    await _option(page, "grayscale").locator("summary").click()
    await _setting(page, "grayscale", "grayscale").check()
    await _option(page, "quality").locator("summary").click()
    await _setting(page, "quality", "quality").fill("auto")
    await _option(page, "negotiate").locator("summary").click()
    await _setting(page, "negotiate", "negotiate").fill("webp, jpeg")

    shown = await _shown(page)
    assert shown["blur"] == {"sigma": 2.5}
    assert shown["text"] == {"text": "© 2026", "gravity": "north"}
    assert (shown["grayscale"], shown["quality"]) == (True, "auto")
    assert shown["negotiate"] == ["webp", "jpeg"]
    assert shown["resize"] == {"width": 1600, "fit": "inside"}
    parse_recipe(shown)
    await expect(page.locator(".quality-value")).to_have_text("auto")
    await choose(page, photos[:1])
    await expect(page.locator(DEVELOPED)).to_be_visible()


async def test_rows_of_variants_are_added_and_removed(page: Page) -> None:
    await _option(page, "variants").locator("summary").click()
    add = page.get_by_role("button", name="Variants: add one")
    for name in ("small", "large"):
        await add.click()
        await _setting(page, "variants", "name").last.fill(name)
    await _setting(page, "variants", "format").first.select_option("avif")
    assert (await _shown(page))["variants"] == [
        {"name": "small", "format": "avif"},
        {"name": "large"},
    ]
    await page.get_by_role("button", name="Remove", exact=True).first.click()
    assert (await _shown(page))["variants"] == [{"name": "large"}]


async def test_half_typed_values_leave_the_last_good_recipe(page: Page) -> None:
    before = await _shown(page)
    await _use(page, "blur")  # sigma is needed, and not there yet
    assert await _shown(page) == before
    await _setting(page, "blur", "sigma").fill("0.1")
    assert await _shown(page) == before
    await _setting(page, "blur", "sigma").fill("3")
    assert (await _shown(page))["blur"] == {"sigma": 3}
    await _option(page, "quality").locator("summary").click()
    await _setting(page, "quality", "quality").fill("101")
    assert (await _shown(page))["quality"] == before["quality"]


async def test_both_halves_of_the_form_show_the_same(page: Page) -> None:
    await page.locator("[name=width]").fill("640")
    await _option(page, "resize").locator("summary").click()
    await expect(_setting(page, "resize", "width")).to_have_value("640")
    await _setting(page, "resize", "gravity").select_option("north")
    await _setting(page, "resize", "height").fill("333")
    await expect(page.locator("[name=height]")).to_have_value("333")
    await page.locator("[name=fit]").select_option("cover")
    assert (await _shown(page))["resize"] == {
        "width": 640,
        "height": 333,
        "gravity": "north",
        "fit": "cover",
    }
    await page.locator("[name=format][value=png]").check()
    shown = await _shown(page)
    assert shown["format"] == "png"
    assert "quality" not in shown


async def test_a_preset_fills_the_form(page: Page) -> None:
    await page.locator("[name=preset]").select_option("thumb")
    shown = await _shown(page)
    assert shown["resize"] == {
        "width": 320,
        "height": 320,
        "fit": "cover",
        "gravity": "attention",
    }
    await expect(page.locator("[name=width]")).to_have_value("320")
    await _option(page, "resize").locator("summary").click()
    await expect(_setting(page, "resize", "gravity")).to_have_value("attention")
    await page.locator("[name=width]").fill("300")
    await expect(page.locator("[name=preset]")).to_have_value("")


async def test_a_new_step_needs_no_change_of_the_page(open_darkroom: OpenDarkroom) -> None:
    async def with_one_more(route: Route) -> None:
        schema = json.loads(json.dumps(SCHEMA))
        schema["properties"]["solarize"] = {
            "anyOf": [{"$ref": "#/$defs/Solarize"}, {"type": "null"}],
            "default": None,
            "description": "Turn light into dark above a threshold.",
            "group": "step",
        }
        level = {"type": "integer", "minimum": 0, "maximum": 255, "default": 128, "unit": "levels"}
        schema["$defs"]["Solarize"] = {
            "type": "object",
            "properties": {
                "from": {**level, "description": "Where it begins."},
                "passes": {"type": "integer", "enum": [1, 2], "description": "How often."},
            },
        }
        await route.fulfill(json=schema)

    async def prepare(page: Page) -> None:
        await page.route("**/schema/recipe", with_one_more)

    page = await open_darkroom(prepare=prepare, **PHONE)
    await page.locator(".recipe-opener").click()
    await _open_extra(page)
    await _use(page, "solarize")
    await expect(page.get_by_label("From (levels)")).to_be_visible()
    await page.get_by_label("From (levels)").fill("99")
    await page.get_by_label("Passes").select_option("2")

    assert (await _shown(page))["solarize"] == {"from": 99, "passes": 2}
    assert await page.evaluate("document.documentElement.scrollWidth") == 360


async def test_the_large_part_of_the_form_comes_only_when_it_is_opened(
    open_darkroom: OpenDarkroom,
) -> None:
    loaded: list[str] = []

    async def prepare(page: Page) -> None:
        def note(response: Response) -> None:
            loaded.append(response.url.rpartition("/")[2])

        page.on("response", note)

    page = await open_darkroom(prepare=prepare)
    await page.wait_for_load_state("networkidle")
    late = {"recipe-extra.js", "recipe-controls.js", "schema.js", "recipe-extra.css"}
    assert late.isdisjoint(loaded)
    await _open_extra(page)
    await page.wait_for_load_state("networkidle")
    assert late <= set(loaded)


@pytest.fixture(scope="module")
def presets_only_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Takes presets only."""
    server = server_process.start(
        tmp_path_factory.mktemp("page-presets-only") / "data",
        environment={"SAFELIGHT_RECIPES__PRESETS_ONLY": "true"},
    )
    yield server
    server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def presets_page(
    open_darkroom: OpenDarkroom, presets_only_server: ServerProcess
) -> AsyncIterator[Page]:
    """The Darkroom of that server."""
    page = await open_darkroom(**DESKTOP)
    await page.goto(presets_only_server.url)
    await page.wait_for_selector("connection-light[data-state=open]")
    yield page


async def test_where_only_presets_are_taken_the_form_offers_them_alone(
    presets_page: Page, photos: list[Path]
) -> None:
    await expect(presets_page.get_by_label("Preset")).to_have_value("thumb")
    await expect(presets_page.get_by_label("Width")).to_be_hidden()
    assert await _shown(presets_page) == {"preset": "thumb"}
    await choose(presets_page, photos[:1])
    after = presets_page.locator(f"{DEVELOPED} .after")
    await expect(after).to_have_js_property("naturalWidth", 320)


def _option(page: Page, name: str) -> Locator:
    return page.locator(f"recipe-extra details[data-option={name}]")


def _setting(page: Page, option: str, name: str) -> Locator:
    return _option(page, option).locator(f"[data-setting={name}]")


async def _use(page: Page, name: str) -> None:
    await _option(page, name).locator("summary").click()
    await _setting(page, name, name).first.check()


async def _shown(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await page.locator(".recipe-json").inner_text())
    return found


def _inner_names(field: dict[str, Any]) -> set[str]:
    branch = next((one for one in field.get("anyOf", ()) if "$ref" in one), {})
    name = branch.get("$ref", "").rpartition("/")[2]
    return set(SCHEMA["$defs"].get(name, {}).get("properties", ()))
