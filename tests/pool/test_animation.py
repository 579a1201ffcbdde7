"""Animations: every step on every frame, delays and loop kept, limits by all frames."""

from dataclasses import replace
from pathlib import Path

import pytest
import pyvips
from PIL import Image

from pool import Fault, Header, Outcome, ProbeTask, announce, parse_recipe, refusal
from pool.probe import read_header
from tests.pool.pictures import (
    BLUE,
    GREEN,
    LIMITS,
    RED,
    WHITE,
    are_near,
    corners,
    decoded,
    developed,
    is_near,
    only,
    quarters,
)

COLOURS = (RED, GREEN, BLUE, WHITE)
DELAYS = [50, 100, 150, 200]


def film(path: Path, width: int = 60, height: int = 40) -> Path:
    """Four frames, each of quarters turned by as many quarter turns as its number."""
    frames = []
    for turns in range(4):
        colours = [Image.new("RGB", (width // 2, height // 2), colour) for colour in COLOURS]
        frame = Image.new("RGB", (width, height))
        order = [colours[(place + turns) % 4] for place in range(4)]
        for place, part in enumerate(order):
            frame.paste(part, ((place % 2) * width // 2, (place // 2) * height // 2))
        frames.append(frame)
    more = {"lossless": True} if path.suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=DELAYS, loop=2, **more)
    return path


def wanted(turns: int) -> list[tuple[int, int, int]]:
    return [COLOURS[(place + turns) % 4] for place in range(4)]


def frames_of(outcome: Outcome) -> tuple[pyvips.Image, list[pyvips.Image]]:
    assert outcome.fault is None, outcome.fault
    (output,) = outcome.outputs
    load = {"webp": pyvips.Image.webpload, "gif": pyvips.Image.gifload}[output.format]
    roll = load(output.path, n=-1).copy_memory()
    assert roll.get("page-height") == output.height
    assert roll.height == output.height * output.frames
    return roll, [
        roll.crop(0, output.height * at, roll.width, output.height) for at in range(output.frames)
    ]


@pytest.mark.parametrize("source", ["gif", "webp"])
@pytest.mark.parametrize("target", ["gif", "webp"])
def test_every_frame_is_resized_and_keeps_its_delay(
    tmp_path: Path, source: str, target: str
) -> None:
    path = film(tmp_path / f"source.{source}")

    outcome = developed(path, {"format": target, "resize": {"width": 30}})

    roll, frames = frames_of(outcome)
    assert (outcome.outputs[0].width, outcome.outputs[0].height) == (30, 20)
    assert len(frames) == 4
    assert roll.get("delay") == DELAYS
    assert roll.get("loop") == pyvips.Image.new_from_file(str(path), n=-1).get("loop")
    for turns, frame in enumerate(frames):
        assert are_near(corners(frame), wanted(turns), by=30)


STEPS = [
    ({"crop": {"x": 30, "y": 20, "width": 30, "height": 20}}, (30, 20), lambda four: [four[3]] * 4),
    ({"rotate": {"angle": 90}}, (40, 60), lambda four: [four[2], four[0], four[3], four[1]]),
    ({"flip": True}, (60, 40), lambda four: [four[2], four[3], four[0], four[1]]),
    ({"flop": True}, (60, 40), lambda four: [four[1], four[0], four[3], four[2]]),
    (
        {"resize": {"width": 120, "height": 120, "fit": "cover", "enlarge": True}},
        (120, 120),
        lambda four: four,
    ),
]


@pytest.mark.parametrize(("step", "size", "order"), STEPS, ids=[next(iter(s[0])) for s in STEPS])
def test_every_step_is_done_on_every_frame(
    tmp_path: Path, step: dict[str, object], size: tuple[int, int], order: object
) -> None:
    path = film(tmp_path / "source.gif")

    outcome = developed(path, {"format": "webp", "lossless": True, **step})

    _, frames = frames_of(outcome)
    assert (outcome.outputs[0].width, outcome.outputs[0].height) == size
    assert callable(order)
    for turns, frame in enumerate(frames):
        assert are_near(corners(frame), order(wanted(turns)), by=3)


def test_auto_keeps_an_animation_moving(tmp_path: Path) -> None:
    outcome = developed(film(tmp_path / "source.gif"), {})

    assert (outcome.outputs[0].format, outcome.outputs[0].frames) == ("webp", 4)


@pytest.mark.parametrize("target", ["jpeg", "png", "avif", "tiff"])
def test_formats_without_frames_get_the_first(tmp_path: Path, target: str) -> None:
    image = only(developed(film(tmp_path / "source.gif"), {"format": target}))

    assert (image.width, image.height) == (60, 40)
    assert are_near(corners(image), wanted(0), by=25)


def test_moving_and_still_variants_come_from_one_source(tmp_path: Path) -> None:
    variants = [
        {"name": "film", "format": "webp", "resize": {"width": 30}},
        {"name": "poster", "format": "jpeg"},
    ]

    outcome = developed(film(tmp_path / "source.gif"), {"variants": variants})

    assert [(output.frames, output.width) for output in outcome.outputs] == [(4, 30), (1, 60)]


def test_one_frame_can_be_named(tmp_path: Path) -> None:
    outcome = developed(film(tmp_path / "source.gif"), {"format": "webp", "page": 2})

    (output,) = outcome.outputs
    assert output.frames == 1
    assert are_near(corners(decoded(output.path)), wanted(2), by=12)


def test_one_frame_made_larger_does_not_become_several(tmp_path: Path) -> None:
    path = tmp_path / "source.gif"
    quarters(20, 10).gifsave(str(path))
    recipe = {"format": "webp", "resize": {"height": 40, "enlarge": True}}

    outcome = developed(path, recipe)

    found = read_header(ProbeTask(outcome.outputs[0].path, LIMITS))
    assert isinstance(found, Header)
    assert (found.frames, found.width, found.height) == (1, 80, 40)


@pytest.mark.parametrize("format", ["tiff", "gif"])
def test_a_page_that_is_not_there_is_a_fault(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"source.{format}"
    pages = [Image.new("RGB", (20, 20), colour) for colour in (RED, GREEN)]
    pages[0].save(path, save_all=True, append_images=pages[1:])

    fault = developed(path, {"page": 2}).fault

    assert fault is not None
    assert (fault.code, fault.limit, fault.actual) == ("page_outside", 1, 2)


def test_a_page_of_a_document_has_its_own_size(tmp_path: Path) -> None:
    path = tmp_path / "source.tiff"
    pages = [Image.new("RGB", size, colour) for size, colour in (((20, 20), RED), ((30, 10), BLUE))]
    pages[0].save(path, save_all=True, append_images=pages[1:])

    image = only(developed(path, {"format": "png", "page": 1}))

    assert (image.width, image.height) == (30, 10)
    assert is_near(image(5, 5), BLUE, by=1)


def test_limits_count_all_frames(tmp_path: Path) -> None:
    path = film(tmp_path / "source.gif")
    header = read_header(ProbeTask(str(path), LIMITS))
    assert isinstance(header, Header)

    source = read_header(ProbeTask(str(path), replace(LIMITS, max_pixels=60 * 40 * 4 - 1)))
    frames = read_header(ProbeTask(str(path), replace(LIMITS, max_frames=3)))
    small = replace(LIMITS, max_output_pixels=60 * 40 * 4 - 1)
    result = refusal(header, parse_recipe({}), small)

    assert isinstance(source, Fault) and isinstance(frames, Fault) and result is not None
    assert (source.code, source.actual) == ("too_many_pixels", 9600)
    assert (frames.code, frames.actual) == ("too_many_frames", 4)
    assert (result.code, result.actual) == ("output_too_large", 9600)
    assert refusal(header, parse_recipe({"format": "jpeg"}), small) is None
    (size,) = announce(header, parse_recipe({"resize": {"width": 30}}))
    assert (size.width, size.height) == (30, 20)
