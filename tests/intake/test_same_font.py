"""The font that is used where none is named makes results what they are, like one that is named."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from pool import default_font, parse_recipe
from server.intake.same import Sameness
from server.jobs.connection import command_client
from tests.jobs.sharing import Site

TEXT = {"text": {"text": "hello"}}
DIGEST = "0" * 64


@pytest.fixture
async def site(valkey_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    redis: Redis = command_client(valkey_url, timeout_s=30)
    yield Site(redis, tmp_path, "here")
    await redis.aclose()


async def dedup(sameness: Sameness, recipe: object) -> str | None:
    kin = await sameness.kin(parse_recipe(recipe), client="me", private=False)
    return None if kin is None else kin.dedup(DIGEST)


async def test_another_default_font_makes_another_result(site: Site, tmp_path: Path) -> None:
    bundled = default_font()
    assert bundled is not None
    path = tmp_path / "font.ttf"
    shutil.copyfile(bundled, path)
    sameness = Sameness(site.queue, {}, enabled=True, default_font=lambda: str(path))
    text, plain = await dedup(sameness, TEXT), await dedup(sameness, {})

    assert await dedup(sameness, TEXT) == text
    path.write_bytes(path.read_bytes() + b"\0")  # a newer version of the package
    os.utime(path, ns=(1, 1))
    assert await dedup(sameness, TEXT) not in (text, None)
    assert await dedup(sameness, {}) == plain


async def test_without_any_font_nothing_is_shared(site: Site) -> None:
    sameness = Sameness(site.queue, {}, enabled=True, default_font=lambda: None)

    assert await dedup(sameness, TEXT) is None
    assert await dedup(sameness, {}) is not None


async def test_it_is_the_font_that_comes_with_us(site: Site) -> None:
    ours = Sameness(site.queue, {}, enabled=True)
    named = Sameness(site.queue, {}, enabled=True, default_font=default_font)

    assert await dedup(ours, TEXT) == await dedup(named, TEXT) is not None
