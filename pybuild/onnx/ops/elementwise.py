"""Operators that compute each element of the output from one element of each input."""

from __future__ import annotations

from collections.abc import Callable

from pybuild.onnx.expr import Expr, as_expr, binary, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor
from pybuild.onnx.lower import Context, lowers

__all__ = ["broadcast_shape", "broadcast_load", "elementwise"]


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """ONNX's multidirectional broadcasting, which is numpy's."""
    rank = max((len(shape) for shape in shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(
        0 if 0 in extents else max(extents) for extents in zip(*padded, strict=True)
    )


def broadcast_load(tensor: Tensor, index: tuple[Expr, ...]) -> Expr:
    """Element of a tensor that is broadcast to the shape which ``index`` runs over."""
    own = index[len(index) - len(tensor.shape) :]
    zero = as_expr(0, "i32")
    return tensor[tuple(zero if n == 1 else i for n, i in zip(tensor.shape, own, strict=True))]


def elementwise(name: str, function: Callable[..., Expr], *tensors: Tensor) -> Tensor:
    """``out[i] = function(a[i], b[i], ...)`` with broadcasting."""
    shape = broadcast_shape(*(tensor.shape for tensor in tensors))
    return map_tensor(
        name, shape, lambda *i: function(*(broadcast_load(t, i) for t in tensors))
    )


_BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div"}
_UNARY = {"Neg": "neg", "Abs": "abs", "Exp": "exp", "Sqrt": "sqrt", "Tanh": "tanh"}


@lowers(*_BINARY)
def _binary(context: Context, node: Node) -> Tensor:
    op = _BINARY[node.op]
    a, b = context.tensor(node, 0), context.tensor(node, 1)
    return elementwise(node.outputs[0], lambda x, y: binary(op, x, y), a, b)


@lowers(*_UNARY)
def _unary(context: Context, node: Node) -> Tensor:
    return elementwise(
        node.outputs[0], lambda x: unary(_UNARY[node.op], x), context.tensor(node, 0)
    )


@lowers("Relu")
def _relu(context: Context, node: Node) -> Tensor:
    x = context.tensor(node, 0)
    return elementwise(node.outputs[0], lambda v: binary("max", v, as_expr(0, v.type)), x)
