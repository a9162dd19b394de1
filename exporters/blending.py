"""Blending that can be differentiated: what fitting to rendered frames needs, without a GPU.

Which splat covers which pixel, and how strongly it falls off there, hangs on geometry alone. So a
frame lists its (pixel, splat) pairs once, front to back, and each step only multiplies opacities
and colours through the lists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pybuild import reference
from pybuild.gaussians import Gaussians
from pyengine.view import WORLD_UP, View

__all__ = ["Frame", "blend", "covariances", "directions", "list_frame", "orbit", "psnr"]

PIXEL_CLOSED = 1e-3
"""Pairs that less of the light than this reaches are left out of the lists."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The pairs of one view, sorted by pixel and then front to back.

    Attributes
    ----------
    splat : (p,) int64
        Rows of the cloud.
    pixel : (p,) int64
        Row-major.
    first : (p,) int64
        Of each pair, the first pair of its pixel.
    falloff : (p,) float32
        exp(-q / 2) at the pixel's centre.
    size : (height, width)
    eye : (3,) float32
    """

    splat: Tensor
    pixel: Tensor
    first: Tensor
    falloff: Tensor
    size: tuple[int, int]
    eye: Tensor


def orbit(
    count: int, width: int, height: int, *, seed: int, target: Sequence[float], fov_deg: float
) -> list[View]:
    """Views around a scene whose size is about 2, near and far, a golden angle apart."""
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, 2 * math.pi)
    views = []
    for k in range(count):
        angle = turn + k * math.pi * (3 - math.sqrt(5))
        lift, distance = math.radians(rng.uniform(-4, 55)), rng.uniform(1.5, 3.4)
        middle = np.asarray(target) + rng.normal(0, 0.12, 3)
        flat = distance * math.cos(lift)
        away = (flat * math.sin(angle), -distance * math.sin(lift), -flat * math.cos(angle))
        eye = middle + np.array(away)
        views.append(View.look_at(eye.tolist(), middle.tolist(), WORLD_UP, fov_deg, width, height))
    return views


def list_frame(cloud: Gaussians, view: View) -> Frame:
    """The pairs of a view, as `pybuild.reference` would draw the cloud."""
    splats = reference.project(cloud, view)
    edge = np.array([view.width, view.height])
    low = np.clip(np.floor(splats.centre_px - splats.extent_px - 0.5), 0, edge).astype(np.int64)
    high = np.clip(np.ceil(splats.centre_px + splats.extent_px + 0.5), 0, edge).astype(np.int64)
    wide, tall = (high - low).T
    area = wide * tall
    row = np.repeat(np.arange(len(area)), area)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(area) - area, area)
    x = low[row, 0] + nth % wide[row]
    y = low[row, 1] + nth // wide[row]
    dx, dy = (x + 0.5 - splats.centre_px[row, 0]), (y + 0.5 - splats.centre_px[row, 1])
    xx, xy, yy = splats.conic[row].T
    falloff = np.exp(-0.5 * (xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy))
    alpha = np.minimum(reference.ALPHA_MAX, splats.opacity[row] * falloff)
    hit = np.flatnonzero(alpha >= reference.ALPHA_MIN)
    pixel = (y * view.width + x)[hit]
    order = np.argsort(pixel, kind="stable")
    hit, pixel = hit[order], pixel[order]
    first = np.searchsorted(pixel, pixel)
    seen = _transmittance(alpha[hit], first) > PIXEL_CLOSED
    hit, pixel = hit[seen], pixel[seen]
    return Frame(
        torch.from_numpy(splats.index[row[hit]]),
        torch.from_numpy(pixel),
        torch.from_numpy(np.searchsorted(pixel, pixel)),
        torch.from_numpy(falloff[hit].astype(np.float32)),
        (view.height, view.width),
        torch.tensor(view.position, dtype=torch.float32),
    )


def _transmittance(alpha: NDArray[np.float64], first: NDArray[np.int64]) -> NDArray[np.float64]:
    """What reaches each pair: the product over the pairs before it in its pixel."""
    passed = np.concatenate([[0.0], np.cumsum(np.log1p(-alpha))])[:-1]
    return np.exp(passed - passed[first])


def blend(frame: Frame, opacity: Tensor, colour: Tensor) -> tuple[Tensor, Tensor]:
    """Image of a frame over black, and each pair's weight.

    Parameters
    ----------
    opacity : (n,) float32
        0 to 1, of the cloud's rows.
    colour : (n, 3) float32

    Returns
    -------
    image : (height * width, 3) float32
    weight : (p,) float32
        alpha times the transmittance in front of it.
    """
    alpha = (opacity[frame.splat] * frame.falloff).clamp(max=reference.ALPHA_MAX)
    logs = torch.log1p(-alpha).double()  # millions of terms: 24 bits would not do
    passed = torch.cumsum(logs, 0) - logs
    weight = alpha * torch.exp((passed - passed[frame.first]).float())
    pixels = frame.size[0] * frame.size[1]
    image = torch.zeros(pixels, 3).index_add(0, frame.pixel, weight[:, None] * colour[frame.splat])
    return image, weight


def covariances(scales: Tensor, quaternions: Tensor) -> Tensor:
    """R S S Rᵀ of sigmas (n, 3) and unit quaternions w, x, y, z (n, 4): (n, 3, 3)."""
    w, x, y, z = quaternions.unbind(-1)
    rotation = torch.stack(
        [
            *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        ],
        dim=-1,
    ).unflatten(-1, (3, 3))
    half = rotation * scales[..., None, :]
    return half @ half.transpose(-1, -2)


def directions(points: Tensor, eye: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors from the camera to points (n, 3), and the distances (n, 1)."""
    away = points - eye
    distance = away.norm(dim=-1, keepdim=True)
    return away / distance, distance


def psnr(image: NDArray[np.floating], wanted: NDArray[np.floating]) -> float:
    """Decibels between two display-referred images, 0 to 1."""
    difference = np.clip(image, 0, 1) - np.clip(wanted, 0, 1)
    return float(-10 * np.log10(max(float(np.mean(difference**2)), 1e-12)))
