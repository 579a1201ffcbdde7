"""Placeholders: ThumbHash as the reference makes it, the dominant colour, the perceptual hash."""

import re
from base64 import b64decode
from pathlib import Path

import pytest
import pyvips
from PIL import Image

from pool import Look
from pool.look import LOOKED_AT
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


@pytest.mark.parametrize(("width", "height", "has_alpha", "wanted"), REFERENCE)
def test_thumbhash_is_that_of_the_reference(
    width: int, height: int, has_alpha: bool, wanted: str
) -> None:
    assert thumbhash(width, height, formula(width, height, has_alpha)).hex() == wanted


def test_thumbhash_of_nothing_visible_is_that_of_the_reference() -> None:
    wanted = "0008820380000000000000000000000000000000000000"

    assert thumbhash(16, 9, bytes(16 * 9 * 4)).hex() == wanted


def test_thumbhash_refuses_what_would_be_slow() -> None:
    with pytest.raises(ValueError, match="at most 100 pixels a side"):
        thumbhash(101, 1, bytes(404))


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


def test_an_animation_has_the_look_of_its_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "source.gif"
    frames = [Image.new("RGB", (64, 48), colour) for colour in (GREEN, RED, RED)]
    frames[0].save(path, save_all=True, append_images=frames[1:])

    look = seen(path, {"format": "webp"})

    assert (look.dominant_colour, look.width, look.height) == ("#14c814", 64, 48)


def test_a_look_costs_little(tmp_path: Path) -> None:
    from time import process_time

    from pool.look import look
    from pool.plan import plan_outputs
    from pool.recipe import parse_recipe
    from pool.records import Header

    image = waves(800, 600)
    header = Header("png", 800, 600, 3, 1, False, False, 8, 1)
    (plan,) = plan_outputs(header, parse_recipe({}))
    look(image, plan)
    began = process_time()
    for _ in range(10):
        look(image, plan)
    taken_ms = (process_time() - began) * 100

    assert taken_ms < 25
    assert isinstance(image, pyvips.Image)
