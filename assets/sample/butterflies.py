"""Morpho butterflies: wings of structural blue with dark borders, brown underneath."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assets.sample.patterns import linear, mix, noise, smoothstep
from assets.sample.surfaces import Part, disc_sigma, joined, lattice, part, placed, turn

Floats = NDArray[np.float64]

FORE = [
    (0.0, 0.0),
    (0.16, 0.38),
    (0.50, 0.78),
    (0.86, 1.0),
    (1.03, 0.98),
    (1.02, 0.76),
    (0.90, 0.44),
    (0.84, 0.12),
    (0.45, -0.03),
]
HIND = [
    (0.0, 0.02),
    (0.42, 0.03),
    (0.76, -0.02),
    (0.86, -0.26),
    (0.76, -0.58),
    (0.50, -0.80),
    (0.30, -0.86),
    (0.16, -0.66),
    (0.04, -0.3),
]
"""Outlines of the right wings in units of the fore wing: x away from the body, y forward."""


def butterfly(spacing: float, flap_deg: float, seed: int) -> Part:
    """A butterfly of wing length 1: right along x, forward along -z, up along y."""
    half = []
    for outline, lift, shade in ((FORE, 0.0, 0.0), (HIND, -0.025, 0.25)):
        half.append(_wing(_smooth(outline), spacing, lift, shade, seed))
    right = joined(half)
    raised = placed(right, turn(z_deg=flap_deg), (0.035, 0.02, 0))
    mirror = np.diag([-1.0, 1.0, 1.0])
    left = placed(placed(right, mirror, (0, 0, 0)), turn(z_deg=-flap_deg), (-0.035, 0.02, 0))
    return joined([raised, left, _body(spacing), _antennae()])


def _smooth(outline: list[tuple[float, float]]) -> Floats:
    """Closed Catmull-Rom curve through the outline, sharp at the hinge: (m, 2)."""
    points = np.array(outline)
    before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    beyond = np.roll(points, -2, axis=0)
    t = np.linspace(0, 1, 12, endpoint=False)[:, None, None]
    curve = 0.5 * (
        2 * points
        + (after - before) * t
        + (2 * before - 5 * points + 4 * after - beyond) * t**2
        + (3 * points - before - 3 * after + beyond) * t**3
    )
    return np.asarray(curve.transpose(1, 0, 2).reshape(-1, 2))


def _inside(points: Floats, polygon: Floats) -> NDArray[np.bool_]:
    """Even-odd rule for (n, 2) points."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    crosses = (a[:, 1] > y) != (b[:, 1] > y)
    rise = np.where(b[:, 1] == a[:, 1], 1e-12, b[:, 1] - a[:, 1])
    left = x < a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / rise
    return np.asarray((crosses & left).sum(axis=1) % 2 == 1)


def _wing(outline: Floats, spacing: float, lift: float, shade: float, seed: int) -> Part:
    low, high = outline.min(axis=0), outline.max(axis=0)
    a, b = lattice(round(float(np.prod(high - low)) / spacing**2))
    flat = low + np.stack([a, b], axis=1) * (high - low)
    following = np.roll(outline, -1, axis=0)
    hem = np.concatenate([outline, 0.5 * (outline + following)]) * 0.995
    flat = np.concatenate([flat[_inside(flat, outline)], hem])
    x, y = flat[:, 0], flat[:, 1]
    edge = np.sqrt(np.min(((flat[:, None] - outline[None, 8:-8]) ** 2).sum(axis=2), axis=1) + 1e-12)

    def bend(px: Floats, py: Floats) -> Floats:
        return lift + 0.10 * px * (1 - 0.55 * px) - 0.05 * py * py

    position = np.stack([x, bend(x, y), -y], axis=1)
    slope_x = (bend(x + 1e-4, y) - bend(x - 1e-4, y)) / 2e-4
    slope_y = (bend(x, y + 1e-4) - bend(x, y - 1e-4)) / 2e-4
    normal = np.stack([-slope_x, np.ones_like(x), slope_y], axis=1)
    angle = np.arctan2(y - 0.02, x + 0.02)
    reach = np.hypot(x, y)
    vein = np.abs(np.sin(angle * 8.5 + 0.4 * np.sin(5 * reach)))
    vein_mask = smoothstep(0.17, 0.05, vein * reach**0.6) * smoothstep(0.12, 0.3, reach)
    ragged = 0.03 * noise(position, 9, 80 + seed)
    border = smoothstep(0.105, 0.045, edge - ragged) * smoothstep(0.25, 0.5, reach)
    beads = smoothstep(0.55, 0.8, np.sin(angle * 26)) * smoothstep(0.02, 0.0, np.abs(edge - 0.045))
    beads *= border
    deep = mix(linear(0.10, 0.42, 0.95), linear(0.16, 0.26, 0.86), np.clip(reach, 0, 1))
    blue = mix(deep, linear(0.30, 0.75, 0.98), smoothstep(0.45, 0.1, reach) * 0.6 + shade * 0.4)
    dark = linear(0.07, 0.05, 0.07)
    blue = blue + (dark - blue) * np.maximum(border, 0.75 * vein_mask)[:, None]
    albedo = mix(blue, linear(0.95, 0.95, 1.0), 0.9 * beads)
    sheen = (1 - np.maximum(border, 0.6 * vein_mask)) * (1 - beads)
    return part(
        position,
        normal,
        np.stack([x + 0.02, np.zeros_like(x), -y], axis=1),
        disc_sigma(spacing) * np.array([1.15, 0.95, 0.6]),
        albedo * 0.75,
        opacity=0.95,
        specular=np.array([0.05, 0.22, 0.55]) * sheen[:, None] + 0.02,
        gloss=0.45,
        through=0.15,
        film=0.35 * sheen,
        film_order=0.78 + 0.12 * reach,
    )


def _body(spacing: float) -> Part:
    """Thorax and abdomen of dark velvet: ellipsoids of hairs."""
    parts = []
    for z, length, radius in ((-0.10, 0.14, 0.052), (0.20, 0.26, 0.036), (-0.27, 0.045, 0.04)):
        a, b = lattice(max(60, round(12 * length * radius / spacing**2 * 3)))
        height, angle = 2 * a - 1, 2 * np.pi * b
        ring = np.sqrt(1 - height**2)
        out = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
        size = np.array([radius, radius, length])
        colour = mix(linear(0.10, 0.08, 0.10), linear(0.26, 0.22, 0.24), noise(out, 6, 91))
        parts.append(
            part(
                out * size + (0, 0, z),
                out / size,
                np.broadcast_to((0.0, 0.001, 1.0), out.shape) + 0,
                np.array([spacing * 1.2, spacing * 0.6, spacing * 0.3]),
                colour,
                gloss=0.4,
                specular=0.03,
            )
        )
    return joined(parts)


def _antennae() -> Part:
    t = np.tile(np.linspace(0, 1, 22), 2)
    side = np.repeat([-1.0, 1.0], 22)
    position = np.stack([side * (0.02 + 0.20 * t), 0.02 + 0.10 * t**1.5, -0.3 - 0.34 * t], axis=1)
    tangent = np.stack([side * 0.2, 0.15 * t**0.5, np.full(44, -0.34)], axis=1)
    thick = np.where(t > 0.93, 0.012, 0.0045)
    sigma = np.stack([np.full(44, 0.012), thick, thick], axis=1)
    normal = np.broadcast_to((0.0, 1.0, 0.2), position.shape) + 0
    return part(position, normal, tangent, sigma, linear(0.12, 0.09, 0.08))
