"""MatMul and Gemm: contractions over one axis."""

from __future__ import annotations

from pybuild.onnx.expr import Expr, const
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.elementwise import broadcast_load, broadcast_shape

__all__ = ["matmul"]


def matmul(name: str, a: Tensor, b: Tensor) -> Tensor:
    """Numpy's ``matmul``: leading axes broadcast, a vector is a row on the left, a column on the
    right.
    """
    if not a.shape or not b.shape:
        raise Unsupported("an operand is a scalar")
    left, right = len(a.shape) > 1, len(b.shape) > 1
    inner = a.shape[-1]
    if inner != b.shape[-2 if right else 0]:
        raise Unsupported(f"shapes {a.shape} and {b.shape} do not contract")
    batch = broadcast_shape(a.shape[:-2], b.shape[:-2])
    rank = len(batch)
    shape = batch + a.shape[-2:-1] * left + b.shape[-1:] * right

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        lead = o[:rank]
        row, column = o[rank : rank + left], o[rank + left :]
        x = broadcast_load(a, (*lead, *row, *r)) if left else a[r]
        y = broadcast_load(b, (*lead, *r, *column)) if right else b[r]
        return x * y

    return reduce_tensor(name, shape, (inner,), "sum", body)


@lowers("MatMul")
def _matmul(context: Context, node: Node) -> Tensor:
    return matmul(node.outputs[0], context.tensor(node, 0), context.tensor(node, 1))


def _factor(value: float, like: Expr) -> Expr:
    if like.type != "f32" and value != int(value):
        raise Unsupported(f"alpha or beta {value} on integers")
    return const(value, like.type)


@lowers("Gemm")
def _gemm(context: Context, node: Node) -> Tensor:
    name, attributes = node.outputs[0], node.attributes
    a, b, c = context.tensor(node, 0), context.tensor(node, 1), context.optional(node, 2)
    alpha, beta = float(attributes.get("alpha", 1.0)), float(attributes.get("beta", 1.0))
    trans_a, trans_b = bool(attributes.get("transA", 0)), bool(attributes.get("transB", 0))
    (inner, rows) = a.shape if trans_a else a.shape[::-1]
    (columns, depth) = b.shape if trans_b else b.shape[::-1]
    if inner != depth:
        raise Unsupported(f"shapes {a.shape} and {b.shape} do not contract")
    plain = alpha == 1 and (c is None or beta == 0)

    def product(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        (i, j), (k,) = o, r
        return (a[k, i] if trans_a else a[i, k]) * (b[j, k] if trans_b else b[k, j])

    total = reduce_tensor(
        name if plain else f"{name}.product", (rows, columns), (inner,), "sum", product
    )
    if plain:
        return total

    def finish(*index: Expr) -> Expr:
        value = total[index]
        if alpha != 1:
            value = value * _factor(alpha, value)
        if c is not None and beta != 0:
            term = broadcast_load(c, index)
            value = value + (term if beta == 1 else term * _factor(beta, term))
        return value

    return map_tensor(name, total.shape, finish)
