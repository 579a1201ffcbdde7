"""Each step by itself: size, pixels and format."""

from pathlib import Path

import pytest
import pyvips

from pool import Refused
from pool.steps import STEPS, Crop, Resize, Size
from pool.steps.resize import size as resized
from tests.pool.pictures import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    are_near,
    corners,
    developed,
    is_near,
    only,
    psnr,
    quarters,
    waves,
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.png"
    quarters(80, 60).pngsave(str(path))
    return path


def png(step: str, settings: object, **more: object) -> dict[str, object]:
    return {"format": "png", step: settings, **more}


def test_crop_takes_exactly_its_rectangle(source: Path) -> None:
    image = only(developed(source, png("crop", {"x": 40, "y": 30, "width": 17, "height": 9})))

    assert (image.width, image.height) == (17, 9)
    assert psnr(image, quarters(80, 60).crop(40, 30, 17, 9)) == 99


@pytest.mark.parametrize(
    ("settings", "limit", "actual"),
    [
        ({"x": 1, "width": 80, "height": 60}, 80, 81),
        ({"y": 59, "width": 1, "height": 2}, 60, 61),
        ({"x": 65_500, "width": 65_500, "height": 1}, 80, 131_000),
    ],
)
def test_crop_outside_the_picture_is_refused(
    source: Path, settings: object, limit: int, actual: int
) -> None:
    fault = developed(source, {"crop": settings}).fault

    assert fault is not None
    assert (fault.code, fault.limit, fault.actual) == ("crop_outside", limit, actual)


# The asked settings beside the size of a source and the size they must give.
RESIZED: list[tuple[tuple[int, int], dict[str, object], tuple[int, int]]] = [
    ((600, 400), {"width": 300}, (300, 200)),
    ((600, 400), {"height": 300}, (450, 300)),
    ((600, 400), {"width": 900}, (600, 400)),
    ((600, 400), {"width": 900, "enlarge": True}, (900, 600)),
    ((600, 400), {"width": 900, "fit": "fill"}, (600, 400)),
    ((3, 2), {"width": 1}, (1, 1)),
    ((1000, 3), {"width": 10}, (10, 1)),
    ((5, 5), {"width": 3, "height": 2}, (2, 2)),
    ((101, 67), {"width": 50, "height": 50}, (50, 33)),
    ((600, 400), {"width": 300, "height": 300}, (300, 200)),
    ((600, 400), {"width": 900, "height": 900}, (600, 400)),
    ((600, 400), {"width": 900, "height": 900, "enlarge": True}, (900, 600)),
    ((600, 400), {"width": 300, "height": 300, "fit": "outside"}, (450, 300)),
    ((600, 400), {"width": 300, "height": 900, "fit": "outside"}, (600, 400)),
    ((600, 400), {"width": 300, "height": 800, "fit": "outside", "enlarge": True}, (1200, 800)),
    ((600, 400), {"width": 300, "height": 300, "fit": "cover"}, (300, 300)),
    ((600, 400), {"width": 800, "height": 800, "fit": "cover"}, (400, 400)),
    ((600, 400), {"width": 700, "height": 100, "fit": "cover"}, (600, 86)),
    ((600, 400), {"width": 800, "height": 800, "fit": "cover", "enlarge": True}, (800, 800)),
    ((600, 400), {"width": 300, "height": 300, "fit": "contain"}, (300, 300)),
    ((600, 400), {"width": 900, "height": 900, "fit": "contain"}, (900, 900)),
    ((600, 400), {"width": 300, "height": 300, "fit": "fill"}, (300, 300)),
    ((600, 400), {"width": 700, "height": 300, "fit": "fill"}, (600, 300)),
    ((600, 400), {"width": 700, "height": 300, "fit": "fill", "enlarge": True}, (700, 300)),
]


@pytest.mark.parametrize(("before", "settings", "after"), RESIZED, ids=range(len(RESIZED)))
def test_resize_announces_and_makes_its_size(
    tmp_path: Path,
    before: tuple[int, int],
    settings: dict[str, object],
    after: tuple[int, int],
) -> None:
    source = tmp_path / "source.png"
    waves(*before).pngsave(str(source))

    image = only(developed(source, png("resize", settings)))

    assert resized(Size(*before), Resize.model_validate(settings)) == Size(*after)
    assert (image.width, image.height) == after


@pytest.mark.parametrize("fit", ["inside", "outside", "fill"])
def test_resize_keeps_every_part_in_its_place(source: Path, fit: str) -> None:
    image = only(developed(source, png("resize", {"width": 32, "height": 32, "fit": fit})))

    assert are_near(corners(image), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize(
    ("gravity", "wanted"),
    [
        ("west", [RED, RED, BLUE, BLUE]),
        ("east", [GREEN, GREEN, WHITE, WHITE]),
        ("center", [RED, GREEN, BLUE, WHITE]),
    ],
)
def test_cover_keeps_the_side_its_gravity_names(
    source: Path, gravity: str, wanted: list[tuple[int, int, int]]
) -> None:
    settings = {"width": 20, "height": 40, "fit": "cover", "gravity": gravity}

    image = only(developed(source, png("resize", settings)))

    assert (image.width, image.height) == (20, 40)
    assert are_near(corners(image), wanted)


@pytest.mark.parametrize("gravity", ["attention", "entropy"])
def test_cover_finds_what_matters(tmp_path: Path, gravity: str) -> None:
    path = tmp_path / "source.png"
    grey = pyvips.Image.black(300, 100, bands=3).copy(interpretation="srgb") + 128
    spot = waves(60, 60).linear([1, 0.3, 0.3], 0)
    grey.cast("uchar").insert(spot.cast("uchar"), 230, 20).pngsave(str(path))

    settings = {"width": 100, "height": 100, "fit": "cover", "gravity": gravity}
    image = only(developed(path, png("resize", settings)))

    assert (image.width, image.height) == (100, 100)
    assert image.deviate() > 20  # a plain grey part has none


@pytest.mark.parametrize(
    ("gravity", "free"),
    [("north", (40, 75)), ("south", (40, 5)), ("northwest", (40, 75)), ("center", (40, 5))],
)
def test_contain_pads_with_the_background(
    source: Path, gravity: str, free: tuple[int, int]
) -> None:
    settings = {"width": 80, "height": 80, "fit": "contain", "gravity": gravity}

    image = only(developed(source, png("resize", settings, background="#0a6432")))

    assert (image.width, image.height) == (80, 80)
    assert is_near(image(*free), [10, 100, 50], by=1)


def test_contain_pads_a_grey_picture_in_colour(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    (pyvips.Image.black(40, 20) + 90).cast("uchar").pngsave(str(path))
    settings = {"width": 40, "height": 40, "fit": "contain"}

    image = only(developed(path, png("resize", settings, background="#ff0000")))

    assert is_near(image(20, 2), [255, 0, 0], by=1)
    assert is_near(image(20, 20), [90, 90, 90], by=1)


def test_cover_of_a_thin_line_is_cut_before_it_is_enlarged(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    waves(1, 20_000).pngsave(str(path))
    settings = {"width": 500, "height": 500, "fit": "cover", "enlarge": True}

    image = only(developed(path, png("resize", settings)))

    assert (image.width, image.height) == (500, 500)


def test_transparent_colour_does_not_bleed_into_edges(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    clear_green = pyvips.Image.black(100, 100, bands=4).linear(1, [0, 255, 0, 0])
    red = pyvips.Image.black(51, 100, bands=4).linear(1, [255, 0, 0, 255])
    joined = clear_green.insert(red, 0, 0).cast("uchar").copy(interpretation="srgb")
    joined.pngsave(str(path))

    image = only(developed(path, png("resize", {"width": 20})))

    edge = image(10, 10)
    assert 20 < edge[3] < 235  # half covered
    assert edge[0] > 250
    assert edge[1] < 5


@pytest.mark.parametrize(
    ("angle", "size", "wanted"),
    [
        (0, (80, 60), [RED, GREEN, BLUE, WHITE]),
        (90, (60, 80), [BLUE, RED, WHITE, GREEN]),
        (180, (80, 60), [WHITE, BLUE, GREEN, RED]),
        (270, (60, 80), [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_rotate_turns_clockwise(
    source: Path, angle: int, size: tuple[int, int], wanted: list[tuple[int, int, int]]
) -> None:
    image = only(developed(source, png("rotate", {"angle": angle})))

    assert (image.width, image.height) == size
    assert are_near(corners(image), wanted, by=1)


def test_flip_mirrors_top_to_bottom(source: Path) -> None:
    image = only(developed(source, png("flip", True)))

    assert are_near(corners(image), [BLUE, WHITE, RED, GREEN], by=1)


def test_flop_mirrors_left_to_right(source: Path) -> None:
    image = only(developed(source, png("flop", True)))

    assert are_near(corners(image), [GREEN, RED, WHITE, BLUE], by=1)


def test_crop_refusal_names_what_was_wanted() -> None:
    with pytest.raises(Refused, match=r"crop\.x \+ crop\.width is 50, but .* 40 pixels wide"):
        STEPS["crop"].size(Size(40, 30), Crop(x=20, width=30, height=10))
