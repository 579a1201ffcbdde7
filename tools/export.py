"""Writes trained weights as ONNX, checks that onnxruntime gives what PyTorch gave, and notes the
SHA-256 beside it, by which a server knows the file.

python -m tools.export WEIGHTS.pt pool/ai/models/enhance.onnx
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import torch

from pool.ai.engines import DIGESTS
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
    note_digest(target)
    count = sum(one.numel() for one in net.parameters())
    print(f"{target}: {count} parameters, {target.stat().st_size} bytes, difference {away:.1e}")


def note_digest(target: Path) -> None:
    """As `sha256sum` writes it, in place of what was noted of that name before."""
    sums = target.with_name(DIGESTS)
    lines = sums.read_text().splitlines() if sums.exists() else []
    others = [line for line in lines if line.split()[1] != target.name]
    own = f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {target.name}"
    sums.write_text("\n".join(sorted([*others, own], key=lambda line: line.split()[1])) + "\n")


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
