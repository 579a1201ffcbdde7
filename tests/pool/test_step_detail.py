"""Steps that mix neighbours: blur, sharpen, denoise, pixelate."""

import numpy as np
import pytest

from tests.pool.one_step import (
    Pixels,
    difference,
    done,
    has_no_fringe,
    noise,
    plain,
    red_on_clear_green,
    soft,
)

OF_DETAIL: dict[str, object] = {
    "blur": {"sigma": 3},
    "sharpen": {"sigma": 1, "amount": 2},
    "denoise": {"strength": 20},
    "pixelate": {"block": 4},
}


def gaussian(pixels: Pixels, sigma: float) -> Pixels:
    reach = int(6 * sigma) + 1
    curve = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma * sigma))
    return separable(pixels, curve / curve.sum())


def separable(pixels: Pixels, curve: Pixels) -> Pixels:
    reach = len(curve) // 2
    values = pixels.astype(float)
    for axis in (0, 1):
        borders = [(reach, reach) if at == axis else (0, 0) for at in range(values.ndim)]
        padded = np.pad(values, borders, mode="edge")
        values = np.apply_along_axis(lambda line: np.convolve(line, curve, "valid"), axis, padded)
    return values


@pytest.mark.parametrize("name", OF_DETAIL)
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (13, 10)])
def test_steps_of_detail_take_any_picture(name: str, bands: int, size: tuple[int, int]) -> None:
    found = done(name, noise(*size, bands), OF_DETAIL[name])

    assert found.shape == (*size, bands)


@pytest.mark.parametrize("name", OF_DETAIL)
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_a_plain_picture_stays_as_it_is(name: str, bands: int) -> None:
    pixels = plain(20, 30, *(200, 100, 50, 120)[:bands])

    assert difference(done(name, pixels, OF_DETAIL[name]), pixels) <= 1


@pytest.mark.parametrize("name", OF_DETAIL)
def test_no_colour_bleeds_from_clear_pixels(name: str) -> None:
    found = done(name, red_on_clear_green(), OF_DETAIL[name])

    assert has_no_fringe(found)


BLURRED = [(0.3, 4), (0.7, 1), (1, 1), (3, 1), (5.9, 1), (6, 2.5), (12, 2)]


@pytest.mark.parametrize(("sigma", "by"), BLURRED)
def test_blur_is_a_gaussian(sigma: float, by: float) -> None:
    pixels = noise(60, 70, 3)

    assert difference(done("blur", pixels, {"sigma": sigma}), gaussian(pixels, sigma)) <= by


@pytest.mark.parametrize("sigma", [12.5, 20, 40, 100])
def test_a_strong_blur_made_on_a_smaller_picture_looks_the_same(sigma: float) -> None:
    pixels = soft(200, 240)

    found = done("blur", pixels, {"sigma": sigma})

    assert difference(found, gaussian(pixels, sigma)) <= 1


def test_blur_with_alpha_is_weighed_by_it() -> None:
    pixels = noise(40, 40, 4)
    part = pixels[..., 3:] / 255

    found = done("blur", pixels, {"sigma": 2})

    alpha = gaussian(part, 2)
    assert difference(found[..., 3:], alpha * 255) <= 1
    assert difference(found[..., :3], gaussian(pixels[..., :3] * part, 2) / alpha) <= 1.5


@pytest.mark.parametrize(("sigma", "amount"), [(1, 1), (2, 0.5), (0.5, 3), (1, 0)])
def test_sharpen_adds_what_a_blur_takes(sigma: float, amount: float) -> None:
    pixels = soft(50, 60) // 2 + noise(50, 60, 3) // 4

    found = done("sharpen", pixels, {"sigma": sigma, "amount": amount})

    shade = pixels @ np.array([0.299, 0.587, 0.114])
    wanted = pixels + (amount * (shade - gaussian(shade, sigma)))[..., None]
    assert difference(found, np.clip(wanted, 0, 255)) <= 1


@pytest.mark.parametrize("strength", [1, 10, 60])
def test_denoise_is_a_guided_filter(strength: float) -> None:
    pixels = noise(30, 40, 3)
    box = np.full(7, 1 / 7)

    found = done("denoise", pixels, {"strength": strength})

    values = pixels.astype(float)
    mean = separable(values, box)
    variance = separable(values**2, box) - mean**2
    slope = variance / (variance + strength**2)
    wanted = separable(slope, box) * values + separable(mean * (1 - slope), box)
    assert difference(found, wanted) <= 1


def test_denoise_takes_noise_and_leaves_the_edge() -> None:
    clean = plain(40, 80, 60, 60, 60)
    clean[:, 40:] = 190
    grain = np.random.default_rng(5).normal(0, 6, clean.shape)
    noisy = np.clip(clean + grain, 0, 255).astype(np.uint8)

    found = done("denoise", noisy, {"strength": 15}).astype(float)

    assert found[5:35, 5:30].std() < 0.4 * noisy[5:35, 5:30].std()
    assert found[5:35, 41].mean() - found[5:35, 38].mean() > 115


@pytest.mark.parametrize("block", [2, 5, 100])
def test_pixelate_gives_each_block_its_mean(block: int) -> None:
    pixels = noise(23, 31, 3)

    found = done("pixelate", pixels, {"block": block})

    down, across = -(-23 // block), -(-31 // block)
    borders = ((0, down * block - 23), (0, across * block - 31), (0, 0))
    whole = np.pad(pixels.astype(float), borders, mode="edge")
    means = whole.reshape(down, block, across, block, 3).mean(axis=(1, 3))
    wanted = means.repeat(block, axis=0).repeat(block, axis=1)[:23, :31]
    assert difference(found, wanted) <= 1


def test_pixelate_of_a_region_leaves_the_rest() -> None:
    pixels = noise(30, 30, 3)
    region = {"x": 10, "y": 5, "width": 8, "height": 20}

    found = done("pixelate", pixels, {"block": 4, "region": region})

    mask = np.zeros((30, 30), dtype=bool)
    mask[5:25, 10:18] = True
    assert difference(found[~mask], pixels[~mask]) == 0
    assert len(np.unique(found[5:9, 10:14].reshape(-1, 3), axis=0)) == 1
    assert difference(found[5:9, 10:14].mean(axis=(0, 1)), pixels[5:9, 10:14].mean(axis=(0, 1))) < 1
