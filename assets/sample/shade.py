"""Colour as a function of the direction of sight, tone-mapped and projected onto degree 3."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from assets.sample.bake import (
    KEY_COLOUR,
    KEY_DIRECTION,
    RIM_COLOUR,
    RIM_DIRECTION,
    SKY,
    Light,
    sky,
)
from assets.sample.surfaces import CLEAR_LIMB, CLEAR_PANE, Part, unit
from pybuild.sh import basis

Floats32 = NDArray[np.float32]

DIRECTIONS = 56
CHUNK = 8192
EXPOSURE = 0.64
WINDOWS = (((-0.985, 0.06, -0.17), 11.5), ((0.66, 0.10, -0.75), 10.2))
"""Towards softboxes that only clear glass shows, and how strong they are."""
WINDOW_OFFSET = 8.0
TO_PLY = np.array([1.0, -1.0, -1.0])
"""From the model's axes to PLY axes: half a turn about x."""


def shade(p: Part, light: Light) -> Floats32:
    """Spherical harmonics of every splat in PLY axes.

    The colour is evaluated along a fixed set of directions, each from the camera to the splat,
    and fitted by least squares. A closed surface is never seen from behind, so there its colour
    is mirrored: the function stays smooth and all 16 coefficients serve the visible side.

    Returns
    -------
    (n, 16, 3) float32
    """
    i = np.arange(DIRECTIONS) + 0.5
    height = 1 - 2 * i / DIRECTIONS
    angle = np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - height**2)
    sight = np.stack([ring * np.cos(angle), height, ring * np.sin(angle)], axis=1)
    fit = np.linalg.pinv(basis(sight * TO_PLY, 3)).astype(np.float32)
    sh = np.empty((len(p.position), 16, 3), np.float32)
    for start in range(0, len(p.position), CHUNK):
        rows = slice(start, min(start + CHUNK, len(p.position)))
        colour = _colour(p, light, rows, sight.astype(np.float32)) - 0.5
        sh[rows] = np.einsum("kd,ndc->nkc", fit, colour, optimize=True)
    return sh


def _colour(p: Part, light: Light, rows: slice, sight: Floats32) -> Floats32:
    """Display-referred colour along each direction: (rows, directions, 3)."""
    normal = p.normal[rows].astype(np.float32)
    across = normal @ sight.T
    two_sided = (p.through[rows] > 0)[:, None]

    def mirrored(towards: object) -> Floats32:
        """Cosine of the mirrored line of sight with a direction of the world."""
        axis = np.asarray(towards, np.float32)
        facing = (normal @ axis)[:, None]
        straight = (sight @ axis)[None, :]
        behind = (across > 0) & ~two_sided & (p.clear[rows] == 0)[:, None]
        return np.where(behind, straight, straight - 2 * across * facing)

    facing = np.abs(across)
    fresnel = (1 - facing) ** 4
    specular = p.specular[rows].astype(np.float32)[:, None, :]
    reflectance = specular + (1 - specular) * (fresnel * 0.55)[..., None]
    bands = _film(p, rows, facing)
    film = p.film[rows].astype(np.float32)[:, None, None]
    reflectance = reflectance + 0.5 * film * bands
    lobe = (3 + 9 * p.gloss[rows].astype(np.float32))[:, None]
    surroundings = sky([mirrored(unit(np.array(axis))) for axis, _, _ in SKY])
    surroundings *= (0.25 + 0.75 * light.open_front[rows])[:, None, None]
    for towards, colour, share in (
        (KEY_DIRECTION, KEY_COLOUR, light.key[rows]),
        (RIM_DIRECTION, RIM_COLOUR, light.rim[rows]),
    ):
        glint = np.exp(lobe * (mirrored(towards) - 1)) * share[:, None]
        surroundings += glint[..., None] * (colour * 1.15).astype(np.float32)
    clear = (p.clear[rows] > 0)[:, None, None]
    shine = reflectance * surroundings * (0.35 + 0.65 * p.gloss[rows])[:, None, None]

    through = p.through[rows].astype(np.float32)[:, None]
    near = (1 - through) * light.front[rows] + through * light.back[rows]
    far = (1 - through) * light.back[rows] + through * light.front[rows]
    seen_front = np.where(two_sided, 0.5 - 0.5 * np.clip(across * 2.5, -1, 1), 1)[..., None]
    diffuse = near[:, None] * seen_front + far[:, None] * (1 - seen_front)
    diffuse = diffuse * p.albedo[rows].astype(np.float32)[:, None]
    diffuse = diffuse * (1 + 0.5 * film * (2 * bands - 1))
    linear = diffuse + shine + p.emission[rows].astype(np.float32)[:, None]
    if not clear.any():
        return _display(linear)
    kind = p.clear[rows][:, None, None]
    glass = np.where(kind == CLEAR_PANE, _pane(mirrored)[..., None], _reflective(shine))
    glass = np.where(kind == CLEAR_LIMB, _limb(facing), glass)
    return np.where(clear, glass, _display(linear)).astype(np.float32)


def _film(p: Part, rows: slice, facing: Floats32) -> Floats32:
    """Interference of a thin film: three bands in 0..1 that shift with the angle."""
    inside = np.sqrt(1 - (1 - facing * facing) / 1.55**2)
    order = p.film_order[rows][:, None] * inside
    bands = [0.5 - 0.5 * np.cos(2 * np.pi * order * ratio) for ratio in (0.86, 1.0, 1.20)]
    return np.stack(bands, axis=-1).astype(np.float32)


def _display(linear: Floats32) -> Floats32:
    """Filmic curve (Narkowicz 2016), gamma and a little more saturation; stays under 1."""
    light = np.maximum(linear, 0) * np.float32(EXPOSURE)
    curve = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    x = np.minimum(curve, 1).astype(np.float32) ** np.float32(1 / 2.2)
    grey = x @ np.array([0.3, 0.59, 0.11], np.float32)
    return np.clip(grey[..., None] + (x - grey[..., None]) * np.float32(1.12), 0, 0.985)


def _pane(mirrored: Callable[[object], Floats32]) -> Floats32:
    """Windows reflected in clear glass, as sharp as three degrees allow.

    The narrowest kernel of degree 3, less an offset: the renderer's clamp at 0 cuts its foot off.
    """
    total = np.float32(0)
    for towards, gain in WINDOWS:
        x = mirrored(unit(np.array(towards)))
        total += gain * (1 + 3 * x + 2.5 * (3 * x * x - 1) + 3.5 * (5 * x**3 - 3 * x)) / 16
    return np.asarray(np.float32(0.5) * (total - np.float32(WINDOW_OFFSET)))


def _limb(facing: Floats32) -> Floats32:
    """Fresnel's bright edge: a parabola in the cosine, clear (under 0) but for the last tenth."""
    edge = 2.6 * (1 - (facing / 0.47) ** 2)
    return np.asarray(edge[..., None] * np.array([0.82, 0.92, 1.0], np.float32))


def _reflective(shine: Floats32) -> Floats32:
    """What a film of soap adds; it is so thin that it may carry more than 1."""
    x = np.maximum(shine, 0)
    return np.asarray(np.float32(4.2) * x / (np.float32(0.8) + x))
