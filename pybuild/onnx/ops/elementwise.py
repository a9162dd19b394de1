"""Each element of the output from one element of each input: broadcasting, and unary maths."""

from __future__ import annotations

from collections.abc import Callable

from pybuild.onnx.expr import Expr, as_expr, call, const, maximum, minimum, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Constant, Tensor, map_tensor
from pybuild.onnx.lower import Context, lowers
from pybuild.onnx.ops.integers import wrap

__all__ = ["broadcast_load", "broadcast_shape", "elementwise", "tanh"]


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """ONNX's multidirectional broadcasting, which is numpy's."""
    rank = max((len(shape) for shape in shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(0 if 0 in extents else max(extents) for extents in zip(*padded, strict=True))


def constant_scalar(tensor: Tensor) -> Expr | None:
    """Value of a tensor of one element that is known at build."""
    source = tensor.source
    if isinstance(source, Constant) and source.array.size == 1:
        return const(source.array.item(), tensor.type)
    return None


def broadcast_load(tensor: Tensor, index: tuple[Expr, ...]) -> Expr:
    """Element of a tensor that is broadcast to the shape which ``index`` runs over."""
    known = constant_scalar(tensor)
    if known is not None:
        return known
    own = index[len(index) - len(tensor.shape) :]
    zero = as_expr(0, "i32")
    return tensor[tuple(zero if n == 1 else i for n, i in zip(tensor.shape, own, strict=True))]


def elementwise(name: str, function: Callable[..., Expr], *tensors: Tensor) -> Tensor:
    """``out[i] = function(a[i], b[i], ...)`` with broadcasting."""
    shape = broadcast_shape(*(tensor.shape for tensor in tensors))
    return map_tensor(name, shape, lambda *i: function(*(broadcast_load(t, i) for t in tensors)))


def tanh(x: Expr) -> Expr:
    """Hyperbolic tangent, with all its digits near 0 and no overflow far from it."""
    return call("tangent_hyperbolic", x)


def _sign(x: Expr) -> Expr:
    return minimum(x, const(1, "u32")) if x.type == "u32" else unary("sign", x)


_MATHS: dict[str, Callable[[Expr], Expr]] = {
    "Abs": lambda x: x if x.type == "u32" else unary("abs", x),
    "Acos": lambda x: call("arccosine", x),
    "Acosh": lambda x: unary("acosh", x),
    "Asin": lambda x: call("arcsine", x),
    "Asinh": lambda x: call("arsinh", x),
    "Atan": lambda x: unary("atan", x),
    "Atanh": lambda x: call("artanh", x),
    "Ceil": lambda x: unary("ceil", x),
    "Cos": lambda x: call("cosine", x),
    "Cosh": lambda x: unary("cosh", x),
    "Erf": lambda x: call("erf", x),
    "Exp": lambda x: unary("exp", x),
    "Floor": lambda x: unary("floor", x),
    "Log": lambda x: unary("log", x),
    "Neg": lambda x: unary("neg", x),
    "Reciprocal": lambda x: 1.0 / x,
    "Round": lambda x: unary("round", x),
    "Sign": _sign,
    "Sin": lambda x: call("sine", x),
    "Sinh": lambda x: call("sine_hyperbolic", x),
    "Sqrt": lambda x: unary("sqrt", x),
    "Tan": lambda x: call("tangent", x),
    "Tanh": tanh,
}


@lowers(*_MATHS)
def _maths(context: Context, node: Node) -> Tensor:
    """The unary operators of mathematics; Abs, Neg and Sign of integers too."""
    function, dtype = _MATHS[node.op], context.result(node).dtype
    return elementwise(node.outputs[0], lambda x: wrap(function(x), dtype), context.tensor(node, 0))


@lowers("Clip")
def _clip(context: Context, node: Node) -> Tensor:
    """Clip: bounds are attributes before opset 11, then optional inputs of one element."""
    x = context.tensor(node, 0)
    if node.opset < 11:
        bounds = [
            None if key not in node.attributes else const(node.attributes[key], x.type)
            for key in ("min", "max")
        ]
    else:
        inputs = [context.optional(node, k) for k in (1, 2)]
        bounds = [None if t is None else broadcast_load(t, (as_expr(0, "i32"),)) for t in inputs]
    low, high = bounds

    def clip(value: Expr) -> Expr:
        if low is not None:
            value = maximum(value, low)
        return value if high is None else minimum(value, high)

    return elementwise(node.outputs[0], clip, x)


@lowers("Where")
def _where(context: Context, node: Node) -> Tensor:
    """Where: broadcasts its three inputs."""
    return elementwise(node.outputs[0], select, *(context.tensor(node, k) for k in range(3)))
