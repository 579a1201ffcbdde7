"""Steps that change what is where: trim, crop by aspect, rotate, pad, round."""

from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageDraw

from pool import Header, ProbeTask, announce, parse_recipe
from pool.fault import Refused
from pool.probe import read_header
from pool.steps import STEPS, Size
from tests.pool.one_step import (
    array,
    difference,
    done,
    has_no_fringe,
    noise,
    picture,
    plain,
    red_on_clear_green,
    soft,
)
from tests.pool.pictures import LIMITS, developed, only


def bordered(*border: int) -> np.ndarray:
    """A soft picture of 30 x 20 at 15, 10 in a border."""
    pixels = plain(50, 70, *border)
    pixels[10:30, 15:45] = soft(20, 30, 3) if len(border) == 3 else noise(20, 30, len(border))
    if len(border) == 4:
        pixels[10:30, 15:45, 3] = 255
    return pixels


@pytest.mark.parametrize("border", [(250, 250, 250), (3, 60, 200), (7, 9, 9, 0)])
def test_trim_leaves_what_is_inside_the_border(tmp_path: Path, border: tuple[int, ...]) -> None:
    path = tmp_path / "source.png"
    pixels = bordered(*border)
    picture(pixels).pngsave(str(path))

    image = only(developed(path, {"trim": {}, "format": "png"}))

    assert difference(array(image), pixels[10:30, 15:45]) == 0


def test_trim_looks_at_the_picture_as_displayed(tmp_path: Path) -> None:
    path = tmp_path / "source.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(bordered(255, 255, 255))).save(path, quality=100, exif=exif)

    image = only(developed(path, {"trim": {"threshold": 20}, "format": "png"}))

    assert abs(image.width - 30) <= 1
    assert abs(image.height - 20) <= 1


def test_trim_of_a_named_colour_leaves_other_borders(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    picture(bordered(255, 0, 0)).pngsave(str(path))

    kept = only(developed(path, {"trim": {"color": "#0000ff"}, "format": "png"}))
    cut = only(developed(path, {"trim": {"color": "#ff0000"}, "format": "png"}))

    assert (kept.width, kept.height) == (70, 50)
    assert (cut.width, cut.height) == (30, 20)


def test_a_grey_picture_has_no_coloured_border(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    pixels = plain(20, 20, 255)
    pixels[5:15, 5:15] = 0
    picture(pixels).pngsave(str(path))

    widths = [
        only(developed(path, {"trim": {"color": colour}, "format": "png"})).width
        for colour in ("#ff0000", "#ffffff")
    ]

    assert widths == [20, 10]


def test_trim_threshold_says_how_like_the_border_must_be(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    pixels = plain(40, 40, 255, 255, 255)
    pixels[5:35, 5:35] = 240
    pixels[15:25, 15:25] = 0
    picture(pixels).pngsave(str(path))

    sizes = [
        only(developed(path, {"trim": {"threshold": level}, "format": "png"})).width
        for level in (5, 30)
    ]

    assert sizes == [30, 10]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 9), (30, 1), (30, 30)])
def test_a_picture_that_is_all_border_stays_whole(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "source.png"
    picture(plain(height, width, 9, 9, 9)).pngsave(str(path))

    image = only(developed(path, {"trim": {}, "format": "png"}))

    assert (image.width, image.height) == (width, height)


def test_trim_overlooks_a_speck_and_sees_a_thin_line(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    pixels = plain(40, 50, 255, 255, 255)
    pixels[3, 4] = pixels[36, 44:46] = 0
    pixels[10:30, 20] = 0
    picture(pixels).pngsave(str(path))

    image = only(developed(path, {"trim": {}, "format": "png"}))

    assert (image.width, image.height) == (1, 20)


def test_sizes_after_trim_are_of_the_box_that_was_found(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    picture(bordered(255, 255, 255)).pngsave(str(path))
    variants = [{"name": "a", "resize": {"width": 15}}, {"name": "b", "resize": {"height": 5}}]
    recipe = {"trim": {}, "format": "png", "variants": variants}

    outcome = developed(path, recipe)

    assert outcome.fault is None
    assert [(output.width, output.height) for output in outcome.outputs] == [(15, 10), (8, 5)]


def test_what_trim_makes_too_large_is_refused_by_the_worker_only(tmp_path: Path) -> None:
    from dataclasses import replace

    from pool import refusal

    path = tmp_path / "source.png"
    picture(bordered(255, 255, 255)).pngsave(str(path))
    header = read_header(ProbeTask(str(path), LIMITS))
    assert isinstance(header, Header)
    limits = replace(LIMITS, max_output_pixels=700)
    recipe = {"trim": {}, "format": "png"}

    assert refusal(header, parse_recipe(recipe), limits) is None
    assert developed(path, recipe, limits=limits).fault is None
    fault = developed(path, recipe, limits=replace(limits, max_output_pixels=500)).fault
    assert fault is not None
    assert (fault.code, fault.actual) == ("output_too_large", 600)


def test_a_crop_after_trim_counts_from_the_box(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    pixels = bordered(255, 255, 255)
    picture(pixels).pngsave(str(path))
    inside = {"x": 2, "y": 3, "width": 20, "height": 10}

    image = only(developed(path, {"trim": {}, "crop": inside, "format": "png"}))
    fault = developed(path, {"trim": {}, "crop": {**inside, "x": 20}}).fault

    assert difference(array(image), pixels[13:23, 17:37]) == 0
    assert fault is not None
    assert (fault.code, fault.limit, fault.actual) == ("crop_outside", 30, 40)


@pytest.mark.parametrize(
    ("before", "aspect", "after"),
    [
        ((1600, 1600), "16:9", (1600, 900)),
        ((1600, 900), "1:1", (900, 900)),
        ((1600, 900), "9:16", (506, 900)),
        ((1, 1), "16:9", (1, 1)),
        ((3, 500), "9999:1", (3, 1)),
    ],
)
def test_crop_takes_the_largest_box_of_an_aspect(
    before: tuple[int, int], aspect: str, after: tuple[int, int]
) -> None:
    crop = parse_recipe({"crop": {"aspect": aspect}}).crop

    assert STEPS["crop"].size(Size(*before), crop) == Size(*after)


@pytest.mark.parametrize(
    ("gravity", "left"), [("west", 0), ("center", 15), ("east", 30), ("northeast", 30)]
)
def test_crop_by_aspect_keeps_the_side_its_gravity_names(gravity: str, left: int) -> None:
    pixels = noise(40, 70, 3)

    found = done("crop", pixels, {"aspect": "1:1", "gravity": gravity})

    assert difference(found, pixels[:, left : left + 40]) == 0


@pytest.mark.parametrize("gravity", ["attention", "entropy"])
def test_crop_by_aspect_finds_what_matters(gravity: str) -> None:
    pixels = plain(60, 200, 128, 128, 128)
    pixels[10:50, 150:190] = noise(40, 40, 3)

    found = done("crop", pixels, {"aspect": "1:1", "gravity": gravity})

    assert found.shape == (60, 60, 3)
    assert found.std() > 20


@pytest.mark.parametrize("angle", [30, -30, 45, 1, 89.5, 135, 210.25, 359])
def test_a_free_rotation_looks_as_pillow_makes_it(angle: float) -> None:
    pixels = soft(60, 90)
    settings = {"angle": angle, "color": "#0a6432"}

    found = done("rotate", pixels, settings)

    turned = Image.fromarray(pixels).rotate(
        -angle, Image.Resampling.BICUBIC, expand=True, fillcolor=(10, 100, 50)
    )
    wanted = np.asarray(turned).astype(float)
    height, width = found.shape[0], found.shape[1]
    assert abs(width - turned.width) <= 1
    assert abs(height - turned.height) <= 1
    middle = found[height // 2 - 12 : height // 2 + 12, width // 2 - 12 : width // 2 + 12]
    top, left = turned.height / 2 - height / 2, turned.width / 2 - width / 2
    shifted = Image.fromarray(wanted.astype(np.uint8)).transform(
        (width, height), Image.Transform.AFFINE, (1, 0, left, 0, 1, top), Image.Resampling.BICUBIC
    )
    other = np.asarray(shifted)[
        height // 2 - 12 : height // 2 + 12, width // 2 - 12 : width // 2 + 12
    ]
    assert difference(middle, other) <= 4
    assert angle == 89.5 or found[0, 0].tolist() == [10, 100, 50]  # there it is half picture


def test_clear_corners_of_a_rotation_have_no_dark_fringe() -> None:
    found = done("rotate", plain(40, 40, 255, 0, 0), {"angle": 20, "color": "#00000000"})

    assert found.shape[2] == 4
    assert found[0, 0, 3] == 0
    assert found[20, 20].tolist() == [255, 0, 0, 255]
    assert has_no_fringe(found)
    assert has_no_fringe(done("rotate", red_on_clear_green(), {"angle": 33, "color": "#00000000"}))


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("angle", [0, 90, -90, 180, 270, 360, 720 / 2])
def test_quarter_turns_lose_nothing(bands: int, angle: float) -> None:
    pixels = noise(5, 8, bands)

    found = done("rotate", pixels, {"angle": angle})

    assert difference(found, np.rot90(pixels, -round(angle) // 90 % 4)) == 0


def test_rotating_a_symmetric_picture_stays_symmetric() -> None:
    found = done("rotate", plain(21, 21, 200), {"angle": 45, "color": "#000000"})

    assert difference(found, found[::-1]) <= 1
    assert difference(found, found[:, ::-1]) <= 1


def test_pad_puts_a_border_around() -> None:
    pixels = noise(5, 8, 3)
    sides = {"top": 1, "right": 2, "bottom": 3, "left": 4, "color": "#0a6432"}

    found = done("pad", pixels, sides)

    wanted = plain(9, 14, 10, 100, 50)
    wanted[1:6, 4:12] = pixels
    assert difference(found, wanted) == 0


@pytest.mark.parametrize(
    ("before", "aspect", "after"),
    [((30, 20), "1:1", (30, 30)), ((30, 20), "16:9", (36, 20)), ((1, 1), "3:1", (3, 1))],
)
def test_pad_goes_to_the_smallest_box_of_an_aspect(
    before: tuple[int, int], aspect: str, after: tuple[int, int]
) -> None:
    pixels = noise(before[1], before[0], 3)

    found = done("pad", pixels, {"aspect": aspect, "gravity": "southeast"}, background=(1, 2, 3))

    assert (found.shape[1], found.shape[0]) == after
    assert difference(found[-before[1] :, -before[0] :], pixels) == 0
    if after != before:
        assert found[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_pad_can_be_clear_or_coloured_whatever_the_picture_is(bands: int) -> None:
    pixels = noise(4, 4, bands)

    clear = done("pad", pixels, {"left": 2, "color": "#00000000"})
    coloured = done("pad", pixels, {"left": 2, "color": "#ff0000"})

    assert clear[0, 0, -1] == 0
    assert coloured[0, 0].tolist() == ([255, 0, 0] if bands % 2 else [255, 0, 0, 255])


def supersampled(width: int, height: int, radius: int) -> np.ndarray:
    large = Image.new("L", (width * 16, height * 16))
    box = (0, 0, width * 16 - 1, height * 16 - 1)
    ImageDraw.Draw(large).rounded_rectangle(box, radius * 16, fill=255)
    return np.asarray(large.resize((width, height), Image.Resampling.BOX))


@pytest.mark.parametrize(
    ("settings", "radius"), [({"radius": 7}, 7), ({"radius": 500}, 15), ({"circle": True}, 15)]
)
@pytest.mark.parametrize("bands", [1, 3])
def test_round_takes_the_corners_out_of_the_alpha(
    settings: dict[str, object], radius: int, bands: int
) -> None:
    pixels = noise(30, 41, bands)

    found = done("round", pixels, settings)

    assert found.shape[2] == bands + 1
    assert difference(found[..., :-1], pixels) == 0
    assert difference(found[..., -1], supersampled(41, 30, radius)) < 40
    assert abs(found[..., -1].mean() - supersampled(41, 30, radius).mean()) < 0.3


def test_round_keeps_the_alpha_there_was() -> None:
    pixels = plain(20, 20, 9, 9, 9, 100)

    found = done("round", pixels, {"circle": True})

    assert found[0, 0, 3] == 0
    assert found[10, 10, 3] == 100
    assert found[..., 3].max() == 100


def test_round_in_a_format_without_alpha_shows_the_background(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    picture(plain(40, 40, 200, 0, 0)).pngsave(str(path))

    recipe = {"round": {"circle": True}, "format": "jpeg", "background": "#00c800"}
    image = only(developed(path, recipe))

    assert difference(np.array(image(0, 0)), np.array([0, 200, 0])) < 12
    assert difference(np.array(image(20, 20)), np.array([200, 0, 0])) < 12


def test_one_pixel_has_no_corners() -> None:
    assert done("round", plain(1, 1, 9, 9, 9), {"circle": True}).tolist() == [[[9, 9, 9]]]


def test_announced_sizes_hold_for_every_move_together(tmp_path: Path) -> None:
    path = tmp_path / "source.jpg"
    pyvips.Image.black(400, 300).jpegsave(str(path))
    recipe = {
        "crop": {"aspect": "4:3"},
        "resize": {"width": 100},
        "rotate": {"angle": 10},
        "pad": {"aspect": "1:1"},
        "format": "png",
    }
    header = read_header(ProbeTask(str(path), LIMITS))
    assert isinstance(header, Header)

    image = only(developed(path, recipe))

    assert announce(header, parse_recipe(recipe)) == (Size(image.width, image.height),)


def test_pixelate_and_crop_say_where_they_leave_the_picture() -> None:
    settings = {"region": {"x": 3, "width": 8, "height": 4}}

    with pytest.raises(Refused, match=r"region\.width is 11, but .* 10 pixels wide") as caught:
        done("pixelate", noise(8, 10, 3), settings)

    assert caught.value.fault.code == "region_outside"
