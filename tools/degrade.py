"""Spoils clean pictures as cameras, encoders and shrinking do; what the networks learn to undo."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageFilter

Picture = np.ndarray  # height x width x 3; bytes, or floats from 0 to 1

MARGIN = 8  # pixels around a crop, cut off after JPEG: its blocks then begin anywhere


def jpeg(picture: Picture, quality: int, *, halves_colour: bool) -> Picture:
    """Bytes in, bytes out, through an encoder."""
    stream = BytesIO()
    sampling = 2 if halves_colour else 0
    Image.fromarray(picture).save(stream, "JPEG", quality=quality, subsampling=sampling)
    return np.asarray(Image.open(stream))


def as_bytes(picture: Picture) -> Picture:
    return (picture * 255 + 0.5).clip(0, 255).astype(np.uint8)


def as_floats(picture: Picture) -> Picture:
    return picture.astype(np.float32) / 255


def gaussian(rng: np.random.Generator, picture: Picture, sigma: float) -> Picture:
    """White noise in all colours alike; floats, sigma in levels of 255; not clipped."""
    return picture + rng.standard_normal(picture.shape, np.float32) * np.float32(sigma / 255)


def camera(rng: np.random.Generator, picture: Picture) -> Picture:
    """Noise of a sensor: grows with light, is added before gamma, and smeared by demosaicing."""
    light = picture**2.2
    shot, read = 10 ** rng.uniform(-4.5, -2.7), 10 ** rng.uniform(-4.0, -2.4)
    gains = rng.uniform(0.7, 1.6, 3).astype(np.float32)  # white balance makes channels unequal
    noise = rng.standard_normal(picture.shape, np.float32) * np.sqrt(shot * light + read**2) * gains
    if rng.random() < 0.6:
        noise = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1)) / 3**0.5
    return (light + noise).clip(0, 1) ** np.float32(1 / 2.2)


def spoilt(rng: np.random.Generator, crop: Picture) -> tuple[Picture, Picture]:
    """A pair (bad, good) of floats for Enhance from a clean crop of bytes with a margin."""
    good = as_floats(crop)
    bad = good
    kind = rng.random()
    if 0.70 < kind < 0.80:
        soft = Image.fromarray(crop).filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.7))))
        bad = as_floats(np.asarray(soft))
    if kind < 0.50:
        bad = gaussian(rng, bad, float(rng.uniform(1, 55)))
    elif kind < 0.72:
        bad = camera(rng, bad)
    if 0.42 < kind < 0.92:
        quality = int(rng.integers(8, 96))
        halves = rng.random() < 0.6
        bad = as_floats(jpeg(as_bytes(bad), quality, halves_colour=halves))
    bad = as_floats(as_bytes(bad))  # what comes is whole levels, cut off at black and white
    top, left = rng.integers(0, MARGIN + 1, 2)
    cut = (slice(top, crop.shape[0] - MARGIN + top), slice(left, crop.shape[1] - MARGIN + left))
    return bad[cut], good[cut]


def halved(rng: np.random.Generator, crop: Picture) -> tuple[Picture, Picture]:
    """A pair (small, large) of floats for Upscale from a crop of bytes with even sides."""
    height, width = crop.shape[:2]
    filters = (Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BOX)
    how = filters[int(rng.choice(3, p=(0.4, 0.45, 0.15)))]
    small = np.asarray(Image.fromarray(crop).resize((width // 2, height // 2), how))
    if rng.random() < 0.25:
        small = jpeg(small, int(rng.integers(60, 96)), halves_colour=rng.random() < 0.5)
    return as_floats(small), as_floats(crop)
