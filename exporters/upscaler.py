"""An upscaler for renders of splats: (1, 3, H, W) to (1, 3, 2 H, 2 W).

After ESPCN (Shi et al., CVPR 2016): all layers work at the low size, the last one makes the four
pixels of each. Beside them runs one linear filter a colour, which begins as cubic convolution, so
that the layers only learn what it misses. What it misses is much: a splat drawn small is widened by
0.3 px whatever its size, so a frame of half the size is blurred more than one that is scaled down.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Upscaler", "multiply_adds"]

RADIUS = 2
"""Pixels that the linear filter reaches to each side."""


class Upscaler(nn.Module):
    """Three convolutions beside a linear filter.

    The picture's edge is repeated once, before the first layer, by as much as all layers reach;
    none of them has to look where the picture ends.
    """

    def __init__(self, width: int = 8, reach: tuple[int, ...] = (2, 1, 1)) -> None:
        super().__init__()
        self.margin = sum(reach)
        channels = (3, *(width for _ in reach[1:]), 12)
        layers = [nn.Conv2d(channels[k], channels[k + 1], 2 * r + 1) for k, r in enumerate(reach)]
        self.layers = nn.ModuleList(layers)
        self.linear = nn.Conv2d(3, 12, 2 * RADIUS + 1, groups=3, bias=False)
        with torch.no_grad():
            self.linear.weight.copy_(cubic().repeat(3, 1, 1)[:, None])
            layers[-1].weight.mul_(0.1)
            layers[-1].bias = nn.Parameter(torch.zeros(channels[-1]))

    def forward(self, image: Tensor) -> Tensor:
        wide = functional.pad(image, (self.margin,) * 4, mode="replicate")
        x = wide
        for layer in self.layers[:-1]:
            x = functional.relu(layer(x))
        crop = self.margin - RADIUS
        middle = wide[:, :, crop:-crop, crop:-crop] if crop else wide
        return functional.pixel_shuffle(self.linear(middle) + self.layers[-1](x), 2)


def cubic(a: float = -0.5) -> Tensor:
    """Cubic convolution (Keys 1981) to twice the size: (4, 5, 5), the four pixels row by row."""
    taps = torch.arange(-RADIUS, RADIUS + 1)
    rows = []
    for offset in (-0.25, 0.25):
        d = (taps - offset).abs()
        near = (a + 2) * d**3 - (a + 3) * d**2 + 1
        far = a * (d**3 - 5 * d**2 + 8 * d - 4)
        rows.append(torch.where(d <= 1, near, torch.where(d < 2, far, 0.0)))
    return torch.stack([torch.outer(y, x) for y in rows for x in rows])


def multiply_adds(model: nn.Module) -> int:
    """Of all convolutions at one pixel of the low size."""
    return sum(layer.weight.numel() for layer in model.modules() if isinstance(layer, nn.Conv2d))
