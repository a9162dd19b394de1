"""MaxUnpool: a scatter to computed places."""

from __future__ import annotations

import math

from pybuild.onnx.expr import Expr, clamp_index, const, logical_and
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, scatter_tensor, unflatten_index
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
