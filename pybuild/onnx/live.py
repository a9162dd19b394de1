"""Threads that have work where an axis follows a count: which, and how they skip the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pybuild.onnx.expr import TRUE, Expr, logical_and
from pybuild.onnx.nest import Nest, extent
from pybuild.onnx.slots import Slots
from pybuild.onnx.substitution import substitute, walk
from pybuild.onnx.wgsl import Writer

__all__ = ["Live", "counted_first", "leave_early", "live_threads", "rows_live"]


@dataclass(frozen=True, slots=True)
class Live:
    """The first ``each * ceil(limit / step)`` threads have work.

    Attributes
    ----------
    limit : Expr
        Elements of the slowest axis, an i32 of the counts.
    step : int
        Of them that one thread takes.
    each : int
        Threads for one step.
    """

    limit: Expr
    step: int
    each: int


def counted_first(nest: Nest) -> Nest:
    """Axes in such an order that the threads with work come first, if neighbours stay so."""
    last = nest.axes[-1:]
    moved = [
        axis
        for axis in nest.axes
        if axis not in last
        and any(
            limit is not None and _stride(part, axis)
            for part, limit in zip(nest.index, nest.tensor.limits, strict=False)
        )
    ]
    if not moved or moved[0] is nest.axes[0]:
        return nest
    return replace(nest, axes=(moved[0], *(axis for axis in nest.axes if axis is not moved[0])))


def live_threads(
    nest: Nest, axes: Sequence[Expr], factors: Mapping[Expr, int] | None = None
) -> Live | None:
    """Threads with work, where they come before all others: the slowest axis follows a count.

    Parameters
    ----------
    nest : Nest
    axes : sequence of Expr
        Those of the nest that threads are numbered by, slowest first.
    factors : mapping
        Values of an axis that one thread takes.
    """
    if not axes:
        return None
    first, *rest = axes
    taken = factors or {}
    for part, limit in zip(nest.index, nest.tensor.limits, strict=False):
        stride = _stride(part, first)
        if limit is not None and stride:
            each = math.prod(-(-extent(axis) // taken.get(axis, 1)) for axis in rest)
            return Live(limit, stride * taken.get(first, 1), each)
    return None


def _stride(part: Expr, axis: Expr) -> int:
    """How far an axis moves an index that no axis moves back; 0 for none."""
    if part is axis:
        return 1
    if part.op != "linear" or not _rises(part) or axis not in part.args:
        return 0
    return int(part.attr[0][part.args.index(axis)])


def _rises(part: Expr) -> bool:
    if part.op == "linear":
        factors, constant = part.attr
        return (
            constant >= 0 and all(f > 0 for f in factors) and all(a.op == "var" for a in part.args)
        )
    return part.op in ("var", "const")


def rows_live(nest: Nest, rows: Sequence[Expr], first: Mapping[Expr, Expr]) -> Expr:
    """Whether the first row of a thread has any element; TRUE where no count rules rows.

    Parameters
    ----------
    rows : sequence of Expr
        Axes of the nest that a thread does not run through.
    first : mapping
        Their values at the thread's first element.
    """
    found = []
    for part, limit in zip(nest.index, nest.tensor.limits, strict=False):
        moved = {node for node in walk(part) if node.op == "var"}
        if limit is not None and _rises(part) and moved <= set(rows):
            found.append(substitute(part, first) < limit)
    return logical_and(*found)


def leave_early(writer: Writer, slots: Slots, conditions: Sequence[Expr]) -> None:
    """Threads return for which nothing is to be written: no condition of what is written holds."""
    distinct = set(conditions)
    if len(distinct) == 1 and TRUE not in distinct:
        (condition,) = distinct
        writer.line(f"if (!{writer.value(condition)}) {{ return; }}")
        slots.holds.add(condition)
