"""Where the row of a thread or of a workgroup begins, and whether it has any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pybuild.onnx.expr import Expr, as_expr
from pybuild.onnx.ir import Tensor
from pybuild.onnx.live import Live, live_threads, rows_live
from pybuild.onnx.rows.group import Group, Stage

__all__ = ["conditions", "live_rows", "origin_of"]


def origin_of(
    stage: Stage, row_axes: Sequence[Expr], digits: Mapping[Expr, Expr]
) -> dict[Expr, Expr]:
    """Values of a stage's axes at the first element of a row, by the row's own digits."""
    origin = {
        axis: digits.get(row, as_expr(0, "i32")) if row.op == "var" else row
        for axis, row in zip(stage.rows, row_axes, strict=True)
    }
    return origin | {axis: as_expr(0, "i32") for axis in stage.rest}


def conditions(
    group: Group, outside: frozenset[Tensor], firsts: Sequence[Mapping[Expr, Expr]]
) -> list[Expr]:
    """For each tensor that is written whether a thread's first row is within its limits."""
    return [
        rows_live(stage.nest, stage.rows, first)
        for stage, first in zip(group.stages, firsts, strict=True)
        if stage.nest.tensor in outside
    ]


def live_rows(group: Group, outside: frozenset[Tensor], each: int) -> Live | None:
    """Rows that have work, where all that is written follows the same count."""
    found = {
        live_threads(stage.nest, stage.rows, {stage.rows[-1]: each} if stage.rows else {})
        for stage in group.stages
        if stage.nest.tensor in outside
    }
    return found.pop() if len(found) == 1 else None
