"""A filter that paints what the splats show: an algorithm, and a small network that learnt it.

The algorithm is the generalised Kuwahara filter (Papari et al., IEEE TIP 2007), which makes strokes
of even colour; ink where a difference of Gaussians is dark (Winnemöller, Kyprianidis and Olsen,
Computers & Graphics 2012); richer colours on warm paper. It looks at some 400 pixels for each one.
The network does as much with a few thousand multiply-adds, as five layers at half the size, and it
is blind to what is beyond `Painting.margin` pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Painting", "multiply_adds", "paint"]

BRUSH_PX = 5
"""Radius of what a stroke is made of."""
SECTORS = 8
SHARP = 8.0
"""How much an even sector counts more than an uneven one, as an exponent."""
INK_PX = 1.1
"""Standard deviation of the narrower Gaussian of the outlines; the wider one's is 1.6 times it."""
INK_FROM, INK_SOFT, INK = 0.018, 0.006, 0.9
"""The middle of the threshold of outlines, how soft it is, and how much they cover."""
TONES, STEEP = 7, 2.0
"""Steps of brightness, and how much they stand out."""
RICHER, LIGHTER = 1.35, 0.85
"""Factor of saturation, exponent of brightness."""
PAPER, INKED = (1.0, 0.972, 0.905), (0.075, 0.055, 0.09)
"""White and black become these."""
LUMA = (0.299, 0.587, 0.114)
FIRST = 6
"""Pixels a side of what the network's first layer sees at each second pixel."""
REACH = (1, 2, 2, 1, 1)
"""Of the other layers, at half the size: how far apart their 3 x 3 taps are."""


class Painting(nn.Module):
    """Convolutions at half the size beside a linear filter, which begins as the image itself.

    The picture's edge is repeated once, before the first layer, by as much as all layers reach.
    Height and width must be even.
    """

    def __init__(self, width: int = 20) -> None:
        super().__init__()
        self.margin = FIRST // 2 - 1 + 2 * sum(REACH)
        self.first = nn.Conv2d(3, width, FIRST, stride=2)
        outs = (*(width for _ in REACH[1:]), 12)
        self.layers = nn.ModuleList(
            nn.Conv2d(width, out, 3, dilation=r) for out, r in zip(outs, REACH, strict=True)
        )
        self.linear = nn.Conv2d(3, 12, FIRST, stride=2, groups=3, bias=False)
        with torch.no_grad():
            self.linear.weight.zero_()
            for k in range(4):
                self.linear.weight[k::4, 0, FIRST // 2 - 1 + k // 2, FIRST // 2 - 1 + k % 2] = 1
            last = self.layers[-1]
            last.weight.mul_(0.1)
            last.bias.zero_()

    def forward(self, image: Tensor) -> Tensor:
        return self.inside(functional.pad(image, (self.margin,) * 4, mode="replicate"))

    def inside(self, image: Tensor) -> Tensor:
        """What is painted without the outermost `margin` pixels, which have no surroundings."""
        x = functional.relu(self.first(image))
        for layer in self.layers[:-1]:
            x = functional.relu(layer(x))
        crop = 2 * sum(REACH)
        middle = image[:, :, crop:-crop, crop:-crop]
        return functional.pixel_shuffle(self.linear(middle) + self.layers[-1](x), 2)


def multiply_adds(model: nn.Module) -> int:
    """Of all convolutions at one pixel; each runs at a quarter of the pixels."""
    layers = (layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
    return sum(layer.weight.numel() for layer in layers) // 4


def paint(image: Tensor) -> Tensor:
    """What the network is to learn: images (B, 3, H, W) of 0 to 1 to images of the same size."""
    flat = kuwahara(image)
    line = INK * ink(_luma(0.5 * image + 0.5 * flat))
    grey = _luma(flat)
    tone = stepped(grey.clamp(min=1e-3) ** LIGHTER)
    rich = (tone + RICHER * (flat - grey) * tone / grey.clamp(min=1e-3)).clamp(0, 1)
    white, black = (torch.tensor(c).view(1, 3, 1, 1) for c in (PAPER, INKED))
    return black + (white - black) * rich * (1 - line)


def stepped(tone: Tensor) -> Tensor:
    """Brightness in soft steps."""
    step = (tone * TONES).round()
    off = tone * TONES - step
    return (step + 0.5 * torch.tanh(STEEP * 2 * off) / math.tanh(STEEP)) / TONES


def kuwahara(image: Tensor) -> Tensor:
    """The mean of sectors around each pixel, each weighed by how even its colours are."""
    weights = sectors()
    radius = weights.shape[-1] // 2
    wide = functional.pad(image, (radius,) * 4, mode="replicate")
    kernel = weights[:, None]
    shape = (image.shape[0], 3, SECTORS, *image.shape[2:])
    flat = wide.flatten(0, 1)[:, None]
    mean = functional.conv2d(flat, kernel).view(shape)
    square = functional.conv2d(flat * flat, kernel).view(shape)
    uneven = (square - mean * mean).clamp(min=0).sum(1, keepdim=True).sqrt()
    weight = 1 / (1 + (255 * uneven) ** (SHARP / 2))
    return (weight * mean).sum(2) / weight.sum(2)


def sectors() -> Tensor:
    """Weights (SECTORS, size, size) that sum to 1: slices of a disc, blurred into each other."""
    reach = torch.arange(-BRUSH_PX, BRUSH_PX + 1).float()
    y, x = torch.meshgrid(reach, reach, indexing="ij")
    apart = (x * x + y * y).sqrt()
    angle = torch.atan2(y, x)
    made = []
    for k in range(SECTORS):
        off = torch.remainder(angle - k * 2 * math.pi / SECTORS + math.pi, 2 * math.pi) - math.pi
        slice_ = (1 - (off * SECTORS / (2.5 * math.pi)).square()).clamp(min=0)
        slice_[BRUSH_PX, BRUSH_PX] = 0.5
        made.append(
            slice_ * torch.exp(-(apart**2) / (2 * (BRUSH_PX / 2) ** 2)) * (apart < BRUSH_PX + 0.5)
        )
    weights = torch.stack(made)
    return weights / weights.sum((1, 2), keepdim=True)


def ink(luma: Tensor) -> Tensor:
    """How much ink each pixel (B, 1, H, W) has, 0 to 1: where it is darker than around it."""
    darker = blurred(luma, 1.6 * INK_PX) - blurred(luma, INK_PX)
    return torch.sigmoid((darker - INK_FROM) / INK_SOFT)


def blurred(image: Tensor, sigma_px: float) -> Tensor:
    """By a Gaussian, one channel."""
    radius = math.ceil(3 * sigma_px)
    row = torch.exp(-(torch.arange(-radius, radius + 1).float() ** 2) / (2 * sigma_px**2))
    row = row / row.sum()
    wide = functional.pad(image, (radius,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(wide, row.view(1, 1, 1, -1)), row.view(1, 1, -1, 1))


def _luma(image: Tensor) -> Tensor:
    return (image * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
