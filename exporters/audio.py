"""A pond that listens: sound becomes rings of waves, and a ball above them breathes.

Streaming audio in, one step at a time. The state is the last sound: a row for each ring of the
pond, the newest inside, a column for each band of the spectrum. A step moves each row one ring
out and lets it fade; so a beat is seen to run outwards. Bass is at the front, treble at the back,
the same on both sides. Everything is a surface of revolution over the same angles, so that a few
numbers for each ring and each angle are all its constants.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["BANDS", "COUNT", "RATE", "RINGS", "Pond"]

BANDS = 32
RINGS, BALL_RINGS, ANGLES = 72, 24, 144
COUNT = (RINGS + BALL_RINGS) * ANGLES
RATE = 45.0
INNER, OUTER = 0.05, 1.45
BALL_RADIUS, BALL_HEIGHT = 0.27, 0.95

_FALL = 0.84
"""A band that falls silent keeps this share at each step."""
_FADE = 0.978
"""And a wave, from ring to ring."""
_SIGMA, _THIN = 0.62, 0.004
_LIGHT = (-0.35, -0.8, -0.5)


class Pond(nn.Module):
    """One step.

    ``forward(waves, mel, time, gain)``: waves (RINGS, BANDS), zero at the start; mel (BANDS,), 0 to
    1; time (1,) in seconds; gain (1,). Gives waves, ``packed`` (COUNT, 10), ``color`` (COUNT, 3).
    """

    def __init__(self) -> None:
        super().__init__()
        angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
        self._keep("cos", np.cos(angle)[None, :])
        self._keep("sin", np.sin(angle)[None, :])
        self._keep("mix", _bands_at(angle))
        self._keep("hue", _hues(angle))
        self._keep("newest", np.arange(RINGS)[:, None] == 0)
        self._keep("fade", np.where(np.arange(RINGS)[:, None] == 0, _FALL, _FADE))
        self._keep("distance", np.linspace(0, 1, RINGS)[:, None].repeat(ANGLES, 1))
        # A ring's distance from the axis is a + b h and its height c + d h, where h is the wave.
        k = (np.arange(BALL_RINGS) + 0.5) / BALL_RINGS
        polar = np.pi * k
        radius = np.linspace(INNER, OUTER, RINGS)
        zero, one = np.zeros(RINGS), np.ones(RINGS)
        a = np.concatenate([radius, BALL_RADIUS * np.sin(polar)])
        b = np.concatenate([zero, 0.3 * np.sin(polar)])
        c = np.concatenate([zero, -BALL_HEIGHT - BALL_RADIUS * np.cos(polar)])
        d = np.concatenate([-0.5 * one, -0.3 * np.cos(polar)])
        pale = np.concatenate([zero, 0.5 * np.ones(BALL_RINGS)])
        rings = [a, b, c, d, *(_steps(values) for values in (a, b, c, d)), pale]
        self._keep("rings", np.stack(rings)[:, :, None])

    def _keep(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.from_numpy(values.astype(np.float32)), persistent=False)

    def forward(
        self, waves: Tensor, mel: Tensor, time: Tensor, gain: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        waves = torch.cat([waves[:1], waves[:-1]]) * self.fade
        waves = torch.maximum(waves, mel * gain * self.newest)
        swell = torch.sin(10.0 * self.distance - 1.6 * time)
        pond = waves @ self.mix + 0.035 * (1 + swell) * self.distance * (1 - self.distance)
        packed, color = self._gaussians(pond)
        return waves, packed, color

    def _gaussians(self, pond: Tensor) -> tuple[Tensor, Tensor]:
        """Surfaces, and their Gaussians along the tangents."""
        north = BALL_RINGS // 2
        ball = torch.cat([pond[:north].flip(0), pond[:north]])  # from its waist to both poles
        height = torch.cat([pond, ball])
        around = (_next(height, -1) - _next(height, 1)) / 2
        after = torch.cat([pond[1:], pond[-1:], ball[1:], ball[-1:]])
        before = torch.cat([pond[:1], pond[:-1], ball[:1], ball[:-1]])
        outwards = (after - before) / 2
        a, b, c, d, a_step, b_step, c_step, d_step, pale = self.rings.unbind(0)
        far, y = a + b * height, c + d * height
        far_around, y_around = b * around, d * around
        far_out = a_step + b_step * height + b * outwards
        y_out = c_step + d_step * height + d * outwards
        turn = 2 * np.pi / ANGLES
        along = (
            far_around * self.cos - far * self.sin * turn,
            y_around,
            far_around * self.sin + far * self.cos * turn,
        )
        out = (far_out * self.cos, y_out, far_out * self.sin)
        normal = _unit(
            (
                along[1] * out[2] - along[2] * out[1],
                along[2] * out[0] - along[0] * out[2],
                along[0] * out[1] - along[1] * out[0],
            )
        )
        s, t, n = ([v * k for v in p] for p, k in ((along, _SIGMA), (out, _SIGMA), (normal, _THIN)))
        pairs = [(i, j) for i in range(3) for j in range(i, 3)]
        covariance = [s[i] * s[j] + t[i] * t[j] + n[i] * n[j] for i, j in pairs]
        opacity = 0.97 + 0 * height
        packed = torch.stack([far * self.cos, y, far * self.sin, opacity, *covariance], 2)

        light = np.array(_LIGHT) / np.linalg.norm(_LIGHT)
        facing = sum(v * float(k) for v, k in zip(normal, light, strict=True)).abs()
        loud = (1.7 * height).clamp(0.0, 1.0)[..., None]
        lit = (0.35 + 0.65 * facing)[..., None]
        glint = (facing * facing).pow(20.0)[..., None]
        glow = self.hue * (0.12 + 1.2 * loud) + 0.35 * loud * loud + pale[..., None] * (1 - loud)
        color = glow * lit + torch.tensor([0.02, 0.04, 0.09]) + glint * (0.12 + 0.2 * loud)
        return packed.reshape(COUNT, 10), color.reshape(COUNT, 3)


def _next(height: Tensor, by: int) -> Tensor:
    """Each angle's neighbour; the last one's is the first."""
    return torch.cat([height[:, -by:], height[:, :-by]], 1)


def _unit(vector: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    length = torch.sqrt(sum(v * v for v in vector)).clamp(min=1e-9)
    return tuple(v / length for v in vector)


def _steps(values: np.ndarray) -> np.ndarray:
    """Differences from ring to ring, of the pond and of the ball apart."""
    return np.concatenate([np.gradient(values[:RINGS]), np.gradient(values[RINGS:])])


def _bands_at(angle: np.ndarray) -> np.ndarray:
    """How much of each band is at each angle, (BANDS, ANGLES): soft, and even to both sides."""
    front = -np.pi / 2  # the first view looks from -z
    place = np.abs((angle - front + np.pi) % (2 * np.pi) - np.pi) / np.pi * (BANDS - 1)
    weight = np.exp(-0.5 * ((place[None] - np.arange(BANDS)[:, None]) / 0.85) ** 2)
    return weight / weight.sum(0, keepdims=True)


def _hues(angle: np.ndarray) -> np.ndarray:
    """A colour for each angle, (1, ANGLES, 3): warm where the bass is, cool at the treble."""
    place = np.abs((angle + np.pi / 2 + np.pi) % (2 * np.pi) - np.pi) / np.pi
    stops = np.linspace(0, 1, 5)
    tones = [(1.0, 0.30, 0.22), (1.0, 0.66, 0.20), (0.35, 0.85, 0.45), (0.18, 0.68, 0.98)]
    tones.append((0.58, 0.38, 1.0))
    return np.stack([np.interp(place, stops, [t[c] for t in tones]) for c in range(3)], 1)[None]
