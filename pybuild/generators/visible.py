"""Visibility before decoding: rows of a generator that the camera cannot see are never computed.

A graph is row by row where its outputs at row n hang on nothing computed but row n of what comes
before. Then rows can be left out: the cheap part, centres and a bound of the radii, is computed
for all of them, those in sight are gathered in order, and the whole is computed for these alone::

    row a       -> seen[a]                                   all rows
    survivors   =  the rows that are seen, in order, and their count
    out[m]      =  out of row survivors[m], for m < count    as many as are seen
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pybuild.onnx.expr import Expr, cast, const, logical_and, minimum
from pybuild.onnx.ir import (
    Compute,
    Constant,
    Input,
    Tensor,
    constant,
    input_tensor,
    map_tensor,
    reduce_tensor,
    scan_tensor,
    scatter_tensor,
)
from pybuild.onnx.substitution import substitute, walk

__all__ = ["NotRowWise", "Survivors", "compacted", "gathered", "in_sight"]

MOST_PER_ROW = 64
"""Gaussians that one row may make."""


class NotRowWise(Exception):
    """Something reads other rows than its own; ``divisor`` is what its index is divided by."""

    def __init__(self, reason: str, divisor: int = 1) -> None:
        self.divisor = divisor
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Survivors:
    """Which rows are computed, as inputs of the program that computes them.

    Attributes
    ----------
    rows : (A,) i32 tensor
        Indices of the rows, ascending; ``count`` of them.
    count : (1,) u32 tensor
    """

    rows: Tensor
    count: Tensor

    @classmethod
    def of(cls, rows: int) -> Survivors:
        """The inputs for a number of rows."""
        indices = input_tensor("survivors", (rows,), "i32")
        indices.low, indices.high = 0, rows - 1
        return cls(indices, input_tensor("count.survivors", (1,), "u32"))

    @property
    def most(self) -> int:
        """A."""
        return self.rows.shape[0]

    def alive(self) -> Expr:
        """The count as i32, never more than there are rows."""
        return cast(minimum(self.count[0], const(self.most, "u32")), "i32")


def gathered(outputs: Sequence[Tensor]) -> tuple[list[Tensor], Survivors, int]:
    """The outputs for surviving rows alone.

    Parameters
    ----------
    outputs : sequence of Tensor
        All have the same number of Gaussians along their first axis.

    Returns
    -------
    outputs : list of Tensor
        Of the same shapes; the first ``count * group`` rows are alive.
    survivors : Survivors
    group : int
        Gaussians that a row makes.

    Raises
    ------
    NotRowWise
        A row hangs on others.
    """
    capacity = outputs[0].shape[0]
    group = 1
    while True:
        if group > MOST_PER_ROW or capacity % group or capacity < 2 * group:
            raise NotRowWise(f"{capacity} Gaussians do not come in groups of {group}")
        survivors = Survivors.of(capacity // group)
        work = _Gather(survivors)
        try:
            return [work.tensor(t, 0, group) for t in outputs], survivors, group
        except NotRowWise as error:
            finer = math.lcm(group, error.divisor)
            if finer == group:
                raise
            group = finer


@dataclass(slots=True)
class _Gather:
    """Tensors computed for survivors: by tensor, axis that holds the rows, elements a row."""

    survivors: Survivors
    done: dict[tuple[Tensor, int, int], Tensor] = field(default_factory=dict)

    def tensor(self, tensor: Tensor, axis: int, group: int) -> Tensor:
        """``tensor`` with the rows along ``axis``, ``group`` elements each, that survive."""
        key = tensor, axis, group
        if key not in self.done:
            self.done[key] = self._made(tensor, axis, group)
        return self.done[key]

    def _made(self, tensor: Tensor, axis: int, group: int) -> Tensor:
        source = tensor.source
        limits: list[Expr | None] = [None] * len(tensor.shape)
        limits[axis] = self.survivors.alive() * group
        if isinstance(source, Constant | Input):
            made = map_tensor(
                tensor.name,
                tensor.shape,
                lambda *i: tensor[(*i[:axis], self._row(i[axis], group), *i[axis + 1 :])],
            )
            return Tensor(made.name, made.shape, made.type, made.source, tuple(limits))
        if not isinstance(source, Compute) or any(tensor.limits):
            raise NotRowWise(
                f"{tensor.name!r} runs along its rows or is written at computed places"
            )
        own = source.axes[axis]
        mapping = {own: self._row(own, group)} if own.op == "var" else {}
        body = substitute(source.body, mapping, self._load)
        return Tensor(
            tensor.name, tensor.shape, tensor.type, replace(source, body=body), tuple(limits)
        )

    def _row(self, index: Expr, group: int) -> Expr:
        """The place before gathering of an index along an axis of rows."""
        return self.survivors.rows[index // group] * group + index % group

    def _load(self, tensor: Tensor, index: tuple[Expr, ...]) -> Expr | None:
        if isinstance(tensor.source, Constant | Input):
            return None
        places = [k for k, part in enumerate(index) if self._follows(part)]
        if not places:
            return None
        if len(places) > 1:
            raise NotRowWise(f"{tensor.name!r} is read at its row along two axes", _divisor(*index))
        axis = places[0]
        group, row, rest = self._split(tensor, index[axis], axis)
        return self.tensor(tensor, axis, group)[
            (*index[:axis], row * group + rest, *index[axis + 1 :])
        ]

    def _follows(self, expr: Expr) -> bool:
        return any(e.op == "load" and e.attr is self.survivors.rows for e in walk(expr))

    def _split(self, tensor: Tensor, index: Expr, axis: int) -> tuple[int, Expr, Expr]:
        """Elements a row, the survivor's number, and the place within its row."""
        extent = tensor.shape[axis]
        terms: dict[Expr, int] = {index: 1}
        if index.op == "linear":
            terms = dict(zip(index.args, index.attr[0], strict=True))
        found = [
            (t, f) for t, f in terms.items() if t.op == "load" and t.attr is self.survivors.rows
        ]
        if len(found) == 1:
            term, group = found[0]
            rest = index - term * group
            whole = group > 0 and group * self.survivors.most == extent
            if whole and not self._follows(rest) and rest.low >= 0 and rest.high < group:
                return group, term.args[0], rest
        raise NotRowWise(f"{tensor.name!r} is read at other rows than its own", _divisor(index))


def _divisor(*index: Expr) -> int:
    """What rows would have to be whole multiples of for an index to fall apart."""
    return math.lcm(1, *(e.attr for e in walk(*index) if e.op in ("floordiv", "mod")))


def compacted(seen: Tensor) -> tuple[Tensor, Tensor]:
    """Indices at which a row of bools holds, in order, and their number.

    Parameters
    ----------
    seen : (A,) bool tensor

    Returns
    -------
    rows : (A,) i32 tensor
        Nothing is put beyond the number.
    count : (1,) u32 tensor
    """
    (rows,) = seen.shape

    def one(i: Expr) -> Expr:
        return cast(seen[i], "i32")

    places = scan_tensor("survivors.place", (rows,), 0, "sum", one, exclusive=True)
    zeros = constant("survivors.zero", np.zeros(rows, np.int32), "i32")
    indices = scatter_tensor(
        "survivors", zeros, (rows,), lambda i: ((places[i],), i, seen[i]), fresh=True
    )
    last = rows - 1
    count = map_tensor("count", (1,), lambda _: cast(places[last] + cast(seen[last], "i32"), "u32"))
    return indices, count


def in_sight(spheres: Sequence[Tensor], group: int, view: Tensor, frustum: Tensor) -> Tensor:
    """Whether a sphere of any Gaussian of a row can put a pixel on the canvas.

    Parameters
    ----------
    spheres : four (N,) tensors
        Centres x, y, z and the radii beyond which nothing is drawn, world units.
    group : int
        Gaussians a row.
    view : (4, 4) tensor
        World to camera: x right, y down, z forward.
    frustum : (8,) tensor
        Slopes x / z of the left and right edge, y / z of the upper and lower, each with a margin;
        how far a sphere's radius reaches along x and y (the projection stretches it); the nearest
        z; 0.

    Returns
    -------
    (N / group,) bool tensor
    """
    rows = spheres[0].shape[0] // group

    def seen(index: tuple[Expr, ...], over: tuple[Expr, ...]) -> Expr:
        n = index[0] * group + over[0]
        center, radius = [tensor[n] for tensor in spheres[:3]], spheres[3][n]
        x, y, z = (
            sum((view[r, k] * center[k] for k in range(3)), start=view[r, 3]) for r in range(3)
        )
        across, down = radius * frustum[4], radius * frustum[5]
        return logical_and(
            frustum[6] < z,
            frustum[0] * z <= x + across,
            x - across <= frustum[1] * z,
            frustum[2] * z <= y + down,
            y - down <= frustum[3] * z,
        )

    return reduce_tensor("seen", (rows,), (group,), "or", seen)
