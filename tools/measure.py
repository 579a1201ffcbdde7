"""Measures every engine on the photographs kept for it, and writes what docs/ai.md shows.

    python -m tools.measure PHOTOS RESULTS.json [METHOD ...]   # methods measured before are kept

PSNR in dB over the three colours, SSIM as scikit-image has it; the mean over all crops. Seconds are
of the CPU, on one core, for a megapixel of what goes in.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyvips
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pool.ai.bench import PLAIN, Bench
from pool.ai.engines import OWN, Engines
from pool.steps import Frame, Size
from pool.steps.enhance import Enhance
from pool.steps.enhance import apply as enhance
from pool.steps.upscale import Upscale
from pool.steps.upscale import apply as upscale
from tools.degrade import as_bytes, as_floats, gaussian, jpeg

SIDE = 256  # of a crop, from the middle of each photograph
SIGMAS, QUALITIES = (15, 25, 50), (10, 20, 40)
Picture = np.ndarray
Method = Callable[[Picture, float], Picture]


def crops(folder: Path) -> Iterator[tuple[str, Picture]]:
    for path in sorted((folder / "test").glob("*.npy")):
        picture = np.load(path)
        top, left = (picture.shape[0] - SIDE) // 2, (picture.shape[1] - SIDE) // 2
        yield path.stem, np.ascontiguousarray(picture[top : top + SIDE, left : left + SIDE])


def spoilt(crop: Picture, kind: str, number: int) -> Picture:
    if kind == "noise":
        return as_bytes(gaussian(np.random.default_rng(0), as_floats(crop), number))
    if kind == "jpeg":
        return jpeg(crop, number, halves_colour=True)
    if kind == "half":
        return _of(_image(crop).resize(0.5, kernel="lanczos3"))
    return crop


def _image(picture: Picture) -> pyvips.Image:
    return pyvips.Image.new_from_array(picture).copy(interpretation="srgb")


def _of(image: pyvips.Image) -> Picture:
    return np.asarray(image.numpy())


def _step(bench: Bench, strength: float = 1.0) -> Method:
    def run(picture: Picture, _: float) -> Picture:
        image = _image(picture)
        size = Size(image.width, image.height)
        frame = Frame(size, size, (255, 255, 255), bench=bench)
        return _of(enhance(image, Enhance(strength=strength), frame))

    return run


def _twice(bench: Bench) -> Method:
    def run(picture: Picture, _: float) -> Picture:
        image = _image(picture)
        size = Size(image.width, image.height)
        frame = Frame(size, Size(2 * size.width, 2 * size.height), (255, 255, 255), bench=bench)
        return _of(upscale(image, Upscale(factor=2), frame))

    return run


def _non_local_means(picture: Picture, sigma: float) -> Picture:
    """With the strengths that were best of several on these photographs; it is told the noise."""
    import cv2

    cv2.setNumThreads(1)
    return np.asarray(cv2.fastNlMeansDenoisingColored(picture, None, 0.7 * sigma, sigma, 7, 21))


def _bm3d(picture: Picture, sigma: float) -> Picture:
    from bm3d import bm3d_rgb

    return as_bytes(np.asarray(bm3d_rgb(as_floats(picture), sigma / 255)))


def _nothing(picture: Picture, _: float) -> Picture:
    return picture


AI = Bench(Engines(models=tuple(OWN.values()), why_not=""))
NOISE = [("noise", sigma) for sigma in SIGMAS]
JPEG = [("jpeg", quality) for quality in QUALITIES]
METHODS: dict[str, tuple[Method, list[tuple[str, int]]]] = {
    "as it comes": (_nothing, [*NOISE, *JPEG]),
    "classic": (_step(PLAIN), [*NOISE, *JPEG, ("clean", 0)]),
    "ai": (_step(AI), [*NOISE, *JPEG, ("clean", 0)]),
    "ai, strength 0.5": (_step(AI, 0.5), [*NOISE, *JPEG, ("clean", 0)]),
    "non-local means": (_non_local_means, NOISE),
    "BM3D": (_bm3d, NOISE),
    "Lanczos": (_twice(PLAIN), [("half", 2)]),
    "upscale ai": (_twice(AI), [("half", 2)]),
}


def measured(folder: Path, name: str) -> dict[str, dict[str, float]]:
    method, kinds = METHODS[name]
    method(next(crops(folder))[1], 25)  # whatever is loaded once is loaded
    found: dict[str, dict[str, float]] = {}
    for kind, number in kinds:
        psnrs, ssims, least, taken, pixels = [], [], 1e9, 0.0, 0
        for _, crop in crops(folder):
            bad = spoilt(crop, kind, number)
            began = time.process_time()
            made = method(bad, number)
            taken += time.process_time() - began
            pixels += bad.shape[0] * bad.shape[1]
            psnrs.append(min(100.0, float(peak_signal_noise_ratio(crop, made))))
            ssims.append(float(structural_similarity(crop, made, channel_axis=2)))
            least = min(least, psnrs[-1])
        found[f"{kind} {number}"] = {
            "psnr": round(float(np.mean(psnrs)), 2),
            "ssim": round(float(np.mean(ssims)), 4),
            "least": round(least, 2),
            "seconds": round(taken / pixels * 1e6, 3),
        }
        print(name, kind, number, found[f"{kind} {number}"], flush=True)
    return found


def main(folder: Path, target: Path, names: list[str]) -> None:
    results = json.loads(target.read_text()) if target.exists() else {}
    for name in names or METHODS:
        results[name] = measured(folder, name)
        target.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    np.seterr(divide="ignore")
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
