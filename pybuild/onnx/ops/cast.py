"""Conversions between element types: Cast and CastLike."""

from __future__ import annotations

from pybuild.onnx.expr import Expr, cast
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor
from pybuild.onnx.lower import Context, ir_type, lowers
from pybuild.onnx.ops.elementwise import elementwise
from pybuild.onnx.ops.integers import bits_of, is_integer, limits, wrap
from pybuild.onnx.ops.small_floats import to_small_float

__all__ = ["convert"]


def convert(
    x: Expr, source: str, target: str, saturate: bool = True, round_mode: str = "up"
) -> Expr:
    """The value as another ONNX dtype has it; integers that do not fit lose their high bits."""
    carrier = ir_type(target)
    if source == target:
        return x
    if carrier == "bool":
        return cast(x, "bool")
    if carrier == "f32":
        return to_small_float(cast(x, "f32"), target, saturate, round_mode)
    if x.type == "f32":
        # through i32, which keeps the low bits of a negative number for a narrow unsigned one
        whole = cast(x, "i32" if bits_of(target) < 32 else carrier)
        return wrap(cast(whole, carrier), target)
    value = cast(x, carrier)
    if is_integer(source):
        low, high = limits(source)
        least, most = limits(target)
        return value if least <= low and high <= most else wrap(value, target)
    return value


def _cast_tensor(context: Context, node: Node) -> Tensor:
    source, target = context.info(node).dtype, context.result(node).dtype
    saturate = bool(node.attributes.get("saturate", 1))
    round_mode = node.attributes.get("round_mode", "up")
    x = context.tensor(node, 0)
    return elementwise(
        node.outputs[0], lambda v: convert(v, source, target, saturate, round_mode), x
    )


@lowers("Cast", limits="no strings")
def _cast(context: Context, node: Node) -> Tensor:
    """Cast: to the dtype of the result."""
    return _cast_tensor(context, node)


@lowers("CastLike", since=15, limits="no strings")
def _cast_like(context: Context, node: Node) -> Tensor:
    """CastLike: to the dtype of the second input, whose elements are not read."""
    return _cast_tensor(context, node)
