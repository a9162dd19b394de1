"""A cloth on a line, in wind, with a ball before it: a generator that steps on the GPU.

Position-based dynamics (Müller et al. 2007) on a grid of particles. A step moves each particle by
its velocity, gravity and the wind on its normal, then pulls neighbours back to their distances in
five sweeps, from far neighbours to near ones: long threads keep a cloth from stretching that sweeps
over close neighbours alone would leave as rubber. A sweep moves all particles at once (Jacobi),
each by what its own threads ask for, so that it is one kernel.

The state is the displacement from the flat cloth and the velocity: zero is the cloth at rest. A
quadratic B-spline through the particles is the surface; its two tangents are the axes of the
Gaussians, its normal their shade.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BALL_COUNT", "BALL_RADIUS", "COUNT", "GRID", "Cloth", "rest_pose"]

GRID = 40
FINE = 3
"""Gaussians a particle, along each side."""
BALL_COUNT = 900
COUNT = (GRID * FINE) ** 2 + BALL_COUNT
WIDTH = 2.0
SPACING = WIDTH / (GRID - 1)
BALL_RADIUS = 0.3
RATE = 60.0

_GRAVITY = 3.2  # units / s²
_DRAG = 2.6  # of the wind along the normal, 1 / s
_AIR = 0.35  # of all motion, 1 / s
_FASTEST = 6.0  # units / s
_SWEEPS = (8, 4, 2, 1, 1)
"""Neighbours' distance in each sweep, in particles."""
_ALONG, _DIAGONAL = 0.36, 0.10
"""Shares of a thread's error that a sweep takes away at each end; more than these overshoots."""
_PEGS = 5
_PUSH = 0.06
"""The most that the ball pushes a particle in one step, units."""
_SIGMA = 0.62  # of a Gaussian, in the distance between neighbours
_THIN = 0.004
_LIGHT = (-0.45, -0.6, -0.66)
_GLINT = (-0.26, -0.36, -0.9)


def rest_pose() -> np.ndarray:
    """The flat cloth, (GRID, GRID, 3): rows from the line downwards (y), in the plane z = 0."""
    line = np.linspace(-WIDTH / 2, WIDTH / 2, GRID)
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([x, y, np.zeros_like(x)], 2).astype(np.float32)


class Cloth(nn.Module):
    """One step.

    ``forward(moved, velocity, time, wind, pointer)``: displacement and velocity (GRID, GRID, 3), in
    units and units a second; time (1,) in seconds; wind (1,), 0 to 1; pointer (3,): x, y in -1..1
    with y upwards, pressed. Gives displacement, velocity, ``packed`` (COUNT, 10), ``color``.
    """

    def __init__(self) -> None:
        super().__init__()
        rest = rest_pose()
        free = np.ones((GRID, GRID, 1), np.float32)
        free[0, np.linspace(0, GRID - 1, _PEGS).round().astype(int)] = 0
        self._keep("rest", rest)
        self._keep("free", free)
        self._keep("spline", _spline())
        ball = _fibonacci(BALL_COUNT)
        spread = BALL_RADIUS * math.sqrt(4 * math.pi / BALL_COUNT)
        across = np.cross(ball, (0.0, 1.0, 0.0))
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        down = np.cross(across, ball)
        self._keep("ball", np.stack([BALL_RADIUS * ball, spread * across, spread * down]))
        self._keep("is_ball", np.arange(COUNT)[:, None] >= COUNT - BALL_COUNT)
        self._keep(
            "dye", np.concatenate([_pattern(), np.tile((0.86, 0.80, 0.78), (BALL_COUNT, 1))])
        )

    def _keep(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.from_numpy(values.astype(np.float32)), persistent=False)

    def forward(
        self, moved: Tensor, velocity: Tensor, time: Tensor, wind: Tensor, pointer: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        start = self.rest + moved
        speed = self._pushed(start, velocity, time, wind)
        place = start + speed * (self.free / RATE)
        for far in _SWEEPS:
            place = place + self._pull(place, far) * self.free
        place = place + self._off_ball(place, _ball(time, pointer, (GRID, GRID))) * self.free
        speed = ((place - start) * RATE).clamp(-_FASTEST, _FASTEST)
        packed, color = self._gaussians(place, _ball(time, pointer, (COUNT,)))
        return place - self.rest, speed, packed, color

    def _pushed(self, place: Tensor, velocity: Tensor, time: Tensor, wind: Tensor) -> Tensor:
        """Velocities after gravity and wind; gusts roll over the cloth."""
        x, y = place[..., :1], place[..., 1:2]
        gust = 0.4 * torch.sin(1.9 * time - 2.4 * x) + 0.3 * torch.sin(
            3.1 * time - 3.0 * x + 1.6 * y
        )
        sway = 0.15 + 0.6 * torch.sin(0.9 * time - 0.8 * x) + gust
        blow = torch.cat([0.9 + gust, 0 * y - 0.1, sway], 2) * (wind * 5.5)
        along = _shifted(place, 0, 1) - _shifted(place, 0, -1)
        down = _shifted(place, 1, 0) - _shifted(place, -1, 0)
        normal = _unit(_cross(along, down))
        relative = blow - velocity
        push = normal * (relative * normal).sum(2, keepdim=True)
        fall = torch.tensor([0.0, _GRAVITY, 0.0])
        return velocity * (1 - _AIR / RATE) + (fall + _DRAG * push) / RATE

    def _pull(self, place: Tensor, far: int) -> Tensor:
        """What the threads to the neighbours ``far`` away ask for."""
        total = torch.zeros_like(place)
        steps = [(0, far), (0, -far), (far, 0), (-far, 0)]
        steps += [(far, far), (far, -far), (-far, far), (-far, -far)]
        for down, along in steps:
            thread = _shifted(place, down, along) - place
            length = torch.sqrt((thread * thread).sum(2, keepdim=True)).clamp(min=1e-6)
            rest = SPACING * math.hypot(down, along)
            error = 1 - rest / length
            if far > 1:  # far threads only hold: a cloth may fold
                error = error.clamp(min=0.0)
            share = _DIAGONAL if down and along else _ALONG
            total = total + thread * (error * share * _inside(down, along))
        return total

    def _off_ball(self, place: Tensor, ball: Tensor) -> Tensor:
        """Out of the ball, but not all at once."""
        away = place - ball
        length = torch.sqrt((away * away).sum(2, keepdim=True)).clamp(min=1e-6)
        depth = (BALL_RADIUS + 0.02 - length).clamp(0.0, _PUSH)
        return away / length * depth

    def _gaussians(self, place: Tensor, ball: Tensor) -> tuple[Tensor, Tensor]:
        """The surface's Gaussians, then the ball's: points, tangents and what follows of them."""
        fine = functional.conv2d(_edged(place.permute(2, 0, 1)[:, None]), self.spline)
        fine = fine.reshape(3, 3, FINE, FINE, GRID, GRID).permute(1, 4, 2, 5, 3, 0)
        centre, along, down = torch.cat([fine.reshape(3, -1, 3), self.ball], 1).unbind(0)
        centre = centre + ball * self.is_ball
        normal = _unit(_cross(along, down))  # away from the first view, into the ball
        a, b, n = along * _SIGMA, down * _SIGMA, normal * _THIN
        i, j = torch.triu_indices(3, 3)
        covariance = a[:, i] * a[:, j] + b[:, i] * b[:, j] + n[:, i] * n[:, j]
        packed = torch.cat([centre, torch.full_like(centre[:, :1], 0.98), covariance], 1)
        facing = -(normal * _unit(torch.tensor(_LIGHT))).sum(1, keepdim=True)
        glint = -(normal * _unit(torch.tensor(_GLINT))).sum(1, keepdim=True)
        shade = 0.5 + 0.55 * facing.clamp(min=0.0) - 0.25 * facing.clamp(max=0.0)  # through it
        return packed, self.dye * shade + glint.abs().pow(26.0) * 0.25


def _ball(time: Tensor, pointer: Tensor, rows: tuple[int, ...]) -> Tensor:
    """Its centre, (rows, 3): under the pointer, rolling to and fro; pressed, it goes deeper.

    The same in each row: so it is computed where it is used, and needs no kernel of its own.
    """
    at, x, y, pressed = (part.expand(*rows, 1) for part in (time, *pointer.split(1)))
    turns = 0.1 * at + 0.25
    swing = (2 * (turns - torch.floor(turns)) - 1).abs()
    to_and_fro = 2 * swing * swing * (3 - 2 * swing) - 1  # like a cosine
    return torch.cat([1.1 * x + 0.6 * to_and_fro, 0.15 - 1.1 * y, 0.3 * pressed - 0.2], -1)


def _shifted(place: Tensor, down: int, along: int) -> Tensor:
    """The neighbours at (row + down, column + along); at the border, the cloth's last row."""
    top, bottom = max(-down, 0), max(down, 0)
    left, right = max(-along, 0), max(along, 0)
    padded = functional.pad(place.permute(2, 0, 1), (left, right, top, bottom), mode="replicate")
    padded = padded.permute(1, 2, 0)
    return padded[bottom : bottom + GRID, right : right + GRID]


def _inside(down: int, along: int) -> Tensor:
    """1 where the neighbour exists: (GRID, GRID, 1)."""
    y, x = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    y, x = y + down, x + along
    return ((y >= 0) & (y < GRID) & (x >= 0) & (x < GRID)).float()[..., None]


def _edged(x: Tensor) -> Tensor:
    return functional.pad(x, (1, 1, 1, 1), mode="replicate")


def _cross(a: Tensor, b: Tensor) -> Tensor:
    (ax, ay, az), (bx, by, bz) = a.split(1, -1), b.split(1, -1)
    return torch.cat([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)


def _unit(vector: Tensor) -> Tensor:
    length = torch.sqrt((vector * vector).sum(-1, keepdim=True))
    return vector / length.clamp(min=1e-9)


def _spline() -> np.ndarray:
    """Of a quadratic B-spline: (3 * FINE², 1, 3, 3), point, tangent along x and along y."""
    t = (np.arange(FINE) + 0.5) / FINE - 0.5
    point = np.stack([0.5 * (0.5 - t) ** 2, 0.75 - t**2, 0.5 * (0.5 + t) ** 2], 1)
    slope = np.stack([t - 0.5, -2 * t, t + 0.5], 1) / FINE
    pairs = [(point, point), (point, slope), (slope, point)]
    made = [np.einsum("ay,bx->abyx", y, x) for y, x in pairs]
    return np.stack(made).reshape(3 * FINE * FINE, 1, 3, 3)


def _pattern() -> np.ndarray:
    """Colours of the cloth, (rows, 3): an evening sky, a pale sun, waves."""
    side = GRID * FINE
    at = (np.arange(side) + 0.5) / side
    v, u = np.meshgrid(at, at, indexing="ij")
    stops = np.array([0.0, 0.28, 0.5, 0.66, 1.0])
    sky = [(0.13, 0.11, 0.36), (0.55, 0.16, 0.47), (0.95, 0.42, 0.32), (1.0, 0.75, 0.38)]
    sky.append((0.99, 0.88, 0.62))
    color = np.stack([np.interp(v, stops, [s[c] for s in sky]) for c in range(3)], 2)
    sun = _soft(0.19 - np.hypot(u - 0.5, v - 0.46), side)
    color = color + sun[..., None] * (np.array([1.0, 0.95, 0.8]) - color)
    for k in range(7):
        crest = 0.6 + 0.062 * k + 0.018 * np.sin(2 * np.pi * (u * (3 - 0.2 * k) + 0.37 * k))
        sea = np.array([0.10, 0.33, 0.50]) * (1 - 0.09 * k) + 0.02
        color = color + _soft(v - crest, side)[..., None] * (sea - color)
        foam = _soft(0.009 - np.abs(v - crest), side) * 0.8
        color = color + foam[..., None] * (np.array([0.93, 0.95, 0.9]) - color)
    hem = _soft(0.022 - np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v)), side)
    color = color + hem[..., None] * (np.array([0.95, 0.86, 0.62]) - color)
    return color.reshape(-1, 3)


def _soft(inside: np.ndarray, side: int) -> np.ndarray:
    """0 to 1 over a Gaussian's width."""
    return np.clip(inside * side / 1.5 + 0.5, 0, 1)


def _fibonacci(count: int) -> np.ndarray:
    """Unit vectors spread evenly over a sphere, (count, 3)."""
    k = np.arange(count) + 0.5
    z, turn = 1 - 2 * k / count, np.pi * (1 + math.sqrt(5)) * k
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(turn), z, r * np.sin(turn)], 1)
