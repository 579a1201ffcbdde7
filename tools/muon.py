"""Muon: steps for matrices of weights. A decibel more than by Adam after the same 1 200 steps here.

K. Jordan and others, 2024, https://kellerjordan.github.io/posts/muon/. PyTorch has it for matrices;
here a convolution's weight is the matrix of its outputs by all that one of them sees.
"""

from collections.abc import Iterable

import torch

MOMENTUM = 0.95
TURNS = 5  # of the iteration that makes a matrix nearly orthogonal
FACTORS = (3.4445, -4.7750, 2.0315)  # of its polynomial, from the page above


class Muon(torch.optim.Optimizer):
    """A step is the running mean of the gradient with all singular values brought near 1."""

    def __init__(self, weights: Iterable[torch.Tensor], lr: float) -> None:
        super().__init__(weights, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                mean = self.state[weight].setdefault("mean", torch.zeros_like(weight))
                mean.lerp_(weight.grad, 1 - MOMENTUM)
                ahead = weight.grad.lerp(mean, MOMENTUM).flatten(1)
                rows, columns = ahead.shape
                size = group["lr"] * max(1.0, rows / columns) ** 0.5
                weight.sub_(orthogonal(ahead).reshape(weight.shape), alpha=size)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The same singular vectors; values between 0.7 and 1.2."""
    is_tall = matrix.shape[0] > matrix.shape[1]
    turned = matrix.T if is_tall else matrix
    turned = turned / (turned.norm() + 1e-7)
    one, two, three = FACTORS
    for _ in range(TURNS):
        square = turned @ turned.T
        turned = one * turned + (two * square + three * square @ square) @ turned
    return turned.T if is_tall else turned
