"""Loop nests: what one kernel, or one stage of a kernel, computes.

A nest is a Compute tensor made ready for code: its axes are free of the tensor's shape (an axis
that is only used in pieces is split into them), and a map after a reduction is its epilogue::

    for axes:  acc = neutral;  for over: acc = combine(acc, body);  tensor[index] = finish(acc)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pybuild.onnx.expr import Expr, Type, make_node, variable
from pybuild.onnx.ir import Combine, Compute, Tensor
from pybuild.onnx.substitution import substitute, walk

__all__ = ["Nest", "accumulator", "extent", "nest_of", "split_axes"]


@dataclass(frozen=True, slots=True)
class Nest:
    """One loop nest; see the module.

    Attributes
    ----------
    tensor : Tensor
        Written, once for each point of ``axes``, at ``index``.
    axes, over : tuple of Expr
        Variables: parallel, and reduced over.
    combine : str or None
        None: there is no reduction and ``finish`` is ``body``.
    acc : Expr or None
        Stands for the reduced value in ``finish``.
    """

    tensor: Tensor
    axes: tuple[Expr, ...]
    over: tuple[Expr, ...]
    combine: Combine | None
    body: Expr
    acc: Expr | None
    finish: Expr
    index: tuple[Expr, ...]

    @property
    def points(self) -> int:
        """Times that ``finish`` runs."""
        return math.prod(extent(v) for v in self.axes)

    @property
    def depth(self) -> int:
        """Times that ``body`` runs for each point."""
        return math.prod(extent(v) for v in self.over)

    @property
    def roots(self) -> tuple[Expr, ...]:
        """Every expression of the nest."""
        limits = (limit for limit in self.tensor.limits if limit is not None)
        return (self.body, self.finish, *self.index, *limits)


def extent(var: Expr) -> int:
    """Number of values of a variable."""
    return var.high + 1


def accumulator(type_: Type) -> Expr:
    """A new stand-in for a reduced value."""
    fresh = variable("acc", 2)
    return make_node("acc", (), fresh.attr[1], type_)


def nest_of(tensor: Tensor) -> Nest:
    """The nest of a Compute tensor, without an epilogue."""
    source = tensor.source
    assert isinstance(source, Compute)
    axes = tuple(a for a in source.axes if a.op == "var")
    if source.combine is None:
        return Nest(tensor, axes, (), None, source.body, None, source.body, source.axes)
    acc = accumulator(tensor.type)
    return Nest(tensor, axes, source.over, source.combine, source.body, acc, acc, source.axes)


def with_epilogue(nest: Nest, tensor: Tensor) -> Nest | None:
    """The nest that computes ``tensor``, a map that reads ``nest.tensor`` at one index.

    None where it is not so, or where values would be computed more than once.
    """
    source = tensor.source
    if not isinstance(source, Compute) or source.combine is not None:
        return None
    if tensor.size != nest.tensor.size or nest.combine is None:
        return None
    places = {e.args for e in walk(source.body) if e.op == "load" and e.attr is nest.tensor}
    if len(places) != 1:
        return None
    # the nest's own variables, from the index that the map reads: its index must be invertible
    (place,) = places
    mapping = _solve(nest.index, place)
    if mapping is None:
        return None
    body = substitute(nest.body, mapping)
    value = substitute(nest.finish, mapping)
    finish = substitute(
        source.body, {}, lambda t, i: value if t is nest.tensor and i == place else None
    )
    axes = tuple(a for a in source.axes if a.op == "var")
    return Nest(tensor, axes, nest.over, nest.combine, body, nest.acc, finish, source.axes)


def _solve(index: tuple[Expr, ...], place: tuple[Expr, ...]) -> dict[Expr, Expr] | None:
    """Variables of an index that make it equal another; only for plain indices."""
    mapping: dict[Expr, Expr] = {}
    for own, wanted in zip(index, place, strict=True):
        if own.op == "var":
            mapping[own] = wanted
        elif own.op != "const":
            return None
    return mapping


def split_axes(nest: Nest) -> Nest:
    """Split axes that are used in pieces: where ``i // d`` and ``i % d`` appear, i = d * a + b."""
    while True:
        found = _piece(nest)
        if found is None:
            return nest
        var, divisor = found
        outer = variable(f"{var.attr[0]}a", extent(var) // divisor)
        inner = variable(f"{var.attr[0]}b", divisor)
        mapping = {var: outer * divisor + inner}
        parts = tuple(p for p in (outer, inner) if p.op == "var")

        def renew(
            old: tuple[Expr, ...], var: Expr = var, parts: tuple[Expr, ...] = parts
        ) -> tuple[Expr, ...]:
            return tuple(p for v in old for p in (parts if v is var else (v,)))

        memo: dict[Expr, Expr] = {}
        nest = replace(
            nest,
            axes=renew(nest.axes),
            over=renew(nest.over),
            body=substitute(nest.body, mapping, None, memo),
            finish=substitute(nest.finish, mapping, None, memo),
            index=tuple(substitute(i, mapping, None, memo) for i in nest.index),
        )


def _piece(nest: Nest) -> tuple[Expr, int] | None:
    loops = {*nest.axes, *nest.over}
    for expr in walk(*nest.roots):
        if expr.op in ("floordiv", "mod"):
            base = expr.args[0]
            if base in loops and extent(base) % expr.attr == 0 and extent(base) != expr.attr:
                return base, expr.attr
    return None
