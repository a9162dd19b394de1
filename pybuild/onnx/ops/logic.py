"""Truth values and bits: comparisons, logic, tests of floats, operations on bits."""

from __future__ import annotations

from collections.abc import Callable

from pybuild.onnx.expr import FALSE, Expr, binary, call, const, select
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor
from pybuild.onnx.lower import Context, lowers
from pybuild.onnx.ops.arithmetic import broadcast_operands
from pybuild.onnx.ops.elementwise import elementwise
from pybuild.onnx.ops.integers import wrap

_COMPARISONS: dict[str, Callable[[Expr, Expr], Expr]] = {
    "Equal": lambda x, y: x.equals(y),
    "Less": lambda x, y: x < y,
    "LessOrEqual": lambda x, y: x <= y,
    "Greater": lambda x, y: x > y,
    "GreaterOrEqual": lambda x, y: x >= y,
    "And": lambda x, y: x & y,
    "Or": lambda x, y: x | y,
    "Xor": lambda x, y: ~x.equals(y),
}


@lowers(*_COMPARISONS)
def _compare(context: Context, node: Node) -> Tensor:
    """Comparisons and logic of two operands."""
    operands = broadcast_operands(context, node)
    return elementwise(node.outputs[0], _COMPARISONS[node.op], *operands)


@lowers("Not")
def _not(context: Context, node: Node) -> Tensor:
    return elementwise(node.outputs[0], lambda x: ~x, context.tensor(node, 0))


@lowers("IsNaN")
def _is_nan(context: Context, node: Node) -> Tensor:
    return elementwise(
        node.outputs[0], lambda x: call("is_nan", x, type_="bool"), context.tensor(node, 0)
    )


@lowers("IsInf")
def _is_inf(context: Context, node: Node) -> Tensor:
    """IsInf: either sign can be left out."""
    positive = node.attributes.get("detect_positive", 1)
    negative = node.attributes.get("detect_negative", 1)

    def body(x: Expr) -> Expr:
        found = call("is_inf", x, type_="bool")
        if positive and negative:
            return found
        if not positive and not negative:
            return FALSE
        return found & (x > 0.0 if positive else x < 0.0)

    return elementwise(node.outputs[0], body, context.tensor(node, 0))


_BITWISE = {"BitwiseAnd": "and", "BitwiseOr": "or", "BitwiseXor": "xor"}


@lowers(*_BITWISE, since=18)
def _bitwise(context: Context, node: Node) -> Tensor:
    """BitwiseAnd, BitwiseOr, BitwiseXor: never leave the operands' width."""
    op = _BITWISE[node.op]
    operands = (context.tensor(node, 0), context.tensor(node, 1))
    return elementwise(node.outputs[0], lambda x, y: binary(op, x, y), *operands)


@lowers("BitwiseNot", since=18)
def _bitwise_not(context: Context, node: Node) -> Tensor:
    dtype = context.result(node).dtype
    return elementwise(node.outputs[0], lambda x: wrap(~x, dtype), context.tensor(node, 0))


@lowers("BitShift", since=11)
def _bit_shift(context: Context, node: Node) -> Tensor:
    """BitShift: beyond the width (or by less than 0) only copies of the sign bit are left."""
    left, dtype = node.attributes["direction"] == "LEFT", context.result(node).dtype

    def body(x: Expr, by: Expr) -> Expr:
        zero, top = const(0, x.type), const(31, x.type)
        inside = (by <= top) & (by >= zero) if x.type == "i32" else by <= top
        if left:
            return select(inside, wrap(binary("shl", x, select(inside, by, zero)), dtype), zero)
        shifted = binary("shr", x, select(inside, by, top))
        return shifted if x.type == "i32" else select(inside, shifted, zero)

    return elementwise(node.outputs[0], body, context.tensor(node, 0), context.tensor(node, 1))
