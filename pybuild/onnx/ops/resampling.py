"""Where the elements of a resized axis come from: taps, their weights, and formulas for both.

Everything is known at build. `axis_taps` follows the text of Resize (opset 19), in f32 like
runtimes do, as a nearest neighbour hangs on the last bit at ties; `place_formula` and
`phase_formula` then look for integer arithmetic that gives the same, so that a shader needs no
table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import Expr, cast, const

__all__ = ["Taps", "axis_taps", "coordinates", "phase_formula", "place_formula"]

Places = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """One axis, resized.

    Attributes
    ----------
    first : (out,) int64
        Place of the first tap; places outside the input are clamped by the reader.
    weights : (out, taps) float64
        Of consecutive places from ``first`` on; each row sums to 1.
    inside : range
        Outputs that are not extrapolated.
    """

    first: Places
    weights: NDArray[np.float64]
    inside: range

    @property
    def nearest(self) -> bool:
        """Whether each output is one input."""
        return bool(self.weights.shape[1] == 1)


def coordinates(
    transform: str,
    n_in: int,
    n_out: int,
    scale: float,
    width: float,
    roi: tuple[float, float] = (0.0, 1.0),
) -> NDArray[np.float32]:
    """Place in the input of each output, by ``coordinate_transformation_mode``; (n_out,) f32.

    Parameters
    ----------
    width : float
        ``scale * n_in``, of which ``n_out`` is the floor; exactly n_out where sizes are given.
    """
    i, f = np.arange(n_out, dtype=np.float32), np.float32
    reach, span = f(width) - f(1), f(n_in - 1)
    half_pixel = (i + f(0.5)) / f(scale) - f(0.5)
    match transform:
        case "half_pixel":
            return half_pixel
        case "half_pixel_symmetric":
            return half_pixel + f(n_in) / f(2) * (f(1) - f(n_out) / f(width))
        case "pytorch_half_pixel":
            return half_pixel if n_out > 1 else np.zeros_like(i)
        case "tf_half_pixel_for_nn":
            return (i + f(0.5)) / f(scale)
        case "asymmetric":
            return i / f(scale)
        case "align_corners":
            return i * span / reach if reach else np.zeros_like(i)
        case "tf_crop_and_resize":
            start, end = f(roi[0]), f(roi[1])
            if not reach:
                return np.full_like(i, f(0.5) * (start + end) * span)
            return start * span + i * (end - start) * span / reach
        case _:
            raise ValueError(f"coordinate_transformation_mode {transform!r}")


_ROUND: dict[str, Callable[[Floats], Floats]] = {
    "round_prefer_floor": lambda x: np.ceil(x - np.float32(0.5)),
    "round_prefer_ceil": lambda x: np.floor(x + np.float32(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}


def axis_taps(
    mode: str,
    x: NDArray[np.float32],
    n_in: int,
    scale: float,
    *,
    rounding: str = "floor",
    cubic: float = -0.75,
    antialias: bool = False,
    exclude_outside: bool = False,
    crop: bool = False,
) -> Taps:
    """Taps of an axis for the coordinates ``x``.

    Parameters
    ----------
    mode : {'nearest', 'linear', 'cubic'}
    rounding : str
        ``nearest_mode``.
    cubic : float
        ``cubic_coeff_a`` of Keys' kernel.
    antialias : bool
        Stretches the kernel by ``1 / scale`` where that is more than 1.
    crop : bool
        Coordinates outside the input are extrapolated, not clamped.
    """
    within = np.flatnonzero((x >= 0) & (x <= n_in - 1)) if crop else np.arange(len(x))
    inside = range(int(within[0]), int(within[-1]) + 1) if len(within) else range(0)
    if mode == "nearest":
        return Taps(_ROUND[rounding](x).astype(np.int64), np.ones((len(x), 1)), inside)
    radius = 1 if mode == "linear" else 2
    squeeze = min(float(scale), 1.0) if antialias else 1.0
    start = math.floor(-radius / squeeze) + 1
    floor = np.floor(x).astype(np.int64)
    offsets = np.arange(start, 2 - start)
    distance = np.abs(offsets - (x - floor)[:, None]).astype(np.float64) * squeeze
    weights = np.maximum(1 - distance, 0) if mode == "linear" else _keys(distance, cubic)
    first = floor + start
    if exclude_outside:
        places = first[:, None] + np.arange(len(offsets))
        weights[(places < 0) | (places >= n_in)] = 0
    total = weights.sum(axis=1, keepdims=True)
    return _trimmed(Taps(first, weights / np.where(total == 0, 1, total), inside))


def _keys(distance: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    """R. Keys, Cubic convolution interpolation for digital image processing, 1981, eq. 4."""
    d = distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def _trimmed(taps: Taps) -> Taps:
    """Without the taps at either end that no output uses."""
    used = np.flatnonzero((taps.weights != 0).any(axis=0))
    if len(used) == 0:
        return taps
    kept = slice(int(used[0]), int(used[-1]) + 1)
    return Taps(taps.first + kept.start, taps.weights[:, kept], taps.inside)


# --------------------------------------------------------------------------------------- formulas


def _ratios(n_in: int, n_out: int, scale: float) -> list[Fraction]:
    """Steps in the input for one in the output that an author may have meant."""
    found = [Fraction(1 / scale).limit_denominator(64), Fraction(n_in, n_out)]
    if n_out > 1:
        found.append(Fraction(n_in - 1, n_out - 1))
    return list(dict.fromkeys(found))


def place_formula(
    places: Sequence[int] | Places, n_in: int, scale: float
) -> Callable[[Expr], Expr] | None:
    """``(a * i + c) // d`` that gives exactly these places, or None."""
    table = np.asarray(places, np.int64)
    i = np.arange(len(table))
    for ratio in _ratios(n_in, len(table), scale):
        a, d = ratio.numerator, ratio.denominator
        low = int((d * table - a * i).max())
        high = int((d * table - a * i).min()) + d - 1
        if low <= high:
            c = min(max(low, 0), high)
            return lambda index, a=a, c=c, d=d: (index * a + c) // d  # type: ignore[misc]
    return None


def phase_formula(
    x: NDArray[np.float32], n_in: int, scale: float
) -> Callable[[Expr], tuple[Expr, Expr]] | None:
    """``(floor, fraction)`` of the coordinates by integer arithmetic, or None.

    A coordinate is taken as ``(a * i + c) / d``; floor and fraction come of one division. It may
    miss the f32 values by their own rounding.
    """
    i = np.arange(len(x))
    for ratio in _ratios(n_in, len(x), scale):
        a, d = 2 * ratio.numerator, 2 * ratio.denominator
        c = round(float(x[0]) * d)
        exact = np.clip((a * i + c) / d, 0, n_in - 1)
        if np.abs(exact - np.clip(x.astype(np.float64), 0, n_in - 1)).max() <= 4e-7 * max(n_in, 4):

            def read(index: Expr, a: int = a, c: int = c, d: int = d) -> tuple[Expr, Expr]:
                place = index * a + c
                return place // d, cast(place % d, "f32") * const(1 / d, "f32")

            return read
    return None
