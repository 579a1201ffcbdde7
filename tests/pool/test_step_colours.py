"""Steps that change colours: each against the formula it is named after."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.pool.one_step import Pixels, difference, done, noise, plain, soft

WITHOUT_SETTINGS = {"grayscale": True, "sepia": True, "normalise": True}
OF_COLOUR: dict[str, object] = {
    **WITHOUT_SETTINGS,
    "gamma": 1.8,
    "adjust": {"brightness": 1.2, "saturation": 0.4, "hue": 40},
    "tint": {"color": "#a05028"},
    "clahe": {"window": 5},
}


def linear(pixels: Pixels) -> Pixels:
    value = pixels / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def encoded(value: Pixels) -> Pixels:
    return 255 * np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)


def clipped(values: Pixels) -> Pixels:
    return np.clip(np.floor(values + 0.5), 0, 255)


@pytest.mark.parametrize("name", OF_COLOUR)
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 6)])
def test_steps_of_colour_keep_the_alpha_and_take_any_picture(
    name: str, bands: int, size: tuple[int, int]
) -> None:
    pixels = noise(*size, bands)

    found = done(name, pixels, OF_COLOUR[name])

    assert found.shape[:2] == size
    if bands in (2, 4):
        assert difference(found[..., -1], pixels[..., -1]) == 0
    else:
        assert found.shape[2] in (1, 3)


def test_flatten_lays_the_picture_over_the_colour() -> None:
    pixels = noise(12, 9, 4)

    found = done("flatten", pixels, {"color": "#0a6432"})

    part = pixels[..., 3:] / 255
    wanted = pixels[..., :3] * part + np.array([10, 100, 50]) * (1 - part)
    assert found.shape[2] == 3
    assert difference(found, wanted) <= 1


def test_flatten_by_default_takes_the_background_and_leaves_opaque_pictures() -> None:
    clear, opaque = plain(3, 3, 9, 9, 9, 0), noise(3, 3, 3)

    assert done("flatten", clear, {}, background=(1, 2, 3))[0, 0].tolist() == [1, 2, 3]
    assert done("flatten", plain(3, 3, 9, 0), {"color": "#ff0000"})[0, 0].tolist() == [255, 0, 0]
    assert difference(done("flatten", opaque, {}), opaque) == 0


def test_grayscale_sums_up_linear_light() -> None:
    pixels = noise(20, 30, 3)

    found = done("grayscale", pixels, True)

    light = linear(pixels) @ np.array([0.2126, 0.7152, 0.0722])
    assert found.shape == (20, 30, 1)
    assert difference(found[..., 0], encoded(light)) < 1.6


def test_sepia_is_the_css_filter() -> None:
    pixels = noise(20, 30, 3)
    matrix = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])

    assert difference(done("sepia", pixels, True), clipped(pixels @ matrix.T)) <= 1


def test_sepia_gives_a_grey_picture_colour() -> None:
    assert done("sepia", plain(2, 2, 100), True).shape == (2, 2, 3)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1, 2.2, 10])
def test_gamma_is_the_power_of_one_over_it(gamma: float) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)

    found = done("gamma", pixels, gamma)

    assert difference(found, 255 * (pixels / 255) ** (1 / gamma)) <= 0.5001
    assert (found.min(), found.max()) == (0, 255)


def filtered(pixels: Pixels, brightness: float, contrast: float) -> Pixels:
    value = np.minimum(pixels / 255 * brightness, 1)
    return clipped(255 * np.clip((value - 0.5) * contrast + 0.5, 0, 1))


@pytest.mark.parametrize(
    ("brightness", "contrast"), [(1.3, 1), (0, 1), (1, 0), (0.7, 2.5), (10, 10)]
)
def test_brightness_and_contrast_are_the_css_filters(brightness: float, contrast: float) -> None:
    pixels = noise(20, 30, 3)

    found = done("adjust", pixels, {"brightness": brightness, "contrast": contrast})

    assert difference(found, filtered(pixels, brightness, contrast)) <= 1


@pytest.mark.parametrize("saturation", [0, 0.5, 1, 3])
def test_saturation_is_the_css_filter(saturation: float) -> None:
    pixels = noise(20, 30, 3)
    shade = (pixels @ np.array([0.213, 0.715, 0.072]))[..., None]

    found = done("adjust", pixels, {"saturation": saturation})

    assert difference(found, clipped(shade + (pixels - shade) * saturation)) <= 1


@pytest.mark.parametrize("hue", [90, -120, 180, 360])
def test_hue_is_the_css_filter(hue: float) -> None:
    pixels = noise(20, 30, 3)
    c, s = np.cos(np.radians(hue)), np.sin(np.radians(hue))
    shade = np.array([[0.213, 0.715, 0.072]] * 3)
    cosine = [[0.787, -0.715, -0.072], [-0.213, 0.285, -0.072], [-0.213, -0.715, 0.928]]
    sine = [[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]]
    matrix = shade + c * np.array(cosine) + s * np.array(sine)

    found = done("adjust", pixels, {"hue": hue})

    assert difference(found, clipped(pixels @ matrix.T)) <= 1


def test_normalise_stretches_to_both_ends() -> None:
    pixels = (soft(60, 80) // 3 + 60).astype(np.uint8)

    found = done("normalise", pixels, True)

    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    low, high = np.percentile(grey, 1), np.percentile(grey, 99)
    assert difference(found, np.clip((pixels - low) / (high - low) * 255, 0, 255)) < 6
    wanted = np.asarray(ImageOps.autocontrast(Image.fromarray(grey), cutoff=1))
    assert difference(done("normalise", grey[..., None], True)[..., 0], wanted) < 6


def test_normalise_leaves_one_shade_and_does_not_count_clear_pixels() -> None:
    shaded = plain(10, 10, 0, 0, 0, 0)
    shaded[:, 5:] = (90, 90, 90, 255)
    shaded[:, 7:] = (110, 110, 110, 255)

    found = done("normalise", shaded, True)

    assert found[0, 5].tolist() == [0, 0, 0, 255]
    assert found[0, 9].tolist() == [255, 255, 255, 255]
    assert (
        difference(done("normalise", plain(5, 5, 70, 80, 90), True), plain(5, 5, 70, 80, 90)) == 0
    )
    assert (
        difference(done("normalise", plain(5, 5, 7, 8, 9, 0), True), plain(5, 5, 7, 8, 9, 0)) == 0
    )


def test_clahe_lifts_faint_contrast_and_keeps_differences_of_colour() -> None:
    pixels = (soft(80, 100, 1) // 8 + 100).astype(np.uint8)
    coloured = np.concatenate([pixels, pixels + 20, pixels - 20], axis=2)

    found = done("clahe", pixels, {"window": 40, "maxSlope": 6}).astype(int)
    in_colour = done("clahe", coloured, {"window": 40, "maxSlope": 6}).astype(int)

    assert found.std() > 1.7 * pixels.std()
    inside = (in_colour > 0).all(axis=2) & (in_colour < 255).all(axis=2)
    assert inside.mean() > 0.5
    assert set(np.unique((in_colour[..., 1] - in_colour[..., 0])[inside])) == {20}


def test_clahe_by_a_slope_of_one_changes_little() -> None:
    pixels = soft(60, 60, 1)

    gentle = done("clahe", pixels, {"window": 30, "maxSlope": 1})
    strong = done("clahe", pixels, {"window": 30, "maxSlope": 0})

    assert np.abs(gentle.astype(int) - pixels).mean() < np.abs(strong.astype(int) - pixels).mean()


@pytest.mark.parametrize("colour", [(160, 80, 40), (20, 60, 220), (0, 0, 0), (255, 255, 255)])
def test_tint_keeps_black_and_white_and_meets_its_colour(colour: tuple[int, int, int]) -> None:
    grey = round(float(encoded(linear(np.array(colour)) @ np.array([0.2126, 0.7152, 0.0722]))))
    pixels = np.array([[[0], [grey], [255]]], dtype=np.uint8)

    found = done("tint", pixels, {"color": "#{:02x}{:02x}{:02x}".format(*colour)})

    assert difference(found[0, 0], np.zeros(3)) <= 1
    assert difference(found[0, 1], np.array(colour)) <= 3
    assert difference(found[0, 2], np.full(3, 255)) <= 1


def test_tint_keeps_how_light_each_pixel_is() -> None:
    pixels = noise(20, 20, 3)

    found = done("tint", pixels, {"color": "#808080"})

    assert difference(found[..., :1], done("grayscale", pixels, True)) <= 1
