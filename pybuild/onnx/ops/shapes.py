"""Tensors that come of shapes and attributes alone, triangles and masks, and bits read anew."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import Expr, as_expr, binary, bitcast, cast, const, select
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, constant, map_tensor
from pybuild.onnx.lower import Context, Unsupported, ir_type, lowers
from pybuild.onnx.ops.elementwise import elementwise

__all__: list[str] = []


@lowers("Shape")
def _shape(context: Context, node: Node) -> Tensor:
    """``start`` and ``end`` from opset 15 on."""
    shape = context.info(node).shape
    part = slice(node.attributes.get("start"), node.attributes.get("end"))
    return constant(node.outputs[0], np.array(shape[part], np.int64), "i32")


@lowers("Size")
def _size(context: Context, node: Node) -> Tensor:
    size = math.prod(context.info(node).shape)
    return constant(node.outputs[0], np.array(size), "i32")


@lowers("ConstantOfShape", since=9)
def _constant_of_shape(context: Context, node: Node) -> Tensor:
    value = np.asarray(node.attributes.get("value", np.float32(0))).reshape(())
    filled = const(value.item(), ir_type(str(value.dtype)))
    return map_tensor(node.outputs[0], context.result(node).shape, lambda *_: filled)


@lowers("Constant")
def _constant(context: Context, node: Node) -> Tensor:
    """One attribute holds the value; others than ``value`` are from opset 12 on."""
    dtypes = {"value_float": "float32", "value_int": "int64"}
    for key, value in node.attributes.items():
        if key == "value":
            array = np.asarray(value)
        elif key.removesuffix("s") in dtypes:
            array = np.asarray(value, dtypes[key.removesuffix("s")])
        else:
            continue
        return constant(node.outputs[0], array, ir_type(str(array.dtype)))
    raise Unsupported(f"holds {', '.join(node.attributes)}")


@lowers("Range", since=11, limits="start, limit and delta known at build")
def _range(context: Context, node: Node) -> Tensor:
    """16-bit floats are computed in f32 and rounded once, as ``stash_type`` 1 says."""
    ends: list[NDArray[Any]] = [context.array(node, k).reshape(()) for k in range(3)]
    dtype = ends[0].dtype
    type_ = ir_type(str(dtype))
    whole: type[float] = float if type_ == "f32" else int
    start, limit, delta = (whole(end) for end in ends)
    if type_ == "f32":
        count = max(math.ceil((limit - start) / delta), 0)
    else:
        count = max(int(-((start - limit) // delta)), 0)
    if dtype.itemsize == 2 and type_ == "f32":
        values = np.float32(start) + np.arange(count, dtype=np.float32) * np.float32(delta)
        return constant(node.outputs[0], values.astype(dtype), "f32")

    def body(i: Expr) -> Expr:
        return cast(i, type_) * const(delta, type_) + const(start, type_)

    return map_tensor(node.outputs[0], (count,), body)


@lowers("EyeLike", since=9)
def _eye_like(context: Context, node: Node) -> Tensor:
    """Ones on the diagonal ``k``; of the input only the shape counts."""
    result = context.result(node)
    one, zero = const(1, ir_type(result.dtype)), const(0, ir_type(result.dtype))
    k = int(node.attributes.get("k", 0))
    return map_tensor(
        node.outputs[0], context.info(node).shape, lambda i, j: select((j - i).equals(k), one, zero)
    )


@lowers("Trilu", since=14)
def _trilu(context: Context, node: Node) -> Tensor:
    """Keeps the elements on the diagonal ``k`` (which may come at run time) and to its side."""
    x, diagonal = context.tensor(node, 0), context.optional(node, 1)
    upper, reach = bool(node.attributes.get("upper", 1)), sum(x.shape[-2:])
    known = context.graph.constants.get(node.inputs[1]) if diagonal is not None else np.array(0)

    def body(*i: Expr) -> Expr:
        if known is not None:
            k = as_expr(max(-reach, min(reach, int(known.reshape(())))), "i32")
        else:
            assert diagonal is not None
            k = diagonal.at(as_expr(0, "i32"))
        distance = i[-1] - i[-2]
        kept = distance >= k if upper else distance <= k
        return select(kept, x[i], as_expr(0, x.type))

    return map_tensor(node.outputs[0], x.shape, body)


# ---------------------------------------------------------------------------------------- BitCast

_WIDTHS = {
    **dict.fromkeys(("float32", "int32", "uint32"), 32),
    **dict.fromkeys(("bfloat16", "int16", "uint16"), 16),
    **dict.fromkeys(("int8", "uint8", "bool"), 8),
}


@lowers("BitCast", since=26, limits="no float16 and nothing of 64 bits, but to itself")
def _bit_cast(context: Context, node: Node) -> Tensor:
    """The bits as they would lie in memory, then read as the other type."""
    source, target = context.info(node).dtype, context.result(node).dtype
    if source != target and _WIDTHS.get(source, 0) != _WIDTHS.get(target, -1):
        raise Unsupported(f"{source} to {target}")
    width = _WIDTHS.get(source, 0)

    def body(value: Expr) -> Expr:
        if source == target:
            return value
        return _from_bits(_to_bits(value, source, width), target, width)

    return elementwise(node.outputs[0], body, context.tensor(node, 0))


def _to_bits(value: Expr, dtype: str, width: int) -> Expr:
    if value.type == "bool":
        return cast(value, "u32")
    bits = bitcast(value, "u32")
    if dtype == "bfloat16":
        return binary("shr", bits, const(16, "u32"))
    return bits if width == 32 else bits & const((1 << width) - 1, "u32")


def _from_bits(bits: Expr, dtype: str, width: int) -> Expr:
    if dtype == "bfloat16":
        return bitcast(binary("shl", bits, const(16, "u32")), "f32")
    if dtype == "bool":
        return cast(bits, "bool")
    if width == 32 or dtype.startswith("u"):
        return bitcast(bits, ir_type(dtype))
    value = bitcast(bits, "i32")
    return select(value < 1 << (width - 1), value, value - (1 << width))
