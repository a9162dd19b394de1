"""Compact 3DGS: Gaussians as codes, decoded by table look-ups and one small network.

Lee et al. 2023, "Compact 3D Gaussian Representation for Radiance Field", arXiv 2311.13681. Scales
and rotations are sums of entries of codebooks, one a stage (residual vector quantisation, section
3.2); colours come from a hash grid of several resolutions at the Gaussian's place, and a network
that also sees the direction (section 3.3). What the mask of section 3.1 drops is not in the model.
The grid is that of Müller et al. 2022, "Instant Neural Graphics Primitives", section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from exporters.blending import directions

__all__ = ["INPUTS", "OUTPUTS", "Colour", "Compact", "HashGrid", "from_codes"]

INPUTS = {"eye": ("camera.position", torch.tensor([0.0, -0.5, -3.0]))}
OUTPUTS = {
    "position": "gaussian.position",
    "scale": "gaussian.scale",
    "rotation": "gaussian.rotation",
    "opacity": "gaussian.opacity",
    "color": "gaussian.color",
}
BRIGHTEST = 2.6
"""Colours may exceed 1 before they are blended."""
PRIMES = (1, 2654435761, 805459861)
"""Of the hash; what is above the table's size never matters, so products stay within 32 bits."""


class HashGrid(nn.Module):
    """Features at points of the unit cube, by trilinear look-ups in hashed grids.

    Parameters
    ----------
    levels : int
        Resolutions, from ``coarsest`` to ``finest`` cells a side in equal ratios.
    table_bits : int
        Two to this power are the rows of each level's table.
    features : int
        Columns of a table.
    """

    def __init__(
        self, levels: int, table_bits: int, features: int, coarsest: int, finest: int
    ) -> None:
        super().__init__()
        ratio = (finest / coarsest) ** (1 / max(levels - 1, 1))
        cells = [round(coarsest * ratio**level) for level in range(levels)]
        rows = 1 << table_bits
        if max(cells) * rows >= 2**31:
            raise ValueError(f"{max(cells)} cells times {rows} rows must stay below 2^31.")
        self.last_row = rows - 1
        self.width = levels * features
        self.table = nn.Parameter(torch.empty(levels * rows, features).uniform_(-0.1, 0.1))
        corners = [[(c >> axis) & 1 for axis in range(3)] for c in range(8)]
        self.register_buffer("cells", torch.tensor(cells, dtype=torch.float32)[:, None])
        self.register_buffer("corners", torch.tensor(corners, dtype=torch.int32))
        self.register_buffer("start", torch.arange(levels, dtype=torch.int32)[:, None] * rows)

    def forward(self, points: Tensor) -> Tensor:
        """Features of points (n, 3) in 0..1: (n, levels * features)."""
        scaled = points[:, None, :] * self.cells  # (n, levels, 3)
        low = torch.floor(scaled)
        within = (scaled - low)[:, :, None, :]
        at = low.to(torch.int32)[:, :, None, :] + self.corners  # (n, levels, 8, 3)
        x, y, z = (at[..., axis] * (PRIMES[axis] & self.last_row) for axis in range(3))
        row = ((x ^ y ^ z) & self.last_row) + self.start  # (n, levels, 8)
        share = torch.where(self.corners == 1, within, 1 - within).prod(dim=3)
        found = functional.embedding(row.long(), self.table)  # (n, levels, 8, features)
        return (found * share[..., None]).sum(dim=2).flatten(1)


class Colour(nn.Module):
    """Colour of a place (n, 3) in the unit cube, seen in a direction (n, 3)."""

    def __init__(self, grid: HashGrid, hidden: int = 64) -> None:
        super().__init__()
        self.grid = grid
        self.mlp = nn.Sequential(nn.Linear(grid.width + 3, hidden), nn.ReLU(), nn.Linear(hidden, 3))

    def forward(self, place: Tensor, direction: Tensor) -> Tensor:
        """(n, 3), display-referred, 0 to 2.6."""
        return BRIGHTEST * torch.sigmoid(self.mlp(torch.cat([self.grid(place), direction], dim=1)))


class Compact(nn.Module):
    """The codes and what decodes them.

    Parameters
    ----------
    place : (n, 3) int16
        Positions in the box, from -32768 at its low corner to 32767.
    box : (3,) low corner and (3,) size
        World units.
    scale_codes, rotation_codes : (n, stages) uint8
    scale_book, rotation_book : (stages, 256, 3) and (stages, 256, 4) float32
        Logarithms of sigmas, and quaternions w, x, y, z: what the stages' entries add up to.
    opacity : (n, 1) uint8
        0 to 255.
    """

    def __init__(
        self,
        place: Tensor,
        box: tuple[Sequence[float], Sequence[float]],
        scale_codes: Tensor,
        scale_book: Tensor,
        rotation_codes: Tensor,
        rotation_book: Tensor,
        opacity: Tensor,
        colour: Colour,
    ) -> None:
        super().__init__()
        self.register_buffer("place", place)
        self.register_buffer("low", torch.tensor(box[0]))
        self.register_buffer("size", torch.tensor(box[1]))
        self.register_buffer("scale_codes", scale_codes)
        self.register_buffer("rotation_codes", rotation_codes)
        self.register_buffer("opacity", opacity)
        self.scale_book = nn.Parameter(scale_book)
        self.rotation_book = nn.Parameter(rotation_book)
        self.colour = colour

    def forward(self, eye: Tensor) -> tuple[Tensor, ...]:
        """All Gaussians as seen from ``eye`` (3,), as `OUTPUTS` names them."""
        place = (self.place.float() + 32768) / 65535
        position = self.low + self.size * place
        scale = torch.exp(from_codes(self.scale_codes, self.scale_book))
        rotation = functional.normalize(from_codes(self.rotation_codes, self.rotation_book), dim=1)
        direction, _ = directions(position, eye)
        return (
            position,
            scale,
            rotation,
            self.opacity.float() / 255,
            self.colour(place, direction),
        )


def from_codes(codes: Tensor, book: Tensor) -> Tensor:
    """Sum over the stages of the entries that codes (n, stages) point at: (n, width)."""
    rows = codes.to(torch.int32) + 256 * torch.arange(len(book), dtype=torch.int32)
    return functional.embedding(rows.long(), book.flatten(0, 1)).sum(dim=1)
