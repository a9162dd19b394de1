"""GridSample and AffineGrid: reading an image at coordinates that are data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pybuild.onnx.expr import (
    TRUE,
    Expr,
    as_expr,
    cast,
    clamp_index,
    const,
    logical_and,
    maximum,
    minimum,
    select,
    unary,
)
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.views import empty

__all__ = ["Tap", "between", "cubic_weights", "interpolated"]


@dataclass(frozen=True, slots=True)
class Tap:
    """One place along an axis, its weight (None: it is the only one) and whether it counts."""

    place: Expr
    weight: Expr | None
    counts: Expr


def interpolated(taps: Sequence[Sequence[Tap]], read: Callable[..., Expr]) -> Expr:
    """Sum over the taps of each axis, the last axis innermost, of weight times element."""

    def along(axis: int, index: tuple[Expr, ...], counts: Expr) -> Expr:
        if axis == len(taps):
            value = read(*index)
            return select(counts, value, as_expr(0, value.type))
        total: Expr | None = None
        for tap in taps[axis]:
            part = along(axis + 1, (*index, tap.place), logical_and(counts, tap.counts))
            weighted = part if tap.weight is None else part * tap.weight
            total = weighted if total is None else total + weighted
        assert total is not None
        return total

    return along(0, (), TRUE)


def between(x: Expr) -> tuple[Expr, Expr]:
    """``(floor, fraction)`` of a coordinate."""
    floor = unary("floor", x)
    return cast(floor, "i32"), x - floor


def cubic_weights(t: Expr, a: float = -0.75) -> list[Expr]:
    """Weights of the places -1, 0, 1 and 2 from the floor on; Keys 1981, equation 4."""

    def far(d: Expr) -> Expr:
        return ((d - 5.0) * d + 8.0) * d * a - 4.0 * a

    def near(d: Expr) -> Expr:
        return (d * (a + 2) - (a + 3)) * d * d + 1.0

    return [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]


# ------------------------------------------------------------------------------------- GridSample

_MODES = {"bilinear": "linear", "bicubic": "cubic"}


def _reflected(x: Expr, low: float, high: float) -> Expr:
    """A coordinate bounced between two borders until it lies between them."""
    if low == high:
        return const(low, "f32")
    period = 2 * (high - low)
    t = x - low
    t = t - unary("floor", t / period) * period
    return minimum(t, period - t) + low


def _bounced(place: Expr, n: int, align: bool) -> Expr:
    """As `_reflected`, for a place at most two outside."""
    if n == 1:
        return as_expr(0, "i32")
    edge = 0 if align else 1
    period = 2 * (n - 1) if align else 2 * n
    if n < 3:
        place = place % period
    else:
        place = maximum(place, -place - edge)
    return minimum(place, period - edge - place)


def _axis_taps(x: Expr, n: int, mode: str, padding: str, align: bool) -> list[Tap]:
    """Taps of one axis of extent ``n`` for a coordinate in elements."""
    low, high = (0.0, n - 1.0) if align else (-0.5, n - 0.5)
    if mode == "nearest":
        x = unary("round", x)
    if padding == "reflection":
        x = _reflected(x, low, high)
    elif padding == "border" and mode != "cubic":
        x = minimum(maximum(x, const(0, "f32")), const(n - 1, "f32"))

    def tap(place: Expr, weight: Expr | None) -> Tap:
        if padding == "zeros":
            return Tap(place, weight, logical_and(place >= 0, place < n))
        if padding == "reflection" and mode == "cubic":
            place = _bounced(place, n, align)
        return Tap(clamp_index(place, n), weight, TRUE)

    if mode == "nearest":
        return [tap(cast(x, "i32"), None)]
    floor, fraction = between(x)
    if mode == "linear":
        return [tap(floor, 1.0 - fraction), tap(floor + 1, fraction)]
    return [tap(floor + k - 1, weight) for k, weight in enumerate(cubic_weights(fraction))]


@lowers("GridSample", since=16, limits="integers only by mode nearest")
def _grid_sample(context: Context, node: Node) -> Tensor:
    """Opset 16 has two axes and calls the modes bilinear and bicubic; 20 any number of axes."""
    x, grid = context.tensor(node, 0), context.tensor(node, 1)
    mode = node.attributes.get("mode", "linear")
    mode = _MODES.get(mode, mode)
    padding = node.attributes.get("padding_mode", "zeros")
    align = bool(node.attributes.get("align_corners", 0))
    if mode not in ("nearest", "linear", "cubic"):
        raise Unsupported(f"mode {mode!r}")
    if padding not in ("zeros", "border", "reflection"):
        raise Unsupported(f"padding_mode {padding!r}")
    if x.type != "f32" and mode != "nearest":
        raise Unsupported(f"mode {mode!r} of {context.info(node).dtype}")
    sizes = x.shape[2:]
    shape = (*x.shape[:2], *grid.shape[1:-1])
    if x.size == 0:
        return empty(node.outputs[0], shape, x.type)

    def body(b: Expr, c: Expr, *o: Expr) -> Expr:
        taps: list[list[Tap]] = []
        for axis, n in enumerate(sizes):
            place = grid[(b, *o, as_expr(len(sizes) - 1 - axis, "i32"))]
            scaled = (place + 1.0) * ((n - 1) / 2) if align else ((place + 1.0) * n - 1.0) * 0.5
            taps.append(_axis_taps(scaled, n, mode, padding, align))
        return interpolated(taps, lambda *i: x[(b, c, *i)])

    return map_tensor(node.outputs[0], shape, body)


@lowers("AffineGrid", since=20)
def _affine_grid(context: Context, node: Node) -> Tensor:
    """Normalised coordinates of each output element times the matrix of its sample."""
    theta, shape = context.tensor(node, 0), context.result(node).shape
    align = bool(node.attributes.get("align_corners", 0))
    sizes = shape[1:-1]

    def coordinate(i: Expr, n: int) -> Expr:
        if align:
            return cast(i, "f32") * (2 / (n - 1)) - 1.0 if n > 1 else const(0, "f32")
        return cast(i, "f32") * (2 / n) + (1 / n - 1)

    def body(b: Expr, *o: Expr) -> Expr:
        *places, row = o
        total = theta[b, row, len(sizes)]
        for axis, (i, n) in enumerate(zip(places, sizes, strict=True)):
            total = total + theta[b, row, len(sizes) - 1 - axis] * coordinate(i, n)
        return total

    return map_tensor(node.outputs[0], shape, body)
