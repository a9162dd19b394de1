"""Conv and what is one: ConvInteger lives with the quantised operators, DeformConv apart."""

from __future__ import annotations

from pybuild.onnx.expr import Expr, select
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.windows import guard, sliding_windows

__all__ = ["add_channel_bias", "convolve"]


def convolve(name: str, node: Node, x: Tensor, w: Tensor) -> Tensor:
    """Convolution of ``x : (N, C, ...)`` by ``w : (M, C / group, ...)``, without the bias."""
    group = int(node.attributes.get("group", 1))
    channels, per_group = x.shape[1], w.shape[1]
    if channels != group * per_group or w.shape[0] % group:
        raise Unsupported(f"group={group} does not fit input {x.shape} and weights {w.shape}")
    if len(w.shape) != len(x.shape):
        raise Unsupported(f"input {x.shape} and weights {w.shape} differ in rank")
    windows = sliding_windows(node, x.shape[2:], w.shape[2:])
    filters = w.shape[0] // group

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        (n, m, *outer), (c, *taps) = o, r
        at = [win.position(i, t) for win, i, t in zip(windows, outer, taps, strict=True)]
        value = x[(n, m // filters * per_group + c, *at)]
        return select(guard(windows, at), value, 0) * w[(m, *r)]

    shape = (x.shape[0], w.shape[0], *(window.out for window in windows))
    return reduce_tensor(name, shape, w.shape[1:], "sum", body)


def add_channel_bias(name: str, total: Tensor, bias: Tensor) -> Tensor:
    """``total[n, m, ...] + bias[m]``."""
    return map_tensor(name, total.shape, lambda *i: total[i] + bias[i[1]])


@lowers("Conv")
def _conv(context: Context, node: Node) -> Tensor:
    name, bias = node.outputs[0], context.optional(node, 2)
    x, w = context.tensor(node, 0), context.tensor(node, 1)
    total = convolve(name if bias is None else f"{name}.product", node, x, w)
    return total if bias is None else add_channel_bias(name, total, bias)
