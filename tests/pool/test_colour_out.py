"""Colours on the way out: sRGB by default, Display P3 with its profile on request."""

import io
from pathlib import Path

import pytest
import pyvips
from PIL import Image, ImageCms

from pool.colour import is_of
from tests.pool.pictures import decoded, developed, is_near, only, psnr, waves

WITH_PROFILE = ("jpeg", "png", "webp", "avif", "tiff")


def profile(name: str) -> bytes:
    return bytes(pyvips.Operation.call("profile_load", name))


def written(path: Path, icc: bytes | None) -> Image.Image:
    pixels = Image.fromarray(waves(96, 64).numpy())
    pixels.save(path, icc_profile=icc) if icc else pixels.save(path)
    return pixels


def by_pillow(pixels: Image.Image, source: bytes, target: bytes) -> pyvips.Image:
    done = ImageCms.profileToProfile(
        pixels,
        ImageCms.ImageCmsProfile(io.BytesIO(source)),
        ImageCms.ImageCmsProfile(io.BytesIO(target)),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert done is not None
    return pyvips.Image.new_from_array(done)


@pytest.mark.parametrize("format", WITH_PROFILE)
def test_p3_is_kept_with_its_profile_on_request(tmp_path: Path, format: str) -> None:
    path = tmp_path / "source.png"
    written(path, profile("p3"))
    recipe = {"format": format, "color": "p3", "quality": 100}

    image = only(developed(path, recipe))

    assert is_of(image.get("icc-profile-data"), "p3")
    assert psnr(image, waves(96, 64)) > (35 if format in ("jpeg", "webp", "avif") else 98)


@pytest.mark.parametrize("format", WITH_PROFILE)
def test_srgb_is_the_default_and_needs_no_profile(tmp_path: Path, format: str) -> None:
    path = tmp_path / "source.png"
    pixels = written(path, profile("p3"))

    image = only(developed(path, {"format": format, "quality": 100}))

    assert image.get_typeof("icc-profile-data") == 0
    wanted = by_pillow(pixels, profile("p3"), profile("srgb"))
    assert psnr(image, wanted) > (33 if format in ("jpeg", "webp", "avif") else 45)


def test_srgb_becomes_p3_as_pillow_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    pixels = written(path, None)

    image = only(developed(path, {"format": "png", "color": "p3"}))

    assert psnr(image, by_pillow(pixels, profile("srgb"), profile("p3"))) > 45
    assert psnr(image, waves(96, 64)) < 40  # there was something to convert


def test_a_way_to_p3_and_back_loses_next_to_nothing(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    written(path, None)

    there = developed(path, {"format": "png", "color": "p3"}).outputs[0].path
    back = only(developed(Path(there), {"format": "png"}))

    assert psnr(back, waves(96, 64)) > 45


def test_gif_holds_no_profile_so_its_colours_are_srgb(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    Image.new("RGB", (20, 20), (200, 30, 30)).save(path, icc_profile=profile("p3"))

    wide = only(developed(path, {"format": "gif", "color": "p3"}))
    plain = only(developed(path, {"format": "gif"}))

    assert wide.get_typeof("icc-profile-data") == 0
    assert is_near(wide(10, 10)[:3], plain(10, 10)[:3], by=2)


def test_grey_pictures_and_cmyk_take_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "source.jpg"
    Image.new("L", (40, 40), 120).save(path, quality=95)
    grey = only(developed(path, {"format": "png", "color": "p3"}))
    Image.new("CMYK", (40, 40), (0, 255, 255, 0)).save(path, quality=95)
    red = only(developed(path, {"format": "png", "color": "p3"}))

    assert (grey.bands, grey.get_typeof("icc-profile-data")) == (1, 0)
    assert is_near(grey(20, 20), [120], by=1)
    assert is_of(red.get("icc-profile-data"), "p3")
    assert red(20, 20)[0] > 180 > 110 > red(20, 20)[1]


def test_placeholders_of_a_p3_picture_are_srgb(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    Image.new("RGB", (40, 40), (200, 60, 60)).save(path, icc_profile=profile("p3"))

    wide = developed(path, {"format": "png", "color": "p3"})
    plain = developed(path, {"format": "png"})

    assert wide.look is not None and plain.look is not None
    red = decoded(plain.outputs[0].path)(20, 20)[0]
    assert abs(int(wide.look.dominant_colour[1:3], 16) - red) <= 2
