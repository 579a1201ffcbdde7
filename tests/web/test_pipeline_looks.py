"""The Pipeline page for every eye and hand: motion, contrast, small screens, the keyboard."""

from itertools import combinations
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.web.darkroom import DESKTOP, PHONE, screenshot_folder, screenshots, tab_to
from tests.web.pipeline import (
    WAY,
    OpenPipeline,
    any_of,
    go_to,
    pause,
    send_sample,
    step_shown,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AXE = Path(__file__).parents[1] / "js" / "node_modules" / "axe-core" / "axe.min.js"


async def test_with_reduced_motion_nothing_moves_by_itself(open_pipeline: OpenPipeline) -> None:
    page = await open_pipeline(**DESKTOP, reduced_motion="reduce")
    await page.click("[data-sample=dunes]")
    await expect(page.locator("#live")).to_have_attribute("data-state", "ready")

    await expect(page.locator(".player-toggle")).to_have_attribute("aria-label", "Play")
    await expect(page.locator(".panel-title")).to_have_text(WAY[0])
    places = await page.evaluate_handle(
        """() => {
          const places = new Set();
          const traveller = document.querySelector(".traveller");
          new MutationObserver(() => places.add(traveller.style.transform))
            .observe(traveller, { attributes: true });
          return places;
        }"""
    )
    await page.locator(".player-speed select").select_option("4")
    await page.get_by_role("button", name="Play").click()
    await expect(page.locator(".panel-title")).to_have_text(any_of(WAY[3:]))
    await pause(page)
    index = int(await page.locator(".player-scrub input").input_value())
    assert 1 < await places.evaluate("(places) => places.size") <= index + 1


@pytest.mark.parametrize("visitor", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_nothing_shifts_or_overflows(
    open_pipeline: OpenPipeline, visitor: dict[str, object]
) -> None:
    async def count_shifts(page: Page) -> None:
        await page.add_init_script(
            """window.shifted = 0;
            new PerformanceObserver((list) => {
              for (const entry of list.getEntries())
                if (!entry.hadRecentInput) window.shifted += entry.value;
            }).observe({ type: "layout-shift", buffered: true });"""
        )

    page = await open_pipeline(prepare=count_shifts, **visitor)
    await send_sample(page)
    await page.locator(".player-speed select").select_option("4")
    await page.get_by_role("button", name="Play").click()
    await expect(page.locator(".panel-title")).to_have_text(any_of(WAY[8:]))
    await pause(page)

    parts = await page.eval_on_selector_all(
        ".map-part, .map-clock",
        """(parts) => parts.map((part) => {
          const { x, y, right, bottom } = part.getBoundingClientRect();
          return [x, y, right, bottom];
        })""",
    )
    assert len(parts) == 9
    assert not [(a, b) for a, b in combinations(parts, 2) if overlap(a, b)]
    cramped = await page.eval_on_selector_all(
        ".map-part-name", "(names) => names.filter((one) => one.scrollWidth > one.clientWidth + 1)"
    )
    assert cramped == []
    assert await page.evaluate("() => window.shifted") < 0.02
    assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def overlap(one: list[float], other: list[float]) -> bool:
    """Whether two boxes (left, top, right, bottom) share any room."""
    return all(one[n] < other[n + 2] and other[n] < one[n + 2] for n in (0, 1))


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make node")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(browser: Browser, live_server: str, scheme: str) -> None:
    context = await browser.new_context(
        viewport={"width": 1280, "height": 860},
        bypass_csp=True,  # for axe itself
        reduced_motion="reduce",
        color_scheme=scheme,  # type: ignore[arg-type] # one of its words
    )
    page = await context.new_page()
    await page.goto(f"{live_server}/pipeline")
    await page.add_script_tag(path=str(AXE))
    found = [await violations(page)]
    await send_sample(page)
    await go_to(page, 11)
    await page.locator(".message summary").first.click()
    found.append(await violations(page))
    await page.get_by_label("Many at once").check(force=True)
    found.append(await violations(page))
    await context.close()

    assert found == [[], [], []]


async def violations(page: Page) -> list[str]:
    found = await page.evaluate("() => axe.run()")
    return [
        f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


async def test_every_control_is_reached_by_tab(open_pipeline: OpenPipeline) -> None:
    page = await open_pipeline(**DESKTOP)
    await send_sample(page)
    await page.locator("body").evaluate("() => document.activeElement.blur()")
    for control in (
        "[data-sample=dunes]",
        ".source-own",
        ".player-toggle",
        ".player-scrub input",
        ".message summary",
        ".hop",
    ):
        await tab_to(page, control)
    await page.keyboard.press("Enter")
    assert (await step_shown(page)).title == WAY[0]


async def test_screenshots(open_pipeline: OpenPipeline, tmp_path: Path) -> None:
    folder = screenshot_folder(tmp_path)
    for name, visitor in (("desktop", DESKTOP), ("phone", PHONE)):
        page = await open_pipeline(**visitor)
        await screenshots(page, folder, f"pipeline-idle-{name}")
        await send_sample(page)
        await go_to(page, WAY.index("A lane takes it"))
        await screenshots(page, folder, f"pipeline-step-{name}")
    assert len(list(folder.glob("pipeline-*.png"))) >= 8
