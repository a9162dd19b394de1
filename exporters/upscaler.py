"""An upscaler for renders of splats: (1, 4, H, W) to (1, 3, 2 H, 2 W).

The fourth channel that comes in is the splats' coverage. All layers work at the low size, after
ESPCN (Shi et al., CVPR 2016), and four pixels of the image come of each. They make no colours: for
each of the four they say how far it is from its own pixel to the ones above, left, right and
below, which is kernel prediction (Bako et al., SIGGRAPH 2017) with kernels of five. So a flat area
stays as it is, and an edge is mended alike between any two colours.

There is much to mend: a splat drawn small is widened by 0.3 px whatever its size, so a frame of
half the size is blurred more than one that is scaled down, and whatever stands before something
else is wider in it. Colours do not tell which side of an edge the splats are on; coverage does.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Upscaler", "multiply_adds"]

PIXELS = 4
"""Of the image, for each of the smaller one: row by row."""
SIDES = ((-1, 0), (0, -1), (0, 1), (1, 0))
"""Of the pixels beside one: rows down, columns to the right."""
NEAR, FAR = 0.25, -0.06
"""Shares to begin with: of the two pixels beside a quarter of one, and of those behind it."""
LUMA = (0.3, 0.6, 0.1)


class Upscaler(nn.Module):
    """Two convolutions that say shares.

    The picture's edge is repeated once, before the first layer, by as much as all layers reach;
    none of them has to look where the picture ends.

    Parameters
    ----------
    width : int
        Channels between the layers.
    reach : tuple of int
        Pixels that each layer sees to each side.
    """

    def __init__(self, width: int = 4, reach: tuple[int, ...] = (2, 1)) -> None:
        super().__init__()
        self.margin = sum(reach)
        counts = (2, *(width for _ in reach[1:]), len(SIDES) * PIXELS)
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 2 * r + 1) for a, b, r in zip(counts, counts[1:], reach, strict=False)
        )
        weights = torch.zeros(2, 4, 1, 1)
        weights[0, :3, 0, 0], weights[1, 3] = torch.tensor(LUMA), 1.0
        self.register_buffer("seen", weights, persistent=False)
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.copy_(torch.tensor(_first_shares()))

    def forward(self, image: Tensor) -> Tensor:
        return self.inside(functional.pad(image, (self.margin,) * 4, mode="replicate"))

    def inside(self, image: Tensor) -> Tensor:
        """Twice the size without the outermost `margin` pixels, which have no surroundings."""
        x = functional.conv2d(image, self.seen)
        for layer in self.layers[:-1]:
            x = functional.relu(layer(x))
        shares = self.layers[-1](x)
        batch, _, height, width = shares.shape
        shares = shares.view(batch, len(SIDES), 1, PIXELS, height, width)

        def beside(down: int, right: int) -> Tensor:
            rows = slice(self.margin + down, self.margin + down + height)
            columns = slice(self.margin + right, self.margin + right + width)
            return image[:, :3, rows, columns]

        middle = beside(0, 0)
        made = middle[:, :, None]
        for k, side in enumerate(SIDES):
            made = made + shares[:, k] * (beside(*side) - middle)[:, :, None]
        return functional.pixel_shuffle(made.flatten(1, 2), 2)


def _first_shares() -> list[float]:
    """Of each side for each of the four pixels: linear between them, and somewhat sharper."""
    quarters = [(down, right) for down in (-1, 1) for right in (-1, 1)]
    return [
        NEAR if side in ((down, 0), (0, right)) else FAR
        for side in SIDES
        for down, right in quarters
    ]


def multiply_adds(model: Upscaler) -> int:
    """At one pixel of the low size: of all convolutions, of luma, and of adding the sides."""
    layers = sum(layer.weight.numel() for layer in model.layers if isinstance(layer, nn.Conv2d))
    return layers + len(LUMA) + 3 * PIXELS * len(SIDES)
