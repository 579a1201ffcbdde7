"""Pictures to work on: a folder of photographs, or generated ones with structure and noise.

Every upload gets bytes of its own by a comment inside the file, or the service would answer it
from what it made before.
"""

import struct
import zlib
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

CONTENT_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
SIZES = {
    "mixed": ((4000, 3000), (3264, 2448), (1920, 1280), (640, 480)),
    "large": ((4000, 3000), (3000, 4000)),
    "small": ((640, 480), (480, 640)),
    "tiny": ((160, 120), (120, 160)),
}
CAMERA_QUALITY = 90
PNG_HEADER_BYTES = 33  # signature and IHDR; other chunks may follow


def in_folder(folder: Path) -> list[Path]:
    """The JPEG and PNG files of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in CONTENT_TYPES)


def generate(folder: Path, kind: str) -> list[Path]:
    """Two different pictures of every size, the same ones in every run."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed, (width, height) in enumerate((*SIZES[kind], *SIZES[kind])):
        path = folder / f"{seed:02}-{width}x{height}.jpg"
        _draw(path, width, height, seed)
        paths.append(path)
    return paths


def stamp(photos: Sequence[Path], folder: Path, *, count: int, label: str) -> list[Path]:
    """`count` files in turn from `photos`, no two with the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    stamped = []
    for number, photo in enumerate(islice(cycle(photos), count)):
        path = folder / f"{number:05}{photo.suffix.lower()}"
        path.write_bytes(with_comment(photo.read_bytes(), f"{label}-{number}".encode()))
        stamped.append(path)
    return stamped


def with_comment(picture: bytes, comment: bytes) -> bytes:
    """The same picture, a JPEG or PNG, in bytes of its own."""
    if picture.startswith(b"\xff\xd8"):
        segment = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
        return picture[:2] + segment + picture[2:]
    body = b"tEXt" + b"Comment\0" + comment
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return picture[:PNG_HEADER_BYTES] + chunk + picture[PNG_HEADER_BYTES:]


def _draw(path: Path, width: int, height: int, seed: int) -> None:
    """Soft shapes at many scales as nature has them, edges, and a sensor's noise on top."""
    # Imported here: the driver and the report need no libvips.
    import pyvips

    image = pyvips.Image.black(width, height, bands=3).linear(1, [118, 112, 104])
    for number, scale in enumerate((512, 128, 32, 8)):
        light, *tints = (
            pyvips.Image.gaussnoise(
                width // scale + 2, height // scale + 2, mean=0, sigma=scale**0.5 * 2.2, seed=key
            )
            for key in range(seed * 100 + number * 10, seed * 100 + number * 10 + 4)
        )
        # Nature differs more in light than in colour.
        soft = (tints[0].bandjoin(tints[1:]) * 0.3 + light).resize(scale, kernel="cubic")
        image = image + soft.crop(0, 0, width, height)
    cells = pyvips.Image.worley(width, height, cell_size=max(width // 12, 16), seed=seed)
    image = image + (cells > cells.avg()).ifthenelse(14, -14)
    grain = pyvips.Image.gaussnoise(width, height, mean=0, sigma=2.5, seed=seed)
    (image + grain).cast("uchar").copy(interpretation="srgb").jpegsave(
        str(path), Q=CAMERA_QUALITY, subsample_mode="on"
    )
