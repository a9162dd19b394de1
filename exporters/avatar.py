"""A skinned avatar: joint rotations in, Gaussians out, with the whole skeleton in the graph.

Forward kinematics by doubling: a joint's transform is joined with its parent's, then with that of
the joint two above, then four, eight, so the 24 joints need four steps, not as many as the chain is
long. Linear blend skinning then moves each Gaussian by the weighted transforms of four joints: its
covariance by the blended matrix, its normal and its spherical harmonics of degree 1 by the rotation
nearest to hand (Gram-Schmidt of the matrix). Light is computed on the turned normal, so that
what turns away from it darkens. The lowest sole stands on the ground, whatever the pose.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from exporters.export import Exported, export
from exporters.figure import JOINTS, PARENTS, SOLES, TO_PLY, Figure, rest_joints

__all__ = ["CONTROLS", "Avatar", "write"]

SH_C0, SH_C1 = 0.28209479177387814, 0.4886025119029199
KEY_DIRECTION = (0.38, -0.72, -0.58)
KEY, SKY, GROUND = 0.70, 0.66, 0.42
"""Strength of the light, and of what comes from above and below; all white."""
CONTROLS = {
    "arms": {"label": "Raise arms", "min": 0, "max": 1, "default": 0},
    "legs": {"label": "Stride", "min": 0, "max": 1.6, "default": 1},
    "spine": {"label": "Bend", "min": -1, "max": 1, "default": 0},
    "head": {"label": "Turn head", "min": -1, "max": 1, "default": 0},
}
"""``legs`` multiplies the rotation vectors of hips, knees, ankles and feet. The others add to those
of shoulders and collars, of the three joints of the spine, and of neck and head."""


class Avatar(nn.Module):
    """A figure that takes poses.

    ``forward(joints (24, 3), arms (1,), legs (1,), spine (1,), head (1,))``: axis-angle in radians,
    PLY axes, each relative to its parent, zero at rest.
    """

    rest_position: Tensor
    rest_normal: Tensor
    rest_factor: Tensor
    rest_albedo: Tensor
    rest_openness: Tensor
    rest_lobe: Tensor
    rest_weights: Tensor
    rest_carriers: Tensor
    rest_solid: Tensor
    rest_joints: Tensor
    rest_bones: Tensor
    rest_ancestors: Tensor
    rest_above: Tensor
    rest_skew: Tensor
    rest_added: Tensor
    rest_leg: Tensor
    rest_sole_points: Tensor
    rest_sole_joints: Tensor
    rest_key: Tensor
    rest_identity: Tensor

    def __init__(self, figure: Figure) -> None:
        super().__init__()

        def keep(name: str, values: object, dtype: torch.dtype = torch.float32) -> None:
            self.register_buffer(f"rest_{name}", torch.as_tensor(values, dtype=dtype))

        n = len(figure.position)
        keep("position", figure.position)
        keep("normal", figure.normal)
        keep("factor", figure.factor)
        keep("albedo", figure.albedo)
        keep("openness", figure.openness[:, None])
        keep("lobe", figure.normal[:, :, None] * figure.sheen[:, None, None].repeat(3, axis=2))
        keep("weights", figure.weights[:, :, None])
        keep("carriers", figure.joints.reshape(-1), torch.int32)
        keep("solid", [0.985] * n)
        rest = rest_joints()
        keep("joints", rest)
        origin = [rest[p] if p >= 0 else np.zeros(3) for p in PARENTS]
        keep("bones", rest - np.array(origin))
        above, steps = np.array(PARENTS), []
        while (above >= 0).any():
            steps.append(above)
            above = np.where(above >= 0, above[above], -1)
        keep("ancestors", np.maximum(steps, 0), torch.int64)
        keep("above", np.array(steps)[:, :, None] >= 0)
        skew = torch.zeros(3, 3, 3)
        for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            skew[j, k, i], skew[k, j, i] = -1, 1
        keep("skew", skew.reshape(9, 3).T.clone())
        keep("added", _added())
        legs = ("hip", "knee", "ankle", "foot")
        keep("leg", [[float(name.split("_")[-1] in legs)] for name in JOINTS])
        keep("sole_points", [[x, -y, -z] for _, (x, y, z) in SOLES])
        keep("sole_joints", [joint for joint, _ in SOLES], torch.int64)
        key = torch.tensor(KEY_DIRECTION)
        keep("key", (key / key.norm())[:, None])
        keep("identity", torch.eye(3)[None])

    def forward(
        self, joints: Tensor, arms: Tensor, legs: Tensor, spine: Tensor, head: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Positions (N, 3), covariances (N, 6), opacities (N,), SH (N, 4, 3)."""
        posed = joints * (1 + self.rest_leg * (legs - 1))
        raised, bent, turned = self.rest_added
        posed = posed + arms * raised + spine * bent + head * turned
        turn, move = self._chain(self._rotations(posed))
        below = self.rest_sole_joints
        soles = self.rest_sole_points - self.rest_joints.index_select(0, below)
        soles = _apply(turn.index_select(0, below), soles) + move.index_select(0, below)
        lift = torch.cat([torch.zeros(1), -soles[:, 1].amax(0, keepdim=True), torch.zeros(1)])
        move = move - _apply(turn, self.rest_joints) + lift

        carried = torch.cat([turn, move[:, :, None]], dim=2)
        carried = carried.index_select(0, self.rest_carriers)
        shares = self.rest_weights / self.rest_weights.sum(
            1, keepdim=True
        )  # 16 bits sum to nearly 1
        blended = (carried.reshape(-1, 4, 12) * shares).sum(1).reshape(-1, 3, 4)
        matrix = blended[:, :, :3]
        position = _apply(matrix, self.rest_position) + blended[:, :, 3]
        axes = matrix @ self.rest_factor
        xx, xy, xz, yy, yz, zz = (
            (axes[:, i] * axes[:, j]).sum(1)
            for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
        )
        covariance = torch.stack([xx, xy, xz, yy, yz, zz], dim=1)

        rotation = _orthonormal(matrix)
        normal = _apply(rotation, self.rest_normal)
        key = (normal @ self.rest_key).clamp(min=0) * KEY
        ambient = 0.5 * (SKY + GROUND) - 0.5 * (SKY - GROUND) * normal[:, 1:2]
        colour = self.rest_albedo * (ambient + key) * self.rest_openness
        lobe = rotation @ self.rest_lobe
        base = (colour + self.rest_lobe.norm(dim=1) * self.rest_openness - 0.5) / SH_C0
        scaled = lobe * self.rest_openness[:, :, None] / SH_C1
        sh = torch.stack([base, -scaled[:, 1], scaled[:, 2], -scaled[:, 0]], dim=1)
        return position, covariance, self.rest_solid, sh

    def _rotations(self, vectors: Tensor) -> Tensor:
        """Axis-angle (24, 3) to matrices (24, 3, 3): Rodrigues."""
        angle = ((vectors * vectors).sum(1, keepdim=True) + 1e-6).sqrt()
        skew = ((vectors / angle) @ self.rest_skew).reshape(-1, 3, 3)
        angle = angle[:, :, None]
        return self.rest_identity + angle.sin() * skew + (1 - angle.cos()) * (skew @ skew)

    def _chain(self, turn: Tensor) -> tuple[Tensor, Tensor]:
        """Transforms of joints in the world: rotations (24, 3, 3) and places (24, 3)."""
        move = self.rest_bones
        for ancestor, has in zip(self.rest_ancestors, self.rest_above, strict=True):
            upper = turn.index_select(0, ancestor) * has[:, :, None]
            upper = upper + (1 - has[:, :, None]) * self.rest_identity
            move = _apply(upper, move) + move.index_select(0, ancestor) * has
            turn = upper @ turn
        return turn, move


def _apply(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Each of (n, 3, 3) times each of (n, 3)."""
    return (matrices * vectors[:, None]).sum(2)


def _orthonormal(matrix: Tensor) -> Tensor:
    """Rotations from blended ones, column by column: (n, 3, 3)."""
    first = matrix[:, :, 0]
    first = first / (first.norm(dim=1, keepdim=True) + 1e-6)
    second = matrix[:, :, 1]
    second = second - first * (first * second).sum(1, keepdim=True)
    second = second / (second.norm(dim=1, keepdim=True) + 1e-6)
    (ax, ay, az), (bx, by, bz) = first.unbind(1), second.unbind(1)
    third = torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], dim=1)
    return torch.stack([first, second, third], dim=2)


def _added() -> Tensor:
    """Axis-angle that arms, spine and head add at 1, in PLY axes: (3, 24, 3)."""
    rows = torch.zeros(3, len(JOINTS), 3)
    for control, joint, (x, y, z) in (
        (0, "left_shoulder", (0, 0, 1.8)),
        (0, "right_shoulder", (0, 0, -1.8)),
        (0, "left_collar", (0, 0, 0.3)),
        (0, "right_collar", (0, 0, -0.3)),
        (1, "spine1", (0.32, 0, 0)),
        (1, "spine2", (0.32, 0, 0)),
        (1, "spine3", (0.25, 0, 0)),
        (2, "neck", (0, 0.45, 0)),
        (2, "head", (0, 0.55, 0)),
    ):
        rows[control, JOINTS.index(joint)] = torch.tensor([x, y, z]) * torch.tensor(TO_PLY)
    return rows


def write(model: Avatar, path: str | Path, pose: Tensor) -> Exported:
    """The model as a generator's .onnx; ``pose`` (24, 3) is what it shows when nothing is fed."""
    examples = {name: torch.tensor([float(c["default"])]) for name, c in CONTROLS.items()}
    return export(
        model,
        {"joints": ("joints", pose)} | {name: ("control", e) for name, e in examples.items()},
        {
            "position": "gaussian.position",
            "covariance": "gaussian.covariance",
            "opacity": "gaussian.opacity",
            "sh": "gaussian.sh",
        },
        path,
        controls=CONTROLS,
        defaults={"joints": [round(float(x), 4) for x in pose.flatten()]},
        bounds=([-0.95, -2.15, -0.95], [0.95, 0.02, 0.95]),
        pose={"eye": [0.9, -1.25, -3.6], "target": [0.0, -0.93, 0.0], "fov": 36},
        background=[0.80, 0.84, 0.88],
        half=True,
    )
