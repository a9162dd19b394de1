"""Contractions of 8-bit integers: MatMulInteger, QLinearMatMul, ConvInteger, QLinearConv.

The zero points are subtracted by maps before the contraction, which is then a plain sum of products
of i32; rescaling is a map after it.
"""

from __future__ import annotations

from pybuild.onnx.expr import Expr, cast, const, maximum, minimum, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.conv import add_channel_bias, convolve
from pybuild.onnx.ops.matmul import matmul

__all__ = ["centred"]

_RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "uint16": (0, 65535)}


def _along(tensor: Tensor, rank: int, axis: int, index: tuple[Expr, ...]) -> Expr:
    """Element of a parameter: of the whole tensor, of one axis, or broadcast from the right."""
    if tensor.size == 1:
        return tensor[(0,) * len(tensor.shape)]
    if len(tensor.shape) == 1:
        return tensor[index[axis % rank]]
    own = index[rank - len(tensor.shape) :]
    zero = const(0, "i32")
    return tensor[tuple(zero if n == 1 else i for n, i in zip(tensor.shape, own, strict=True))]


def centred(tensor: Tensor, zero: Tensor | None, axis: int) -> Tensor:
    """``i32(tensor) - zero point``; a zero point of one axis runs along ``axis``."""
    rank = len(tensor.shape)

    def body(*index: Expr) -> Expr:
        value = cast(tensor[index], "i32")
        return value if zero is None else value - cast(_along(zero, rank, axis, index), "i32")

    return map_tensor(f"{tensor.name}.centred", tensor.shape, body)


def _rescaled(
    context: Context, node: Node, total: Tensor, first: int, axes: tuple[int, int, int]
) -> Tensor:
    """Integers times ``a_scale * b_scale / y_scale``, rounded to even, moved and saturated.

    ``first`` is the input of a_scale; those of b and y follow at distances of 3 and 5.
    """
    scales = [context.tensor(node, first + k) for k in (0, 3, 5)]
    zero = context.tensor(node, first + 6)
    dtype = context.info(node, first + 6).dtype
    if dtype not in _RANGES:
        raise Unsupported(f"an output of {dtype}")
    low, high = _RANGES[dtype]
    rank = len(total.shape)

    def body(*index: Expr) -> Expr:
        a, b, y = (_along(s, rank, k, index) for s, k in zip(scales, axes, strict=True))
        value = unary("round", cast(total[index], "f32") * (a * b / y))
        moved = value + cast(_along(zero, rank, axes[2], index), "f32")
        kept = minimum(maximum(moved, const(low, "f32")), const(high, "f32"))
        return cast(kept, zero.type)

    return map_tensor(node.outputs[0], total.shape, body)


@lowers("MatMulInteger", since=10)
def _matmul_integer(context: Context, node: Node) -> Tensor:
    a = centred(context.tensor(node, 0), context.optional(node, 2), -2)
    b = centred(context.tensor(node, 1), context.optional(node, 3), -1)
    return matmul(node.outputs[0], a, b)


@lowers("QLinearMatMul", since=10, limits="8- and 16-bit integers")
def _qlinear_matmul(context: Context, node: Node) -> Tensor:
    a = centred(context.tensor(node, 0), context.tensor(node, 2), -2)
    b = centred(context.tensor(node, 3), context.tensor(node, 5), -1)
    total = matmul(f"{node.outputs[0]}.product", a, b)
    return _rescaled(context, node, total, 1, (-2, -1, -2))


@lowers("ConvInteger", since=10)
def _conv_integer(context: Context, node: Node) -> Tensor:
    x = centred(context.tensor(node, 0), context.optional(node, 2), 1)
    w = centred(context.tensor(node, 1), context.optional(node, 3), 0)
    return convolve(node.outputs[0], node, x, w)


@lowers("QLinearConv", since=10, limits="8-bit integers")
def _qlinear_conv(context: Context, node: Node) -> Tensor:
    name, bias = node.outputs[0], context.optional(node, 8)
    x = centred(context.tensor(node, 0), context.tensor(node, 2), 1)
    w = centred(context.tensor(node, 3), context.tensor(node, 5), 0)
    total = convolve(f"{name}.product", node, x, w)
    if bias is not None:
        total = add_channel_bias(f"{name}.biased", total, bias)
    return _rescaled(context, node, total, 1, (1, 1, 1))
