"""What every object is made of: parts, and the sampling of surfaces into closed layers of discs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Surface = Callable[[Floats, Floats], Floats]

SIGMA_PER_SPACING = 0.60
"""Discs this large close a sheet: the widest hole of a lattice, 0.7 of a spacing from its four
neighbours, shows 7 % of what lies behind. Smaller ones draw faster and look like a sieve."""
FLATNESS = 0.12
"""Thickness of a disc relative to its radius."""


CLEAR_ALL, CLEAR_LIMB, CLEAR_PANE = 1.0, 2.0, 3.0
"""Glass that reflects everything; only shows its limb; only reflects windows."""


@dataclass(frozen=True, slots=True)
class Part:
    """n splats before they are lit.

    Attributes
    ----------
    position, normal, tangent : (n, 3) float64
        The tangent is a unit vector across the normal: the first axis of the splat.
    sigma : (n, 3) float64
        Along tangent, bitangent and normal, in world units.
    opacity : (n,) float64
    albedo, emission : (n, 3) float64
        Linear light.
    specular : (n, 3) float64
        Reflectance at normal incidence, by channel.
    gloss : (n,) float64
        0 dull to 1 as sharp as degree 3 can be.
    through : (n,) float64
        Share of the diffuse light that crosses to the other side; above 0 the part is two-sided.
    film, film_order : (n,) float64
        Strength of a thin film's interference and its thickness in orders of green.
    clear : (n,) float64
        0 for solids; else one of the kinds of glass below: no diffuse light, only reflections.
    """

    position: Floats
    normal: Floats
    tangent: Floats
    sigma: Floats
    opacity: Floats
    albedo: Floats
    emission: Floats
    specular: Floats
    gloss: Floats
    through: Floats
    film: Floats
    film_order: Floats
    clear: Floats


def part(
    position: Floats,
    normal: Floats,
    tangent: Floats,
    sigma: ArrayLike,
    albedo: ArrayLike,
    *,
    opacity: ArrayLike = 0.97,
    emission: ArrayLike = 0.0,
    specular: ArrayLike = 0.04,
    gloss: ArrayLike = 0.3,
    through: ArrayLike = 0.0,
    film: ArrayLike = 0.0,
    film_order: ArrayLike = 1.0,
    clear: ArrayLike = 0.0,
) -> Part:
    """Build a part, with scalars spread over its rows and the frame made orthonormal."""
    n = len(position)

    def rows(value: ArrayLike, width: int) -> Floats:
        array = np.asarray(value, dtype=np.float64)
        if array.ndim == 1 and array.shape[0] == n and n != width:
            array = array[:, None]
        return np.ascontiguousarray(np.broadcast_to(array, (n, width)))

    def column(value: ArrayLike) -> Floats:
        return np.ascontiguousarray(np.broadcast_to(np.asarray(value, np.float64), (n,)))

    up = unit(normal)
    along = tangent - up * np.sum(tangent * up, axis=1, keepdims=True)
    return Part(
        position=np.asarray(position, np.float64),
        normal=up,
        tangent=unit(along),
        sigma=rows(sigma, 3),
        opacity=column(opacity),
        albedo=rows(albedo, 3),
        emission=rows(emission, 3),
        specular=rows(specular, 3),
        gloss=column(gloss),
        through=column(through),
        film=column(film),
        film_order=column(film_order),
        clear=column(clear),
    )


def joined(parts: Sequence[Part]) -> Part:
    """All parts as one."""
    return Part(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Part)))


def placed(p: Part, rotation: Floats, offset: ArrayLike, scale: float = 1.0) -> Part:
    """The part turned by a (3, 3) rotation, scaled, then moved."""
    values = {f.name: getattr(p, f.name) for f in fields(Part)}
    values["position"] = p.position @ rotation.T * scale + np.asarray(offset, np.float64)
    values["normal"] = p.normal @ rotation.T
    values["tangent"] = p.tangent @ rotation.T
    values["sigma"] = p.sigma * scale
    return Part(**values)


def unit(vectors: Floats) -> Floats:
    """Rows scaled to length 1; a zero row stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1))


def turn(x_deg: float = 0, y_deg: float = 0, z_deg: float = 0) -> Floats:
    """Rotation about x, then y, then z: (3, 3)."""
    x, y, z = np.radians([x_deg, y_deg, z_deg])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def lattice(n: int, start: int = 1) -> tuple[Floats, Floats]:
    """Points of the R2 sequence in the unit square: no two close, no wide hole (Roberts 2018)."""
    i = np.arange(start, start + n)
    a, b = (0.5 + i * 0.7548776662466927) % 1, (0.5 + i * 0.5698402909980532) % 1
    return a.astype(np.float64), b.astype(np.float64)


def sheet(
    surface: Surface, u: tuple[float, float], v: tuple[float, float], spacing: float
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Sample a parametric surface evenly by area.

    Returns
    -------
    u, v : (n,) parameters of the samples
    position, normal, tangent : (n, 3); the normal is du x dv, the tangent follows u
    """
    cells = 160
    grid_u, grid_v = np.meshgrid(
        u[0] + (np.arange(cells) + 0.5) / cells * (u[1] - u[0]),
        v[0] + (np.arange(cells) + 0.5) / cells * (v[1] - v[0]),
        indexing="ij",
    )
    _, across, _ = _frame(surface, grid_u.ravel(), grid_v.ravel(), u, v)
    area = np.linalg.norm(across, axis=1).reshape(cells, cells) + 1e-12
    area *= (u[1] - u[0]) * (v[1] - v[0]) / cells**2
    a, b = lattice(max(4, round(float(area.sum()) / spacing**2)))
    rows = np.concatenate([[0], np.cumsum(area.sum(axis=1))])
    at = np.interp(a, rows / rows[-1], np.arange(cells + 1))
    row = np.minimum(at.astype(int), cells - 1)
    within = np.cumsum(area, axis=1)
    within = np.concatenate([np.zeros((cells, 1)), within / within[:, -1:]], axis=1)
    flat = (within + 2 * np.arange(cells)[:, None]).ravel()
    place = np.interp(b + 2 * row, flat, np.arange(flat.size)) - row * (cells + 1)
    s_u = u[0] + at / cells * (u[1] - u[0])
    s_v = v[0] + place / cells * (v[1] - v[0])
    position, normal, tangent = _frame(surface, s_u, s_v, u, v)
    return s_u, s_v, position, unit(normal), unit(tangent)


def _frame(
    surface: Surface, a: Floats, b: Floats, u: tuple[float, float], v: tuple[float, float]
) -> tuple[Floats, Floats, Floats]:
    """Position, du x dv and du at parameters, by central differences."""
    step_u, step_v = 1e-4 * (u[1] - u[0]), 1e-4 * (v[1] - v[0])
    along = (surface(a + step_u, b) - surface(a - step_u, b)) / (2 * step_u)
    aside = (surface(a, b + step_v) - surface(a, b - step_v)) / (2 * step_v)
    return surface(a, b), np.cross(along, aside), along


def lathe(
    profile: Sequence[tuple[float, float]], spacing: float, *, smooth: bool = False
) -> tuple[Floats, Floats, Floats, Floats]:
    """Sample a surface of revolution about y in rings; the profile runs from below to above.

    Parameters
    ----------
    profile : sequence of (radius, height)
        Its outside lies to the right of the direction of travel.

    Returns
    -------
    position, normal, tangent : (n, 3)
    along : (n,) arc length on the profile from its start
    """
    points = np.array(profile, np.float64)
    if smooth:
        points = _rounded(points)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    length = np.concatenate([[0], np.cumsum(steps)])
    rings = max(2, round(length[-1] / (spacing * 0.93)))
    position, normal, tangent, along = [], [], [], []
    for ring in range(rings):
        s = (ring + 0.5) / rings * length[-1]
        radius, height = (np.interp(s, length, points[:, k]) for k in range(2))
        k = min(int(np.searchsorted(length, s, side="right")) - 1, len(steps) - 1)
        slope = (points[k + 1] - points[k]) / steps[k]
        count = max(1, round(2 * np.pi * radius / (spacing * 1.07)))
        if count > 60:  # rings that share a count can be staggered, which leaves smaller holes
            count = 12 * round(count / 12)
        angle = (np.arange(count) + 0.5 * (ring % 2)) * 2 * np.pi / count
        c, sn = np.cos(angle), np.sin(angle)
        position.append(np.stack([radius * c, np.full(count, height), radius * sn], axis=1))
        normal.append(np.stack([slope[1] * c, np.full(count, -slope[0]), slope[1] * sn], axis=1))
        tangent.append(np.stack([-sn, np.zeros(count), c], axis=1))
        along.append(np.full(count, s))
    return (
        np.concatenate(position),
        np.concatenate(normal),
        np.concatenate(tangent),
        np.concatenate(along),
    )


def _rounded(points: Floats) -> Floats:
    """Chaikin's corner cutting, three times; keeps the ends."""
    for _ in range(3):
        a, b = points[:-1], points[1:]
        middle = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], axis=1).reshape(-1, 2)
        points = np.concatenate([points[:1], middle, points[-1:]])
    return points


def disc_sigma(spacing: float) -> Floats:
    """Standard deviations (3,) of the discs that close a sheet of this spacing."""
    sigma = SIGMA_PER_SPACING * spacing
    return np.array([sigma, sigma, sigma * FLATNESS])
