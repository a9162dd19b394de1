"""DeformConv: a map that samples the input where the offsets say, then a contraction."""

from __future__ import annotations

import math
from itertools import product

from pybuild.onnx.expr import Expr, cast, const, logical_and, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, flatten_index, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.conv import add_channel_bias
from pybuild.onnx.ops.windows import sliding_windows

__all__ = ["sample_linear"]


def sample_linear(x: Tensor, lead: tuple[Expr, ...], point: list[Expr]) -> Expr:
    """Linear interpolation of ``x[lead, ...]`` at a point of f32 coordinates; 0 outside."""
    floors = [unary("floor", p) for p in point]
    cells = [cast(f, "i32") for f in floors]
    total: Expr | None = None
    for corner in product((0, 1), repeat=len(point)):
        index = [cell + step for cell, step in zip(cells, corner, strict=True)]
        inside = logical_and(
            *(c for i, n in zip(index, x.shape[len(lead) :], strict=True) for c in (i >= 0, i < n))
        )
        weight = const(1, "f32")
        for p, f, step in zip(point, floors, corner, strict=True):
            weight = weight * (p - f if step else 1 - (p - f))
        term = select(inside, x[(*lead, *index)], 0) * weight
        total = term if total is None else total + term
    assert total is not None
    return total


@lowers("DeformConv", since=19)
def _deform_conv(context: Context, node: Node) -> Tensor:
    name = node.outputs[0]
    x, w, offset = (context.tensor(node, k) for k in range(3))
    bias, mask = context.optional(node, 3), context.optional(node, 4)
    group = int(node.attributes.get("group", 1))
    offset_group = int(node.attributes.get("offset_group", 1))
    channels, per_group = x.shape[1], w.shape[1]
    if channels != group * per_group or w.shape[0] % group or channels % offset_group:
        raise Unsupported(f"group={group}, offset_group={offset_group} do not fit {x.shape}")
    windows = sliding_windows(node, x.shape[2:], w.shape[2:])
    kernel, rank = w.shape[2:], len(windows)
    taps, outer = math.prod(kernel), tuple(window.out for window in windows)
    filters, shared = w.shape[0] // group, channels // offset_group

    def sample(*index: Expr) -> Expr:
        n, c, tap, out = index[0], index[1], index[2 : 2 + rank], index[2 + rank :]
        entry = c // shared * taps + flatten_index(tap, kernel)
        point = [
            cast(window.position(o, t), "f32") + offset[(n, entry * rank + axis, *out)]
            for axis, (window, o, t) in enumerate(zip(windows, out, tap, strict=True))
        ]
        value = sample_linear(x, (n, c), point)
        return value if mask is None else value * mask[(n, entry, *out)]

    samples = map_tensor(f"{name}.samples", (*x.shape[:2], *kernel, *outer), sample)

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        channel = o[1] // filters * per_group + r[0]
        return samples[(o[0], channel, *r[1:], *o[2:])] * w[(o[1], *r)]

    shape = (x.shape[0], w.shape[0], *outer)
    total = reduce_tensor(
        name if bias is None else f"{name}.product", shape, w.shape[1:], "sum", body
    )
    return total if bias is None else add_channel_bias(name, total, bias)
