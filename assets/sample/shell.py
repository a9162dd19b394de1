"""The nautilus: a logarithmic spiral with flames on its back and nacre on its flanks and inside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assets.sample.patterns import fractal, linear, mix, noise, smoothstep
from assets.sample.surfaces import Part, disc_sigma, joined, part, sheet

Floats = NDArray[np.float64]

GROWTH = np.log(3.1) / (2 * np.pi)
"""Each turn is 3.1 times as large as the one before."""
RADIAL, AXIAL = 0.60, 0.62
"""Half sizes of the tube's section relative to its distance from the axis."""
TURNS = 3.1
END = 2 * np.pi * TURNS
LIP_ROOM = 1.1
"""How far, in radians, one can look into the mouth."""


def nautilus(spacing: float) -> Part:
    """The shell about its axis z, its largest radius 1; its mouth opens at +x, upwards."""
    outside = _layer(spacing, 0.35, END, inward=0.0)
    lining = _layer(spacing * 1.25, END - LIP_ROOM, END, inward=0.035)
    lip = _lip(spacing)
    return joined([outside, lining, lip])


def _point(u: Floats, v: Floats, inward: float = 0.0) -> Floats:
    """Point at angle u along the spiral and v round the tube; v = 0 is the keel."""
    radius = np.exp(GROWTH * (u - END)) / (1 + RADIAL)
    flare = 1 + 0.10 * smoothstep(END - 0.5, END, u)
    size = (1 - inward) * flare
    along = radius * (1 + RADIAL * size * np.cos(v))
    aside = radius * AXIAL * size * np.sin(v) * (1 - 0.12 * np.cos(v))
    angle = u - END
    return np.stack([along * np.cos(angle), along * np.sin(angle), aside], axis=1)


def _hidden(p: Floats, u: Floats) -> NDArray[np.bool_]:
    """True for points that a later turn of the tube encloses."""
    rho, angle = np.hypot(p[:, 0], p[:, 1]), np.arctan2(p[:, 1], p[:, 0])
    hidden = np.zeros(len(p), dtype=bool)
    for turn in range(5):
        at = angle + END - 2 * np.pi * turn
        radius = np.exp(GROWTH * (at - END)) / (1 + RADIAL)
        inside = ((rho - radius) / (RADIAL * radius)) ** 2 + (p[:, 2] / (AXIAL * radius)) ** 2
        later = (at > u + 1.5) & (at < END - LIP_ROOM)
        hidden |= later & (inside < 0.93)
    return hidden


def _layer(spacing: float, first: float, last: float, inward: float) -> Part:
    u, v, position, normal, tangent = sheet(
        lambda a, b: _point(a, b, inward), (first, last), (-np.pi, np.pi), spacing
    )
    keep = ~_hidden(position, u)
    u, v, position, normal, tangent = (x[keep] for x in (u, v, position, normal, tangent))
    centre = _point(u, v, 0.9999 / 1)  # the tube's axis
    outward = np.sum((position - centre) * normal, axis=1)
    normal = normal * np.sign(outward)[:, None]
    if inward:
        normal = -normal
    albedo, film = _colours(u, v, position, bool(inward))
    swirl = fractal(position, 2.5, 3, 61)
    return part(
        position,
        normal,
        tangent,
        disc_sigma(spacing),
        albedo,
        specular=0.07,
        gloss=0.75,
        film=film,
        film_order=1.45 + 1.1 * swirl + 0.3 * np.cos(v),
    )


def _colours(u: Floats, v: Floats, p: Floats, lining: bool) -> tuple[Floats, Floats]:
    pearl = mix(linear(0.90, 0.88, 0.83), linear(0.80, 0.79, 0.80), noise(p, 5, 67))
    if lining:
        return pearl, np.full(len(u), 0.85)
    ragged = 1.3 * (fractal(p, 7, 3, 71) - 0.5)
    wave = np.sin(9 * (u + 0.30 * np.cos(2 * v) + 0.22 * np.abs(np.sin(v))) + 2.4 * ragged)
    back = smoothstep(-0.35, 0.75, np.cos(v) + 0.5 * ragged)
    age = smoothstep(END - 0.3, END - 1.6, u)
    flame = smoothstep(0.0, 0.35, wave - 0.45 + 0.75 * back) * back * (0.15 + 0.85 * age)
    rust = mix(linear(0.66, 0.27, 0.10), linear(0.42, 0.13, 0.07), noise(p, 9, 73))
    pearl = pearl * (1 - 0.10 * (0.5 + 0.5 * np.sin(52 * u)) ** 4)[:, None]
    albedo = pearl + (rust - pearl) * (0.95 * flame)[:, None]
    return albedo, 0.75 * (1 - 0.85 * flame)


def _lip(spacing: float) -> Part:
    """The rim between outside and lining, dark as a real nautilus has it."""
    v = np.linspace(-np.pi, np.pi, max(40, round(3.2 / spacing)))
    rows = []
    for inward in (0.005, 0.02, 0.033):
        u = np.full(len(v), END + 0.004)
        p = _point(u, v, inward)
        along = _point(u, v + 1e-3, inward) - p
        rows.append((p, along))
    position = np.concatenate([p for p, _ in rows])
    tangent = np.concatenate([t for _, t in rows])
    ahead = _point(np.full(len(position), END + 0.01), np.tile(v, 3)) - _point(
        np.full(len(position), END), np.tile(v, 3)
    )
    sigma = np.array([spacing * 0.7, spacing * 0.45, spacing * 0.2])
    return part(position, ahead, tangent, sigma, linear(0.30, 0.20, 0.16), gloss=0.6)
