"""Activation functions: one map each, written so that no intermediate overflows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from pybuild.onnx.expr import Expr, as_expr, call, cast, const, maximum, minimum, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.elementwise import elementwise, tanh

__all__ = ["ACTIVATIONS", "sigmoid", "softplus"]

_EXP_MOST = 88.0
"""exp of more than 88.7 overflows f32."""
_SELU_ALPHA, _SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


def sigmoid(x: Expr) -> Expr:
    """``1 / (1 + exp(-x))``."""
    return 1.0 / (1.0 + unary("exp", minimum(-x, const(_EXP_MOST, "f32"))))


def softplus(x: Expr) -> Expr:
    """``log(1 + exp(x))``; for large x it is x."""
    return maximum(x, const(0.0, "f32")) + call("log1p", unary("exp", -unary("abs", x)))


def _elu(x: Expr, alpha: float, scale: float = 1.0, stretch: float = 1.0) -> Expr:
    """``scale * (max(0, x) + alpha * (exp(min(0, x) / stretch) - 1))``."""
    zero = const(0.0, "f32")
    below = unary("exp", minimum(x, zero) * (1.0 / stretch)) - 1.0
    return maximum(x, zero) * scale + below * (alpha * scale)


def _gelu(x: Expr, approximate: str) -> Expr:
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + x * x * x * 0.044715)
        return 0.5 * x * (1.0 + tanh(inner))
    if approximate != "none":
        raise Unsupported(f"approximate={approximate!r} is not known")
    return 0.5 * x * (1.0 + call("erf", x * math.sqrt(0.5)))


def _mish(x: Expr) -> Expr:
    """``x * tanh(softplus(x))`` is ``x * n / (n + 2)`` with ``n = e^x (e^x + 2)``."""
    grown = unary("exp", minimum(x, const(20.0, "f32")))
    n = grown * (grown + 2.0)
    return x * (n / (n + 2.0))


def _hard(x: Expr, alpha: float, beta: float) -> Expr:
    return minimum(maximum(x * alpha + beta, const(0.0, "f32")), const(1.0, "f32"))


def _shrink(x: Expr, bias: float, lambd: float) -> Expr:
    at_most, zero = as_expr(lambd, "f32"), const(0.0, "f32")
    return select(x < -at_most, x + bias, select(x > at_most, x - bias, zero))


ACTIVATIONS: dict[str, Callable[[Expr, Mapping[str, Any]], Expr]] = {
    "Relu": lambda x, a: maximum(x, as_expr(0, x.type)),
    "LeakyRelu": lambda x, a: select(x < 0.0, x * a.get("alpha", 0.01), x),
    "ThresholdedRelu": lambda x, a: select(x > a.get("alpha", 1.0), x, 0.0),
    "Elu": lambda x, a: _elu(x, a.get("alpha", 1.0)),
    "Selu": lambda x, a: _elu(x, a.get("alpha", _SELU_ALPHA), a.get("gamma", _SELU_GAMMA)),
    "Celu": lambda x, a: _elu(x, a.get("alpha", 1.0), stretch=a.get("alpha", 1.0)),
    "Gelu": lambda x, a: _gelu(x, a.get("approximate", "none")),
    "Mish": lambda x, a: _mish(x),
    "Swish": lambda x, a: x * sigmoid(x * a.get("alpha", 1.0)),
    "Sigmoid": lambda x, a: sigmoid(x),
    "HardSigmoid": lambda x, a: _hard(x, a.get("alpha", 0.2), a.get("beta", 0.5)),
    "HardSwish": lambda x, a: x * _hard(x, 1 / 6, 0.5),
    "Softplus": lambda x, a: softplus(x),
    "Softsign": lambda x, a: x / (1.0 + unary("abs", x)),
}
"""By operator: the expression of one element and the node's attributes."""


@lowers(*ACTIVATIONS)
def _activation(context: Context, node: Node) -> Tensor:
    """The activations of one input, defaults as in the specification."""
    function, x = ACTIVATIONS[node.op], context.tensor(node, 0)
    return elementwise(node.outputs[0], lambda v: function(v, node.attributes), x)


@lowers("Shrink", since=9)
def _shrunk(context: Context, node: Node) -> Tensor:
    """Shrink: integers are computed as floats and truncated."""
    bias, lambd = node.attributes.get("bias", 0.0), node.attributes.get("lambd", 0.5)
    x = context.tensor(node, 0)
    return elementwise(
        node.outputs[0], lambda v: cast(_shrink(cast(v, "f32"), bias, lambd), x.type), x
    )


@lowers("PRelu")
def _prelu(context: Context, node: Node) -> Tensor:
    """PRelu: the slope broadcasts to the data; before opset 7 it runs along axis 1."""
    x, slope = context.tensor(node, 0), context.tensor(node, 1)
    if node.opset < 7 and len(slope.shape) == 1 and slope.shape[0] > 1:
        vector, trailing = slope, len(x.shape) - 2
        shape = slope.shape + (1,) * trailing
        slope = map_tensor(f"{node.outputs[0]}.slope", shape, lambda *i: vector[i[0]])

    def body(v: Expr, by: Expr) -> Expr:
        return v if v.type == "u32" else select(v < as_expr(0, v.type), v * by, v)

    return elementwise(node.outputs[0], body, x, slope)


@lowers("SwiGLU", since=28)
def _swiglu(context: Context, node: Node) -> Tensor:
    """SwiGLU: the Swish of the gate times the second input."""
    alpha = float(node.attributes.get("alpha", 1.0))
    gate, value = context.tensor(node, 0), context.tensor(node, 1)
    return elementwise(node.outputs[0], lambda a, b: a * sigmoid(a * alpha) * b, gate, value)
