"""Operators that read at indices which are data: Gather and its kin, OneHot, ReverseSequence.

Indices known at build that lie in steps (0 2 4, or a constant) become index arithmetic, so that a
Gather by them is a view.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import Expr, as_expr, cast, clamp_index, logical_and, select
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, constant, map_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.views import axis_of, replaced

__all__ = ["Reader", "affine", "check_inside", "index_reader", "wrapped"]

Reader = Callable[..., Expr]
"""Index of an element -> its value, an i32."""


def affine(array: NDArray[Any]) -> Reader | None:
    """The array as ``constant + step * i + ...`` over its axes, or None where it is not that."""
    if array.size == 0:
        return lambda *_: as_expr(0, "i32")
    start = int(array.flat[0])
    steps: list[int] = []
    fitted = np.full((1,) * array.ndim, start, np.int64)
    for axis, n in enumerate(array.shape):
        place = tuple(int(k == axis and n > 1) for k in range(array.ndim))
        steps.append(int(array[place]) - start)
        along = [1] * array.ndim
        along[axis] = n
        fitted = fitted + steps[-1] * np.arange(n).reshape(along)
    if not np.array_equal(fitted, array):
        return None

    def read(*i: Expr) -> Expr:
        index = as_expr(start, "i32")
        for part, step in zip(i, steps, strict=True):
            index = index + part * step
        return index

    return read


def wrapped(index: Expr, extent: int) -> Expr:
    """An index from data: negative ones count from the end, and what is outside is clamped."""
    whole = cast(index, "i32")
    return clamp_index(select(whole < 0, whole + extent, whole), max(extent, 1))


def check_inside(indices: NDArray[np.int64], extent: int) -> None:
    """Refuse an index that is known at build and outside an axis."""
    outside = indices[(indices < -extent) | (indices >= extent)]
    if outside.size:
        raise Unsupported(f"index {outside.flat[0]} is outside an axis of {extent}")


def index_reader(
    context: Context, node: Node, k: int, extent: int, component: int | None = None
) -> Reader:
    """Reads indices into an axis of ``extent`` from input ``k``, wrapped and clamped.

    Parameters
    ----------
    component : int, optional
        Of an index tuple in the last axis; the reader then takes an index without that axis.

    Raises
    ------
    Unsupported
        They are known at build, and one is outside.
    """
    array = context.graph.constants.get(node.inputs[k])
    if array is None:
        tensor = context.tensor(node, k)
        tail = () if component is None else (as_expr(component, "i32"),)
        return lambda *i: wrapped(tensor[(*i, *tail)], extent)
    part = (array if component is None else array[..., component]).astype(np.int64)
    check_inside(part, extent)
    part = np.where(part < 0, part + extent, part)
    formula = affine(part)
    if formula is not None:
        return formula
    name = f"{node.inputs[k]}.{extent}" + ("" if component is None else f".{component}")
    table = constant(name, part, "i32")
    return lambda *i: table[i]


@lowers("Gather")
def _gather(context: Context, node: Node) -> Tensor:
    x, shape = context.tensor(node, 0), context.info(node, 1).shape
    axis = axis_of(int(node.attributes.get("axis", 0)), len(x.shape))
    read, end = index_reader(context, node, 1, x.shape[axis]), axis + len(shape)

    def body(*i: Expr) -> Expr:
        return x[(*i[:axis], read(*i[axis:end]), *i[end:])]

    return map_tensor(node.outputs[0], x.shape[:axis] + shape + x.shape[axis + 1 :], body)


@lowers("GatherElements", since=11)
def _gather_elements(context: Context, node: Node) -> Tensor:
    x, shape = context.tensor(node, 0), context.info(node, 1).shape
    axis = axis_of(int(node.attributes.get("axis", 0)), len(x.shape))
    read = index_reader(context, node, 1, x.shape[axis])
    return map_tensor(node.outputs[0], shape, lambda *i: x[replaced(i, axis, read(*i))])


@lowers("GatherND", since=11)
def _gather_nd(context: Context, node: Node) -> Tensor:
    """The last axis of the indices holds index tuples; ``batch_dims`` from opset 12 on."""
    x, shape = context.tensor(node, 0), context.info(node, 1).shape
    batch, lead = int(node.attributes.get("batch_dims", 0)), len(shape) - 1
    end = batch + shape[-1]
    readers = [index_reader(context, node, 1, x.shape[a], a - batch) for a in range(batch, end)]

    def body(*i: Expr) -> Expr:
        return x[(*i[:batch], *(read(*i[:lead]) for read in readers), *i[lead:])]

    return map_tensor(node.outputs[0], shape[:-1] + x.shape[end:], body)


@lowers("ArrayFeatureExtractor", domain="ai.onnx.ml")
def _array_feature_extractor(context: Context, node: Node) -> Tensor:
    """Columns of the last axis; a vector is taken as one row."""
    x = context.tensor(node, 0)
    indices = context.info(node, 1)
    count = int(np.prod(indices.shape))
    if len(indices.shape) > 1 and indices.shape[:-1] != (1,) * (len(indices.shape) - 1):
        raise Unsupported(f"indices of shape {list(indices.shape)}, not a vector")
    read = index_reader(context, node, 1, x.shape[-1])
    zeros = (as_expr(0, "i32"),) * (len(indices.shape) - 1)
    lead = x.shape[:-1] or (1,)

    def body(*i: Expr) -> Expr:
        return x[(*i[: len(x.shape) - 1], read(*zeros, i[-1]))]

    return map_tensor(node.outputs[0], (*lead, count), body)


@lowers("Compress", since=9, limits="a condition known at build, as it decides the output's shape")
def _compress(context: Context, node: Node) -> Tensor:
    """Without an axis the input counts as flat."""
    x = context.tensor(node, 0)
    kept = np.flatnonzero(context.array(node, 1))
    axis = node.attributes.get("axis")
    read = affine(kept)
    if read is None:
        table = constant(f"{node.outputs[0]}.kept", kept, "i32")
        read = table.__getitem__
    if axis is None:
        return map_tensor(node.outputs[0], (len(kept),), lambda i: x.at(read(i)))
    place = axis_of(int(axis), len(x.shape))
    shape = (*x.shape[:place], len(kept), *x.shape[place + 1 :])
    return map_tensor(node.outputs[0], shape, lambda *i: x[replaced(i, place, read(i[place]))])


@lowers("NonZero", "Unique", "NonMaxSuppression", limits="only of inputs known at build")
def _counted(context: Context, node: Node) -> Tensor:
    """The front computes what it can; the values of others would decide the output's shape."""
    raise Unsupported(f"the shape of {node.outputs[0]!r} depends on values from run time")


@lowers("OneHot", since=9, limits="depth known at build")
def _one_hot(context: Context, node: Node) -> Tensor:
    """Indices in ``-depth .. depth - 1``; others give off values only."""
    indices, values = context.tensor(node, 0), context.tensor(node, 2)
    depth = int(context.array(node, 1).reshape(()))
    axis = axis_of(int(node.attributes.get("axis", -1)), len(indices.shape) + 1)
    off, on = values[0], values[1]

    def body(*i: Expr) -> Expr:
        index = cast(indices[(*i[:axis], *i[axis + 1 :])], "i32")
        hot = select(index < 0, index + depth, index).equals(i[axis])
        return select(hot, on, off)

    shape = (*indices.shape[:axis], depth, *indices.shape[axis:])
    return map_tensor(node.outputs[0], shape, body)


@lowers("ReverseSequence", since=10)
def _reverse_sequence(context: Context, node: Node) -> Tensor:
    """The first ``sequence_lens[b]`` elements along the time axis run backwards."""
    x, lengths = context.tensor(node, 0), context.tensor(node, 1)
    time = axis_of(int(node.attributes.get("time_axis", 0)), len(x.shape))
    batch = axis_of(int(node.attributes.get("batch_axis", 1)), len(x.shape))

    def body(*i: Expr) -> Expr:
        length = lengths[i[batch]]
        return x[replaced(i, time, select(i[time] < length, length - 1 - i[time], i[time]))]

    return map_tensor(node.outputs[0], x.shape, body)


@lowers("TensorScatter", since=24)
def _tensor_scatter(context: Context, node: Node) -> Tensor:
    """A cache with an update written at an index for each sample: read by position, no writes."""
    past, update = context.tensor(node, 0), context.tensor(node, 1)
    starts = context.optional(node, 2)
    axis = axis_of(int(node.attributes.get("axis", -2)), len(past.shape))
    extent, count = past.shape[axis], update.shape[axis]
    mode = node.attributes.get("mode", "linear")
    if mode not in ("linear", "circular"):
        raise Unsupported(f"mode {mode!r}")
    if update.size == 0:
        return map_tensor(node.outputs[0], past.shape, lambda *i: past[i])

    def body(*i: Expr) -> Expr:
        start = as_expr(0, "i32") if starts is None else starts[i[0]]
        place = i[axis] - start
        if mode == "circular":
            place = place % extent
        written = logical_and(place >= 0, place < count)
        return select(written, update[replaced(i, axis, place)], past[i])

    return map_tensor(node.outputs[0], past.shape, body)
