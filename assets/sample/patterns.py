"""Procedural colour: lattice noise, ramps, and the stone and wood made of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_SIZE = 32


def noise(points: Floats, frequency: float, seed: int = 0) -> Floats:
    """Smooth value noise in 0..1 at (n, 3) points; repeats every 32 cells."""
    table = np.random.default_rng(seed).random((_SIZE, _SIZE, _SIZE))
    p = points * frequency
    cell = np.floor(p).astype(int)
    f = p - cell
    f = f * f * f * (f * (f * 6 - 15) + 10)
    total = np.zeros(len(points))
    for corner in range(8):
        offset = np.array([corner & 1, corner >> 1 & 1, corner >> 2])
        index = (cell + offset) % _SIZE
        weight = np.prod(np.where(offset, f, 1 - f), axis=1)
        total += weight * table[index[:, 0], index[:, 1], index[:, 2]]
    return total


def fractal(points: Floats, frequency: float, octaves: int = 4, seed: int = 0) -> Floats:
    """Sum of halving octaves of noise, about 0..1."""
    total = np.zeros(len(points))
    for octave in range(octaves):
        total += noise(points + 7.3 * octave, frequency * 2**octave, seed + octave) * 0.5**octave
    return total / (2 - 0.5 ** (octaves - 1))


def smoothstep(low: float, high: float, x: Floats) -> Floats:
    """0 under ``low``, 1 over ``high``, smooth between; the two may be swapped."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def mix(a: ArrayLike, b: ArrayLike, t: Floats) -> Floats:
    """Colours (3,) or (n, 3) blended by (n,) weights."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return first + (second - first) * t[:, None]


def ramp(stops: list[tuple[float, tuple[float, float, float]]], t: Floats) -> Floats:
    """Piecewise linear gradient: (n, 3)."""
    at = [stop for stop, _ in stops]
    return np.stack([np.interp(t, at, [c[k] for _, c in stops]) for k in range(3)], axis=1)


def linear(*srgb: float) -> Floats:
    """A display-referred colour in linear light."""
    return np.asarray(np.array(srgb, np.float64) ** 2.2)


def marble(points: Floats) -> Floats:
    """White marble with warm grey veins: albedo (n, 3)."""
    warp = points + 0.22 * np.stack([fractal(points, 2.1, 4, s) - 0.5 for s in (3, 5, 9)], axis=1)
    vein = 1 - np.abs(2 * fractal(warp, 2.6, 4, 11) - 1) * 9
    fine = 1 - np.abs(2 * fractal(warp + 3, 5.5, 3, 17) - 1) * 10
    dark = np.clip(0.85 * np.clip(vein, 0, 1) ** 1.5 + 0.35 * np.clip(fine, 0, 1) ** 2, 0, 1)
    cloud = smoothstep(0.35, 0.7, fractal(points, 1.7, 3, 23))
    ground = mix(linear(0.88, 0.86, 0.82), linear(0.74, 0.725, 0.715), cloud)
    return np.asarray(ground + (linear(0.42, 0.38, 0.36) - ground) * dark[:, None])


def walnut(points: Floats) -> Floats:
    """Walnut with its grain along x: albedo (n, 3)."""
    stretched = points * np.array([0.35, 1.0, 1.0])
    wobble = fractal(stretched, 2.4, 4, 31)
    rings = 0.5 + 0.5 * np.sin(
        2 * np.pi * (9 * np.hypot(stretched[:, 1] + 0.6, stretched[:, 2] - 0.35) + 2.2 * wobble)
    )
    pores = smoothstep(0.62, 0.8, noise(points * np.array([0.12, 1, 1]), 95, 37))
    tone = ramp(
        [
            (0.0, tuple(linear(0.24, 0.135, 0.08))),
            (0.55, tuple(linear(0.40, 0.235, 0.14))),
            (1.0, tuple(linear(0.52, 0.325, 0.20))),
        ],
        0.75 * rings**1.4 + 0.5 * (wobble - 0.3),
    )
    return np.asarray(tone * (1 - 0.45 * pores)[:, None])
