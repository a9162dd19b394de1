"""A picture becomes Gaussians: one for each of its pixels, and a coarser layer of what is behind.

After Splatter Image (Szymanowicz et al., arXiv 2312.13150): a U-Net says how far away each pixel
is. Its Gaussian lies there on the pixel's ray, as wide as the surface between the neighbours'
points, and has the pixel's colour. A second layer of a quarter as many is what may be behind
things, so that there are few holes beside the first view: its depths are the network's, its colours
come from where nothing stands before it.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from exporters.pictures import FAR, FOCAL, NEAR, SIZE, slopes

__all__ = [
    "BOUNDS",
    "COUNT",
    "PIVOT",
    "POSE",
    "FeedForward",
    "ImageToGaussians",
    "filled_behind",
    "folded",
]

COUNT = SIZE * SIZE + (SIZE // 2) ** 2
PIVOT = 2.6
"""The world's origin lies so far before the camera that took the picture."""
POSE = {"eye": [0, 0, -PIVOT], "target": [0, 0, 0], "fov": 50}
BOUNDS = [[-4.2, -4.2, NEAR - PIVOT], [4.2, 4.2, FAR - PIVOT]]
_STEEP = 4.0
"""A surface is drawn at most so many times longer than a pixel is wide: beyond that is an edge."""
_SIGMA = 0.47
"""Of a Gaussian, in the distance between neighbours: closed surfaces that are not too soft."""
_EDGE = 5
"""Pixels across which an edge of the network's may be drawn out."""
_LEVELS = 4
"""Halvings over which colours spread: blocks of 16 pixels of the second layer."""
_SHARPEN = 0.6
"""How much of what neighbours' blending takes away is added to the colours before."""


def _conv(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    """A convolution and the normalisation that training needs; `folded` joins the two."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside)
    )


class _Residual(nn.Module):
    """Two convolutions around which the input is added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _conv(width, width), _conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class FeedForward(nn.Module):
    """The U-Net: an image (B, 3, 128, 128) to disparities, of what is seen and of what is behind.

    Gives ``near`` (B, 1, 128, 128) and ``behind`` (B, 1, 64, 64): 1 at the nearest depth and 0 at
    the farthest, linear in 1 / depth.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(3, 16, 2)  # 64
        self.down1 = _conv(16, 40, 2)  # 32
        self.mid1 = _Residual(40)
        self.down2 = _conv(40, 72, 2)  # 16
        self.mid2 = nn.Sequential(_Residual(72), _Residual(72))
        self.down3 = _conv(72, 80, 2)  # 8
        self.mid3 = nn.Sequential(_Residual(80), _Residual(80))
        self.whole = nn.Linear(80, 80)
        self.up2 = _conv(80 + 72, 64)
        self.up1 = _conv(64 + 40, 40)
        self.up0 = _conv(40 + 16, 28)
        self.head = nn.Conv2d(28, 5, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(2, 72, 1, 1))
        """What a picture's place adds to a channel: floors are below, and near there."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        s0 = functional.relu(self.stem(image - 0.5))
        s1 = self.mid1(functional.relu(self.down1(s0)))
        at = torch.linspace(-1, 1, SIZE // 8)
        placed = self.down2(s1) + self.place[0] * at + self.place[1] * at[:, None]
        s2 = self.mid2(functional.relu(placed))
        x = self.mid3(functional.relu(self.down3(s2)))
        x = x + self.whole(x.mean((2, 3)))[:, :, None, None]
        x = functional.relu(self.up2(torch.cat([_doubled(x), s2], 1)))
        x = functional.relu(self.up1(torch.cat([_doubled(x), s1], 1)))
        x = functional.relu(self.up0(torch.cat([_doubled(x), s0], 1)))
        out = self.head(x)
        near = torch.sigmoid(functional.pixel_shuffle(out[:, :4], 2))
        return near, torch.sigmoid(out[:, 4:])


def folded(net: FeedForward) -> FeedForward:
    """A copy whose normalisations are in the convolutions before them, for inference."""
    net = copy.deepcopy(net).eval()
    for part in [m for m in net.modules() if isinstance(m, nn.Sequential)]:
        if isinstance(part[-1], nn.BatchNorm2d):
            part[0] = fuse_conv_bn_eval(part[0], part[1])
            part[1] = nn.Identity()
    return net


class ImageToGaussians(nn.Module):
    """What is exported: an image (1, 3, 128, 128) to ``packed`` (20480, 10), ``color`` (20480, 3).

    The U-Net and, without anything learned, Gaussians from depths.
    """

    def __init__(self, net: FeedForward) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        near, behind = self.net(image)
        near = crisp(near)
        front, back = 1 / _inverse_depth(near)[0, 0], 1 / _inverse_depth(behind)[0, 0]
        under = functional.max_pool2d(front[None, None], 2)[0, 0]
        back = torch.maximum(back, under) * 1.02
        colour = filled_behind(image, near, behind)
        sharp = image + _SHARPEN * (image - functional.avg_pool2d(_edged(image), 3, 1))
        rows = torch.cat([_layer(front, 2.5 * _STEEP), _layer(back, 1e3)])
        colours = torch.cat([_rows(sharp[0]), _rows(colour[0])])
        return rows, colours


def crisp(near: Tensor) -> Tensor:
    """Disparities (B, 1, H, W) with what lies between two surfaces given to the nearer of them.

    A network of this size draws edges some pixels wide; seen from the side, they would be a veil.
    """
    high = functional.max_pool2d(near, _EDGE, 1, _EDGE // 2)
    low = -functional.max_pool2d(-near, _EDGE, 1, _EDGE // 2)
    span = high - low
    share = torch.sigmoid(10 * ((near - low) / (span + 1e-3) - 0.5))
    is_edge = (9 * span - 0.8).clamp(0.0, 1.0)
    return near + is_edge * (low + share * span - near)


def filled_behind(image: Tensor, near: Tensor, behind: Tensor) -> Tensor:
    """Colours of the second layer, (B, 3, 64, 64).

    Where the picture shows what is behind, its own; elsewhere what is known around, by averages
    over ever larger blocks (push and pull, Gortler et al. 1996).
    """
    seen = torch.sigmoid(80 * (behind + 0.05 - functional.max_pool2d(near, 2))).clamp(min=1e-4)
    levels = [torch.cat([functional.avg_pool2d(image, 2) * seen, seen], 1)]
    for _ in range(_LEVELS):
        levels.append(functional.avg_pool2d(levels[-1], 2))
    colour = levels[-1][:, :3] / levels[-1][:, 3:]
    for level in reversed(levels[:-1]):
        wide = functional.interpolate(colour, scale_factor=2.0, mode="bilinear")
        colour = (level[:, :3] + 0.05 * wide) / (level[:, 3:] + 0.05)
    return colour


def _layer(depth: Tensor, steepest: float) -> Tensor:
    """Rows of ``gaussian.packed`` of a picture of depths (H, H); what is steeper is left out."""
    size = depth.shape[0]
    ray_x, ray_y = slopes(size)[None, :], slopes(size)[:, None]
    width = depth * (SIZE / size / FOCAL)
    padded = _edged(depth[None, None])[0, 0]
    steep_x = (padded[1:-1, 2:] - padded[1:-1, :-2]) / (2 * width)
    steep_y = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / (2 * width)
    deeper_x = width * steep_x.clamp(-_STEEP, _STEEP) * _SIGMA
    deeper_y = width * steep_y.clamp(-_STEEP, _STEEP) * _SIGMA
    aside = width * _SIGMA
    # Along a row a step goes one pixel aside and some way deeper, on the ray.
    a = (aside + ray_x * deeper_x, ray_y * deeper_x, deeper_x)
    b = (ray_x * deeper_y, aside + ray_y * deeper_y, deeper_y)
    thin = (0.15 * width) ** 2
    covariance = [
        a[i] * a[j] + b[i] * b[j] + (thin if i == j else 0) for i in range(3) for j in range(i, 3)
    ]
    steepness = torch.maximum(steep_x.abs(), steep_y.abs())
    opacity = 0.98 * torch.sigmoid(1.5 * (steepest - steepness))
    row = torch.stack([ray_x * depth, ray_y * depth, depth - PIVOT, opacity, *covariance], 2)
    return row.reshape(size * size, 10)


def _inverse_depth(near: Tensor) -> Tensor:
    return 1 / FAR + near * (1 / NEAR - 1 / FAR)


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _edged(x: Tensor) -> Tensor:
    return functional.pad(x, (1, 1, 1, 1), mode="replicate")


def _rows(picture: Tensor) -> Tensor:
    """(3, H, W) to (H * W, 3)."""
    return picture.flatten(1).transpose(0, 1)
