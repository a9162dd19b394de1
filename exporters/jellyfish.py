"""A jellyfish that swims: surfaces whose motion is known exactly, sampled into Gaussians.

Everything is a function of the phase, 0 to 1 of a clip, and periodic in it: two strokes of the bell
and one slow sway. Modelled with y up and a bell of radius 1; what leaves this file is in PLY axes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.sample.patterns import fractal
from assets.sample.surfaces import sheet, unit
from pybuild.gaussians import Gaussians

__all__ = ["DURATION_S", "Moment", "Subject", "jellyfish"]

Floats = NDArray[np.float64]
Shape = Callable[[Floats, Floats, Floats], Floats]

DURATION_S = 5.0
STROKES = 2
REST = 0.30
"""What the clip begins with: the bell open, its tentacles apart."""
TENTACLES = 24
ARMS = 4
POLAR = 1.72
"""Angle of the bell's margin from its apex, radians: a little more than a quarter turn."""
TO_PLY = np.array([1.0, -1.0, -1.0])
STEP = 1e-4


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples of one moving surface.

    Attributes
    ----------
    shape : (u (n,), v (n,), phase (n,)) -> (n, 3)
        Smooth in all three and of period 1 in the phase.
    u, v : (n,) float64
    sigma : (n, 3) float64
        Along u, along v and across, at phase 0.
    colour : (n, 3) float64
        Display-referred, before the glow.
    opacity : (n,) float64
    lag : (n,) float64
        Where in a stroke the glow passes: 0 at the apex, more further down.
    """

    shape: Shape
    u: Floats
    v: Floats
    sigma: Floats
    colour: Floats
    opacity: Floats
    lag: Floats


@dataclass(frozen=True, slots=True)
class Moment:
    """All n Gaussians at one phase, in PLY axes.

    Attributes
    ----------
    position : (n, 3) float64
    quaternion : (n, 4) float64
        w, x, y, z of unit length, on the side of phase 0's.
    log_scale : (n, 3) float64
    glow : (n,) float64
        What the colour is multiplied by.
    """

    position: Floats
    quaternion: Floats
    log_scale: Floats
    glow: Floats


@dataclass(frozen=True, slots=True)
class Subject:
    """The animal: what does not move, and a function for what does."""

    pieces: tuple[Piece, ...]
    colour: Floats
    opacity: Floats

    def at(self, phase: float) -> Moment:
        """The moment at a phase; 0 is the canonical one."""
        now, rest = _frames(self.pieces, phase), _frames(self.pieces, 0.0)
        sigma = np.concatenate([piece.sigma for piece in self.pieces])
        stretch = np.stack([now[1] / rest[1], now[2] / rest[2], np.ones(len(sigma))], axis=1)
        turned = np.where(np.sum(now[3] * rest[3], axis=1, keepdims=True) < 0, -now[3], now[3])
        lag = np.concatenate([piece.lag for piece in self.pieces])
        glow = 0.78 + 0.44 * _stroke(STROKES * (REST + phase) - 0.05 - lag)
        return Moment(now[0], turned, np.log(sigma * stretch), glow)

    def gaussians(self, moment: Moment) -> Gaussians:
        """A moment as a cloud to draw."""
        colour = self.colour * moment.glow[:, None]
        return Gaussians(
            moment.position.astype(np.float32),
            moment.log_scale.astype(np.float32),
            moment.quaternion.astype(np.float32),
            np.log(self.opacity / (1 - self.opacity)).astype(np.float32),
            ((colour - 0.5) / 0.28209479177387814).astype(np.float32)[:, None],
        )


def jellyfish(spacing: float = 0.053) -> Subject:
    """The animal, its bell sampled at a spacing in units of its radius: some 7,000 Gaussians."""
    pieces = (
        _bell(spacing),
        _under(spacing * 1.35),
        *(_organ(spacing, k) for k in range(4)),
        *(_arm(spacing, k) for k in range(ARMS)),
        *(_tentacle(spacing, k) for k in range(TENTACLES)),
        _margin(spacing),
    )
    colour = np.concatenate([piece.colour for piece in pieces])
    return Subject(pieces, colour, np.concatenate([piece.opacity for piece in pieces]))


def _frames(pieces: tuple[Piece, ...], phase: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Positions, lengths of du and dv, quaternions: of all pieces, in PLY axes."""
    rows = []
    for piece in pieces:
        u, v, at = piece.u, piece.v, np.full(len(piece.u), REST + float(phase))
        du = (piece.shape(u + STEP, v, at) - piece.shape(u - STEP, v, at)) / (2 * STEP)
        dv = (piece.shape(u, v + STEP, at) - piece.shape(u, v - STEP, at)) / (2 * STEP)
        rows.append([a * TO_PLY for a in (piece.shape(u, v, at), du, dv)])
    position, du, dv = (np.concatenate(column) for column in zip(*rows, strict=True))
    first = unit(du)
    third = unit(np.cross(first, dv))
    axes = np.stack([first, np.cross(third, first), third], axis=2)
    lengths = [np.linalg.norm(d, axis=1) for d in (du, dv)]
    return position, lengths[0], lengths[1], _quaternions(axes)


def _quaternions(axes: Floats) -> Floats:
    """Rotation matrices (n, 3, 3) as w, x, y, z (Bar-Itzhack 2000)."""
    m = axes
    k = np.empty((len(m), 4, 4))
    k[:, 0] = np.stack(
        [
            m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2],
            m[:, 2, 1] - m[:, 1, 2],
            m[:, 0, 2] - m[:, 2, 0],
            m[:, 1, 0] - m[:, 0, 1],
        ],
        axis=1,
    )
    for i in range(3):
        k[:, i + 1, 0] = k[:, 0, i + 1]
        for j in range(3):
            k[:, i + 1, j + 1] = m[:, i, j] + m[:, j, i]
        k[:, i + 1, i + 1] -= m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2]
    return np.asarray(np.linalg.eigh(k)[1][:, :, -1])


def _stroke(cycle: ArrayLike) -> Floats:
    """0 to 1: a quick contraction and a slow opening, of period 1."""
    x = 2 * np.pi * np.asarray(cycle, np.float64)
    x = x + 0.45 * np.sin(x + 0.6)
    return np.asarray(np.exp(1.7 * (np.cos(x) - 1)))


def _carried(points: Floats, phase: Floats) -> Floats:
    """The whole animal's own way: it rises with each stroke, drifts and leans."""
    lean = 0.13 * np.sin(2 * np.pi * phase)
    nod = 0.08 * np.cos(2 * np.pi * phase)
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    x, y = x * np.cos(lean) - y * np.sin(lean), x * np.sin(lean) + y * np.cos(lean)
    y, z = y * np.cos(nod) - z * np.sin(nod), y * np.sin(nod) + z * np.cos(nod)
    rise = 0.13 * np.sin(2 * np.pi * (STROKES * phase - 0.28))
    drift = 0.16 * np.sin(2 * np.pi * (phase - 0.1))
    return np.stack([x + drift, y + rise, z + 0.09 * np.cos(2 * np.pi * phase)], axis=1)


def _dome(s: Floats, angle: Floats, phase: Floats, inside: float = 0.0) -> Floats:
    """The bell, not carried: s runs from 0 at the apex to 1 at the margin."""
    squeeze = _stroke(STROKES * phase - 0.13 * s)
    polar = POLAR * s
    lobes = 0.5 + 0.5 * np.cos(16 * angle)
    ripple = s**5 * np.sin(3 * angle + 2 * np.pi * phase)
    radius = np.sin(polar) * (1 - inside) * (1 - 0.40 * squeeze * s**1.5) + 0.025 * ripple
    height = (0.74 - 0.9 * inside) * np.cos(polar) * (1 + 0.24 * squeeze)
    height = height - 0.16 * squeeze * s**2 - 0.055 * s**6 * (1 - lobes) + 0.03 * ripple
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1)


def _bell(spacing: float) -> Piece:
    def shape(u: Floats, v: Floats, phase: Floats) -> Floats:
        return _carried(_dome(u, v, phase), phase)

    u, v, position, _, _ = _sampled(shape, (0.015, 1.0), (0, 2 * np.pi), spacing)
    veins = np.abs(np.cos(8 * v)) ** 24 * np.clip(u * 2 - 0.35, 0, 1)
    mottle = fractal(position, 2.2, 3, 5)
    deep, light = np.array([0.20, 0.36, 0.86]), np.array([0.52, 0.80, 1.0])
    colour = deep + (light - deep) * (0.25 + 0.75 * mottle * u**0.7)[:, None]
    colour += (np.array([0.95, 0.52, 0.86]) - colour) * (0.75 * veins + 0.35 * u**8)[:, None]
    opacity = 0.13 + 0.10 * u**4 + 0.16 * veins
    sigma = _discs(len(u), spacing * 0.80)
    return Piece(shape, u, v, sigma, colour, opacity, 0.30 * u)


def _under(spacing: float) -> Piece:
    """The lining of the bell: a paler, closer shell that closes it when seen through."""

    def shape(u: Floats, v: Floats, phase: Floats) -> Floats:
        return _carried(_dome(u, v, phase, 0.16), phase)

    u, v, _, _, _ = _sampled(shape, (0.02, 0.93), (0, 2 * np.pi), spacing)
    colour = np.array([0.30, 0.28, 0.72]) + np.array([0.28, 0.10, 0.12]) * (1 - u)[:, None]
    return Piece(shape, u, v, _discs(len(u), spacing * 0.85), colour, 0.10 + 0 * u, 0.30 * u)


def _organ(spacing: float, k: int) -> Piece:
    """One of the four horseshoes under the apex: a tube along an arc, seen through the bell."""
    middle = np.pi / 4 + k * np.pi / 2

    def shape(u: Floats, v: Floats, phase: Floats) -> Floats:
        turn = 2.15 * (2 * u - 1)
        s = 0.34 + 0.13 * np.cos(turn)
        angle = middle + 0.46 * np.sin(turn)
        centre = _dome(s, angle, phase, 0.19)
        out = unit(centre * np.array([1.0, 0.0, 1.0]))
        tube = 0.045 * (1 - (2 * u - 1) ** 6)
        up = np.array([0.0, 1.0, 0.0])
        return _carried(
            centre + tube[:, None] * (out * np.cos(v)[:, None] + up * np.sin(v)[:, None]), phase
        )

    u, v, _, _, _ = _sampled(shape, (0.01, 0.99), (0, 2 * np.pi), spacing * 0.62)
    warm = np.array([1.0, 0.60, 0.46]) - np.array([0.06, 0.22, -0.10]) * np.abs(2 * u - 1)[:, None]
    sigma = _discs(len(u), spacing * 0.52)
    return Piece(shape, u, v, sigma, warm, np.full(len(u), 0.55), np.full(len(u), 0.1))


def _margin(spacing: float) -> Piece:
    """Bright beads on the rim, where the tentacles begin."""

    def shape(u: Floats, v: Floats, phase: Floats) -> Floats:
        return _carried(_dome(u, v, phase), phase)

    count = 4 * TENTACLES
    v = (np.arange(count) + 0.5) / count * 2 * np.pi
    u = np.full(count, 0.985)
    big = (np.arange(count) % 4 == 1)[:, None]
    sigma = np.where(big, 1.0, 0.6) * np.full((count, 3), 0.026)
    colour = np.where(big, np.array([1.0, 0.86, 0.98]), np.array([0.88, 0.60, 0.98]))
    return Piece(shape, u, v, sigma, colour, np.full(count, 0.8), np.full(count, 0.30))


def _arm(spacing: float, k: int) -> Piece:
    """A frilled ribbon from the middle: u runs down it, v across."""
    base = np.pi / 4 + k * np.pi / 2 + 0.25

    def shape(u: Floats, v: Floats, phase: Floats) -> Floats:
        squeeze = _stroke(STROKES * phase - 0.22 - 0.55 * u)
        angle = base + 0.9 * u + 0.12 * np.sin(2 * np.pi * (phase - 0.6 * u))
        reach = 0.09 + 0.20 * np.sqrt(u + 0.02) * (1 - 0.30 * squeeze)
        sway = 0.17 * u * np.sin(2 * np.pi * (phase - 0.75 * u) + 0.8 * k)
        swing = 0.15 * u * np.cos(2 * np.pi * (phase - 0.70 * u) + 1.1 * k)
        width = 0.19 * (1 - 0.62 * u) * np.clip(9 * u, 0.25, 1)
        frill = 0.075 * np.abs(v) ** 1.5 * (1 - 0.4 * u)
        wave = np.sin(26 * u + 2.2 * v + k - 2 * np.pi * STROKES * phase)
        along = np.stack([-np.sin(angle), 0 * u, np.cos(angle)], axis=1)
        out = np.stack([np.cos(angle), 0 * u, np.sin(angle)], axis=1)
        centre = out * reach[:, None]
        centre += np.stack([sway, 0.30 - (1.75 + 0.13 * squeeze) * u, swing], axis=1)
        edge = along * (width * v)[:, None] + out * (frill * wave)[:, None]
        return _carried(centre + edge, phase)

    u, v, position, _, _ = _sampled(shape, (0.0, 1.0), (-1.0, 1.0), spacing * 0.78)
    rim = np.abs(v)[:, None] ** 3
    colour = np.array([0.72, 0.34, 0.74]) + np.array([0.27, 0.42, 0.20]) * rim
    colour *= 0.80 + 0.35 * fractal(position, 5.0, 2, 8)[:, None]
    opacity = (0.30 + 0.30 * rim[:, 0]) * (1 - 0.55 * u)
    return Piece(shape, u, v, _discs(len(u), spacing * 0.66), colour, opacity, 0.15 + 0.55 * u)


def _tentacle(spacing: float, k: int) -> Piece:
    """A thread from the rim; v goes around it, for its frame only."""
    angle = (4 * k + 1.5) / (4 * TENTACLES) * 2 * np.pi
    length = 1.55 + 0.75 * ((k * 0.618) % 1)
    offset = 2.4 * ((k * 0.382) % 1)

    def shape(u: Floats, v: Floats, phase: Floats) -> Floats:
        root = _dome(np.full(len(u), 0.99), np.full(len(u), angle), phase - 0.11 * u)
        inward = 1 - 0.42 * u**1.2
        wave = 2 * np.pi * (phase - 0.85 * u) + offset
        quick = 2 * np.pi * (STROKES * phase - 1.5 * u) + 2 * offset
        x = root[:, 0] * inward + u * (0.17 * np.sin(wave) + 0.045 * np.sin(quick))
        z = root[:, 2] * inward + u * (0.17 * np.cos(wave + 0.5) + 0.045 * np.cos(quick))
        fall = length * u * (1 - 0.10 * _stroke(STROKES * phase - 0.3 - 0.4 * u))
        round_ = 0.01 * np.stack([np.cos(v), 0 * v, np.sin(v)], axis=1)
        return _carried(np.stack([x, root[:, 1] - fall, z], axis=1) + round_, phase)

    gap = spacing * 0.50
    count = round(length / gap)
    u = (np.arange(count) + 0.5) / count
    v = np.full(count, 0.5 * np.pi)
    thick = 0.0150 * (1 - 0.6 * u)
    sigma = np.stack([np.full(count, gap * 0.62), thick, thick], axis=1)
    bead = 0.5 + 0.5 * np.cos(2 * np.pi * u * length * 7)
    colour = np.array([0.50, 0.62, 1.0]) + np.array([0.40, -0.10, -0.06]) * bead[:, None]
    opacity = (0.30 + 0.30 * bead**4) * (1 - 0.75 * u**2)
    return Piece(shape, u, v, sigma, colour, opacity, 0.30 + 0.75 * u)


def _sampled(
    shape: Shape, u: tuple[float, float], v: tuple[float, float], spacing: float
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Samples of the surface, even by area at phase 0."""
    return sheet(lambda a, b: shape(a, b, np.full(len(a), REST)), u, v, spacing)


def _discs(count: int, sigma: float) -> Floats:
    return np.tile([sigma, sigma, sigma * 0.2], (count, 1))
