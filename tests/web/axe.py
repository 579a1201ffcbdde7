"""axe-core in the page: what it finds against WCAG fails a test. `make node` brings it."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

_AXE = Path(__file__).parents[1] / "js" / "node_modules" / "axe-core" / "axe.min.js"


async def bring_axe(page: Page) -> None:
    """To be called before the page is opened: our policy lets nothing in later."""
    if not _AXE.exists():
        pytest.skip("axe-core is not installed: make node")
    await page.add_init_script(path=_AXE)


async def violations(page: Page) -> list[str]:
    """Rule, words and place of each."""
    found: dict[str, Any] = await page.evaluate(
        "() => axe.run(document, { resultTypes: ['violations'] })"
    )
    return [
        f"{one['id']}: {one['help']}: {node['target']} {node['html'][:120]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


async def violations_in_both_themes(page: Page) -> list[str]:
    """The same in light and in dark."""
    found = []
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        found += [f"{theme}: {one}" for one in await violations(page)]
    return found
