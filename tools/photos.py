"""Collects the photographs of photos.toml: fetched with apt-get, unpacked, shrunk, kept as .npy.

python -m tools.photos FOLDER        # on a Debian system; nothing is installed
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyvips

LEAST_SIDE = 128  # after shrinking: nothing smaller is worth a crop
NOT_COLOURS = ("normal", "_nm", "gloss", "mirror", "flip")  # in names: maps of a game, twins


def packages() -> list[dict[str, object]]:
    """The rows of photos.toml."""
    table = tomllib.loads(Path(__file__).with_name("photos.toml").read_text())
    rows: list[dict[str, object]] = table["package"]
    return rows


def fetch(name: str, folder: Path) -> Path:
    """The package's files under folder/name; downloads it once."""
    target = folder / name
    if not target.is_dir():
        subprocess.run(["apt-get", "download", name], cwd=folder, check=True)
        (archive,) = folder.glob(f"{name}_*.deb")
        subprocess.run(["dpkg", "-x", archive, target], check=True)
        archive.unlink()
    return target


def load(path: Path, shrink: float) -> np.ndarray | None:
    """Height x width x 3 bytes of sRGB, shrunk; None for what is too small or no picture."""
    image = pyvips.Image.new_from_file(str(path), access="sequential")
    if min(image.width, image.height) < LEAST_SIDE * shrink:
        return None
    if image.hasalpha():
        image = image.flatten(background=[128, 128, 128])
    image = image.colourspace("srgb").resize(1 / shrink, kernel="lanczos3")
    return np.ascontiguousarray(image.cast("uchar").numpy()[:, :, :3])


def pictures(folder: Path, use: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name and pixels of every photograph for a use, always in the same order."""
    for row in packages():
        if row["use"] != use:
            continue
        top = fetch(str(row["name"]), folder)
        for pattern in row["files"]:  # type: ignore[attr-defined]
            for path in sorted(top.glob(pattern)):
                if any(word in path.name.lower() for word in NOT_COLOURS):
                    continue
                pixels = load(path, float(str(row["shrink"])))
                if pixels is not None:
                    yield f"{row['name']}/{path.stem}", pixels


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for use in ("train", "test"):
        kept = folder / use
        kept.mkdir(exist_ok=True)
        total = 0
        for number, (name, pixels) in enumerate(pictures(folder, use)):
            np.save(kept / f"{number:03d} {name.replace('/', ' ')}.npy", pixels)
            total += pixels.shape[0] * pixels.shape[1]
        print(f"{use}: {len(list(kept.glob('*.npy')))} pictures, {total / 1e6:.1f} MP")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
