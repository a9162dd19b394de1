"""Reductions over axes: Reduce*, ArgMax and ArgMin, running sums and products."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from pybuild.onnx.expr import Expr, as_expr, binary, cast, const, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Combine, Tensor, map_tensor, reduce_tensor, scan_tensor
from pybuild.onnx.lower import Context, lowers
from pybuild.onnx.ops.elementwise import broadcast_load

__all__ = ["arg_best", "axis_of", "mean_axes", "normal_axes", "reduce_axes"]


def normal_axes(axes: Iterable[int], rank: int) -> tuple[int, ...]:
    """Axes counted from the front, each once, in order."""
    return tuple(sorted({int(axis) % max(rank, 1) for axis in axes}))


def axis_of(node: Node, rank: int, default: int) -> int:
    """The attribute ``axis``, counted from the front."""
    return int(node.attributes.get("axis", default)) % max(rank, 1)


def reduce_axes(
    name: str,
    shape: Sequence[int],
    axes: Sequence[int],
    combine: Combine,
    body: Callable[[tuple[Expr, ...]], Expr],
    keepdims: bool = True,
) -> Tensor:
    """Combine ``body(index)``, index over ``shape``, along some axes (from the front, in order)."""
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    out = [
        1 if axis in axes else extent
        for axis, extent in enumerate(shape)
        if keepdims or axis not in axes
    ]

    def element(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        outer = [o[axis] for axis in kept] if keepdims else list(o)
        places = dict(zip(kept, outer, strict=True)) | dict(zip(axes, r, strict=True))
        return body(tuple(places[axis] for axis in range(len(shape))))

    return reduce_tensor(name, out, [shape[axis] for axis in axes], combine, element)


def mean_axes(
    name: str,
    shape: Sequence[int],
    axes: Sequence[int],
    body: Callable[[tuple[Expr, ...]], Expr],
    keepdims: bool = True,
) -> Tensor:
    """Mean of an f32 ``body(index)`` along some axes."""
    count = math.prod(shape[axis] for axis in axes)
    total = reduce_axes(f"{name}.sum", shape, axes, "sum", body, keepdims)
    return map_tensor(name, total.shape, lambda *i: total[i] / float(count))


# ----------------------------------------------------------------------------------------- Reduce*


def _as_f32(x: Expr) -> Expr:
    return cast(x, "f32")


def _absolute(x: Expr) -> Expr:
    return x if x.type == "u32" else unary("abs", x)


_COMBINE: dict[str, Combine] = {"ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "prod"}
_ELEMENT: dict[str, Callable[[Expr], Expr]] = {
    "ReduceL1": _absolute,
    "ReduceL2": lambda x: _as_f32(x) * _as_f32(x),
    "ReduceLogSum": _as_f32,
    "ReduceMax": lambda x: x,
    "ReduceMean": lambda x: x,
    "ReduceMin": lambda x: x,
    "ReduceProd": lambda x: x,
    "ReduceSum": lambda x: x,
    "ReduceSumSquare": lambda x: x * x,
}
_FINISH = {"ReduceL2": "sqrt", "ReduceLogSum": "log"}


def _axes(context: Context, node: Node, rank: int) -> tuple[int, ...]:
    """Axes to reduce: an input since opset 13 (ReduceSum) or 18, an attribute before."""
    if node.opset >= (13 if node.op == "ReduceSum" else 18):
        array = context.optional_array(node, 1)
        given = [] if array is None else array.ravel().tolist()
    else:
        given = node.attributes.get("axes", [])
    if len(given):
        return normal_axes(given, rank)
    return () if node.attributes.get("noop_with_empty_axes", 0) else tuple(range(rank))


@lowers(*_ELEMENT, limits="axes known at build")
def _reduce(context: Context, node: Node) -> Tensor:
    """Reduce*: all axes by default; the mean of integers is rounded towards zero."""
    x, name = context.tensor(node, 0), node.outputs[0]
    axes = _axes(context, node, len(x.shape))
    keepdims = bool(node.attributes.get("keepdims", 1))
    element, finish = _ELEMENT[node.op], _FINISH.get(node.op)
    if node.op == "ReduceMean" and x.type == "f32":
        return mean_axes(name, x.shape, axes, lambda i: x[i], keepdims)
    final = name if finish is None and node.op != "ReduceMean" else f"{name}.sum"
    combine = _COMBINE.get(node.op, "sum")
    total = reduce_axes(final, x.shape, axes, combine, lambda i: element(x[i]), keepdims)
    if node.op == "ReduceMean":
        count = x.size // max(1, total.size)
        return map_tensor(
            name, total.shape, lambda *i: binary("div", total[i], const(count, x.type))
        )
    if finish is None:
        return total
    return map_tensor(name, total.shape, lambda *i: cast(unary(finish, total[i]), x.type))


@lowers("ReduceLogSumExp", limits="axes known at build")
def _reduce_log_sum_exp(context: Context, node: Node) -> Tensor:
    """ReduceLogSumExp: shifted by the largest element, so that nothing overflows."""
    x, name = context.tensor(node, 0), node.outputs[0]
    axes = _axes(context, node, len(x.shape))
    most = reduce_axes(f"{name}.max", x.shape, axes, "max", lambda i: _as_f32(x[i]))

    def shift(index: tuple[Expr, ...]) -> Expr:
        largest = broadcast_load(most, index)
        # an infinite shift would make nan of inf - inf
        return select(unary("abs", largest) < 3e38, largest, 0.0)

    total = reduce_axes(
        f"{name}.sum", x.shape, axes, "sum", lambda i: unary("exp", _as_f32(x[i]) - shift(i))
    )
    kept = [axis for axis in range(len(x.shape)) if axis not in axes]
    keepdims = bool(node.attributes.get("keepdims", 1))
    shape = total.shape if keepdims else tuple(x.shape[axis] for axis in kept)

    def body(*o: Expr) -> Expr:
        index = list(o)
        if not keepdims:
            index = [as_expr(0, "i32")] * len(x.shape)
            for axis, part in zip(kept, o, strict=True):
                index[axis] = part
        return cast(unary("log", total[tuple(index)]) + shift(tuple(index)), x.type)

    return map_tensor(name, shape, body)


# ----------------------------------------------------------------------------------- ArgMax, ArgMin


def arg_best(
    name: str, x: Tensor, axis: int, largest: bool, last: bool = False, keepdims: bool = True
) -> Tensor:
    """Index along an axis of the largest or smallest element; of equals the first or the last."""
    combine: Combine = "max" if largest else "min"
    best = reduce_axes(f"{name}.best", x.shape, (axis,), combine, lambda i: x[i])
    none = as_expr(-1 if last else x.shape[axis], "i32")

    def body(index: tuple[Expr, ...]) -> Expr:
        other = broadcast_load(best, index)
        worse = x[index] < other if largest else x[index] > other
        return select(worse, none, index[axis])

    return reduce_axes(name, x.shape, (axis,), "max" if last else "min", body, keepdims)


@lowers("ArgMax", "ArgMin")
def _arg(context: Context, node: Node) -> Tensor:
    """ArgMax, ArgMin: the first of equals, or the last."""
    x, given = context.tensor(node, 0), node.attributes
    return arg_best(
        node.outputs[0],
        x,
        axis_of(node, len(x.shape), 0),
        node.op == "ArgMax",
        bool(given.get("select_last_index", 0)),
        bool(given.get("keepdims", 1)),
    )


# ----------------------------------------------------------------------------------- running totals


@lowers("CumSum", since=11, limits="an axis known at build")
@lowers("CumProd", since=26, limits="an axis known at build")
def _cumulative(context: Context, node: Node) -> Tensor:
    """CumSum, CumProd: along one axis, exclusive and in reverse if asked."""
    x, name = context.tensor(node, 0), node.outputs[0]
    axis = int(context.array(node, 1).item()) % max(1, len(x.shape))
    exclusive = bool(node.attributes.get("exclusive", 0))
    reverse = bool(node.attributes.get("reverse", 0))
    combine: Combine = "sum" if node.op == "CumSum" else "prod"

    def mirrored(index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        if not reverse:
            return index
        return (*index[:axis], x.shape[axis] - 1 - index[axis], *index[axis + 1 :])

    inner = f"{name}.reversed" if reverse else name
    scan = scan_tensor(inner, x.shape, axis, combine, lambda *i: x[mirrored(i)], exclusive)
    return map_tensor(name, x.shape, lambda *i: scan[mirrored(i)]) if reverse else scan
