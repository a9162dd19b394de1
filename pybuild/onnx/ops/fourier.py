"""The discrete Fourier transform: a contraction with a table of turns, in two stages if long.

Points n = a * B + b of A * B are transformed over a, turned, and transformed over b (Cooley and
Tukey 1965): A + B products for each point of the result and not A * B.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import Expr, const, select
from pybuild.onnx.ir import Tensor, constant, map_tensor, reduce_tensor
from pybuild.onnx.lower import Unsupported

__all__ = ["STAGED", "fourier"]

STAGED = 1024
"""Shortest transform that is split: below, a dispatch costs more than it saves."""

_MOST = 46340
"""Longest contraction: the product of two positions is an i32."""


def _turns(points: int, inverse: bool) -> NDArray[np.float64]:
    """``(points, 2, 2)``: parts of ``z * exp(-2 pi i k / points)`` by those of z.

    Entry (k, a, b) is what part a of z adds to part b; the inverse turns the other way.
    """
    angle = 2 * np.pi * np.arange(points) / max(points, 1) * (-1 if inverse else 1)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def fourier(
    name: str, x: Tensor, axis: int, points: int, inverse: bool = False, onesided: bool = False
) -> Tensor:
    """Transform along an axis; the last axis holds the real and the imaginary part.

    Onesided, the forward transform returns half of the spectrum, and the inverse, of half a
    spectrum, real values. A signal that is too short is padded with zeros.
    """
    first = next((a for a in range(math.isqrt(points), 1, -1) if points % a == 0), 1)
    if points >= STAGED and first > 1:
        return _staged(name, x, axis, (first, points // first), inverse, onesided)
    if points > _MOST:
        raise Unsupported(f"a transform of {points} points without factors; at most {_MOST}")
    parts, back = x.shape[-1], inverse and onesided
    given = min(x.shape[axis], points // 2 + 1 if back else points)
    scale = 1 / max(points, 1) if inverse else 1.0
    table = constant(f"{name}.turns", _turns(points, inverse) * scale, "f32")
    signal = x
    if back:  # all but the first and the middle stand for two
        doubled = (points + 1) // 2

        def both(*i: Expr) -> Expr:
            return x[i] * select((i[axis] > 0) & (i[axis] < doubled), const(2, "f32"), 1)

        signal = map_tensor(f"{name}.folded", x.shape, both)

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        place, part = r
        value = signal[(*o[:axis], place, *o[axis + 1 : -1], part)]
        return value * table[(o[axis] * place) % max(points, 1), part, o[-1]]

    length = points // 2 + 1 if onesided and not inverse else points
    shape = (*x.shape[:axis], length, *x.shape[axis + 1 : -1], 1 if back else 2)
    return reduce_tensor(name, shape, (given, parts), "sum", body)


def _staged(
    name: str, x: Tensor, axis: int, factors: tuple[int, int], inverse: bool, onesided: bool
) -> Tensor:
    rows, columns = factors
    points, given = rows * columns, x.shape[axis]
    before, after = x.shape[:axis], x.shape[axis + 1 : -1]
    back = inverse and onesided

    def point(*i: Expr) -> Expr:
        """Signal at a * columns + b, zeros after its end."""
        lead, a, b, rest = i[:axis], i[axis], i[axis + 1], i[axis + 2 :]
        place = a * columns + b
        if not back:
            return select(place < given, x[(*lead, place, *rest)], 0)
        # the other half of a real signal's spectrum mirrors this one, conjugate
        mirrored = place > points // 2
        own = select(mirrored, points - place, place)
        value = x[(*lead, own, *rest)]
        turned = select(mirrored & rest[-1].equals(1), -value, value)
        return select(own < given, turned, 0)

    split = map_tensor(f"{name}.split", (*before, rows, columns, *after, x.shape[-1]), point)
    inner = fourier(f"{name}.rows", split, axis, rows, inverse)
    table = constant(f"{name}.turns", _turns(points, inverse), "f32")

    def turn(*i: Expr) -> Expr:
        step = i[axis] * i[axis + 1]  # below points
        real, imaginary = inner[(*i[:-1], 0)], inner[(*i[:-1], 1)]
        return real * table[step, 0, i[-1]] + imaginary * table[step, 1, i[-1]]

    turned = map_tensor(f"{name}.turned", inner.shape, turn)
    outer = fourier(f"{name}.columns", turned, axis + 1, columns, inverse)
    length = points // 2 + 1 if onesided and not inverse else points

    def place(*i: Expr) -> Expr:
        k = i[axis]
        return outer[(*i[:axis], k % rows, k // rows, *i[axis + 1 :])]

    return map_tensor(name, (*before, length, *after, 1 if back else 2), place)
