"""The small things in the moss: toadstools and daisies."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.sample.patterns import linear, mix, noise, smoothstep
from assets.sample.plants import GROUND_RADIUS, ground_height
from assets.sample.surfaces import Part, disc_sigma, joined, lathe, lattice, part, placed, turn

Floats = NDArray[np.float64]


def toadstool(
    foot: ArrayLike, height: float, cap: float, lean_deg: tuple[float, float], spacing: float
) -> Part:
    """A fly agaric: white-spotted red cap of radius ``cap``, pale gills and stalk."""
    bell = [(cap * np.sin(a), 0.62 * cap * np.cos(a)) for a in np.linspace(1.72, 0.03, 24)]
    top, n_top, t_top, _ = lathe(bell, spacing)
    a, b = lattice(15)
    polar, around = np.arccos(1 - 0.93 * a), 2 * np.pi * b
    centres = np.stack(
        [np.sin(polar) * np.cos(around), 0.62 * np.cos(polar), np.sin(polar) * np.sin(around)],
        axis=1,
    )
    wart = np.min(np.linalg.norm(top[:, None] / cap - centres[None], axis=2), axis=1)
    white = smoothstep(0.19, 0.13, wart - 0.05 * noise(top / cap, 5, 141))
    deep = mix(linear(0.85, 0.10, 0.06), linear(0.96, 0.34, 0.10), 1 - top[:, 1] / cap)
    red = part(
        top + n_top * (0.02 * cap * white)[:, None],
        n_top,
        t_top,
        disc_sigma(spacing),
        mix(deep, linear(0.96, 0.93, 0.86), white),
        gloss=0.8,
        specular=0.05,
    )
    under = [(0.12 * cap, 0.10 * cap), (0.97 * cap, -0.08 * cap)]
    low, n_low, t_low, _ = lathe(under, spacing * 1.2)
    ribs = 0.75 + 0.25 * np.sin(np.arctan2(low[:, 2], low[:, 0]) * 44)
    gills = part(
        low,
        n_low,
        t_low,
        disc_sigma(spacing * 1.2),
        linear(0.93, 0.86, 0.72) * ribs[:, None],
        gloss=0.1,
        through=0.25,
    )
    stalk = [
        (0.24 * cap, -height),
        (0.15 * cap, -0.75 * height),
        (0.12 * cap, -0.3 * height),
        (0.30 * cap, -0.26 * height),
        (0.12 * cap, -0.22 * height),
        (0.13 * cap, 0.1 * cap),
    ]
    side, n_side, t_side, _ = lathe(stalk, spacing, smooth=True)
    pale = part(side, n_side, t_side, disc_sigma(spacing), linear(0.92, 0.87, 0.76), gloss=0.3)
    lean = turn(x_deg=lean_deg[0], z_deg=lean_deg[1])
    return placed(joined([red, gills, pale]), lean, np.asarray(foot) + lean @ (0, height, 0))


def daisies(count: int, rng: np.random.Generator) -> Part:
    """Tiny flowers on short stalks: eleven petals of one splat each round a golden button."""
    angle = rng.uniform(0, 2 * np.pi, count)
    radius = GROUND_RADIUS * np.sqrt(rng.uniform(0.08, 0.88, count))
    x, z = radius * np.cos(angle), radius * np.sin(angle)
    petals = 11
    spin = 2 * np.pi * np.arange(petals) / petals
    ray = np.stack([np.cos(spin), np.full(petals, 0.14), np.sin(spin)], axis=1)
    up = np.tile([0.0, 1.0, 0.0], (petals, 1)) - 0.14 * ray
    parts = []
    for k in range(count):
        size = rng.uniform(0.011, 0.017)
        white = linear(0.98, 0.95, 0.92) if k % 3 else linear(0.98, 0.80, 0.86)
        sigma = np.array([0.30, 0.13, 0.03]) * size
        crown = part(ray * size * 0.72, up, ray, sigma, white, through=0.3, opacity=0.95)
        button = part(
            np.array([[0.0, 0.2, 0.0]]) * size,
            np.array([[0.0, 1.0, 0.0]]),
            np.array([[1.0, 0.0, 0.0]]),
            np.array([0.19, 0.19, 0.12]) * size,
            linear(0.98, 0.76, 0.12),
        )
        t = np.linspace(-1, 0, 5)[:, None]
        height = rng.uniform(0.038, 0.062)
        line = np.array([0, 1.0, 0]) * t * height
        along = np.tile([0.0, 1.0, 0.0], (5, 1))
        out = np.tile([0.0, 0.0, 1.0], (5, 1))
        sigma = np.array([height / 8, 0.0016, 0.0016])
        stalk = part(line, out, along, sigma, linear(0.34, 0.50, 0.16))
        place = np.array([x[k], 0.0, z[k]])
        place[1] = ground_height(x[k : k + 1], z[k : k + 1])[0] + height
        lean = turn(x_deg=rng.normal(14, 12), z_deg=rng.normal(0, 14))
        parts.append(placed(joined([crown, button, stalk]), lean, place))
    return joined(parts)
