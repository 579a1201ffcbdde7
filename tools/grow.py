"""Begins a network with what one trained before had learned, as large or smaller."""

from pathlib import Path

import torch

from tools.nets import LAST_OF_BLOCK


def learned(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a .pt that tools.train wrote, or of an .onnx that tools.export wrote."""
    if path.suffix == ".onnx":
        import onnx
        from onnx import numpy_helper

        kept = onnx.load(path).graph.initializer
        return {one.name: torch.tensor(numpy_helper.to_array(one)) for one in kept}
    weights: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["weights"]
    return weights


@torch.no_grad()
def grow(net: torch.nn.Module, smaller: dict[str, torch.Tensor]) -> None:
    """What net has more than `smaller` (channels, blocks) adds nothing until it is trained."""
    for name, weight in net.state_dict().items():
        if LAST_OF_BLOCK in name and name not in smaller:
            weight.zero_()
        if name not in smaller:
            continue
        old = smaller[name]
        if LAST_OF_BLOCK in name or weight.ndim == 1:
            weight.zero_()
        weight[: len(old)] = 0  # what new channels say to old ones
        weight[tuple(slice(0, side) for side in old.shape)] = old
