"""MaxPool, AveragePool, LpPool and their global forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pybuild.onnx.expr import Expr, binary, cast, const, maximum, minimum, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import (
    Combine,
    Tensor,
    flatten_index,
    map_tensor,
    neutral,
    reduce_tensor,
    unflatten_index,
)
from pybuild.onnx.lower import Context, lowers
from pybuild.onnx.ops.windows import Window, guard, sliding_windows

__all__ = ["power_mean_root", "power_of_abs"]


def _windows(node: Node, x: Tensor) -> tuple[Window, ...]:
    kernel = [int(n) for n in node.attributes["kernel_shape"]]
    return sliding_windows(node, x.shape[2:], kernel, bool(node.attributes.get("ceil_mode", 0)))


def _pool(
    name: str,
    x: Tensor,
    windows: Sequence[Window],
    combine: Combine,
    value: Callable[[Expr, tuple[Expr, ...], Expr], Expr],
) -> Tensor:
    """Combination of ``value(inside, index of x, index of out)`` over each window."""

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        at = [w.position(i, t) for w, i, t in zip(windows, o[2:], r, strict=True)]
        return value(guard(windows, at), (*o[:2], *at), flatten_index(o, shape))

    shape = (*x.shape[:2], *(window.out for window in windows))
    return reduce_tensor(name, shape, [window.kernel for window in windows], combine, body)


@lowers("MaxPool")
def _max_pool(context: Context, node: Node) -> Tensor | tuple[Tensor, ...]:
    x = context.tensor(node, 0)
    windows = _windows(node, x)
    lowest = neutral("max", x.type)
    best = _pool(
        node.outputs[0], x, windows, "max", lambda inside, at, _: select(inside, x[at], lowest)
    )
    if len(node.outputs) < 2 or not node.outputs[1]:
        return best
    last = const(x.size - 1, "i32")

    def place(inside: Expr, at: tuple[Expr, ...], out: Expr) -> Expr:
        chosen = x[at].equals(best.at(out))
        return select(inside & chosen, flatten_index(at, x.shape), last)

    # the first of several equal elements in C order; `last` stands for none
    first = _pool(f"{node.outputs[1]}.first", x, windows, "min", place)
    if not node.attributes.get("storage_order", 0):
        return best, map_tensor(node.outputs[1], best.shape, lambda *i: first[i])

    def column_major(*index: Expr) -> Expr:
        n, c, *spatial = unflatten_index(minimum(first[index], last), x.shape)
        flat = flatten_index(spatial[::-1], x.shape[:1:-1])
        return flatten_index((n, c, flat), (*x.shape[:2], x.size // (x.shape[0] * x.shape[1])))

    return best, map_tensor(node.outputs[1], best.shape, column_major)


def _count(window: Window, o: Expr, padded: bool) -> Expr:
    """Taps of a window that fall on elements, or on elements and padding."""
    low = -window.begin if padded else 0
    high = window.extent + (window.end if padded else 0)
    start = o * window.stride - window.begin
    first = maximum(-((start - low) // window.dilation), const(0, "i32"))
    last = minimum((high - 1 - start) // window.dilation, const(window.kernel - 1, "i32"))
    return last - first + 1


@lowers("AveragePool")
def _average_pool(context: Context, node: Node) -> Tensor:
    x, name = context.tensor(node, 0), node.outputs[0]
    windows = _windows(node, x)
    padded = bool(node.attributes.get("count_include_pad", 0))
    total = _pool(f"{name}.sum", x, windows, "sum", lambda inside, at, _: select(inside, x[at], 0))

    def mean(*index: Expr) -> Expr:
        count = const(1, "i32")
        for window, o in zip(windows, index[2:], strict=True):
            count = count * _count(window, o, padded)
        if count.op == "const":
            return total[index] * (1.0 / max(int(count.attr), 1))
        return total[index] / cast(maximum(count, const(1, "i32")), "f32")

    return map_tensor(name, total.shape, mean)


def power_of_abs(value: Expr, p: float) -> Expr:
    """``|value| ** p``."""
    if p == 2:
        return value * value
    size = unary("abs", value)
    if p == int(p) and 1 <= p <= 4:
        result = size
        for _ in range(int(p) - 1):
            result = result * size
        return result
    return binary("pow", size, const(p, "f32"))


def power_mean_root(name: str, total: Tensor, p: float) -> Tensor:
    """``total ** (1 / p)`` of sums of powers."""

    def root(*index: Expr) -> Expr:
        value = total[index]
        if p == 2:
            return unary("sqrt", value)
        if p == 1:
            return value
        return select(value > 0, binary("pow", value, const(1 / p, "f32")), 0)

    return map_tensor(name, total.shape, root)


@lowers("LpPool")
def _lp_pool(context: Context, node: Node) -> Tensor:
    x, name, p = context.tensor(node, 0), node.outputs[0], float(node.attributes.get("p", 2))
    total = _pool(
        f"{name}.sum",
        x,
        _windows(node, x),
        "sum",
        lambda inside, at, _: select(inside, power_of_abs(x[at], p), 0),
    )
    return power_mean_root(name, total, p)


def _over_image(name: str, x: Tensor, combine: Combine, value: Callable[[Expr], Expr]) -> Tensor:
    shape = (*x.shape[:2], *(1 for _ in x.shape[2:]))
    return reduce_tensor(name, shape, x.shape[2:], combine, lambda o, r: value(x[(*o[:2], *r)]))


@lowers("GlobalMaxPool")
def _global_max_pool(context: Context, node: Node) -> Tensor:
    return _over_image(node.outputs[0], context.tensor(node, 0), "max", lambda v: v)


@lowers("GlobalAveragePool")
def _global_average_pool(context: Context, node: Node) -> Tensor:
    x, name = context.tensor(node, 0), node.outputs[0]
    total = _over_image(f"{name}.sum", x, "sum", lambda v: v)
    points = x.size // max(total.size, 1)
    return map_tensor(name, total.shape, lambda *i: total[i] * (1.0 / max(points, 1)))


@lowers("GlobalLpPool")
def _global_lp_pool(context: Context, node: Node) -> Tensor:
    x, name, p = context.tensor(node, 0), node.outputs[0], float(node.attributes.get("p", 2))
    total = _over_image(f"{name}.sum", x, "sum", lambda v: power_of_abs(v, p))
    return power_mean_root(name, total, p)
