"""Images at another size: linear between pixels, area-weighted where they shrink.

Half-pixel centres: the corners of both images are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pybuild.filters.pixels import Image
from pybuild.onnx.expr import Expr, Operand, as_expr, clamp_index
from pybuild.onnx.ir import Tensor, constant, map_tensor, reduce_tensor
from pybuild.onnx.ops.resampling import axis_taps, coordinates, phase_formula, place_formula

__all__ = ["bilinear", "resized"]

UNROLLED = 16
"""Most taps of a pixel that are written out; more are summed axis by axis."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """How many taps an output has, the place of its first, and the weight of each."""

    n_in: int
    taps: int
    place: Callable[[Expr], Expr]
    weight: Callable[[Expr, Operand], Expr]

    def at(self, i: Expr, tap: Operand) -> Expr:
        """A tap's place; beyond the edge is the edge."""
        return clamp_index(self.place(i) + tap, self.n_in)


def _axis(name: str, n_in: int, n_out: int, area: bool) -> _Axis:
    """Linear; over the area of an output where ``area`` and it is larger than an input."""
    if n_in == n_out:
        return _Axis(n_in, 1, lambda i: i, lambda i, tap: as_expr(1.0, "f32"))
    scale = n_out / n_in
    x = coordinates("half_pixel", n_in, n_out, scale, n_out)
    if not area or scale > 1:
        read = phase_formula(x, n_in, scale)
        if read is not None:
            return _between(n_in, read)
    taps = axis_taps("linear", x, n_in, scale, antialias=area)
    place = place_formula(taps.first, n_in, scale)
    if place is None:
        place = constant(f"{name}.place", taps.first, "i32").__getitem__
    weights = constant(f"{name}.weight", taps.weights, "f32")
    return _Axis(n_in, taps.weights.shape[1], place, lambda i, tap: weights[i, tap])


def _between(n_in: int, read: Callable[[Expr], tuple[Expr, Expr]]) -> _Axis:
    def weight(i: Expr, tap: Operand) -> Expr:
        share = read(i)[1]
        return 1.0 - share if tap == 0 else share

    return _Axis(n_in, 2, lambda i: read(i)[0], weight)


def bilinear(image: Image, height: int, width: int) -> Image:
    """Between the four nearest pixels, computed where it is read."""
    rows = _axis("rows", image.height, height, area=False)
    columns = _axis("columns", image.width, width, area=False)
    return Image(height, width, _summed(image, rows, columns))


def _summed(image: Image, rows: _Axis, columns: _Axis) -> Callable[[Expr, Expr, Operand], Expr]:
    """All taps of both axes, written out."""

    def at(y: Expr, x: Expr, channel: Operand) -> Expr:
        total: Expr | None = None
        for row in range(rows.taps):
            for column in range(columns.taps):
                share = rows.weight(y, row) * columns.weight(x, column)
                term = image.at(rows.at(y, row), columns.at(x, column), channel) * share
                total = term if total is None else total + term
        assert total is not None
        return total

    return at


def resized(name: str, image: Image, height: int, width: int) -> Image:
    """Linear where it grows, a triangle as wide as two outputs where it shrinks.

    What shrinks much is stored between its axes.
    """
    if (height, width) == (image.height, image.width):
        return image
    rows = _axis(f"{name}.rows", image.height, height, area=True)
    columns = _axis(f"{name}.columns", image.width, width, area=True)
    if rows.taps * columns.taps <= UNROLLED:
        stored = _stored(name, Image(height, width, _summed(image, rows, columns)))
        return Image(height, width, lambda y, x, c: stored[y, x, c])
    half = _along(f"{name}.down", image, rows, height, 0)
    both = _along(name, half, columns, width, 1)
    return both


def _stored(name: str, image: Image) -> Tensor:
    return map_tensor(name, (image.height, image.width, 3), image.at)


def _along(name: str, image: Image, axis: _Axis, size: int, which: int) -> Image:
    """One axis summed in a loop."""
    shape = (size, image.width, 3) if which == 0 else (image.height, size, 3)

    def term(i: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        y, x, channel = i
        tap = r[0]
        place = axis.at(i[which], tap)
        value = image.at(place, x, channel) if which == 0 else image.at(y, place, channel)
        return value * axis.weight(i[which], tap)

    made = reduce_tensor(name, shape, [axis.taps], "sum", term)
    return Image(shape[0], shape[1], lambda y, x, c: made[y, x, c])
