"""Linear quantisation: by tensor, by axis, or by block of an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pybuild.onnx.expr import Expr, as_expr, cast, const, maximum, minimum, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.elementwise import broadcast_load
from pybuild.onnx.ops.integers import is_integer, saturate
from pybuild.onnx.ops.reductions import axis_of, reduce_axes
from pybuild.onnx.ops.small_floats import to_small_float

__all__ = ["dequantised", "parameter_at", "quantised"]

_PRECISION = {10: "float16", 16: "bfloat16"}
"""Numbers of TensorProto.DataType that ask for a division less exact than f32."""

Index = tuple[Expr, ...]


def parameter_at(tensor: Tensor, axis: int, block: int = 0) -> Callable[[Index], Expr]:
    """Scale or zero point of an element: one for all, one an axis' element, or one a block."""
    if tensor.size == 1:
        return lambda index: broadcast_load(tensor, (as_expr(0, "i32"),) * len(tensor.shape))
    if block:
        return lambda index: tensor[(*index[:axis], index[axis] // block, *index[axis + 1 :])]
    if len(tensor.shape) != 1:
        raise Unsupported(f"a scale of shape {tensor.shape} without block_size")
    return lambda index: tensor[index[axis]]


def quantised(value: Expr, dtype: str, zero: Expr | None, saturating: bool = True) -> Expr:
    """``saturate(round(value) + zero)``; floats of 8 bits and less are rounded to their format."""
    if not is_integer(dtype):
        shifted = value if zero is None else value + zero
        return to_small_float(shifted, dtype, saturating)
    whole = unary("round", value)
    return saturate(whole if zero is None else whole + cast(zero, "f32"), dtype)


def dequantised(x: Expr, scale: Expr, zero: Expr | None) -> Expr:
    """``(x - zero) * scale`` in f32; the difference of integers is an integer."""
    if x.type == "f32":
        return (x if zero is None else x - zero) * scale
    if zero is not None:
        x = cast(x, "i32") - cast(zero, "i32")
    return cast(x, "f32") * scale


def _parameters(
    context: Context, node: Node
) -> tuple[Callable[[Index], Expr], Callable[[Index], Expr] | None]:
    """Scale and zero point by index."""
    rank = len(context.tensor(node, 0).shape)
    axis, block = axis_of(node, rank, 1), int(node.attributes.get("block_size", 0))
    zero = context.optional(node, 2)
    scale_at = parameter_at(context.tensor(node, 1), axis, block)
    return scale_at, None if zero is None else parameter_at(zero, axis, block)


def _quotient(x: Expr, scale: Expr, attributes: Any) -> Expr:
    precision = _PRECISION.get(int(attributes.get("precision", 0)))
    if precision is None:
        return x / scale
    return to_small_float(to_small_float(x, precision) / scale, precision)


@lowers("QuantizeLinear", since=10)
def _quantize(context: Context, node: Node) -> Tensor:
    """QuantizeLinear: to integers of 2 to 16 bits and floats of 4 and 8."""
    x, dtype = context.tensor(node, 0), context.result(node).dtype
    scale_at, zero_at = _parameters(context, node)
    saturating = bool(node.attributes.get("saturate", 1))

    def body(*index: Expr) -> Expr:
        quotient = _quotient(cast(x[index], "f32"), scale_at(index), node.attributes)
        zero = None if zero_at is None else zero_at(index)
        return quantised(quotient, dtype, zero, saturating)

    return map_tensor(node.outputs[0], x.shape, body)


@lowers("DequantizeLinear", since=10)
def _dequantize(context: Context, node: Node) -> Tensor:
    """DequantizeLinear: what QuantizeLinear made, back to floats."""
    x = context.tensor(node, 0)
    scale_at, zero_at = _parameters(context, node)

    def body(*index: Expr) -> Expr:
        return dequantised(x[index], scale_at(index), None if zero_at is None else zero_at(index))

    return map_tensor(node.outputs[0], x.shape, body)


@lowers("DynamicQuantizeLinear", since=11)
def _dynamic(context: Context, node: Node) -> tuple[Tensor, Tensor, Tensor]:
    """DynamicQuantizeLinear: to uint8, with the scale that its own range asks for."""
    x, name = context.tensor(node, 0), node.outputs[0]
    axes, nothing = range(len(x.shape)), const(0.0, "f32")
    most = reduce_axes(f"{name}.max", x.shape, axes, "max", lambda i: x[i], keepdims=False)
    least = reduce_axes(f"{name}.min", x.shape, axes, "min", lambda i: x[i], keepdims=False)

    def scale_body() -> Expr:
        span = maximum(most[()], nothing) - minimum(least[()], nothing)
        return select(span.equals(0.0), const(1.0, "f32"), span) / 255.0

    scale = map_tensor(f"{name}.scale", (), scale_body)

    def zero_body() -> Expr:
        return saturate(unary("round", -minimum(least[()], nothing) / scale[()]), "uint8")

    zero = map_tensor(f"{name}.zero", (), zero_body)
    y = map_tensor(name, x.shape, lambda *i: quantised(x[i] / scale[()], "uint8", zero[()]))
    return y, scale, zero
