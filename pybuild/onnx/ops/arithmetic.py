"""Arithmetic of two and more operands, with numpy's broadcasting and ONNX's integers."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from pybuild.onnx.expr import (
    Expr,
    binary,
    call,
    cast,
    const,
    constant_value,
    maximum,
    minimum,
    select,
    unary,
)
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor
from pybuild.onnx.lower import Context, lowers
from pybuild.onnx.ops.elementwise import elementwise
from pybuild.onnx.ops.integers import wrap

__all__ = ["broadcast_operands"]

_CHAIN = 8
"""Powers up to this are products; a call costs about as much as four."""

_OPERATIONS = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div"}


def broadcast_operands(context: Context, node: Node) -> tuple[Tensor, Tensor]:
    """Both inputs. Before opset 7 ``axis`` told where the second one's axes lie in the first."""
    a, b = context.tensor(node, 0), context.tensor(node, 1)
    axis = node.attributes.get("axis") if node.opset < 7 else None
    if axis is None:
        return a, b
    trailing = len(a.shape) - len(b.shape) - axis % max(1, len(a.shape))
    shape = b.shape + (1,) * trailing
    rank = len(b.shape)
    return a, map_tensor(f"{node.outputs[0]}.operand", shape, lambda *i: b[i[:rank]])


@lowers(*_OPERATIONS)
def _arithmetic(context: Context, node: Node) -> Tensor:
    """Add, Sub, Mul, Div: integers wrap, and their quotient is rounded towards zero."""
    op, dtype = _OPERATIONS[node.op], context.result(node).dtype
    operands = broadcast_operands(context, node)
    return elementwise(node.outputs[0], lambda x, y: wrap(binary(op, x, y), dtype), *operands)


def _modulo(x: Expr, y: Expr) -> Expr:
    """Remainder with the sign of the divisor, as Python's ``%``."""
    rest = binary("rem", x, y)
    if x.type == "u32":
        return rest
    zero = const(0, x.type)
    opposite = ~rest.equals(zero) & ~(rest < zero).equals(y < zero)
    return select(opposite, rest + y, rest)


@lowers("Mod")
def _mod(context: Context, node: Node) -> Tensor:
    """Mod: the sign is the divisor's, with ``fmod=1`` the dividend's."""
    fmod = node.attributes.get("fmod", 0)
    function = (lambda x, y: binary("rem", x, y)) if fmod else _modulo
    return elementwise(node.outputs[0], function, *broadcast_operands(context, node))


_VARIADIC: dict[str, Callable[[Expr, Expr], Expr]] = {
    "Max": maximum,
    "Min": minimum,
    "Sum": lambda x, y: x + y,
    "Mean": lambda x, y: x + y,
}


@lowers(*_VARIADIC)
def _variadic(context: Context, node: Node) -> Tensor:
    """Max, Min, Sum, Mean of one or more tensors."""
    function = _VARIADIC[node.op]
    tensors = [context.tensor(node, k) for k in range(len(node.inputs))]
    scale = 1.0 / len(tensors) if node.op == "Mean" else None

    def body(*values: Expr) -> Expr:
        total = reduce(function, values)
        return total if scale is None else total * scale

    return elementwise(node.outputs[0], body, *tensors)


def _product(x: Expr, exponent: int) -> Expr:
    """``x`` to a positive power by repeated squaring."""
    if exponent == 1:
        return x
    half = _product(x, exponent // 2)
    square = half * half
    return square * x if exponent % 2 else square


def _power_by_constant(x: Expr, exponent: float) -> Expr | None:
    """A power that needs no logarithm."""
    if exponent == 0:
        return const(1, x.type)
    if exponent == int(exponent) and 0 < exponent <= _CHAIN:
        return _product(x, int(exponent))
    if x.type != "f32":
        return None
    if exponent == int(exponent) and -_CHAIN <= exponent < 0:
        return 1.0 / _product(x, -int(exponent))
    if exponent == 0.5:
        return unary("sqrt", x)
    if exponent == -0.5:
        return unary("inverseSqrt", x)
    return None


def _power(x: Expr, y: Expr) -> Expr:
    known = float(constant_value(y)) if y.op == "const" else None
    if known is not None and abs(known) < 2**31:
        simple = _power_by_constant(x, known)
        if simple is not None:
            return simple
    if x.type == "f32":
        return call("power", x, cast(y, "f32"))
    base = x if x.type == "i32" else cast(x, "i32")
    whole = call("power_i32", base, y if y.type == "i32" else cast(y, "i32"), type_="i32")
    if y.type == "f32":
        real = cast(call("power", cast(x, "f32"), y), "i32")
        whole = select(unary("floor", y).equals(y), whole, real)
    return cast(whole, x.type)


@lowers("Pow")
def _pow(context: Context, node: Node) -> Tensor:
    """Pow: the result has the type of the base; small constant exponents become products."""
    dtype = context.result(node).dtype
    operands = broadcast_operands(context, node)
    return elementwise(node.outputs[0], lambda x, y: wrap(_power(x, y), dtype), *operands)
