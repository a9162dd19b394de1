"""Under the bell: ground, moss, stones, ferns, and flowers whose petals let light through."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.sample.patterns import fractal, linear, mix, noise, ramp, smoothstep
from assets.sample.stand import PLINTH_TOP
from assets.sample.surfaces import (
    Part,
    disc_sigma,
    joined,
    lattice,
    part,
    placed,
    sheet,
    turn,
    unit,
)

Floats = NDArray[np.float64]

GROUND_RADIUS = 0.645
PALETTES = {
    "coral": ((0.62, 0.03, 0.14), (0.96, 0.28, 0.20), (1.0, 0.56, 0.36)),
    "violet": ((0.22, 0.03, 0.40), (0.52, 0.20, 0.78), (0.78, 0.52, 0.95)),
    "rose": ((0.50, 0.02, 0.26), (0.92, 0.22, 0.46), (1.0, 0.60, 0.68)),
    "cream": ((0.80, 0.34, 0.08), (0.98, 0.74, 0.38), (1.0, 0.92, 0.74)),
}
"""Display-referred colour at the heart, the middle and the edge of a petal."""


def ground_height(x: Floats, z: Floats) -> Floats:
    """Height of the mound at (n,) places."""
    r2 = (x * x + z * z) / GROUND_RADIUS**2
    p = np.stack([x, np.zeros_like(x), z], axis=1)
    hills = 0.075 * (fractal(p, 4.0, 3, 101) - 0.5) * np.clip(1.2 - r2, 0, 1)
    return np.asarray(PLINTH_TOP + 0.012 + 0.10 * np.clip(1 - r2, 0, 1) + hills)


def ground(spacing: float) -> Part:
    """Dark soil under the moss."""

    def surface(a: Floats, b: Floats) -> Floats:
        x, z = a * np.cos(b), a * np.sin(b)
        return np.stack([x, ground_height(x, z), z], axis=1)

    _, _, position, normal, tangent = sheet(
        surface, (0.002, GROUND_RADIUS), (0, 2 * np.pi), spacing
    )
    normal = normal * np.sign(normal[:, 1:2])
    tone = mix(linear(0.14, 0.17, 0.06), linear(0.25, 0.30, 0.10), noise(position, 12, 103))
    return part(position, normal, tangent, disc_sigma(spacing), tone, gloss=0.1, specular=0.02)


def moss(count: int, rng: np.random.Generator) -> Part:
    """Short curved fibres in cushions, two splats each: dark at the root, bright at the tip."""
    a, b = lattice(count // 2)
    radius, angle = GROUND_RADIUS * np.sqrt(a) * 0.995, 2 * np.pi * b
    x, z = radius * np.cos(angle), radius * np.sin(angle)
    root = np.stack([x, ground_height(x, z), z], axis=1)
    cushion = fractal(root, 9, 2, 107)
    length = (0.012 + 0.034 * smoothstep(0.3, 0.75, cushion)) * rng.uniform(0.7, 1.25, len(x))
    length *= np.clip((GROUND_RADIUS - radius) / 0.03, 0.35, 1)
    lean = rng.normal(0, 0.42, (len(x), 3)) + 0.25 * root * (1, 0, 1)
    grow = unit(np.array([0, 1.0, 0]) + lean * (1, 0.2, 1))
    bend = unit(grow + rng.normal(0, 0.35, grow.shape) - np.array([0, 0.25, 0]))
    middle = root + grow * (length * 0.55)[:, None]
    tip = middle + bend * (length * 0.5)[:, None]
    hue = np.clip(noise(root, 5, 109) * 1.2 - 0.1 + rng.normal(0, 0.12, len(x)), 0, 1)
    light = mix(linear(0.42, 0.60, 0.16), linear(0.72, 0.76, 0.24), hue)
    parts = []
    for low, high, tone, width in (
        (root, middle, 0.45, 0.0030),
        (middle, tip, 1.0, 0.0023),
    ):
        along = high - low
        half = np.linalg.norm(along, axis=1) * 0.42
        out = np.array([0, 1.0, 0]) + 0.8 * rng.normal(0, 1, along.shape)
        sigma = np.stack([half, np.full(len(x), width), np.full(len(x), width)], axis=1)
        parts.append(
            part(
                (low + high) / 2,
                np.cross(np.cross(along, out), along),
                along,
                sigma,
                light * tone,
                opacity=0.9,
                gloss=0.25,
                through=0.3,
            )
        )
    return joined(parts)


def pebble(centre: ArrayLike, size: ArrayLike, tone: Floats, spacing: float, seed: int) -> Part:
    """A wet river stone."""
    radii = np.asarray(size, np.float64)

    def surface(a: Floats, b: Floats) -> Floats:
        out = np.stack([np.cos(a) * np.cos(b), np.sin(a), np.cos(a) * np.sin(b)], axis=1)
        return np.asarray(out * radii * (0.82 + 0.36 * noise(out + seed, 1.3, 113))[:, None])

    _, _, position, normal, tangent = sheet(surface, (-1.5, 1.5), (0, 2 * np.pi), spacing)
    normal = normal * np.sign(np.sum(normal * position, axis=1, keepdims=True))
    speckle = 0.7 + 0.6 * fractal(position + seed, 22, 3, 127)
    band = smoothstep(0.9, 1.0, np.sin(30 * position[:, 1] + 14 * position[:, 0] + seed))
    albedo = mix(tone * speckle[:, None], linear(0.8, 0.78, 0.74), band * 0.6)
    p = part(position, normal, tangent, disc_sigma(spacing), albedo, specular=0.05, gloss=0.85)
    return placed(p, turn(y_deg=57.0 * seed), centre)


def flower(
    root: ArrayLike,
    head: ArrayLike,
    facing: ArrayLike,
    radius: float,
    palette: str,
    spacing: float,
    rng: np.random.Generator,
) -> Part:
    """Two whorls of petals, a heart of stamens, and the stem that carries them."""
    up = unit(np.asarray(facing, np.float64))
    side = unit(np.cross(up, (0.3, 0.2, 1.0)))
    frame = np.stack([side, up, np.cross(side, up)], axis=1)
    parts = []
    for whorl, (petals, length, open_deg) in enumerate(((6, 1.0, 26.0), (5, 0.80, 50.0))):
        for k in range(petals):
            leaf = _petal(palette, spacing / radius, rng)
            spin = 360 * k / petals + 31 * whorl + rng.normal(0, 4)
            tilt = turn(z_deg=open_deg + rng.normal(0, 5))
            parts.append(placed(leaf, turn(y_deg=spin) @ tilt, (0, 0.02 * whorl, 0), length))
    parts.append(_heart(rng))
    bloom = placed(joined(parts), frame, head, radius)
    return joined([bloom, _stem(np.asarray(root), np.asarray(head), up, spacing)])


def _petal(palette: str, spacing: float, rng: np.random.Generator) -> Part:
    """A petal along +x from its claw at the origin, of length 1, cupped upwards."""
    ruffle = rng.uniform(0, 2 * np.pi, 2)

    def surface(a: Floats, b: Floats) -> Floats:
        width = 0.52 * np.sin(np.pi * (0.03 + 0.97 * np.clip(a, 0, 1)) ** 0.86) ** 0.55
        x = a * (1 - 0.10 * b * b * a)
        z = b * width
        cup = 0.22 * b * b * width + 0.10 * np.sin(np.pi * a) - 0.30 * a * a * a
        wave = 0.05 * a * a * np.sin(5 * b + ruffle[0]) + 0.02 * a * np.sin(7 * a + ruffle[1])
        return np.stack([x, cup + wave, z], axis=1)

    u, v, position, normal, tangent = sheet(surface, (0.03, 0.99), (-1.0, 1.0), spacing)
    edge_u, edge_v, *edge_frame = _hem(surface, spacing)
    u, v = np.concatenate([u, edge_u]), np.concatenate([v, edge_v])
    position, normal, tangent = (
        np.concatenate(pair) for pair in zip((position, normal, tangent), edge_frame, strict=True)
    )
    normal = normal * np.sign(normal[:, 1:2])
    heart, middle, edge = (tuple(linear(*c)) for c in PALETTES[palette])
    streak = noise(np.stack([u * 0.7, v * 9, ruffle[0] + 0 * u], axis=1), 2.0, 131)
    t = u + 0.18 * (streak - 0.5) + 0.10 * v * v
    albedo = ramp([(0.0, heart), (0.22, heart), (0.58, middle), (1.0, edge)], t)
    vein = smoothstep(0.25, 0.0, np.abs(np.sin(v * 11))) * smoothstep(0.95, 0.3, u)
    albedo = albedo * (1 - 0.28 * vein)[:, None]
    thin = smoothstep(0.25, 0.95, u)
    return part(
        position,
        normal,
        tangent,
        disc_sigma(spacing) * np.array([1.12, 1.12, 0.6]),
        albedo,
        opacity=np.clip(0.94 - 0.28 * thin + 0.18 * vein, 0, 0.97),
        specular=0.035,
        gloss=0.35,
        through=0.48,
    )


def _hem(
    surface: Callable[[Floats, Floats], Floats], spacing: float
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """A row of splats along the edge of a petal, which a lattice alone leaves ragged."""
    fine = np.linspace(0.03, 0.999, 400)
    edge = surface(fine, np.ones_like(fine))
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(edge, axis=0), axis=1))])
    n = max(4, round(float(length[-1]) / (spacing * 0.8)))
    u = np.tile(np.interp((np.arange(n) + 0.5) / n * length[-1], length, fine), 2)
    v = np.repeat([-0.985, 0.985], n)
    position = surface(u, v)
    along = unit(surface(u + 1e-4, v) - surface(u - 1e-4, v))
    aside = unit(surface(u, v + 1e-3) - surface(u, v - 1e-3))
    return u, v, position, unit(np.cross(along, aside)), along


def _heart(rng: np.random.Generator) -> Part:
    """A dark boss with a crown of gold-tipped stamens."""
    n = 46
    angle = 2 * np.pi * np.arange(n) * 0.618034
    lean = 0.25 + 0.75 * np.sqrt((np.arange(n) + 0.5) / n)
    out = np.stack([np.cos(angle) * lean, np.full(n, 0.75), np.sin(angle) * lean], axis=1)
    out = unit(out + rng.normal(0, 0.06, out.shape))
    length = rng.uniform(0.24, 0.34, n)[:, None]
    sigma = np.array([0.075, 0.009, 0.009])
    stalk = part(
        out * length * 0.55, out + np.array([0, 1, 0]), out, sigma, linear(0.75, 0.55, 0.25)
    )
    gold = linear(0.98, 0.78, 0.20)
    tips = part(out * length, out, np.roll(out, 1, 1), 0.022, gold, gloss=0.5, emission=gold * 0.12)
    a, b = lattice(90)
    ring = np.sqrt(1 - (1 - a) ** 2)
    dome = np.stack([ring * np.cos(2 * np.pi * b), 1 - a, ring * np.sin(2 * np.pi * b)], axis=1)
    boss = part(
        dome * 0.12,
        dome,
        np.roll(dome, 1, 1) + 0.01,
        np.array([0.018, 0.018, 0.01]),
        mix(linear(0.16, 0.20, 0.08), linear(0.42, 0.48, 0.16), 1 - a),
    )
    return joined([stalk, tips, boss])


def _stem(root: Floats, head: Floats, up: Floats, spacing: float) -> Part:
    reach = np.linalg.norm(head - root)
    lift, back = root + np.array([0, 0.45 * reach, 0]), head - up * 0.3 * reach
    length = reach * 1.1
    t = np.linspace(0, 1, max(8, round(length / (spacing * 1.6))))[:, None]
    s = 1 - t
    centre = s**3 * root + 3 * s * s * t * lift + 3 * s * t * t * back + t**3 * head
    along = unit(np.gradient(centre, axis=0))
    a = unit(np.cross(along, (0.31, 0.1, 0.95)))
    b = np.cross(along, a)
    radius = (0.0085 - 0.003 * t[:, 0])[:, None]
    parts = []
    for k in range(6):
        out = np.cos(k * np.pi / 3) * a + np.sin(k * np.pi / 3) * b
        tone = mix(linear(0.20, 0.34, 0.12), linear(0.44, 0.56, 0.22), t[:, 0])
        sigma = np.array([spacing * 1.05, 0.0048, 0.0022])
        parts.append(part(centre + out * radius, out, along, sigma, tone, gloss=0.5))
    return joined(parts)


def fern(
    root: ArrayLike, heading_deg: float, length: float, rise: float, rng: np.random.Generator
) -> Part:
    """An arching frond; each leaflet is a row of flat, narrowing splats."""
    pairs = 30
    t = np.linspace(0.10, 1.0, pairs)
    droop = rise * 1.45

    def spine(s: Floats) -> Floats:
        return np.stack([s * 0.8, rise * 2.1 * s - droop * s * s, 0 * s], axis=1) * length

    at, ahead = spine(t), unit(spine(t + 1e-3) - spine(t - 1e-3))
    normal = np.stack([-ahead[:, 1], ahead[:, 0], 0 * t], axis=1)
    side = np.array([0, 0, 1.0])
    size = length * 0.27 * np.sin(np.pi * t**0.75 * 0.96 + 0.10) ** 0.8
    fresh = rng.uniform(0, 1)
    tone = mix(linear(0.13, 0.33, 0.14), linear(0.42, 0.62, 0.22), t * 0.7 + 0.3 * fresh)
    steps = 6
    parts = []
    for sign in (-1.0, 1.0):
        out = unit(sign * side + 0.55 * ahead - 0.18 * normal)
        for k in range(steps):
            f = (k + 0.5) / steps
            place = at + out * (size * f)[:, None] - normal * (size * 0.25 * f * f)[:, None]
            width = size * 0.042 * (1 - 0.75 * f**1.5) + 0.0006
            sigma = np.stack([size / steps * 0.75, width, width * 0.15], axis=1)
            parts.append(
                part(
                    place,
                    normal + 0.25 * f * out,
                    out,
                    sigma,
                    tone * (0.85 + 0.4 * f),
                    opacity=0.93,
                    gloss=0.45,
                    through=0.4,
                )
            )
    s = np.linspace(0, 1, 60)
    rib = spine(s)
    along = unit(np.gradient(rib, axis=0))
    thick = np.stack([np.full(60, length * 0.012), 0.0035 - 0.002 * s, 0.003 - 0.002 * s], axis=1)
    up = np.stack([-along[:, 1], along[:, 0], 0 * s], axis=1)
    parts.append(part(rib, up, along, thick, linear(0.24, 0.32, 0.12)))
    return placed(joined(parts), turn(y_deg=heading_deg), root)
