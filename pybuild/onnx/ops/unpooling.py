"""MaxUnpool, a scatter to computed places, and MaxRoiPool, whose windows come from data."""

from __future__ import annotations

import math

from pybuild.onnx.expr import Expr, cast, clamp_index, const, logical_and, maximum, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import (
    Tensor,
    map_tensor,
    neutral,
    reduce_tensor,
    scatter_tensor,
    unflatten_index,
)
from pybuild.onnx.lower import Context, lowers
from pybuild.onnx.ops.windows import spatial_list

__all__: list[str] = []


@lowers("MaxUnpool", since=9, limits="output_shape known at build")
def _max_unpool(context: Context, node: Node) -> Tensor:
    """The indices are those of the shape that strides and pads give, whatever output_shape is."""
    x, places, name = context.tensor(node, 0), context.tensor(node, 1), node.outputs[0]
    rank = len(x.shape) - 2
    kernel = spatial_list(node, "kernel_shape", rank, 1)
    strides = spatial_list(node, "strides", rank, 1)
    pads = node.attributes.get("pads") or [0] * (2 * rank)
    inferred = x.shape[:2] + tuple(
        (n - 1) * strides[k] + kernel[k] - pads[k] - pads[rank + k]
        for k, n in enumerate(x.shape[2:])
    )
    asked = context.optional_array(node, 2)
    shape = inferred if asked is None else tuple(int(n) for n in asked)
    empty = map_tensor(f"{name}.zeros", shape, lambda *_: const(0, x.type))

    def put(*r: Expr) -> tuple[tuple[Expr, ...], Expr, Expr]:
        index = unflatten_index(clamp_index(places[r], math.prod(inferred)), inferred)
        inside = logical_and(*(i < n for i, n in zip(index, shape, strict=True)))
        return index, x[r], inside

    return scatter_tensor(name, empty, x.shape, put)


@lowers("MaxRoiPool")
def _max_roi_pool(context: Context, node: Node) -> Tensor:
    """Regions are rounded to whole elements, both ends included, then cut into bins."""
    x, rois = context.tensor(node, 0), context.tensor(node, 1)
    pooled = [int(n) for n in node.attributes["pooled_shape"]]
    scale = float(node.attributes.get("spatial_scale", 1.0))
    lowest = neutral("max", "f32")

    def edge(roi: Expr, column: int) -> Expr:
        return cast(unary("floor", rois[roi, column] * scale + 0.5), "i32")

    def bins(*index: Expr) -> Expr:
        """First and past-the-last row or column of a bin."""
        roi, axis, place, last = index
        start = select(axis.equals(0), edge(roi, 2), edge(roi, 1))
        end = select(axis.equals(0), edge(roi, 4), edge(roi, 3))
        count = select(axis.equals(0), const(pooled[0], "i32"), pooled[1])
        size = cast(maximum(end - start + 1, const(1, "i32")), "f32") / cast(count, "f32")
        cut = cast(place + last, "f32") * size
        whole = select(last.equals(0), unary("floor", cut), unary("ceil", cut))
        limit = select(axis.equals(0), const(x.shape[2], "i32"), x.shape[3])
        moved = cast(whole, "i32") + start
        return select(moved < 0, const(0, "i32"), select(moved > limit, limit, moved))

    edges = map_tensor(f"{node.outputs[0]}.bins", (rois.shape[0], 2, max(pooled), 2), bins)

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        roi, c, row, column = o
        batch = clamp_index(cast(rois[roi, 0], "i32"), x.shape[0])
        inside = logical_and(
            r[0] >= edges[roi, 0, row, 0],
            r[0] < edges[roi, 0, row, 1],
            r[1] >= edges[roi, 1, column, 0],
            r[1] < edges[roi, 1, column, 1],
        )
        return select(inside, x[batch, c, r[0], r[1]], lowest)

    shape = (rois.shape[0], x.shape[1], *pooled)
    best = reduce_tensor(f"{node.outputs[0]}.max", shape, x.shape[2:], "max", body)

    def filled(*i: Expr) -> Expr:
        roi, _, row, column = i
        empty = (edges[roi, 0, row, 0] >= edges[roi, 0, row, 1]) | (
            edges[roi, 1, column, 0] >= edges[roi, 1, column, 1]
        )
        return select(empty, const(0, "f32"), best[i])

    return map_tensor(node.outputs[0], shape, filled)
