"""Trains a network for a given time on the CPU and keeps the best weights.

python -m tools.train enhance PHOTOS small.pt --blocks 3 --rate 0.02 --minutes 11
python -m tools.train enhance PHOTOS enhance.pt --start small.pt --minutes 51
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from tools.degrade import MARGIN, halved, spoilt
from tools.grow import grow, learned
from tools.muon import Muon
from tools.nets import NETS
from tools.photos import packages

CROP, BATCH = 96, 8
MUON_RATE = 4e-3  # at its highest: of convolutions between features
ADAM_SHARE = 0.05  # of that rate, for the rest
WARM_UP = 0.03  # of the time
OUTER_CHANNELS = 12  # what a picture's 2 x 2 pixels are; the first and last convolution
KEEPS_S = 60  # weights are written so often
MEMORY = 0.998  # of the running mean of the weights, which is what is kept
MOST_AREA = 1_000_000  # pixels; a larger picture is not chosen more often
SHARPEST_OF = 2  # crops looked at for one: flat sky teaches little


def crops(folder: Path, side: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Random crops for ever, larger pictures more often, turned and mirrored."""
    by_package = {str(row["name"]): float(str(row.get("weight", 1))) for row in packages()}
    pictures, weights = [], []
    for path in sorted((folder / "train").glob("*.npy")):
        picture = np.load(path)
        if min(picture.shape[:2]) >= side:
            pictures.append(picture)
            area = min(picture.shape[0] * picture.shape[1], MOST_AREA)
            weights.append(by_package[path.name.split()[1]] * area**0.5)
    upto = np.cumsum(weights) / np.sum(weights)
    while True:
        drawn = np.searchsorted(upto, rng.random(SHARPEST_OF))
        crop = max((_cut(pictures[one], side, rng) for one in drawn), key=_detail)
        crop = np.rot90(crop, int(rng.integers(4)))
        yield np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop)


def _detail(crop: np.ndarray) -> float:
    return float(np.abs(np.diff(crop[::2, ::2, 1].astype(np.int16), axis=0)).mean())


def _cut(picture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    top = int(rng.integers(picture.shape[0] - side + 1))
    left = int(rng.integers(picture.shape[1] - side + 1))
    return np.asarray(picture[top : top + side, left : left + side])


def batches(name: str, folder: Path, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Pairs (bad, good), batch x 3 x height x width."""
    rng = np.random.default_rng(seed)
    source = crops(folder, CROP + MARGIN if name == "enhance" else 2 * (CROP // 2), rng)
    spoil = spoilt if name == "enhance" else halved
    while True:
        pairs = [spoil(rng, next(source)) for _ in range(BATCH)]
        yield _tensor([bad for bad, _ in pairs]), _tensor([good for _, good in pairs])


def _tensor(pictures: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32))


def rate(part: float) -> float:
    """How much of the highest learning rate after a part of the time, 0 to 1: a short rise, then
    half a cosine.
    """
    if part < WARM_UP:
        return max(part / WARM_UP, 0.02)
    left = (1 - part) / (1 - WARM_UP)
    return float(0.5 * (1 - np.cos(np.pi * max(left, 0.0))) + 1e-3)


def optimisers(net: torch.nn.Module, highest: float) -> list[tuple[torch.optim.Optimizer, float]]:
    """Each with its highest rate; that of Muon is given."""
    inner, outer = [], []
    for weight in net.parameters():
        is_inner = weight.ndim == 4 and min(weight.shape[:2]) > OUTER_CHANNELS
        (inner if is_inner else outer).append(weight)
    adam = torch.optim.Adam(outer, lr=highest * ADAM_SHARE, betas=(0.9, 0.99))
    return [(Muon(inner, lr=highest), highest), (adam, highest * ADAM_SHARE)]


def train(said: argparse.Namespace) -> None:
    torch.manual_seed(said.seed)
    net = NETS[said.name](**({"blocks": said.blocks} if said.blocks else {}))
    if said.start is not None:
        grow(net, learned(said.start))
    net = net.to(memory_format=torch.channels_last)
    kept = {key: value.clone() for key, value in net.state_dict().items()}
    both = optimisers(net, said.rate)
    began, written, seen = time.monotonic(), 0.0, 0.0
    for steps, (bad, good) in enumerate(batches(said.name, said.photos, said.seed), start=1):
        passed = time.monotonic() - began
        part = passed / (said.minutes * 60)
        seen = 0.98 * seen + 0.02 * _learn(net, both, bad, good, part)
        share = min(MEMORY, steps / (steps + 10))
        for key, value in net.state_dict().items():
            kept[key].lerp_(value, 1 - share)
        if passed - written > KEEPS_S or part >= 1:
            written = passed
            torch.save({"name": said.name, "weights": kept, "steps": steps}, said.target)
            print(f"{passed:6.0f} s  {steps} steps  loss {seen:.5f}", flush=True)
        if part >= 1:
            return


def _learn(
    net: torch.nn.Module,
    both: list[tuple[torch.optim.Optimizer, float]],
    bad: torch.Tensor,
    good: torch.Tensor,
    part: float,
) -> float:
    """One step, after a part of the time; the loss before it."""
    for optimiser, highest in both:
        for group in optimiser.param_groups:
            group["lr"] = highest * rate(part)
    net.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = net(bad.to(memory_format=torch.channels_last))
    loss = ((made.float() - good) ** 2 + 1e-6).sqrt().mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
    for optimiser, _ in both:
        optimiser.step()
    return float(loss.detach())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(NETS))
    parser.add_argument("photos", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=MUON_RATE, help="of learning, at its highest")
    parser.add_argument("--blocks", type=int, help="of enhance, where fewer shall learn first")
    parser.add_argument("--start", type=Path, help="weights (.pt, .onnx) of this or a smaller one")
    said = parser.parse_args()
    torch.set_num_threads(said.threads)
    train(said)


if __name__ == "__main__":
    main()
