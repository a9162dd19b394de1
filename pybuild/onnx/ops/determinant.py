"""Det: closed forms up to 3 x 3, elimination with pivots above."""

from __future__ import annotations

from pybuild.onnx.expr import Expr, const, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers

__all__ = ["MOST_ROWS"]

MOST_ROWS = 32
"""Largest matrix: a row takes three dispatches."""


def _closed(name: str, x: Tensor) -> Tensor:
    """Determinants of 1 x 1 to 3 x 3 matrices by expansion."""
    n, batch = x.shape[-1], x.shape[:-2]

    def minor(o: tuple[Expr, ...], rows: list[int], columns: list[int]) -> Expr:
        if len(rows) == 1:
            return x[(*o, rows[0], columns[0])]
        total: Expr | None = None
        for k, column in enumerate(columns):
            rest = columns[:k] + columns[k + 1 :]
            term = x[(*o, rows[0], column)] * minor(o, rows[1:], rest)
            total = term if total is None else total - term if k % 2 else total + term
        assert total is not None
        return total

    return map_tensor(name, batch, lambda *o: minor(o, list(range(n)), list(range(n))))


@lowers("Det", since=11, limits=f"at most {MOST_ROWS} rows")
def _det(context: Context, node: Node) -> Tensor:
    x, name = context.tensor(node, 0), node.outputs[0]
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        raise Unsupported(f"{x.shape} are no square matrices")
    n, batch = x.shape[-1], x.shape[:-2]
    if n == 0:
        return map_tensor(name, batch, lambda *_: const(1, "f32"))
    if n <= 3:
        return _closed(name, x)
    if n > MOST_ROWS:
        raise Unsupported(f"{n} rows; at most {MOST_ROWS}")
    matrix, product = x, map_tensor(f"{name}.one", batch, lambda *_: const(1, "f32"))
    for left in range(n, 1, -1):
        matrix, product = _eliminate(f"{name}.{left}", matrix, product)
    rest, factor = matrix, product
    return map_tensor(name, batch, lambda *o: factor[o] * rest[(*o, 0, 0)])


def _eliminate(name: str, a: Tensor, product: Tensor) -> tuple[Tensor, Tensor]:
    """The matrix without its first column and its pivot's row, and the product with the pivot."""
    n, batch = a.shape[-1], a.shape[:-2]
    most = reduce_tensor(
        f"{name}.most", batch, (n,), "max", lambda o, r: unary("abs", a[(*o, *r, 0)])
    )

    def candidate(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        found = unary("abs", a[(*o, *r, 0)]) >= most[o]
        return select(found, r[0], const(n - 1, "i32"))

    chosen = reduce_tensor(f"{name}.row", batch, (n,), "min", candidate)

    def pivot(o: tuple[Expr, ...]) -> Expr:
        return a[(*o, chosen[o], 0)]

    def smaller(*index: Expr) -> Expr:
        o, i, j = index[:-2], index[-2], index[-1]
        # the first row takes the place of the pivot's
        row = select((i + 1).equals(chosen[o]), const(0, "i32"), i + 1)
        factor = select(pivot(o).equals(0.0), const(0, "f32"), a[(*o, row, 0)] / pivot(o))
        return a[(*o, row, j + 1)] - factor * a[(*o, chosen[o], j + 1)]

    def next_product(*o: Expr) -> Expr:
        sign = select(chosen[o].equals(0), const(1, "f32"), -1)
        return product[o] * pivot(o) * sign

    return (
        map_tensor(f"{name}.matrix", (*batch, n - 1, n - 1), smaller),
        map_tensor(f"{name}.product", batch, next_product),
    )
