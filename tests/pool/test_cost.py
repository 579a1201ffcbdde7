"""What a job is said to cost, beside what it takes in a real child, and how the budget is kept."""

import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import pyvips
from aiohttp import ClientSession, FormData
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pool import (
    Header,
    Lane,
    LaneSettings,
    Outcome,
    ProbeTask,
    Task,
    cost,
    memory_bytes,
    parse_recipe,
    prints,
    save,
)
from pool import open as opening
from tests.conftest import StartServer
from tests.edge.problem import problem
from tests.pool.pictures import FORMATS, LIMITS, noise

MIB = 1 << 20
JPEG = Header("jpeg", 4000, 3000, 3, 1, False, False, 8, 1)
TO_800 = {"resize": {"width": 800}, "format": "webp"}
MAPPED = ("jpeg", "webp")  # libvips maps such files; the kernel drops their pages when it must


def needed(header: Header, recipe: object) -> int:
    return memory_bytes(header, parse_recipe(recipe))


# Same size JPEG is not among them: beyond 16 MP the encoder gives up its optimal codes, and a
# larger picture does take less.
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "recipe",
    [
        TO_800,
        {"format": "webp"},
        {"format": "avif"},
        {"variants": [{"name": "a", "resize": {"width": 900}}, {"name": "b"}]},
        {"resize": {"width": 500, "height": 500, "fit": "cover", "gravity": "attention"}},
    ],
)
@settings(max_examples=25)
@given(
    width=st.integers(1, 8000),
    height=st.integers(1, 8000),
    progressive=st.booleans(),
    has_alpha=st.booleans(),
)
def test_a_picture_twice_as_wide_and_high_never_costs_less(
    recipe: object, format: str, width: int, height: int, progressive: bool, has_alpha: bool
) -> None:
    small = Header(format, width, height, 3 + has_alpha, 1, progressive, has_alpha, 8, 1)
    large = replace(small, width=2 * width, height=2 * height)

    assert needed(large, recipe) >= needed(small, recipe)


@pytest.mark.parametrize(
    "more",
    [
        replace(JPEG, progressive=True),
        replace(JPEG, orientation=6),
        replace(JPEG, format="avif"),
        replace(JPEG, format="gif", frames=100),
        replace(JPEG, format="png", progressive=True, bits=16),
    ],
)
def test_what_must_stand_whole_costs_more_than_what_streams(more: Header) -> None:
    assert needed(more, TO_800) > 1.1 * needed(JPEG, TO_800)


def test_every_further_variant_costs_its_own_pixels() -> None:
    variants = [{"name": f"v{width}", "resize": {"width": width}} for width in (1600, 800, 400)]
    costs = [needed(JPEG, {"variants": variants[:count]}) for count in (2, 3)]

    assert costs[1] - costs[0] == 400 * 300 * 3


def test_a_progressive_jpeg_with_less_colour_costs_less() -> None:
    whole = replace(JPEG, progressive=True)
    less = replace(whole, has_less_colour=True)
    pixels = JPEG.width * JPEG.height

    assert needed(whole, TO_800) - needed(less, TO_800) == 2 * pixels


CLEAR = "#00000000"
ADDS_ALPHA = [
    {"round": {"radius": 9}},
    {"rotate": {"angle": 1, "color": CLEAR}},
    {"pad": {"top": 1, "color": CLEAR}},
]


@pytest.mark.parametrize("step", ADDS_ALPHA, ids=["round", "rotate", "pad"])
def test_transparency_that_a_step_brings_costs_what_it_costs_in_a_picture(
    step: dict[str, object],
) -> None:
    opaque = needed(JPEG, {"format": "webp", "flip": True})
    brought = needed(JPEG, {"format": "webp", **step})

    assert brought - opaque > 30 * JPEG.width * JPEG.height
    filled = {"format": "webp", "flip": True, "rotate": {"angle": 1, "color": CLEAR}, "flatten": {}}
    assert needed(JPEG, filled) < brought


@pytest.mark.parametrize("colour", ["#ff0000", "#ff0000ff"])
def test_an_opaque_border_brings_no_transparency(colour: str) -> None:
    clear = needed(JPEG, {"format": "webp", "pad": {"top": 1, "color": CLEAR}})
    assert needed(JPEG, {"format": "webp", "pad": {"top": 1, "color": colour}}) < clear / 2


def test_the_finished_picture_stands_beside_the_one_it_is_made_from() -> None:
    plain = {"format": "jpeg", "resize": {"width": 800}}
    blurred = {**plain, "blur": {"sigma": 4}}
    several = {
        "format": "jpeg",
        "variants": [{"name": "a"}, {"name": "b", "resize": {"width": 80}}],
    }

    assert needed(JPEG, blurred) - needed(JPEG, plain) == 800 * 600 * 3
    more = needed(JPEG, {**several, "blur": {"sigma": 4}}) - needed(JPEG, several)
    assert more == (JPEG.width * JPEG.height + 80 * 60) * 3


def test_a_grey_picture_that_becomes_coloured_costs_three_bands() -> None:
    grey = replace(JPEG, bands=1)
    plain = {"format": "jpeg", "resize": {"width": 800}}
    tinted = {**plain, "tint": {"color": "#a05028"}}

    assert needed(grey, tinted) - needed(grey, plain) == 800 * 600 * 3


def test_a_crop_that_looks_for_what_matters_holds_what_it_looks_at() -> None:
    costs = [
        needed(JPEG, {"format": "jpeg", "crop": {"aspect": "1:1", "gravity": gravity}})
        for gravity in ("center", "attention")
    ]

    assert costs[1] - costs[0] == JPEG.width * JPEG.height * 3


def test_denoise_keeps_tiles_of_what_it_has_computed() -> None:
    blur, denoise = (
        needed(JPEG, {"format": "jpeg", **step})
        for step in ({"blur": {"sigma": 4}}, {"denoise": {}})
    )

    assert denoise > blur + 50 * MIB


def test_the_model_decides_as_the_worker_does() -> None:
    for name in ("LEFT_TO_RESAMPLER", "LEFT_AFTER_CROP", "TURNED_OVER"):
        assert getattr(cost, name) == getattr(opening, name)
    for name in ("MOST_HELD_BYTES", "MOST_HELD_FOR_PROGRESS_BYTES"):
        assert getattr(cost, name) == getattr(prints, name)
    assert cost.MOST_OPTIMISED_PIXELS == save.MOST_OPTIMISED_PIXELS


def written(folder: Path, kind: str) -> Path:
    """3 MP with noise in it."""
    image = noise(1000, 750).resize(2, kernel="nearest")
    path = folder / "source"
    match kind:
        case "jpeg":
            image.jpegsave(str(path))
        case "progressive jpeg":
            image.jpegsave(str(path), interlace=True, subsample_mode="off")
        case "turned jpeg":
            image = image.copy()
            image.set_type(pyvips.GValue.gint_type, "orientation", 6)
            image.jpegsave(str(path))
        case "png with alpha":
            image.bandjoin(image[0]).pngsave(str(path), compression=1)
        case "interlaced png":
            image.pngsave(str(path), compression=1, interlace=True)
        case "webp":
            image.webpsave(str(path), effort=0)
        case "tiff":
            image.tiffsave(str(path))
    return path


@pytest_asyncio.fixture
async def lane(tmp_path: Path) -> AsyncIterator[Lane]:
    lane = Lane("test", on_progress=lambda _: None, settings=LaneSettings(spool=str(tmp_path)))
    await lane.start()
    yield lane
    await lane.close()


VARIANTS = [{"name": f"v{width}", "resize": {"width": width}} for width in (320, 640, 960)]
CASES: list[tuple[str, dict[str, Any]]] = [
    ("jpeg", TO_800),
    ("jpeg", {"resize": {"width": 800}, "format": "avif"}),
    ("jpeg", {"format": "jpeg"}),
    ("jpeg", {"rotate": {"angle": 90}, "format": "png"}),
    ("jpeg", {"resize": {"width": 1400}, "format": "avif"}),
    ("jpeg", {"variants": VARIANTS}),
    ("progressive jpeg", TO_800),
    ("progressive jpeg", {"format": "jpeg"}),
    ("turned jpeg", {"format": "jpeg"}),
    ("png with alpha", TO_800),
    ("interlaced png", TO_800),
    ("webp", TO_800),
    ("tiff", {"resize": {"width": 600, "height": 600, "fit": "cover", "gravity": "attention"}}),
]


@pytest.mark.parametrize(("kind", "recipe"), CASES)
async def test_a_real_job_takes_no_more_than_foretold_and_not_much_less(
    lane: Lane, tmp_path: Path, kind: str, recipe: dict[str, Any]
) -> None:
    source, out = written(tmp_path, kind), tmp_path / "out"
    out.mkdir()
    checked = parse_recipe(recipe)
    task = Task("job", 1, str(source), checked, str(out), LIMITS, 30.0)
    [outcome] = await lane.develop([task])
    assert isinstance(outcome, Outcome) and outcome.fault is None
    peak = peak_bytes(lane)
    header = await lane.probe(ProbeTask(str(source), LIMITS))
    assert isinstance(header, Header)
    if header.format in MAPPED:
        peak -= source.stat().st_size

    foretold = memory_bytes(header, checked)

    assert 0.95 * peak <= foretold <= 2 * peak


def peak_bytes(lane: Lane) -> int:
    status = Path(f"/proc/{lane.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def plain_jpeg(width: int, height: int, red: int = 90) -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (width, height), (red, 120, 60)).save(encoded, "JPEG")
    return encoded.getvalue()


async def test_a_picture_over_the_budget_is_refused_at_upload_with_the_numbers(
    start_server: StartServer,
) -> None:
    budget = 200 * MIB
    server = start_server(SAFELIGHT_POOL__MEMORY_BUDGET_BYTES=str(budget))
    headers, picture = {"Content-Type": "image/jpeg"}, plain_jpeg(4000, 3000)
    recipe = {"format": "avif"}

    async with ClientSession(server.url, headers=headers) as client:
        query = {"options": json.dumps(recipe)}
        async with client.post("/upload", params=query, data=picture) as response:
            refused = await problem(response)
        async with client.post("/upload", params={"options": json.dumps(TO_800)}, data=picture) as (
            response
        ):
            taken = await response.json()

    assert refused["code"] == "needs_too_much_memory"
    assert (refused["limit"], refused["actual"]) == (budget, needed(JPEG, recipe))
    assert taken["status"] == "completed"


@pytest.mark.parametrize(("jobs_in_budget", "overlap"), [(1.5, False), (2.5, True)])
async def test_lanes_together_stay_within_the_budget(
    start_server: StartServer, jobs_in_budget: float, overlap: bool
) -> None:
    recipe = {"format": "avif"}
    cost_of_one = needed(replace(JPEG, width=800, height=600), recipe)
    server = start_server(
        SAFELIGHT_POOL__MIN_LANES="2",
        SAFELIGHT_POOL__MAX_LANES="2",
        SAFELIGHT_POOL__MEMORY_BUDGET_BYTES=str(int(jobs_in_budget * cost_of_one)),
    )
    form = FormData({"options": json.dumps(recipe)})
    for number in range(2):
        form.add_field("file", plain_jpeg(800, 600, red=number), filename=f"{number}.jpg")

    async with ClientSession(server.url) as client:
        async with client.post("/upload", data=form) as response:
            batch_id = (await response.json())["jobId"]
        async with client.get(f"/status/{batch_id}", params={"wait": "60"}) as response:
            images = (await response.json())["images"]

    assert [image["status"] for image in images] == ["completed", "completed"]
    first, second = sorted(images, key=lambda image: str(image["startedAt"]))
    assert (second["startedAt"] < first["finishedAt"]) == overlap
