"""Marks on a picture: watermark and text, in memory and inside a sandboxed lane."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from pool import Header, Outcome, ProbeTask, Task, parse_recipe
from pool.fault import Refused
from pool.font import FontError, bundled, family
from pool.lane import Lane, LaneSettings
from pool.probe import read_header
from tests.pool.one_step import Pixels, array, difference, done, noise, picture, plain, soft
from tests.pool.pictures import LIMITS, decoded

LOGO = {"asset": "logo", "margin": 0}


@pytest.fixture
def logo(tmp_path: Path) -> dict[str, str]:
    """A red half above a half-clear blue one, 20 x 10."""
    pixels = plain(10, 20, 255, 0, 0, 255)
    pixels[5:] = (0, 0, 255, 128)
    path = tmp_path / "logo.png"
    picture(pixels).pngsave(str(path))
    return {"logo": str(path)}


@pytest.mark.parametrize(
    ("gravity", "margin", "left", "top"),
    [
        ("northwest", 0, 0, 0),
        ("northwest", 7, 7, 7),
        ("southeast", 0, 80, 50),
        ("southeast", 7, 73, 43),
        ("center", 0, 40, 25),
        ("north", 3, 40, 3),
    ],
)
def test_a_watermark_stands_where_its_gravity_says(
    logo: dict[str, str], gravity: str, margin: int, left: int, top: int
) -> None:
    pixels = plain(60, 100, 100, 100, 100)
    settings = {"asset": "logo", "gravity": gravity, "margin": margin}

    found = done("watermark", pixels, settings, assets=logo)

    wanted = pixels.copy()
    wanted[top : top + 5, left : left + 20] = (255, 0, 0)
    wanted[top + 5 : top + 10, left : left + 20] = (50, 50, 178)
    assert difference(found, wanted) <= 1


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_a_watermark_goes_on_any_picture(logo: dict[str, str], bands: int) -> None:
    pixels = noise(30, 40, bands)

    found = done("watermark", pixels, {**LOGO, "gravity": "northwest"}, assets=logo)

    assert found.shape == (30, 40, 4 if bands in (2, 4) else 3)
    assert found[2, 2, :3].tolist() == [255, 0, 0]
    assert difference(found[20:, :, -1:], pixels[20:, :, -1:]) == 0


def test_opacity_fades_a_watermark(logo: dict[str, str]) -> None:
    pixels = plain(10, 20, 0, 0, 0)

    half = done("watermark", pixels, {**LOGO, "opacity": 0.5}, assets=logo)
    none = done("watermark", pixels, {**LOGO, "opacity": 0}, assets=logo)

    assert abs(int(half[2, 2, 0]) - 128) <= 1
    assert difference(none, pixels) == 0


def test_scale_is_a_part_of_the_width_and_nothing_reaches_out(logo: dict[str, str]) -> None:
    pixels = plain(40, 100, 0, 0, 0)

    wide = done("watermark", pixels, {**LOGO, "scale": 0.5, "gravity": "center"}, assets=logo)
    small = done("watermark", plain(4, 4, 0, 0, 0), LOGO, assets=logo)
    tall = done("watermark", plain(3, 90, 0, 0, 0), {**LOGO, "scale": 1}, assets=logo)

    assert int((wide.sum(axis=2).max(axis=0) > 0).sum()) == 50
    assert int((small.sum(axis=2).max(axis=0) > 0).sum()) == 4
    assert int((tall.sum(axis=2).max(axis=0) > 0).sum()) == 6


def test_a_watermark_without_alpha_covers(tmp_path: Path) -> None:
    path = tmp_path / "plain.jpg"
    Image.new("L", (8, 8), 200).save(path)

    found = done("watermark", plain(8, 8, 0, 0, 0), LOGO, assets={"logo": str(path)})

    assert difference(found, plain(8, 8, 200, 200, 200)) <= 1


def test_tiles_repeat_over_the_whole_picture(logo: dict[str, str]) -> None:
    settings = {"asset": "logo", "margin": 4, "tile": True}

    found = done("watermark", plain(60, 100, 9, 9, 9), settings, assets=logo)

    assert difference(found[:14, :24], found[14:28, 24:48]) == 0
    assert found[3, 3].tolist() == [255, 0, 0]
    assert found[0, 0].tolist() == [9, 9, 9]


@pytest.mark.parametrize("angle", [90, 45, -200.5])
@pytest.mark.parametrize("size", [(1, 1), (9, 9), (60, 100)])
def test_a_turned_watermark_stays_inside_without_a_dark_fringe(
    tmp_path: Path, angle: float, size: tuple[int, int]
) -> None:
    path = tmp_path / "red.png"
    picture(plain(10, 20, 255, 0, 0)).pngsave(str(path))
    settings = {**LOGO, "rotate": angle, "scale": 0.9}

    found = done("watermark", plain(*size, 255, 255, 255), settings, assets={"logo": str(path)})

    assert found.shape == (*size, 3)
    assert found[..., 0].min() >= 253  # red over white has all of its red everywhere
    assert difference(found[..., 1], found[..., 2]) <= 1
    assert found[..., 1].min() < 200


def test_a_watermark_of_an_uploaded_picture_is_found_by_its_id(logo: dict[str, str]) -> None:
    settings = {"imageId": "abc", "margin": 0}

    found = done("watermark", plain(10, 20, 0, 0, 0), settings, assets={"image:abc": logo["logo"]})

    assert found[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("content", "code"), [(None, "asset_not_found"), (b"text", "asset_unreadable")]
)
def test_an_asset_that_is_no_picture_is_named(
    tmp_path: Path, content: bytes | None, code: str
) -> None:
    path = tmp_path / "logo"
    if content is not None:
        path.write_bytes(content)

    for assets in ({"logo": str(path)}, {}) if content is None else ({"logo": str(path)},):
        with pytest.raises(Refused) as caught:
            done("watermark", noise(9, 9, 3), LOGO, assets=assets)
        assert caught.value.fault.code == code
        assert "logo" in caught.value.fault.detail
        assert str(tmp_path) not in caught.value.fault.detail


def ink(pixels: Pixels) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of all that is lighter than black."""
    rows, columns = np.nonzero(pixels.max(axis=2) > 40)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_text_is_written_in_its_size_and_place() -> None:
    black = plain(200, 400, 0, 0, 0)
    settings = {"text": "Hxg", "size": 40, "margin": 10}

    right = ink(done("text", black, {**settings, "gravity": "southeast"}))
    left = ink(done("text", black, {**settings, "gravity": "northwest"}))
    larger = ink(done("text", black, {**settings, "size": 80, "gravity": "northwest"}))

    assert (right[2], right[3]) == (390, 190)
    assert (left[0], left[1]) == (10, 10)
    assert 30 <= left[3] - left[1] <= 42
    assert 1.9 < (larger[3] - larger[1]) / (left[3] - left[1]) < 2.1


def test_text_has_its_colour_and_opacity() -> None:
    settings = {"text": "HHHH", "size": 60, "weight": "bold", "gravity": "center"}

    full = done("text", plain(100, 300, 0, 0, 0), {**settings, "color": "#ff8000"})
    half = done("text", plain(100, 300, 0, 0, 0), {**settings, "color": "#ff800080"})
    same = done("text", plain(100, 300, 0, 0, 0), {**settings, "color": "#ff8000", "opacity": 0.5})

    assert full.max(axis=(0, 1)).tolist() == [255, 128, 0]
    assert difference(half.max(axis=(0, 1)), np.array([128, 64, 0])) <= 1
    assert difference(half, same) <= 2


def test_bold_is_wider() -> None:
    black = plain(100, 500, 0, 0, 0)
    widths = [
        (lambda box: box[2] - box[0])(ink(done("text", black, {"text": "HHHH", "weight": weight})))
        for weight in ("normal", "bold")
    ]

    assert widths[0] < widths[1]


def test_a_stroke_lies_around_the_letters() -> None:
    settings = {"text": "I", "size": 80, "gravity": "center", "strokeWidth": 5}

    found = done("text", plain(120, 120, 0, 0, 0), {**settings, "strokeColor": "#00ff00"})
    bare = done("text", plain(120, 120, 0, 0, 0), {**settings, "strokeWidth": 0})

    outer, inner = ink(found), ink(bare)
    assert (outer[2] - outer[0]) - (inner[2] - inner[0]) == 10
    middle = found[60, outer[0] + 2]
    assert middle.tolist() == [0, 255, 0]
    assert found[60, 60].tolist() == [255, 255, 255]


def test_text_is_plain_and_never_markup() -> None:
    black = plain(60, 500, 0, 0, 0)

    plain_text = done("text", black, {"text": "<b>&amp;</b>"})
    shorter = done("text", black, {"text": "&"})

    assert ink(plain_text)[0] < ink(shorter)[0] - 60  # all of its characters are there


def test_long_text_wraps_and_far_too_long_text_is_made_smaller() -> None:
    wrapped = ink(done("text", plain(200, 120, 0, 0, 0), {"text": "word " * 12, "size": 20}))
    crammed = ink(done("text", plain(60, 120, 0, 0, 0), {"text": "word " * 100, "size": 2000}))

    assert wrapped[3] - wrapped[1] > 45
    assert crammed[2] - crammed[0] <= 120 - 32


@pytest.mark.parametrize("text", [" ", "\n\n", "\u200b", "\t"])
def test_text_without_letters_changes_nothing(text: str) -> None:
    pixels = noise(20, 20, 3)

    assert difference(done("text", pixels, {"text": text}), pixels) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (40, 1)])
@pytest.mark.parametrize(
    "more",
    [{}, {"rotate": 30}, {"tile": True}, {"tile": True, "rotate": -45}, {"strokeWidth": 20}],
)
def test_text_goes_on_the_smallest_pictures(size: tuple[int, int], more: dict[str, object]) -> None:
    assert done("text", noise(*size, 3), {"text": "Hello", **more}).shape == (*size, 3)


def test_lines_are_aligned_to_each_other() -> None:
    black = plain(200, 400, 0, 0, 0)
    settings = {"text": "wwwwwwww\ni", "size": 40, "gravity": "center"}

    found = {
        align: done("text", black, {**settings, "align": align}) for align in ("left", "right")
    }

    lower = {align: ink(pixels[105:])[0] for align, pixels in found.items()}
    assert lower["right"] - lower["left"] > 100


def test_a_font_of_the_assets_is_used(tmp_path: Path) -> None:
    path = tmp_path / "brand.ttf"
    shutil.copyfile(bundled() or "", path)
    black = plain(60, 300, 0, 0, 0)

    own = done("text", black, {"text": "Hello"})
    named = done("text", black, {"text": "Hello", "font": "brand"}, assets={"brand": str(path)})

    assert family(str(path)) == "Roboto"
    assert difference(own, named) == 0


def test_a_font_that_is_not_there_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-font").write_bytes(b"\0\1\0\0\0\xff" + b"x" * 40)

    with pytest.raises(Refused, match="no font file named brand") as missing:
        done("text", noise(9, 9, 3), {"text": "x", "font": "brand"})
    with pytest.raises(Refused, match="brand is no TrueType") as wrong:
        assets = {"brand": str(tmp_path / "no-font")}
        done("text", noise(9, 9, 3), {"text": "x", "font": "brand"}, assets=assets)
    monkeypatch.setattr("pool.font.BUNDLED", "no_such_package")
    with pytest.raises(Refused, match="install the package fontpkg-roboto") as nothing:
        done("text", noise(9, 9, 3), {"text": "x"})

    assert {one.value.fault.code for one in (missing, wrong, nothing)} == {"font_not_found"}


@pytest.mark.parametrize("content", [b"", b"OTTO", b"ttcf" + b"\xff" * 20, b"\0" * 100])
def test_a_broken_font_file_is_an_error_of_its_own(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.otf"
    path.write_bytes(content)

    with pytest.raises(FontError):
        family(str(path))


@pytest_asyncio.fixture
async def lane(tmp_path: Path) -> AsyncIterator[Lane]:
    """Shut in; beside its spool it may read the folder of the assets."""
    (tmp_path / "spool").mkdir()
    assets = tmp_path / "assets"
    assets.mkdir()
    settings = LaneSettings(spool=str(tmp_path / "spool"), read_only=(str(assets),))
    lane = Lane("test", on_progress=lambda _: None, settings=settings)
    await lane.start()
    yield lane
    await lane.close()


@pytest.mark.parametrize("font", ["brand", None])
async def test_marks_are_made_inside_the_sandbox(
    lane: Lane, tmp_path: Path, font: str | None
) -> None:
    spool, assets = tmp_path / "spool", tmp_path / "assets"
    picture(plain(10, 20, 255, 0, 0)).pngsave(str(assets / "logo.png"))
    shutil.copyfile(bundled() or "", assets / "brand.ttf")
    picture(soft(100, 200)).pngsave(str(spool / "source.png"))
    (spool / "out").mkdir()
    recipe = parse_recipe(
        {
            "watermark": {"asset": "logo", "gravity": "northwest", "margin": 0},
            "text": {"text": "Grüße · Ж", "font": font, "size": 30, "gravity": "center"},
            "variants": [{"name": "one", "format": "png"}],
        }
    )
    named = {"logo": str(assets / "logo.png"), "brand": str(assets / "brand.ttf")}
    source, out = str(spool / "source.png"), str(spool / "out")
    task = Task("job", 1, source, recipe, out, LIMITS, 20.0, assets=named)

    [outcome] = await lane.develop([task])

    assert isinstance(outcome, Outcome)
    assert outcome.fault is None
    found = array(decoded(outcome.outputs[0].path))
    assert found[0, 0].tolist() == [255, 0, 0]
    letters = (found[40:60, 40:160] == 255).all(axis=2)
    assert letters.sum() > 100


def test_a_mark_is_opened_upright(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10), (255, 0, 0)).save(path, exif=exif)
    header = read_header(ProbeTask(str(path), LIMITS))
    assert isinstance(header, Header)

    settings = {**LOGO, "gravity": "northwest"}
    found = done("watermark", plain(30, 30, 0, 0, 0), settings, assets={"logo": str(path)})

    assert (header.width, header.height) == (10, 20)
    assert ink(found) == (0, 0, 10, 20)
