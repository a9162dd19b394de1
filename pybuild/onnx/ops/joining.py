"""Operators that put tensors, copies or borders beside each other: Concat, Tile, Pad."""

from __future__ import annotations

from collections.abc import Sequence

from pybuild.onnx.expr import (
    Expr,
    as_expr,
    clamp_index,
    const,
    logical_and,
    maximum,
    minimum,
    select,
)
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.views import axis_of, empty, replaced, sliced

__all__ = ["concatenated", "padded"]


def concatenated(name: str, tensors: Sequence[Tensor], axis: int) -> Tensor:
    """The tensors one after another along an axis.

    A chain of selects, which folds where the index along the axis is known.
    """
    parts = [tensor for tensor in tensors if tensor.shape[axis]]
    first = tensors[0]
    length = sum(part.shape[axis] for part in parts)
    shape = (*first.shape[:axis], length, *first.shape[axis + 1 :])
    if not parts:
        return empty(name, shape, first.type)

    def body(*i: Expr) -> Expr:
        start = length - parts[-1].shape[axis]
        value = parts[-1][replaced(i, axis, i[axis] - start)]
        for part in parts[-2::-1]:
            end, start = start, start - part.shape[axis]
            value = select(i[axis] < end, part[replaced(i, axis, i[axis] - start)], value)
        return value

    return map_tensor(name, shape, body)


@lowers("Concat")
def _concat(context: Context, node: Node) -> Tensor:
    """``axis`` is 1 by default before opset 4, required from then on."""
    tensors = [context.tensor(node, k) for k in range(len(node.inputs))]
    axis = axis_of(int(node.attributes.get("axis", 1)), len(tensors[0].shape))
    return concatenated(node.outputs[0], tensors, axis)


@lowers("Tile", limits="repeats known at build")
def _tile(context: Context, node: Node) -> Tensor:
    x = context.tensor(node, 0)
    shape = context.result(node).shape

    def body(*i: Expr) -> Expr:
        return x[tuple(e % max(n, 1) for e, n in zip(i, x.shape, strict=True))]

    return map_tensor(node.outputs[0], shape, body)


# -------------------------------------------------------------------------------------------- Pad


def padded(
    name: str, x: Tensor, before: Sequence[int], after: Sequence[int], mode: str, value: Expr
) -> Tensor:
    """A border around a tensor; negative widths crop before the others are added.

    Parameters
    ----------
    mode : {'constant', 'reflect', 'edge', 'wrap'}
    value : Expr
        What a constant border holds.
    """
    crop = {
        a: range(max(-b, 0), n - max(-e, 0))
        for a, (n, b, e) in enumerate(zip(x.shape, before, after, strict=True))
        if b < 0 or e < 0
    }
    if crop:
        return padded(
            name,
            sliced(f"{name}.cropped", x, crop),
            [max(b, 0) for b in before],
            [max(e, 0) for e in after],
            mode,
            value,
        )
    shape = [b + n + e for b, n, e in zip(before, x.shape, after, strict=True)]
    if x.size == 0 and mode != "constant":
        return empty(name, shape, x.type)

    def body(*i: Expr) -> Expr:
        index = [e - b for e, b in zip(i, before, strict=True)]
        if mode != "constant":
            return x[tuple(_inside(e, n, mode) for e, n in zip(index, x.shape, strict=True))]
        inside = [e >= 0 for e in index] + [e < n for e, n in zip(index, x.shape, strict=True)]
        return select(logical_and(*inside), x[tuple(index)], value)

    return map_tensor(name, shape, body)


def _inside(index: Expr, n: int, mode: str) -> Expr:
    if mode == "edge" or n == 1:
        return clamp_index(index, n)
    if mode == "wrap":
        return index % n
    period = 2 * (n - 1)
    if index.low < -period // 2 or index.high > period:
        index %= period
    elif index.low < 0:
        index = maximum(index, -index)
    return index if index.high < n else minimum(index, period - index)


@lowers("Pad", limits="pads and axes known at build")
def _pad(context: Context, node: Node) -> Tensor:
    """Attributes before opset 11; ``axes`` from 18, mode wrap from 19."""
    x = context.tensor(node, 0)
    rank = len(x.shape)
    fill = const(node.attributes.get("value", 0.0), x.type)
    axes: Sequence[int] = range(rank)
    if node.opset < 11:
        pads = node.attributes["paddings" if node.opset < 2 else "pads"]
    else:
        pads = context.array(node, 1).reshape(-1).tolist()
        given = context.optional(node, 2)
        if given is not None:
            fill = given.at(as_expr(0, "i32"))
        chosen = context.optional_array(node, 3)
        axes = axes if chosen is None else [axis_of(int(axis), rank) for axis in chosen]
    if len(pads) != 2 * len(axes):
        raise Unsupported(f"{len(pads)} pads for {len(axes)} axes")
    before, after = [0] * rank, [0] * rank
    for k, axis in enumerate(axes):
        before[axis], after[axis] = int(pads[k]), int(pads[k + len(axes)])
    mode = node.attributes.get("mode", "constant")
    if mode not in ("constant", "reflect", "edge", "wrap"):
        raise Unsupported(f"mode {mode!r}")
    return padded(node.outputs[0], x, before, after, mode, fill)


@lowers("CenterCropPad", since=18, limits="shape known at build")
def _center_crop_pad(context: Context, node: Node) -> Tensor:
    """Odd differences leave the extra element at the end."""
    x = context.tensor(node, 0)
    rank = len(x.shape)
    axes = [axis_of(int(axis), rank) for axis in node.attributes.get("axes", range(rank))]
    shape = context.result(node).shape
    parts: dict[int, range] = {}
    before, after = [0] * rank, [0] * rank
    for axis in axes:
        spare = x.shape[axis] - shape[axis]
        if spare >= 0:
            parts[axis] = range(spare // 2, spare // 2 + shape[axis])
        else:
            before[axis] = -spare // 2
            after[axis] = -spare - before[axis]
    cropped = sliced(f"{node.outputs[0]}.cropped", x, parts) if parts else x
    return padded(node.outputs[0], cropped, before, after, "constant", const(0, x.type))
