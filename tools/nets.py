"""The two networks, in PyTorch: plain stacks of 3x3 convolutions, so that a tile knows its reach.

A pixel of the answer depends on `radius` pixels around it and on nothing else; tiles that overlap
by it give the same picture as the whole.
"""

import torch
from torch import nn
from torch.nn import functional


def _stack(inputs: int, channels: int, outputs: int, layers: int) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU(inplace=True)]
    for _ in range(layers - 2):
        parts += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)]
    last = nn.Conv2d(channels, outputs, 3, padding=1)
    nn.init.normal_(last.weight, std=1e-3)
    nn.init.zeros_(last.bias)
    for part in parts:
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            nn.init.zeros_(part.bias)
    return nn.Sequential(*parts, last)


LAST_OF_BLOCK = ".second."  # in names of weights: zeros there make a block add nothing


class _Block(nn.Module):
    """Two convolutions whose answer is added to what came in: learns many times sooner."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.normal_(self.second.weight, std=0.02)
        nn.init.zeros_(self.first.bias)
        nn.init.zeros_(self.second.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features + self.second(functional.relu(self.first(features)))


class Enhance(nn.Module):
    """Finds what noise and JPEG added, on every second pixel in each direction, and takes it away.

    After FFDNet, https://arxiv.org/abs/1710.04026, but blind: no map of the noise is given.
    """

    scale = 1

    def __init__(self, channels: int = 32, blocks: int = 6) -> None:
        super().__init__()
        self.head = nn.Conv2d(12, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(_Block(channels) for _ in range(blocks)))
        self.tail = nn.Conv2d(channels, 12, 3, padding=1)
        nn.init.normal_(self.tail.weight, std=0.01)
        self.radius = 2 * (2 * blocks + 2)
        self.multiple = 2

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        halves = functional.pixel_unshuffle(picture - 0.5, 2)
        features = self.blocks(self.head(halves))
        return picture - functional.pixel_shuffle(self.tail(features), 2)


class Upscale(nn.Module):
    """Twice the size: a 5x5 filter each for the four new pixels, and what a network adds to it.

    After ESPCN, https://arxiv.org/abs/1609.05158. The filters start as bicubic interpolation.
    """

    scale = 2

    def __init__(self, channels: int = 32, layers: int = 6) -> None:
        super().__init__()
        self.body = _stack(3, channels, 12, layers)
        self.plain = nn.Conv2d(3, 12, 5, padding=2, bias=False)
        with torch.no_grad():
            self.plain.weight.copy_(_bicubic())
        self.radius = layers
        self.multiple = 1

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return functional.pixel_shuffle(self.plain(picture) + self.body(picture), 2)


NETS: dict[str, type[Enhance] | type[Upscale]] = {"enhance": Enhance, "upscale": Upscale}


def _bicubic() -> torch.Tensor:
    """12 x 3 x 5 x 5: what bicubic interpolation does with each point, read off an impulse."""
    weight = torch.zeros(12, 3, 5, 5)
    for row in range(5):
        for column in range(5):
            impulse = torch.zeros(1, 1, 9, 9)
            impulse[0, 0, 2 + row, 2 + column] = 1
            large = functional.interpolate(impulse, scale_factor=2, mode="bicubic")
            at_centre = functional.pixel_unshuffle(large, 2)[0, :, 4, 4]
            for colour in range(3):
                weight[4 * colour : 4 * colour + 4, colour, row, column] = at_centre
    return weight
