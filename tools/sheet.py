"""Side-by-side pictures for docs/: python -m tools.sheet PHOTOS docs/pictures-ai"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyvips

from pool.ai.bench import PLAIN
from tools.measure import AI, Picture, _step, _twice, crops, spoilt

SHOWN = 3  # photographs, spread over all
QUALITY = 90


def side_by_side(pictures: Sequence[Picture], target: Path) -> None:
    gap = np.full((pictures[0].shape[0], 6, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    image = pyvips.Image.new_from_array(np.concatenate(parts, axis=1))
    image.copy(interpretation="srgb").write_to_file(str(target), Q=QUALITY)


def main(folder: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    every = list(crops(folder))
    chosen = every[:: max(1, len(every) // SHOWN)][:SHOWN]
    for number, (_, crop) in enumerate(chosen, start=1):
        for kind, amount in (("noise", 25), ("jpeg", 20)):
            bad = spoilt(crop, kind, amount)
            made = [_step(bench)(bad, amount) for bench in (PLAIN, AI)]
            side_by_side([bad, *made, crop], target / f"{kind}-{amount}-{number}.jpg")
        small = spoilt(crop, "half", 2)
        made = [_twice(bench)(small, 2) for bench in (PLAIN, AI)]
        side_by_side([*made, crop], target / f"upscale-2-{number}.jpg")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
