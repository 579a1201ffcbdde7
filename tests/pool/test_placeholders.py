"""Placeholders: ThumbHash as the reference makes it, the dominant colour, the perceptual hash."""

import re
from base64 import b64decode
from pathlib import Path

import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pool import Look
from pool.content import has_few_colours
from pool.look import LOOKED_AT, Small, _dhash
from pool.thumbhash import thumbhash
from tests.pool.pictures import GREEN, RED, developed, noise, plain, quarters, waves

# What rgbaToThumbHash of the npm package thumbhash 0.1.1 makes of `formula`.
REFERENCE = [
    (32, 24, False, "5f17061d862063a86973874a8676caa66071e1cf9a"),
    (24, 32, False, "9f2706250600964777b95467a4e7793b3370d4afbb"),
    (32, 32, False, "9f17061f060163a84876887a73968269dcb6350345af9b0a"),
    (100, 40, False, "df07020b825608527467728a3022c6fb88"),
    (32, 3, False, "e0350a798a407488868888887077075e77"),
    (5, 90, False, "df070a211287603878698449787072f7a8"),
    (32, 24, True, "5e07820c840730818a735d761b0a2bfedb9914795758296009"),
    (17, 31, True, "5d17860b04176059a874a875b0f4bd9c8788487577a810"),
    (2, 2, True, "d012a20d0011770888788778078f4548177f750a847887b808"),
]


def formula(width: int, height: int, has_alpha: bool) -> bytes:
    return bytes(
        value
        for y in range(height)
        for x in range(width)
        for value in (
            (x * 7 + y * 13) % 256,
            (x * x + y * 3) % 256,
            (255 - x * 5 + y * y) & 255,
            (x * 11 + y * 17) % 256 if has_alpha else 255,
        )
    )


def planes(pixels: bytes) -> list[bytes]:
    return [pixels[band::4] for band in range(4)]


@pytest.mark.parametrize(("width", "height", "has_alpha", "wanted"), REFERENCE)
def test_thumbhash_is_that_of_the_reference(
    width: int, height: int, has_alpha: bool, wanted: str
) -> None:
    red, green, blue, alpha = planes(formula(width, height, has_alpha))
    found = thumbhash(width, height, (red, green, blue), alpha if has_alpha else None)

    assert found.hex() == wanted


def test_thumbhash_of_nothing_visible_is_that_of_the_reference() -> None:
    wanted = "0008820380000000000000000000000000000000000000"

    nothing = bytes(16 * 9)

    assert thumbhash(16, 9, (nothing, nothing, nothing), nothing).hex() == wanted


def test_thumbhash_refuses_what_would_be_slow() -> None:
    with pytest.raises(ValueError, match="at most 100 pixels a side"):
        thumbhash(101, 1, (bytes(101),) * 3)


def seen(path: Path, recipe: object) -> Look:
    outcome = developed(path, recipe)
    assert outcome.fault is None
    assert outcome.look is not None
    return outcome.look


def test_a_picture_tells_its_look(tmp_path: Path) -> None:
    path = tmp_path / "source.jpg"
    image = plain(600, 400, RED).insert(plain(200, 100, GREEN), 0, 0)
    image.jpegsave(str(path), Q=95)

    look = seen(path, {"format": "webp", "resize": {"width": 300}})

    assert (look.width, look.height) == (300, 200)
    assert re.fullmatch("#d[9a-f]1[0-9a-f]1[0-9a-f]", look.dominant_colour)
    assert re.fullmatch("[0-9a-f]{16}", look.dhash)
    mean_light = b64decode(look.thumbhash)[0] & 63
    assert abs(mean_light / 63 - (5 * sum(RED) + sum(GREEN)) / 6 / 3 / 255) < 0.03


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_pictures_that_look_alike_have_hashes_near_each_other(tmp_path: Path) -> None:
    large, small, other = (tmp_path / name for name in ("a.png", "b.jpg", "c.png"))
    picture = noise(9, 6).resize(100, kernel="cubic").cast("uchar")
    picture.pngsave(str(large))
    picture.resize(0.3).jpegsave(str(small), Q=60)
    picture.rot180().pngsave(str(other))

    hashes = [seen(path, {"format": "webp"}).dhash for path in (large, small, other)]

    assert distance(hashes[0], hashes[1]) <= 4
    assert distance(hashes[0], hashes[2]) >= 16


def test_the_look_is_of_the_smallest_picture_that_shows_all(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    quarters(400, 200).pngsave(str(path))
    square = {"width": 40, "height": 40, "fit": "cover", "gravity": "west"}
    variants = [
        {"name": "whole", "resize": {"width": 300}},
        {"name": "less", "resize": {"width": 100}},
        {"name": "square", "resize": square},
        {"name": "stretched", "resize": {"width": 50, "height": 50, "fit": "fill"}},
        {"name": "tiny", "resize": {"width": LOOKED_AT // 2}},
    ]

    look = seen(path, {"variants": variants, "format": "png"})

    assert (look.width, look.height) == (100, 50)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2)])
def test_any_size_has_a_look(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "source.png"
    waves(*size).pngsave(str(path))

    assert seen(path, {"format": "png"}).thumbhash


def test_clear_pixels_have_no_colour(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    picture = Image.new("RGBA", (64, 64), (0, 0, 255, 0))
    picture.paste((255, 0, 0, 255), (0, 0, 16, 16))
    picture.save(path)

    assert seen(path, {"format": "png"}).dominant_colour == "#ff0000"


@pytest.mark.parametrize("kind", ["opaque", "deep", "grey", "wide"])
def test_the_look_is_of_what_is_shown_however_it_is_stored(tmp_path: Path, kind: str) -> None:
    usual, other = tmp_path / "usual.png", tmp_path / "other.png"
    image = waves(300, 200).copy(interpretation="srgb")
    if kind == "grey":
        image = image.colourspace("b-w").colourspace("srgb")
    image.pngsave(str(usual))
    stored = {
        "opaque": lambda: image.addalpha(),
        "deep": lambda: (image.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16"),
        "grey": lambda: image.colourspace("b-w"),
        "wide": lambda: image.icc_transform("p3", input_profile="srgb"),
    }
    stored[kind]().pngsave(str(other))

    found = seen(other, {"format": "png", "color": "p3" if kind == "wide" else "srgb"})
    wanted = seen(usual, {"format": "png"})

    assert distance(found.dhash, wanted.dhash) <= 2
    assert near(found.dominant_colour, wanted.dominant_colour)
    hashes = [b64decode(one.thumbhash) for one in (found, wanted)]
    heads = [int.from_bytes(one[:3], "little") for one in hashes]
    assert len(hashes[0]) == len(hashes[1])
    assert heads[0] >> 23 == 0, "says that it has alpha"
    for shift in (0, 6, 12):  # the means of light and of both colours
        assert abs((heads[0] >> shift & 63) - (heads[1] >> shift & 63)) <= 1


def near(one: str, other: str) -> bool:
    colours = [bytes.fromhex(colour[1:]) for colour in (one, other)]
    return all(abs(a - b) <= 3 for a, b in zip(*colours, strict=True))


def test_an_animation_has_the_look_of_its_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "source.gif"
    frames = [Image.new("RGB", (64, 48), colour) for colour in (GREEN, RED, RED)]
    frames[0].save(path, save_all=True, append_images=frames[1:])

    look = seen(path, {"format": "webp"})

    assert (look.dominant_colour, look.width, look.height) == ("#14c814", 64, 48)


@pytest.mark.parametrize(
    ("colours", "wanted"), [(1, True), (256, True), (257, False), (5000, False)]
)
def test_few_colours_are_told_however_late_the_last_comes(colours: int, wanted: bool) -> None:
    pixels = bytearray(128 * 128 * 3)
    for place in range(colours):
        at = len(pixels) - 3 * (place + 1)
        pixels[at : at + 3] = (place + 1).to_bytes(3, "big")
    pixels[: len(pixels) - 3 * colours] = bytes(pixels[-3:]) * (128 * 128 - colours)
    image = pyvips.Image.new_from_memory(bytes(pixels), 128, 128, 3, "uchar")

    assert has_few_colours(image.copy(interpretation="srgb")) is wanted


@given(st.integers(1, 40), st.integers(1, 40), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_dhash_compares_the_light_of_its_fields(width: int, height: int, is_rising: bool) -> None:
    line = sorted(range(width), reverse=not is_rising)
    row = bytes(round(255 * value / max(1, width - 1)) for value in line)
    plane = row * height
    found = _dhash(Small(width, height, plane, plane, plane, None))

    if is_rising or width == 1:
        assert found == "0" * 16
    elif width > 1:
        assert int(found, 16) > 0
        assert width < 9 or found == "f" * 16


def test_what_is_clear_counts_as_white_in_a_dhash() -> None:
    black = bytes(9 * 8)
    alpha = bytes([0, 255] * 36)
    found = _dhash(Small(9, 8, black, black, black, alpha))

    bits = f"{int(found, 16):064b}"
    assert bits[:8] == "10101010"
    assert bits[8:16] == "01010101"
