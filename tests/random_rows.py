"""Random tensor graphs of rows: what row groups are made of, and what nearly is.

Tables of many rows and few columns go through dense layers, sums and extremes along a row, columns
that change places, look-ups by data, rows split in three and joined again, neighbours, sums over
all rows, running sums and scatters.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np

from pybuild.onnx.expr import (
    Expr,
    cast,
    clamp_index,
    const,
    logical_and,
    maximum,
    minimum,
    select,
    unary,
)
from pybuild.onnx.ir import (
    Tensor,
    constant,
    input_tensor,
    map_tensor,
    reduce_tensor,
    scan_tensor,
    scatter_tensor,
)

__all__ = ["random_rows"]

ROWS = (12, 60, 258, 300, 1023, 1024, 1032)
WIDTHS = (1, 2, 3, 4, 6, 8, 12)


class _Table:
    """The graph so far: tables, each of rows and columns."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.rng = np.random.default_rng(random.randint(0, 1 << 30))
        self.rows = random.choice(ROWS)
        self.tensors: list[Tensor] = []
        for _ in range(random.randint(1, 3)):
            shape = (self.rows, random.choice(WIDTHS))
            self.tensors.append(input_tensor(self.name("x"), shape, "f32"))
        self.kept = len(self.tensors)

    def name(self, stem: str) -> str:
        return f"{stem}{len(self.tensors) if hasattr(self, 'tensors') else 0}"

    def pick(self, fits: Callable[[Tensor], bool] = lambda _: True) -> Tensor:
        """A table, more often one of the latest."""
        found = [t for t in self.tensors if fits(t)]
        return self.random.choice(found[-3:] if self.random.randint(0, 2) else found)

    def put(self, tensor: Tensor) -> None:
        if 0 < tensor.size <= 20_000:
            self.tensors.append(tensor)

    def weights(self, *shape: int) -> Tensor:
        values = self.rng.standard_normal(shape) / np.sqrt(shape[0])
        return constant(f"w{self.rng.integers(1 << 30)}", values.astype(np.float32), "f32")


def _bounded(value: Expr) -> Expr:
    return minimum(maximum(value, const(-3.0, "f32")), const(3.0, "f32"))


def _map(t: _Table) -> None:
    x = t.pick()
    y = t.pick(lambda other: other.shape[0] == x.shape[0])
    turn, shift = t.random.choice([1, 1, 3, -1]), t.random.randint(0, 3)
    heavy = t.random.choice(["tanh", "abs", "neg", "exp"])

    def body(i: Expr, j: Expr) -> Expr:
        other = y[i, (j * turn + shift) % y.shape[1]]
        return _bounded(unary(heavy, _bounded(x[i, j])) * 0.5 + other)

    t.put(map_tensor(t.name("map"), x.shape, body))


def _layer(t: _Table) -> None:
    x = t.pick()
    width = t.random.choice(WIDTHS)
    w, b = t.weights(x.shape[1], width), t.weights(width)
    y = reduce_tensor(
        t.name("product"),
        (x.shape[0], width),
        (x.shape[1],),
        "sum",
        lambda o, r: x[o[0], r[0]] * w[r[0], o[1]],
    )
    t.put(map_tensor(t.name("layer"), y.shape, lambda i, j: unary("tanh", y[i, j] + b[j])))


def _reduce(t: _Table) -> None:
    x = t.pick()
    how = t.random.choice(["sum", "max", "min"])
    made = reduce_tensor(
        t.name(how), (x.shape[0], 1), (x.shape[1],), how, lambda o, r: x[o[0], r[0]]
    )
    t.put(map_tensor(t.name("of"), made.shape, lambda i, j: _bounded(made[i, j])))


def _norm(t: _Table) -> None:
    x = t.pick()
    total = reduce_tensor(
        t.name("squares"),
        (x.shape[0],),
        (x.shape[1],),
        "sum",
        lambda o, r: x[o[0], r[0]] * x[o[0], r[0]],
    )
    t.put(map_tensor(t.name("norm"), x.shape, lambda i, j: x[i, j] / unary("sqrt", total[i] + 0.1)))


def _look_up(t: _Table) -> None:
    """A column, or an entry of a table, at a number that a row holds."""
    x, k = t.pick(), t.pick()
    if x.shape[0] != k.shape[0]:
        return
    table = t.weights(9, 4)

    def place(i: Expr, n: int) -> Expr:
        return clamp_index(cast(k[i, const(0, "i32")] * 2.0 + 4.0617, "i32"), n)

    if t.random.randint(0, 1):
        t.put(map_tensor(t.name("at"), (x.shape[0], 1), lambda i, _: x[i, place(i, x.shape[1])]))
    else:
        t.put(map_tensor(t.name("entry"), (x.shape[0], 4), lambda i, j: table[place(i, 9), j]))


def _fold(t: _Table) -> None:
    """The same elements in other rows: three times as many, or a third."""
    x = t.pick()
    rows, width = x.shape
    if width % 3 == 0:
        part = width // 3
        t.put(
            map_tensor(
                t.name("thirds"),
                (rows * 3, part),
                lambda i, j: unary("abs", x[i // 3, (i % 3) * part + j]),
            )
        )
    elif rows % 3 == 0:
        t.put(
            map_tensor(
                t.name("joined"),
                (rows // 3, width * 3),
                lambda i, j: unary("neg", x[i * 3 + j // width, j % width]),
            )
        )


def _spread(t: _Table) -> None:
    """Each row of a table belongs to several of another."""
    x = t.pick()
    y = t.pick(lambda other: other.shape[0] % x.shape[0] == 0)
    many = y.shape[0] // x.shape[0]
    across = t.random.randint(0, 1)

    def body(i: Expr, j: Expr) -> Expr:
        parent = i % x.shape[0] if across else i // many
        return y[i, j] * 0.5 + x[parent, j % x.shape[1]]

    t.put(map_tensor(t.name("child"), y.shape, body))


def _neighbour(t: _Table) -> None:
    x = t.pick()
    t.put(
        map_tensor(
            t.name("shifted"),
            x.shape,
            lambda i, j: select(i >= 1, x[i - 1, j], const(0.25, "f32")) - x[i, j],
        )
    )


def _over_all(t: _Table) -> None:
    x = t.pick()
    rows = x.shape[0]
    kind = t.random.choice(["mean", "running", "scatter"])
    if kind == "mean":
        total = reduce_tensor(
            t.name("total"), (x.shape[1],), (rows,), "sum", lambda o, r: x[r[0], o[0]]
        )
        t.put(map_tensor(t.name("centred"), x.shape, lambda i, j: x[i, j] - total[j] / rows))
    elif kind == "running":
        y = scan_tensor(t.name("running"), x.shape, 0, "max", lambda i, j: x[i, j])
        t.put(map_tensor(t.name("below"), x.shape, lambda i, j: y[i, j] - x[i, j]))
    else:
        y = scatter_tensor(
            t.name("put"),
            x,
            (min(rows, 50),),
            lambda r: (
                (r, r % x.shape[1]),
                const(0.5, "f32"),
                logical_and(r >= 3, (r % 4) < 3),
            ),
            t.random.choice([None, "sum", "max"]),
        )
        t.put(map_tensor(t.name("after"), x.shape, lambda i, j: y[i, j] * 0.5 + x[i, j]))


def _chosen(t: _Table) -> None:
    x = t.pick()
    y = t.pick(lambda other: other.shape == x.shape)
    above = map_tensor(t.name("above"), x.shape, lambda i, j: x[i, j] > 0.1173)
    count = reduce_tensor(
        t.name("count"),
        (x.shape[0],),
        (x.shape[1],),
        "sum",
        lambda o, r: cast(above[o[0], r[0]], "i32"),
    )
    t.put(
        map_tensor(
            t.name("chosen"),
            x.shape,
            lambda i, j: select(above[i, j], y[i, j], cast(count[i], "f32") * 0.1),
        )
    )


STEPS = (
    *(_map, _map, _map, _layer, _layer, _reduce, _norm, _look_up, _fold, _fold, _spread),
    *(_neighbour, _over_all, _chosen),
)


def random_rows(random: Random, most: int = 12) -> list[Tensor]:
    """The outputs of a graph.

    Parameters
    ----------
    random : Random
        Where every choice comes from.
    most : int
        Steps, each of a few tensors.
    """
    t = _Table(random)
    for _ in range(random.randint(2, most)):
        random.choice(STEPS)(t)
    made = t.tensors[t.kept :] or [
        map_tensor("copy", t.tensors[0].shape, lambda *i: t.tensors[0][i])
    ]
    ends = [made[-1], *random.sample(made, min(len(made), random.randint(0, 2)))]
    return list(dict.fromkeys(ends))
