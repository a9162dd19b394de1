"""LRN: each element over a power of the squares of its neighbours in channel."""

from __future__ import annotations

from pybuild.onnx.expr import Expr, binary, const, logical_and, select
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, lowers

__all__: list[str] = []


@lowers("LRN")
def _lrn(context: Context, node: Node) -> Tensor:
    x, name, size = context.tensor(node, 0), node.outputs[0], int(node.attributes["size"])
    alpha = float(node.attributes.get("alpha", 1e-4))
    beta = float(node.attributes.get("beta", 0.75))
    bias = float(node.attributes.get("bias", 1.0))

    def square(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        channel = o[1] + r[0] - (size - 1) // 2
        value = x[(o[0], channel, *o[2:])]
        return select(logical_and(channel >= 0, channel < x.shape[1]), value * value, 0)

    total = reduce_tensor(f"{name}.squares", x.shape, (size,), "sum", square)

    def divide(*i: Expr) -> Expr:
        return x[i] * binary("pow", total[i] * (alpha / size) + bias, const(-beta, "f32"))

    return map_tensor(name, x.shape, divide)
