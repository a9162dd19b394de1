"""A walker of Gaussians: a body of smoothly joined solids, its skeleton and its skin weights.

Modelled standing in T-pose with y up, facing +z, left towards +x, the ground at y = 0, in metres;
what leaves this file is in PLY axes. The skeleton has SMPL's 24 joints in SMPL's order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from assets.sample.patterns import smoothstep
from assets.sample.surfaces import unit
from exporters.figure_paint import (
    HAIR,
    HAND,
    PACK,
    SCARF,
    SHIRT,
    SHOE,
    SKIN,
    SLEEVE,
    TROUSERS,
    albedo,
)

__all__ = ["JOINTS", "PARENTS", "SOLES", "TO_PLY", "Figure", "figure", "rest_joints"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TO_PLY = np.array([1.0, -1.0, -1.0])
JOINTS = (
    *("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2"),
    *("left_ankle", "right_ankle", "spine3", "left_foot", "right_foot", "neck"),
    *("left_collar", "right_collar", "head", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand"),
)
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
_MIDDLE = {
    "pelvis": (0, 0.95, 0),
    "spine1": (0, 1.05, 0),
    "spine2": (0, 1.17, 0),
    "spine3": (0, 1.28, 0),
    "neck": (0, 1.46, -0.01),
    "head": (0, 1.545, 0.005),
}
_LEFT = {
    "hip": (0.09, 0.90, 0),
    "knee": (0.10, 0.50, 0.008),
    "ankle": (0.105, 0.09, -0.025),
    "foot": (0.11, 0.035, 0.085),
    "collar": (0.06, 1.39, 0),
    "shoulder": (0.175, 1.395, -0.005),
    "elbow": (0.44, 1.395, -0.005),
    "wrist": (0.68, 1.395, 0),
    "hand": (0.76, 1.39, 0),
}
SOLES = tuple(
    (JOINTS.index(f"{side}_{joint}"), (sign * x, 0.0, z))
    for side, sign in (("left", 1), ("right", -1))
    for joint, x, z in (
        ("ankle", 0.08, -0.07),
        ("ankle", 0.13, -0.07),
        ("foot", 0.07, 0.11),
        ("foot", 0.14, 0.10),
        ("foot", 0.11, 0.165),
    )
)
"""Points under the feet, with the joint that carries each: the lowest one stands on the ground."""

WAIST = 0.975
"""Where the shirt ends."""
BLEND = 0.03
"""Reach of the smooth union of neighbouring solids, metres."""
CRISP = 0.006
WEIGHT_SOFTNESS = 0.021
SHOULDER_SOFTNESS = 0.034
"""How fast a joint's weight falls with the distance to its bone, metres."""


@dataclass(frozen=True, slots=True)
class Solid:
    """A segment with a radius at each end, in coordinates that may be squeezed along an axis."""

    a: tuple[float, float, float]
    b: tuple[float, float, float]
    radii: tuple[float, float]
    material: int
    blend: float = BLEND
    squeeze: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def distance(self, p: Floats) -> Floats:
        """About the signed distance (n,)."""
        s = np.array(self.squeeze)
        a, b = np.array(self.a), np.array(self.b)
        q, d = (p - a) / s, (b - a) / s
        t = np.clip(q @ d / max(float(d @ d), 1e-12), 0, 1)
        away = np.linalg.norm(q - t[:, None] * d, axis=1)
        return (away - self.radii[0] - (self.radii[1] - self.radii[0]) * t) * s.min()


@dataclass(frozen=True, slots=True)
class Figure:
    """n Gaussians at rest, in PLY axes.

    Attributes
    ----------
    position, normal : (n, 3) float64
    factor : (n, 3, 3) float64
        The covariance is ``factor @ factor.T``: columns are the axes, as long as their sigmas.
    albedo : (n, 3) float64
        Display-referred.
    openness : (n,) float64
        How much of the sky is not hidden by the body itself, 0 to 1.
    sheen : (n,) float64
        What is added at grazing sight.
    joints : (n, 4) int64, weights : (n, 4) float64
        The four joints that carry a Gaussian; weights sum to 1.
    """

    position: Floats
    normal: Floats
    factor: Floats
    albedo: Floats
    openness: Floats
    sheen: Floats
    joints: Ints
    weights: Floats


def rest_joints() -> Floats:
    """Where the joints are at rest, in PLY axes: (24, 3)."""
    rows = []
    for name in JOINTS:
        side, _, joint = name.partition("_")
        row = np.array(_LEFT[joint] if joint else _MIDDLE[name], np.float64)
        rows.append(row * np.array([-1.0, 1, 1]) if side == "right" else row)
    return np.array(rows) * TO_PLY


def figure(spacing: float = 0.0165) -> Figure:
    """The walker, sampled at a spacing in metres; the face and hands are finer."""
    solids = _body()
    position, gap = _spread(solids, spacing)
    normal = _gradient(lambda p: _union(solids, p), position)
    material = np.argmin([s.distance(position) for s in solids], axis=0)
    material = np.array([s.material for s in solids])[material]
    waist = (np.abs(position[:, 0]) < 0.3) & (position[:, 1] > 0.9) & (position[:, 1] < 1.05)
    waist &= np.isin(material, [SHIRT, TROUSERS])
    material[waist] = np.where(position[waist, 1] > WAIST, SHIRT, TROUSERS)
    first = np.cross(normal, np.where(np.abs(normal[:, 1:2]) < 0.9, [[0.0, 1, 0]], [[1.0, 0, 0]]))
    first = unit(first)
    sigma = 0.72 * gap[:, None]
    columns = [first * sigma, np.cross(normal, first) * sigma, normal * sigma * 0.22]
    factor = np.stack(columns, axis=2)
    joints, weights = _weights(position)
    return Figure(
        position * TO_PLY,
        normal * TO_PLY,
        factor * TO_PLY[:, None],
        albedo(position, normal, material),
        _openness(solids, position, normal),
        np.array([0.10, 0.16, 0.09, 0.09, 0.07, 0.10, 0.16, 0.08, 0.10])[material],
        joints,
        weights,
    )


def _body() -> list[Solid]:
    middle = [
        Solid((-0.07, 0.925, 0), (0.07, 0.925, 0), (0.098, 0.098), TROUSERS),
        Solid((0, 1.0, 0), (0, 1.24, 0), (0.122, 0.140), SHIRT, BLEND, (1.08, 1, 0.84)),
        Solid((-0.07, 1.30, 0), (0.07, 1.30, 0), (0.102, 0.102), SHIRT, BLEND, (1, 1, 0.95)),
        Solid((-0.13, 1.39, 0), (0.13, 1.39, 0), (0.062, 0.062), SHIRT),
        Solid((0, 1.40, -0.005), (0, 1.54, 0), (0.05, 0.05), SKIN),
        Solid((0, 1.672, 0.0), (0, 1.690, 0.0), (0.124, 0.122), SKIN),
        Solid((0, 1.600, 0.035), (0, 1.620, 0.035), (0.072, 0.085), SKIN),
        Solid((0, 1.640, 0.128), (0, 1.632, 0.136), (0.010, 0.013), SKIN, 0.012),
        Solid((0.0, 1.735, -0.032), (0, 1.70, -0.045), (0.121, 0.124), HAIR, CRISP),
        Solid((-0.03, 1.775, 0.055), (0.03, 1.765, 0.062), (0.058, 0.060), HAIR, 0.02),
        Solid((0.06, 1.745, 0.055), (0.105, 1.71, 0.03), (0.045, 0.03), HAIR, 0.02),
        Solid((-0.075, 1.75, 0.045), (-0.108, 1.71, 0.03), (0.04, 0.03), HAIR, 0.02),
        Solid((0.0, 1.845, 0.0), (0.035, 1.885, 0.03), (0.030, 0.010), HAIR, 0.02),
        Solid((-0.015, 1.85, -0.01), (-0.03, 1.88, 0.015), (0.025, 0.009), HAIR, 0.02),
        Solid((0, 1.26, -0.165), (0, 1.33, -0.155), (0.105, 0.10), PACK, CRISP, (1.15, 1.25, 0.66)),
        Solid((-0.04, 1.19, -0.225), (0.04, 1.19, -0.225), (0.05, 0.05), PACK, 0.012, (1, 1, 0.7)),
    ]
    ring = [
        (0.078 * np.sin(t), 1.468 + 0.012 * np.cos(t), 0.074 * np.cos(t) + 0.006)
        for t in np.linspace(0, 2 * np.pi, 11)
    ]
    middle += [Solid(a, b, (0.033, 0.033), SCARF, 0.012) for a, b in pairwise(ring)]
    middle += [
        Solid((0.035, 1.45, 0.095), (0.075, 1.30, 0.128), (0.026, 0.036), SCARF, 0.01, (1, 1, 0.6)),
        Solid((0.02, 1.45, 0.10), (0.01, 1.35, 0.125), (0.022, 0.030), SCARF, 0.01, (1, 1, 0.6)),
    ]
    left = [
        Solid((0.088, 0.89, 0), (0.10, 0.52, 0.008), (0.088, 0.066), TROUSERS),
        Solid((0.10, 0.50, 0.008), (0.105, 0.15, -0.018), (0.064, 0.056), TROUSERS),
        Solid((0.105, 0.150, -0.018), (0.105, 0.135, -0.018), (0.063, 0.063), TROUSERS, CRISP),
        Solid((0.105, 0.10, -0.03), (0.105, 0.05, -0.035), (0.050, 0.053), SHOE, CRISP),
        Solid((0.105, 0.048, -0.035), (0.112, 0.040, 0.11), (0.052, 0.050), SHOE, 0.03),
        Solid((0.16, 1.393, 0), (0.44, 1.395, -0.005), (0.066, 0.050), SLEEVE),
        Solid((0.44, 1.395, -0.005), (0.645, 1.395, 0), (0.050, 0.043), SLEEVE),
        Solid((0.640, 1.395, 0), (0.655, 1.395, 0), (0.047, 0.047), SLEEVE, CRISP),
        Solid((0.67, 1.395, 0), (0.705, 1.393, 0), (0.030, 0.034), HAND, 0.01),
        Solid((0.715, 1.392, 0.0), (0.765, 1.390, 0.0), (0.042, 0.040), HAND, 0.02, (1, 0.62, 1)),
        Solid((0.77, 1.390, 0.018), (0.825, 1.384, 0.018), (0.016, 0.013), HAND, 0.012),
        Solid((0.77, 1.390, -0.014), (0.822, 1.384, -0.016), (0.016, 0.013), HAND, 0.012),
        Solid((0.71, 1.388, 0.028), (0.755, 1.376, 0.062), (0.017, 0.013), HAND, 0.014),
        Solid(
            (0.126, 1.655, -0.005), (0.130, 1.672, -0.012), (0.020, 0.024), SKIN, 0.008, (0.6, 1, 1)
        ),
    ]
    flip = np.array([-1.0, 1, 1])
    right = [
        Solid(
            tuple(np.array(s.a) * flip),
            tuple(np.array(s.b) * flip),
            s.radii,
            s.material,
            s.blend,
            s.squeeze,
        )
        for s in left
    ]
    return middle + left + right


def _union(solids: list[Solid], p: Floats) -> Floats:
    """Signed distance of all, joined one after another with their own softness; flat soles."""
    total = solids[0].distance(p)
    for solid in solids[1:]:
        d, k = solid.distance(p), solid.blend
        h = np.clip(0.5 + 0.5 * (total - d) / k, 0, 1)
        total = total + (d - total) * h - k * h * (1 - h)
    return np.maximum(total, -p[:, 1])


def _gradient(distance: Callable[[Floats], Floats], p: Floats) -> Floats:
    step = 1e-4
    rows = [distance(p + step * axis) - distance(p - step * axis) for axis in np.eye(3)]
    return unit(np.stack(rows, axis=1))


def _gap(p: Floats, spacing: float) -> Floats:
    """Wanted distance between neighbours: finer on the face and the hands."""
    face = smoothstep(0.055, 0.085, p[:, 2]) * smoothstep(1.545, 1.565, p[:, 1])
    face *= smoothstep(1.735, 1.715, p[:, 1])
    hand = smoothstep(0.66, 0.69, np.abs(p[:, 0]))
    head = smoothstep(1.53, 1.56, p[:, 1])
    return spacing * (1 - 0.56 * face - 0.40 * hand - 0.20 * head * (1 - face))


def _spread(solids: list[Solid], spacing: float) -> tuple[Floats, Floats]:
    """Points on the surface, no two nearer than their gap: dart throwing on a grid of cells."""
    rng = np.random.default_rng(4)
    low, high = np.array([-0.88, -0.01, -0.29]), np.array([0.88, 1.91, 0.21])
    boxes = (
        (low, high, 1_500_000),
        (low * (0.2, 0, 1) + (0, 1.5, 0), high * (0.2, 1, 1), 500_000),
        ((0.64, 1.34, -0.06), (0.86, 1.44, 0.09), 45_000),
        ((-0.86, 1.34, -0.06), (-0.64, 1.44, 0.09), 45_000),
    )
    seeds = np.concatenate([a + np.subtract(b, a) * rng.random((n, 3)) for a, b, n in boxes])
    rng.shuffle(seeds)
    keep = []
    for part in np.array_split(seeds, 40):
        keep.append(part[np.abs(_union(solids, part)) < 0.012])
    points = np.concatenate(keep)
    for _ in range(4):
        away = _union(solids, points)[:, None]
        points = points - away * _gradient(lambda p: _union(solids, p), points)
    points = points[np.abs(_union(solids, points)) < 5e-4]
    gap = _gap(points, spacing)
    cell = spacing
    cells: dict[tuple[int, int, int], list[int]] = {}
    chosen: list[int] = []
    keys = np.floor(points / cell).astype(int)
    around = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]
    for index, (key, radius) in enumerate(zip(keys.tolist(), gap * 0.80, strict=True)):
        here = ((key[0] + i, key[1] + j, key[2] + k) for i, j, k in around)
        near = [n for place in here for n in cells.get(place, ())]
        if near:
            gone = points[near] - points[index]
            if float((gone * gone).sum(axis=1).min()) < radius * radius:
                continue
        cells.setdefault((key[0], key[1], key[2]), []).append(index)
        chosen.append(index)
    return points[chosen], gap[chosen]


def _openness(solids: list[Solid], p: Floats, normal: Floats) -> Floats:
    """Ambient occlusion from the distance field along the normal (Evans 2006): (n,)."""
    hidden = np.zeros(len(p))
    for reach in (0.015, 0.03, 0.06, 0.12):
        hidden += np.maximum(0, reach - _union(solids, p + normal * reach)) / reach * 0.25
    return np.clip(1 - 0.85 * hidden, 0.25, 1)


def _weights(p: Floats) -> tuple[Ints, Floats]:
    """Four joints of each point and their weights: soft minimum of distances to bones of kin."""
    rest = rest_joints() * TO_PLY
    tips = {
        15: (0, 1.8, 0),
        22: (0.84, 1.385, 0),
        23: (-0.84, 1.385, 0),
        10: (0.112, 0.035, 0.15),
        11: (-0.112, 0.035, 0.15),
        9: rest[12],
        0: rest[3],
    }
    near = np.empty((len(p), 24))
    for joint in range(24):
        child = PARENTS.index(joint) if joint in PARENTS else -1
        tip = np.array(tips.get(joint, rest[child]), np.float64)
        thick = {15: 0.10, 9: 0.095, 12: 0.03, 3: 0.04, 6: 0.04, 0: 0.05}.get(joint, 0.02)
        near[:, joint] = Solid(tuple(rest[joint]), tuple(tip), (thick, thick), 0).distance(p)
    near[:, [13, 14]] += 0.015
    closest = np.argmin(near, axis=1)
    pack = (p[:, 2] < -0.11) & (np.abs(p[:, 0]) < 0.2) & (p[:, 1] > 1.0) & (p[:, 1] < 1.5)
    closest[pack] = 9
    kin = np.eye(24, dtype=bool)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            kin[joint, parent] = kin[parent, joint] = True
    softness = np.where(np.isin(closest, [13, 14, 16, 17]), SHOULDER_SOFTNESS, WEIGHT_SOFTNESS)
    away = near - near.min(axis=1, keepdims=True)
    raw = np.exp(-away / softness[:, None]) * kin[closest]
    raw[pack] = np.eye(24)[9]
    raw[p[:, 1] > 1.56] = np.eye(24)[15]
    order = np.argsort(-raw, axis=1, kind="stable")[:, :4]
    top = np.take_along_axis(raw, order, axis=1)
    return order, top / top.sum(axis=1, keepdims=True)
