"""Scaffold-GS: anchors whose Gaussians are decoded for the place that they are seen from.

Lu et al. 2023, "Scaffold-GS: Structured 3D Gaussians for View-Adaptive Rendering", arXiv
2312.00109, section 3.2. Each anchor has a feature, a scaling and ten offsets; small networks make
opacity, colour and covariance of its ten Gaussians from the feature, the direction and the
distance of the camera. Gaussians without opacity are not drawn, so how many are alive hangs on the
view.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from exporters.blending import directions

__all__ = ["INPUTS", "OUTPUTS", "ROWWISE_OUTPUTS", "Scaffold", "alive_first"]

OFFSETS = 10
"""Gaussians of an anchor; k in the paper."""
BRIGHTEST = 2.6
"""Colours may exceed 1 before they are blended."""
OUTPUTS = {
    "position": "gaussian.position",
    "scale": "gaussian.scale",
    "rotation": "gaussian.rotation",
    "opacity": "gaussian.opacity",
    "color": "gaussian.color",
    "count": "gaussian.count",
}
ROWWISE_OUTPUTS = {name: role for name, role in OUTPUTS.items() if name != "count"}
"""Every row depends on its anchor and the camera alone; the dead have no opacity."""
INPUTS = {"eye": ("camera.position", torch.tensor([0.0, -0.5, -3.0]))}


class Scaffold(nn.Module):
    """Anchors and their three networks.

    Parameters
    ----------
    anchors : (A, 3) float32
        World units.
    offsets : (A, 10, 3) float32
        From the anchor, as shares -1 to 1 of its reach; kept in 8 bits.
    log_scaling : (A, 6) float32
        Of the reach along x, y and z, and of the largest sigmas, in world units.
    features : int
        Of an anchor.
    hidden : int
        Width of the networks.
    compact : bool
        With the survivors moved to the front, and their count; or every row in its place.
    """

    def __init__(
        self,
        anchors: Tensor,
        offsets: Tensor,
        log_scaling: Tensor,
        *,
        features: int = 32,
        hidden: int = 32,
        compact: bool = True,
    ) -> None:
        super().__init__()
        self.compact = compact
        self.register_buffer("anchor", anchors)
        self.register_buffer("offset", (offsets * 127).round().to(torch.int8))
        self.register_buffer("log_scaling", log_scaling)
        self.feature = nn.Parameter(torch.zeros(len(anchors), features))
        for name, width in (("opacity", 1), ("color", 3), ("covariance", 7)):
            layers = nn.Sequential(
                nn.Linear(features + 4, hidden), nn.ReLU(), nn.Linear(hidden, OFFSETS * width)
            )
            self.add_module(f"{name}_mlp", layers)

    def forward(self, eye: Tensor) -> tuple[Tensor, ...]:
        """All Gaussians as seen from ``eye`` (3,), as `OUTPUTS` or `ROWWISE_OUTPUTS` name them."""
        position, scale, rotation, opacity, colour = self.decode(eye)
        rows = [
            position.reshape(-1, 3),
            scale.reshape(-1, 3),
            rotation.reshape(-1, 4),
            functional.relu(opacity).reshape(-1, 1),
            colour.reshape(-1, 3),
        ]
        if not self.compact:
            return tuple(rows)
        order, count = alive_first(rows[3][:, 0] > 0)
        return (*(row.index_select(0, order) for row in rows), count)

    def decode(self, eye: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Position, scale, rotation, opacity (dead below 0) and colour: (A, 10, ...) each.

        ``eye`` is (3,) or one for each anchor, (A, 3).
        """
        direction, distance = directions(self.anchor, eye)
        seen = torch.cat([self.feature, direction, distance], dim=1)
        opacity = torch.tanh(self.opacity_mlp(seen))
        colour = BRIGHTEST * torch.sigmoid(self.color_mlp(seen)).unflatten(1, (OFFSETS, 3))
        shape = self.covariance_mlp(seen).unflatten(1, (OFFSETS, 7))
        scaling = torch.exp(self.log_scaling)[:, None]
        position = self.anchor[:, None] + self.offset.float() / 127 * scaling[:, :, :3]
        scale = scaling[:, :, 3:] * torch.sigmoid(shape[:, :, :3])
        rotation = functional.normalize(shape[:, :, 3:], dim=2)
        return position, scale, rotation, opacity, colour


def alive_first(alive: Tensor) -> tuple[Tensor, Tensor]:
    """Rows in an order that has the living first, and how many they are.

    Parameters
    ----------
    alive : (n,) bool

    Returns
    -------
    order : (n,) int64
        Past the count it is 0.
    count : (1,) int32
    """
    n = len(alive)
    place = torch.cumsum(alive.to(torch.int32), 0, dtype=torch.int32)
    target = torch.where(alive, place - 1, n).long()  # the dead meet in a row that is cut off
    order = torch.zeros(n + 1, dtype=torch.int64).scatter(0, target, torch.arange(n))
    return order[:n], place[n - 1 :]
