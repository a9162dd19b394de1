"""4D Gaussians: a canonical cloud, six planes of features over space and time, heads that deform.

After 4D Gaussian Splatting (Wu et al. 2023, arXiv 2310.08528) with the planes of HexPlane (Cao and
Johnson 2023, arXiv 2301.09632): a Gaussian's features are the product of six bilinear samples, at
(x,y), (x,z), (y,z) of its canonical place and at (x,t), (y,t), (z,t); two resolutions are joined.
Two things differ. The planes of time are closed to a ring, so the clip loops without a seam. And a
turn is a Gibbs vector applied from the left, where the paper adds to the quaternion: neighbours
that move alike then have alike features, however they lie.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from exporters.export import Exported, export

__all__ = ["HexPlane", "write"]

PAIRS = ((0, 1), (0, 2), (1, 2))


class HexPlane(nn.Module):
    """Gaussians at a time.

    Parameters
    ----------
    position : (N, 3) canonical centres, world units
    quaternion : (N, 4) w, x, y, z
    log_scale : (N, 3)
    opacity : (N,) 0 to 1
    colour : (N, 3) display-referred
    duration_s : float
        Of the clip, which loops.
    resolutions : (space, time) of each level
    channels : int
        Features of a plane.
    """

    rest_position: Tensor
    rest_quaternion: Tensor
    rest_log_scale: Tensor
    rest_opacity: Tensor
    rest_colour: Tensor
    places: Tensor

    def __init__(
        self,
        position: Tensor,
        quaternion: Tensor,
        log_scale: Tensor,
        opacity: Tensor,
        colour: Tensor,
        duration_s: float,
        resolutions: tuple[tuple[int, int], ...] = ((20, 20), (48, 40)),
        channels: int = 16,
        width: int = 64,
    ) -> None:
        super().__init__()
        self.duration_s = duration_s
        low, high = position.amin(0), position.amax(0)
        self.register_buffer("rest_position", position)
        self.register_buffer("rest_quaternion", quaternion)
        self.register_buffer("rest_log_scale", log_scale)
        self.register_buffer("rest_opacity", opacity)
        self.register_buffer("rest_colour", colour)
        self.register_buffer("places", 1.9 * (position - low) / (high - low) - 0.95)
        self.space, self.time = nn.ParameterList(), nn.ParameterList()
        for cells, steps in resolutions:
            for _ in PAIRS:
                self.space.append(nn.Parameter(torch.rand(1, channels, cells, cells) * 0.4 + 0.3))
            for _ in range(3):
                start = 1 + 0.02 * torch.randn(1, channels, steps, cells)
                self.time.append(nn.Parameter(start))
        self.trunk = nn.Linear(channels * len(resolutions), width)
        half = width // 2
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(width, half), nn.ReLU(), nn.Linear(half, n))
                for name, n in (("position", 3), ("rotation", 3), ("scale", 2), ("glow", 1))
            }
        )
        for head in self.heads.values():
            nn.init.zeros_(head[2].bias)
            with torch.no_grad():
                head[2].weight.mul_(0.1)

    def deformation(self, places: Tensor, phase: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the heads say of places (M, 3) in -1..1 at phases (M, 1) in 0..1.

        Returns
        -------
        offset (M, 3) in world units, turn (M, 3) as a Gibbs vector, stretch (M, 2) of the first two
        axes as logarithms, glow (M, 1), a factor of the colour
        """
        at = phase * 2 - 1
        levels = []
        for level in range(len(self.time) // 3):
            features = torch.ones(1)
            for k, (a, b) in enumerate(PAIRS):
                pair = torch.stack([places[:, a], places[:, b]], dim=1)
                features = features * _sample(self.space[3 * level + k], pair)
            for k in range(3):
                plane = self.time[3 * level + k]
                ring = torch.cat([plane, plane[:, :, :1]], dim=2)
                pair = torch.cat([places[:, k : k + 1], at], dim=1)
                features = features * _sample(ring, pair)
            levels.append(features)
        hidden = F.relu(self.trunk(torch.cat(levels, dim=1)))
        offset, turn, stretch, glow = (head(hidden) for head in self.heads.values())
        return offset, turn, stretch, 1 + glow

    def forward(self, time: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Time (1,) in seconds to positions, rotations, scales, opacities, colours."""
        cycles = time / self.duration_s
        phase = (cycles - torch.floor(cycles)).reshape(1, 1).expand(len(self.places), 1)
        offset, turn, stretch, glow = self.deformation(self.places, phase)
        quaternion = _turned(turn, self.rest_quaternion)
        log_scale = self.rest_log_scale + F.pad(stretch, (0, 1))
        return (
            self.rest_position + offset,
            quaternion,
            log_scale,
            self.rest_opacity,
            self.rest_colour * glow,
        )


def _sample(plane: Tensor, at: Tensor) -> Tensor:
    """Bilinear samples (M, C) of a plane (1, C, H, W) at (M, 2): along W, along H, in -1..1."""
    found = F.grid_sample(plane, at[None, None], mode="bilinear", align_corners=True)
    return found[0, :, 0].transpose(0, 1)


def _turned(gibbs: Tensor, q: Tensor) -> Tensor:
    """The product (1, gibbs) q of quaternions; not normalised."""
    w, v = q[:, :1], q[:, 1:]
    real = w - (gibbs * v).sum(dim=1, keepdim=True)
    gx, gy, gz = gibbs[:, 0:1], gibbs[:, 1:2], gibbs[:, 2:3]
    vx, vy, vz = v[:, 0:1], v[:, 1:2], v[:, 2:3]
    cross = torch.cat([gy * vz - gz * vy, gz * vx - gx * vz, gx * vy - gy * vx], dim=1)
    return torch.cat([real, v + w * gibbs + cross], dim=1)


def write(model: HexPlane, path: str | Path, bounds: tuple[list[float], list[float]]) -> Exported:
    """The model as a generator's .onnx."""
    return export(
        model,
        {"time": ("time", torch.tensor([1.3]))},
        {
            "position": "gaussian.position",
            "rotation": "gaussian.rotation",
            "scale": "gaussian.scale",
            "opacity": "gaussian.opacity",
            "color": "gaussian.color",
        },
        path,
        activations={"rotation": "normalize", "scale": "exp"},
        clip=(model.duration_s, True),
        bounds=bounds,
        pose={"eye": [1.6, -1.2, -5.6], "target": [0.02, 0.6, 0.0], "fov": 38},
        background=[0.012, 0.03, 0.09],
        half=True,
    )
