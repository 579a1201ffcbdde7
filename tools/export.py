"""Writes trained weights as ONNX, and checks that onnxruntime gives what PyTorch gave.

python -m tools.export WEIGHTS.pt pool/ai/models/enhance.onnx
"""

import sys
from pathlib import Path

import numpy as np
import torch

from pool.ai.runtime import InferenceSession
from tools.nets import NETS

OPSET = 17
ALIKE = 1e-4


def load(weights: Path) -> torch.nn.Module:
    kept = torch.load(weights, weights_only=True)
    net = NETS[kept["name"]]()
    net.load_state_dict(kept["weights"])
    return net.eval()


def export(weights: Path, target: Path) -> None:
    net = load(weights)
    example = torch.rand(1, 3, 64, 96)
    axes = {"picture": {2: "height", 3: "width"}, "better": {2: "height_out", 3: "width_out"}}
    torch.onnx.export(
        net,
        (example,),
        str(target),
        input_names=["picture"],
        output_names=["better"],
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    session = InferenceSession(target.read_bytes(), providers=["CPUExecutionProvider"])
    other = torch.rand(1, 3, 70, 50)
    made = session.run(None, {"picture": other.numpy()})[0]
    with torch.no_grad():
        away = float(np.abs(made - net(other).numpy()).max())
    if away > ALIKE:
        raise SystemExit(f"expected the same from onnxruntime, got a difference of {away}")
    count = sum(one.numel() for one in net.parameters())
    print(f"{target}: {count} parameters, {target.stat().st_size} bytes, difference {away:.1e}")


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
