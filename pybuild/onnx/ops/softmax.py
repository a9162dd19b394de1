"""Softmax and its kin along one axis, or along all trailing ones before opset 13."""

from __future__ import annotations

import math

from pybuild.onnx.expr import const, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, reshape
from pybuild.onnx.lower import Context, lowers
from pybuild.onnx.ops.elementwise import broadcast_load
from pybuild.onnx.ops.reductions import arg_best, axis_of, reduce_axes

__all__ = ["log_softmax", "softmax"]


def softmax(name: str, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """``exp(x - max) / sum(exp(x - max))`` along axes."""
    most = reduce_axes(f"{name}.max", x.shape, axes, "max", lambda i: x[i])
    grown = map_tensor(
        f"{name}.exp", x.shape, lambda *i: unary("exp", x[i] - broadcast_load(most, i))
    )
    total = reduce_axes(f"{name}.sum", x.shape, axes, "sum", lambda i: grown[i])
    return map_tensor(name, x.shape, lambda *i: grown[i] / broadcast_load(total, i))


def log_softmax(name: str, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """``x - max - log(sum(exp(x - max)))`` along axes."""
    most = reduce_axes(f"{name}.max", x.shape, axes, "max", lambda i: x[i])
    less = map_tensor(f"{name}.shifted", x.shape, lambda *i: x[i] - broadcast_load(most, i))
    total = reduce_axes(f"{name}.sum", x.shape, axes, "sum", lambda i: unary("exp", less[i]))
    return map_tensor(name, x.shape, lambda *i: less[i] - unary("log", broadcast_load(total, i)))


def _axes(node: Node, rank: int) -> tuple[int, ...]:
    if node.opset >= 13:
        return (axis_of(node, rank, -1),)
    return tuple(range(axis_of(node, rank, 1), rank))


@lowers("Softmax", "LogSoftmax")
def _softmax(context: Context, node: Node) -> Tensor:
    """Softmax, LogSoftmax: before opset 13 the axes from ``axis`` on count as one."""
    x = context.tensor(node, 0)
    function = softmax if node.op == "Softmax" else log_softmax
    return function(node.outputs[0], x, _axes(node, len(x.shape)))


@lowers("Hardmax")
def _hardmax(context: Context, node: Node) -> Tensor:
    """Hardmax: 1 at the first of the largest elements, 0 elsewhere."""
    x, name = context.tensor(node, 0), node.outputs[0]
    axes = _axes(node, len(x.shape))
    if len(axes) != 1:
        kept = x.shape[: len(x.shape) - len(axes)]
        width = x.size // max(1, math.prod(kept))
        flat = reshape(f"{name}.flat", x, (*kept, width))
        return reshape(name, _one_hot(f"{name}.rows", flat, len(kept)), x.shape)
    return _one_hot(name, x, axes[0])


def _one_hot(name: str, x: Tensor, axis: int) -> Tensor:
    place = arg_best(f"{name}.place", x, axis, largest=True)
    one = const(1, x.type)
    return map_tensor(
        name,
        x.shape,
        lambda *i: select(i[axis].equals(broadcast_load(place, i)), one, 0),
    )
