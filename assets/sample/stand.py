"""Table, marble plinth, brass ring, the glass bell, and soap bubbles."""

from __future__ import annotations

import numpy as np

from assets.sample.patterns import linear, marble, noise, walnut
from assets.sample.surfaces import (
    CLEAR_ALL,
    CLEAR_LIMB,
    CLEAR_PANE,
    Part,
    disc_sigma,
    joined,
    lathe,
    part,
    placed,
)

TABLE_RADIUS = 1.02
BELL_RADIUS = 0.66
BELL_SHOULDER = 0.90
"""Height at which the cylinder of the bell turns into its cap."""
CAP_HEIGHT = 0.60
PLINTH_TOP = 0.22

DENSE = np.array([1.15, 1.15, 1.0])
"""Bright, even surfaces over a black inside show the smallest hole: their discs are larger."""

BRASS = linear(1.0, 0.77, 0.42)


def table(spacing: float) -> Part:
    """A round walnut top with a bullnose edge; coarse underneath."""
    r = TABLE_RADIUS
    edge = [(r - 0.05, -0.08), (r, -0.075), (r, -0.005), (r - 0.03, 0.0)]
    top, n_top, t_top, _ = lathe([(r - 0.04, 0.0), (0.78, 0.0)], spacing)
    rim, n_rim, t_rim, _ = lathe(edge, spacing, smooth=True)
    position = np.concatenate([top, rim])
    wood = part(
        position,
        np.concatenate([n_top, n_rim]),
        np.concatenate([t_top, t_rim]),
        disc_sigma(spacing) * np.array([1.05, 1.05, 1.0]),
        walnut(position),
        specular=0.05,
        gloss=0.75,
    )
    coarse = spacing * 3
    under, n_under, t_under, _ = lathe([(0.03, -0.078), (r - 0.06, -0.078)], coarse)
    below = part(under, n_under, t_under, disc_sigma(coarse), linear(0.2, 0.12, 0.08))
    return joined([wood, below])


def plinth(spacing: float) -> Part:
    """Turned marble with a foot, a waist and a lip."""
    profile = [
        (0.84, 0.0),
        (0.87, 0.012),
        (0.87, 0.052),
        (0.84, 0.066),
        (0.775, 0.078),
        (0.755, 0.11),
        (0.755, 0.15),
        (0.78, 0.175),
        (0.80, 0.185),
        (0.80, 0.212),
        (0.785, PLINTH_TOP),
        (0.58, PLINTH_TOP),
    ]
    position, normal, tangent, _ = lathe(profile, spacing, smooth=True)
    return part(
        position,
        normal,
        tangent,
        disc_sigma(spacing) * DENSE,
        marble(position),
        specular=0.05,
        gloss=0.85,
    )


def brass(spacing: float) -> Part:
    """The ring that holds the bell, and a thin inlay round the waist."""
    rings = [(BELL_RADIUS + 0.008, PLINTH_TOP + 0.014, 0.022), (0.757, 0.13, 0.010)]
    parts = []
    for radius, height, minor in rings:
        angle = np.linspace(-np.pi / 2, 1.5 * np.pi, 25)
        profile = [(radius + minor * np.cos(a), height + minor * np.sin(a)) for a in angle]
        step = min(spacing, minor * 0.8)
        position, normal, tangent, _ = lathe(profile, step)
        worn = 0.75 + 0.35 * noise(position, 14, 41)
        sigma = disc_sigma(step) * DENSE
        parts.append(
            part(
                position,
                normal,
                tangent,
                sigma,
                BRASS * 0.10,
                specular=BRASS * worn[:, None],
                gloss=0.8,
            )
        )
    return joined(parts)


def bell(spacing: float) -> Part:
    """The glass bell and its knob: faint from the front, bright at its limb."""
    cap = [
        (BELL_RADIUS * np.cos(a), BELL_SHOULDER + CAP_HEIGHT * np.sin(a))
        for a in np.linspace(0, 1.54, 40)
    ]
    wall = [(BELL_RADIUS, PLINTH_TOP + 0.03), *cap]
    step = spacing * 2.7
    position, normal, tangent, _ = lathe(wall, step)
    panes = []
    for kind, shift in ((CLEAR_LIMB, 0.0), (CLEAR_PANE, 0.004)):
        panes.append(
            part(
                position - normal * shift,
                normal,
                tangent,
                disc_sigma(step) * np.array([1.1, 1.1, 0.3]),
                0.0,
                opacity=0.054,
                clear=kind,
            )
        )
    top = BELL_SHOULDER + CAP_HEIGHT
    angle = np.linspace(-1.15, 1.5, 30)
    knob = [
        (0.040, top - 0.004),
        (0.022, top + 0.012),
        *((0.048 * np.cos(a), top + 0.058 + 0.048 * np.sin(a)) for a in angle),
    ]
    step = spacing * 0.75
    position, normal, tangent, _ = lathe(knob, step)
    handle = part(
        position,
        normal,
        tangent,
        disc_sigma(step),
        0.0,
        opacity=0.40,
        specular=0.22,
        gloss=1.0,
        clear=CLEAR_ALL,
    )
    return joined([*panes, handle])


def bubble(centre: tuple[float, float, float], radius: float, spacing: float, seed: int) -> Part:
    """A soap bubble: a film whose thickness runs down it."""
    angle = np.linspace(-1.5, 1.5, 40)
    profile = [(radius * np.cos(a), radius * np.sin(a)) for a in angle]
    step = max(spacing * 0.8, radius * 0.10)
    position, normal, tangent, _ = lathe(profile, step)
    height = position[:, 1] / radius
    swirl = noise(position / radius + seed, 1.6, 50 + seed)
    p = part(
        position,
        normal,
        tangent,
        disc_sigma(step) * np.array([1.05, 1.05, 0.6]),
        0.0,
        opacity=0.16,
        specular=0.12,
        gloss=1.0,
        film=0.85,
        film_order=1.7 - 0.5 * height + 1.0 * swirl,
        clear=CLEAR_ALL,
    )
    return placed(p, np.eye(3), centre)
