"""The sample scene as something to fit: its Gaussians in one form, its colours, its cameras."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assets.make_sample import SAMPLE_CAMERA
from exporters.blending import blend, directions, list_frame
from pybuild.gaussians import Gaussians
from pybuild.sh import SH_C0, basis
from pyengine.view import View

__all__ = ["CAMERA", "axis", "canonical", "colours", "decoded", "drawn"]

CAMERA = {"target": SAMPLE_CAMERA["target"], "fov_deg": SAMPLE_CAMERA["fov"]}
"""What `blending.orbit` looks at."""


_H = math.sqrt(0.5)
_REORDERED = {
    (0, 1, 2): (1, 0, 0, 0),
    (1, 2, 0): (0.5, 0.5, 0.5, 0.5),
    (2, 0, 1): (0.5, -0.5, -0.5, -0.5),
    (0, 2, 1): (_H, -_H, 0, 0),
    (1, 0, 2): (_H, 0, 0, _H),
    (2, 1, 0): (0, _H, 0, _H),
}
"""The rotation w, x, y, z whose axes are x, y and z in another order, up to their signs."""


def canonical(cloud: Gaussians) -> Gaussians:
    """The same cloud with each Gaussian's axes from the longest to the shortest.

    Of the four rotations that then give the same Gaussian, the one nearest to none is taken.
    """
    order = np.argsort(-cloud.log_scales, axis=1, kind="stable")
    turns = np.array([_REORDERED[tuple(row)] for row in order.tolist()])
    q = _product(cloud.quaternions.astype(np.float64), turns)
    same = np.stack([_product(q, half) for half in np.eye(4)], axis=1)
    q = same[np.arange(len(q)), np.argmax(np.abs(same[:, :, 0]), axis=1)]
    q *= np.where(q[:, :1] < 0, -1, 1)
    return Gaussians(
        cloud.positions,
        np.take_along_axis(cloud.log_scales, order, axis=1),
        (q / np.linalg.norm(q, axis=1, keepdims=True)).astype(np.float32),
        cloud.opacity_logits,
        cloud.sh,
    )


def _product(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hamilton's product of quaternions (..., 4)."""
    w, x, y, z = np.moveaxis(a, -1, 0)
    u, i, j, k = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            w * u - x * i - y * j - z * k,
            w * i + x * u + y * k - z * j,
            w * j - x * k + y * u + z * i,
            w * k + x * j - y * i + z * u,
        ],
        axis=-1,
    )


def axis(quaternions: Tensor, index: int) -> Tensor:
    """An axis of each rotation: (..., 3)."""
    unit = torch.zeros(*quaternions.shape[:-1], 3)
    unit[..., index] = 1
    w, v = quaternions[..., :1], quaternions[..., 1:]
    t = 2 * torch.linalg.cross(v, unit)
    return unit + w * t + torch.linalg.cross(v, t)


def colours(cloud: Gaussians, eye: Tensor) -> Tensor:
    """Colours that the cloud shows to cameras at ``eye``, (3,) or (n, 3): (n, 3) float32."""
    direction, _ = directions(torch.from_numpy(cloud.positions), eye)
    columns = torch.from_numpy(basis(direction.numpy(), cloud.sh_degree)).float()
    return (torch.einsum("nk,nkc->nc", columns, torch.from_numpy(cloud.sh)) + 0.5).clamp(min=0)


def decoded(
    position: Tensor, scale: Tensor, rotation: Tensor, opacity: Tensor, colour: Tensor
) -> Gaussians:
    """A generator's rows as a cloud, (n, ...) each; the colours are all its SH."""
    return Gaussians(
        position.detach().numpy(),
        scale.detach().log().numpy(),
        rotation.detach().numpy(),
        torch.logit(opacity.detach().clamp(0, 0.999)).numpy(),
        ((colour.detach() - 0.5) / SH_C0)[:, None].numpy(),
    )


def drawn(cloud: Gaussians, view: View) -> Tensor:
    """The cloud over black: (height * width, 3) float32."""
    eye = torch.tensor(view.position, dtype=torch.float32)
    opacity = torch.sigmoid(torch.from_numpy(cloud.opacity_logits))
    return blend(list_frame(cloud, view), opacity, colours(cloud, eye))[0]
