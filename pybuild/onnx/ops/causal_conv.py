"""CausalConvWithState: a depthwise convolution over the past, which it also returns."""

from __future__ import annotations

from pybuild.onnx.expr import Expr, select
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.activations import sigmoid

__all__: list[str] = []


@lowers("CausalConvWithState", since=27)
def _causal_conv(context: Context, node: Node) -> tuple[Tensor, ...]:
    x, w = context.tensor(node, 0), context.tensor(node, 1)
    bias, past = context.optional(node, 2), context.optional(node, 3)
    activation = node.attributes.get("activation", "none")
    if activation not in ("none", "silu", "swish"):
        raise Unsupported(f"activation {activation!r}")
    name, before = node.outputs[0], w.shape[2] - 1
    batch, channels, length = x.shape

    def at(b: Expr, c: Expr, place: Expr) -> Expr:
        """Element of the sequence with its past, which begins at -before."""
        if past is None:
            return select(place >= 0, x[b, c, place], 0)
        return select(place >= 0, x[b, c, place], past[b, c, place + before])

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        b, c, i = o
        return at(b, c, i + r[0] - before) * w[c, 0, r[0]]

    total = reduce_tensor(f"{name}.product", x.shape, w.shape[2:], "sum", body)

    def finish(*i: Expr) -> Expr:
        value = total[i] if bias is None else total[i] + bias[i[1]]
        return value if activation == "none" else value * sigmoid(value)

    state = (batch, channels, before)
    return (
        map_tensor(name, x.shape, finish),
        map_tensor(
            node.outputs[1] if len(node.outputs) > 1 else f"{name}.state",
            state,
            lambda b, c, i: at(b, c, i + (length - before)),
        ),
    )
