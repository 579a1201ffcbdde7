"""What comes in and what goes out, kind by kind."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pool import Fault, Header, ProbeTask, RecipeError, hevc, parse_recipe, save
from pool.probe import read_header
from pool.svg import sanitised
from tests.pool.pictures import (
    BLUE,
    FORMATS,
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
    psnr,
    quarters,
    waves,
)

OUTPUTS = ("jpeg", "png", "webp", "avif", "gif", "tiff")
WITH_SVG = replace(LIMITS, formats=(*FORMATS, "svg"))


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_format_is_written_as_announced(tmp_path: Path, name: str) -> None:
    path = tmp_path / "source.png"
    quarters(80, 60).pngsave(str(path))

    outcome = developed(path, {"format": name, "resize": {"width": 40}})

    (output,) = outcome.outputs
    found = read_header(ProbeTask(output.path, LIMITS))
    assert isinstance(found, Header)
    assert (found.format, found.width, found.height) == (name, 40, 30)
    assert are_near(corners(decoded(output.path)), [RED, GREEN, BLUE, WHITE], by=25)


@pytest.mark.parametrize("name", ["png", "webp", "avif", "tiff"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_lossless_gives_every_pixel_back(tmp_path: Path, name: str, bands: int) -> None:
    path = tmp_path / "source.png"
    image = waves(64, 48).bandjoin(200)
    image = image[:bands] if bands > 2 else image.extract_band(3 - bands + 1, n=bands)
    image.copy(interpretation="srgb" if bands > 2 else "b-w").pngsave(str(path))

    found = only(developed(path, {"format": name, "lossless": True})).colourspace("srgb")

    wanted = pyvips.Image.pngload(str(path)).colourspace("srgb")
    if found.bands > wanted.bands:
        found = found[: wanted.bands]
    assert psnr(found, wanted) == 99


@pytest.mark.parametrize("name", ["jpeg", "gif"])
def test_lossless_is_refused_where_it_cannot_be(name: str) -> None:
    with pytest.raises(RecipeError, match=f"can be lossless with lossless, got {name}"):
        parse_recipe(
            {"format": "webp", "lossless": True, "variants": [{"name": "a"}]}
            | {"variants": [{"name": "a", "format": name}]}
        )


def test_progressive_palette_and_best_effort_are_on_request(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    waves(300, 200).pngsave(str(path))
    sizes = {}
    for name, recipe in {
        "plain": {"format": "jpeg"},
        "progressive": {"format": "jpeg", "progressive": True},
        "best": {"format": "jpeg", "effort": "best"},
        "png": {"format": "png"},
        "palette": {"format": "png", "palette": True},
    }.items():
        (output,) = developed(path, recipe).outputs
        sizes[name] = output.bytes
        found = read_header(ProbeTask(output.path, LIMITS))
        assert isinstance(found, Header)
        assert found.progressive == (name == "progressive")

    assert sizes["palette"] < sizes["png"] / 1.5
    assert sizes["best"] < sizes["plain"]


def drawing(width: int, height: int) -> pyvips.Image:
    """Flat areas with hard edges."""
    return quarters(width, height)


@pytest.mark.parametrize(
    ("picture", "format", "is_exact"),
    [
        (drawing(300, 200), "webp", True),
        (waves(300, 200), "webp", False),
        (drawing(300, 200).bandjoin(90).copy(interpretation="srgb"), "webp", True),
        (drawing(16_400, 4), "png", True),
        (waves(16_400, 40), "jpeg", False),
        (waves(16_400, 40).bandjoin(90), "png", True),
    ],
    ids=["drawing", "photo", "clear drawing", "long drawing", "long photo", "long clear photo"],
)
def test_auto_looks_at_the_content(
    tmp_path: Path, picture: pyvips.Image, format: str, is_exact: bool
) -> None:
    path = tmp_path / "source.png"
    picture.pngsave(str(path))

    (output,) = developed(path, {}).outputs

    assert output.format == format
    assert Path(output.path).suffix == f".{format}".replace("jpeg", "jpg")
    found = decoded(output.path)
    assert (psnr(found[: picture.bands], picture) == 99) == is_exact


def test_auto_does_as_told_when_a_quality_is_said(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    drawing(300, 200).pngsave(str(path))

    image = only(developed(path, {"quality": 20}))

    assert psnr(image, drawing(300, 200)) < 99


def with_orientation(path: Path, number: int) -> None:
    image = quarters(40, 30).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", number)
    image.jpegsave(str(path), Q=95)


@pytest.mark.parametrize("number", [0, 9, 200])
def test_an_orientation_without_meaning_is_none(tmp_path: Path, number: int) -> None:
    path = tmp_path / "source.jpg"
    exif = Image.Exif()
    exif[0x0112] = number
    Image.fromarray(quarters(40, 30).numpy()).save(path, exif=exif, quality=95)

    header = read_header(ProbeTask(str(path), LIMITS))
    image = only(developed(path, {"format": "jpeg", "metadata": "keep"}))

    assert isinstance(header, Header)
    assert (header.orientation, header.width) == (1, 40)
    assert are_near(corners(image), [RED, GREEN, BLUE, WHITE], by=25)
    assert image.get_typeof("orientation") == 0 or image.get("orientation") <= 1


def test_a_palette_png_with_a_clear_colour_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    picture = Image.new("P", (20, 20), 1)
    picture.putpalette([0, 0, 0, *RED])
    picture.paste(0, (0, 0, 10, 20))
    picture.save(path, transparency=0)

    image = only(developed(path, {"format": "png"}))

    assert image.bands == 4
    assert image(2, 2)[3] == 0
    assert is_near(image(15, 10), (*RED, 255), by=0)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_of_an_animated_png_the_first_frame_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    frames = [Image.new("RGB", (20, 10), colour) for colour in (RED, BLUE)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    assert b"acTL" in path.read_bytes()

    image = only(developed(path, {"format": "webp", "lossless": True}))

    assert (image.width, image.height) == (20, 10)
    assert is_near(image(10, 5)[:3], RED, by=0)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_too_large_for_optimal_codes_keeps_its_other_options(
    tmp_path: Path, progressive: bool
) -> None:
    side = round(save.MOST_OPTIMISED_PIXELS**0.5)
    manner = {"format": "jpeg", "progressive": progressive, "effort": "best"}
    found = {}
    for extra in (0, 8):
        folder = tmp_path / str(extra)
        folder.mkdir()
        pyvips.Image.black(side + extra, side, bands=3).pngsave(str(folder / "s.png"))
        [output] = developed(folder / "s.png", manner).outputs
        with Image.open(output.path) as picture:
            found[extra] = picture.quantization, "progressive" in picture.info

    assert found[0] == found[8]
    assert found[8][1] is progressive


def test_heic_is_read_or_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "source.heic"
    path.write_bytes(hevc._SAMPLE)

    outcome = developed(path, {"format": "png"})
    header = read_header(ProbeTask(str(path), LIMITS))

    if outcome.fault is None:
        assert is_near(only(outcome)(8, 8)[:3], (200, 30, 30), by=20)
        assert isinstance(header, Header)
    else:
        assert header == outcome.fault
        assert outcome.fault.code == "unsupported_format"
        assert "HEIC" in outcome.fault.detail
        assert "JPEG" in outcome.fault.detail


def test_the_trial_leaves_strangers_bytes_blocked(tmp_path: Path) -> None:
    path = tmp_path / "source.heic"
    path.write_bytes(hevc._SAMPLE)
    read_header(ProbeTask(str(path), LIMITS))

    with pytest.raises(pyvips.Error, match="block"):
        pyvips.Image.heifload_buffer(hevc._SAMPLE)


SVG = "http://www.w3.org/2000/svg"


def svg(path: Path, body: str, attributes: str = 'width="40" height="20"') -> Path:
    path.write_text(f'<?xml version="1.0"?><svg xmlns="{SVG}" {attributes}>{body}</svg>')
    return path


def test_a_drawing_is_taken_only_where_it_is_switched_on(tmp_path: Path) -> None:
    path = svg(tmp_path / "a.svg", '<rect width="20" height="20" fill="#c80000"/>')

    off = developed(path, {"format": "png"}).fault
    image = only(developed(path, {"format": "png"}, limits=WITH_SVG))

    assert off is not None
    assert off.code == "unsupported_format"
    assert (image.width, image.height, image.bands) == (40, 20, 4)
    assert is_near(image(5, 5), (200, 0, 0, 255), by=0)
    assert image(35, 5)[3] == 0


def test_a_drawing_is_rendered_at_the_size_that_is_wanted(tmp_path: Path) -> None:
    path = svg(tmp_path / "a.svg", '<rect x="10" width="10" height="20" fill="#c80000"/>')
    recipe = {"format": "png", "resize": {"width": 400, "enlarge": True}}

    image = only(developed(path, recipe, limits=WITH_SVG))

    assert (image.width, image.height) == (400, 200)
    assert [image(x, 100)[3] for x in (98, 101, 198, 201)] == [0, 255, 255, 0]  # sharp edges


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        '<image href="file:///etc/passwd" width="9" height="9"/>',
        '<image href="https://example.com/a.png" width="9" height="9"/>',
        '<use href="other.svg#a"/>',
        '<rect onclick="alert(1)" width="9" height="9"/>',
        "<style>@import url(https://example.com/a.css);</style>",
        '<rect style="fill:url(https://example.com/a.svg#b)" width="9" height="9"/>',
        '<a href="javascript:alert(1)"><rect width="9" height="9"/></a>',
        '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">x</p></foreignObject>',
        '<s:script xmlns:s="http://www.w3.org/2000/svg">alert(1)</s:script>',
        '<rect fill="u\\72l(https://example.com)" width="9" height="9"/>',
    ],
)
def test_a_drawing_loses_what_reaches_out_of_it(tmp_path: Path, evil: str) -> None:
    path = svg(tmp_path / "a.svg", f'{evil}<rect id="kept" width="40" height="20" fill="#00c800"/>')

    text = sanitised(str(path)).decode()
    image = only(developed(path, {"format": "png"}, limits=WITH_SVG))

    for word in ("alert", "example.com", "passwd", "other.svg", "javascript", "import"):
        assert word not in text
    assert 'id="kept"' in text
    assert is_near(image(30, 10), (0, 200, 0, 255), by=0)


def test_a_drawing_keeps_references_within_itself(tmp_path: Path) -> None:
    body = (
        '<defs><linearGradient id="g"><stop stop-color="#c80000"/></linearGradient></defs>'
        "<style>.a &gt; rect { fill: url(#g) }</style>"
        '<g class="a"><rect width="40" height="20"/></g>'
    )

    image = only(developed(svg(tmp_path / "a.svg", body), {"format": "png"}, limits=WITH_SVG))

    assert is_near(image(20, 10), (200, 0, 0, 255), by=1)


def bomb() -> str:
    lines = [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9)]
    return f'<!DOCTYPE svg [<!ENTITY a0 "ha">{"".join(lines)}]><svg xmlns="{SVG}">&a8;</svg>'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (bomb(), "corrupt_image"),
        (f'<svg xmlns="{SVG}" width="9" height="9"><rect></svg>', "corrupt_image"),
        (
            f'<svg xmlns="{SVG}" width="9" height="9">{"<g>" * 300}{"</g>" * 300}</svg>',
            "corrupt_image",
        ),
        (
            f'<svg xmlns="{SVG}" width="9" height="9"><!--{"x" * (5 << 20)}--></svg>',
            "drawing_too_large",
        ),
        (f'<svg xmlns="{SVG}" width="30000" height="30000"/>', "too_many_pixels"),
    ],
    ids=["entities", "broken", "deep", "large file", "large picture"],
)
def test_a_drawing_that_bursts_its_bounds_is_refused(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "a.svg"
    path.write_text(text)

    fault = read_header(ProbeTask(str(path), WITH_SVG))

    assert isinstance(fault, Fault)
    assert fault.code == code


PICTURES: dict[str, Callable[[int, int], pyvips.Image]] = {"waves": waves, "quarters": quarters}


@st.composite
def outputs(draw: st.DrawFn) -> dict[str, object]:
    format = draw(st.sampled_from(["auto", *OUTPUTS]))
    recipe: dict[str, object] = {
        "format": format,
        "progressive": draw(st.booleans()),
        "palette": draw(st.booleans()),
        "color": draw(st.sampled_from(["srgb", "p3"])),
        "metadata": draw(st.sampled_from(["strip", "keep"])),
        "effort": draw(st.sampled_from(["normal", "best"])),
    }
    if format not in ("jpeg", "gif"):
        recipe["lossless"] = draw(st.booleans())
    if draw(st.booleans()):
        recipe["quality"] = draw(st.integers(1, 100) | st.just("auto"))
    if draw(st.booleans()):
        recipe["resize"] = {"width": draw(st.integers(1, 90)), "enlarge": draw(st.booleans())}
    return recipe


@settings(max_examples=80, deadline=None)
@given(
    recipe=outputs(),
    size=st.tuples(st.integers(2, 80), st.integers(2, 80)),
    bands=st.integers(1, 4),
    kind=st.sampled_from(["png", "tiff", "gif", "webp"]),
    picture=st.sampled_from(sorted(PICTURES)),
)
def test_any_output_settings_give_the_announced_format(
    recipe: dict[str, object], size: tuple[int, int], bands: int, kind: str, picture: str
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        image = PICTURES[picture](*size).bandjoin(200)
        image = image[:bands] if bands > 2 else image.extract_band(3 - bands + 1, n=bands)
        image = image.copy(interpretation="srgb" if bands > 2 else "b-w")
        getattr(image, f"{kind}save")(str(path))

        outcome = developed(path, recipe)

        assert outcome.fault is None, outcome.fault
        (output,) = outcome.outputs
        found = read_header(ProbeTask(output.path, LIMITS))
        assert isinstance(found, Header)
        asked = recipe["format"]
        assert output.format == found.format == ("webp" if asked == "auto" else asked)
        assert (found.width, found.height) == (output.width, output.height)
        assert outcome.look is not None
