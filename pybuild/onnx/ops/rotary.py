"""RotaryEmbedding: pairs of features turned by the angle of their position."""

from __future__ import annotations

from pybuild.onnx.expr import Expr, clamp_index, const, select
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers

__all__: list[str] = []


@lowers("RotaryEmbedding", since=23)
def _rotary(context: Context, node: Node) -> Tensor:
    x, cos, sin = (context.tensor(node, k) for k in range(3))
    positions = context.optional(node, 3)
    interleaved = bool(node.attributes.get("interleaved", 0))
    packed = len(x.shape) == 3
    heads = int(node.attributes.get("num_heads", 0)) if packed else x.shape[1]
    if not heads or (packed and x.shape[2] % heads):
        raise Unsupported(f"num_heads={heads} does not divide an input of {x.shape}")
    size = x.shape[-1] // heads if packed else x.shape[-1]
    turned = int(node.attributes.get("rotary_embedding_dim", 0)) or size
    half = turned // 2

    def body(*index: Expr) -> Expr:
        b, s = index[0], index[1 if packed else 2]
        feature = index[-1] % size if packed else index[-1]
        if interleaved:
            pair, second = feature // 2, (feature % 2).equals(1)
        else:
            pair, second = feature % half, feature >= half
        step = 1 if interleaved else half
        own = x[index]
        other = x[(*index[:-1], index[-1] + select(second, const(-step, "i32"), step))]
        if positions is None:
            row: tuple[Expr, ...] = (b, s)
        else:
            row = (clamp_index(positions[b, s], cos.shape[0]),)
        c, w = cos[(*row, pair)], sin[(*row, pair)]
        rotated = c * own + select(second, w, -w) * other
        return select(feature < turned, rotated, own)

    return map_tensor(node.outputs[0], x.shape, body)
