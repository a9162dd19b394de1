"""The rows of two nests brought to the same axes: an axis that is a mix of others is split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from pybuild.onnx.expr import Expr, variable
from pybuild.onnx.nest import Nest, extent
from pybuild.onnx.rows.group import Group, Stage, invert
from pybuild.onnx.substitution import substitute, walk

__all__ = ["digits_of", "divided", "over_rows"]


def divided(nest: Nest, chosen: Sequence[Group]) -> Nest:
    """A nest whose axes are split as finely as the rows that it reads."""
    for _ in range(8):
        for group in chosen:
            piece = _axis_piece(nest, _row_values(nest, group) or [])
            if piece is not None:
                axis, inner = piece
                outer = variable(f"{axis.attr[0]}a", extent(axis) // inner)
                low = variable(f"{axis.attr[0]}b", inner)
                nest = _replace_axis(nest, axis, (outer, low), outer * inner + low)
                break
        else:
            return nest
    return nest


def _axis_piece(nest: Nest, values: Sequence[Expr | None]) -> tuple[Expr, int] | None:
    for value in values:
        for node in walk(value) if value is not None else ():
            if node.op in ("floordiv", "mod") and node.args[0] in nest.axes:
                axis = node.args[0]
                if extent(axis) % node.attr == 0 and extent(axis) != node.attr:
                    return axis, node.attr
    return None


def digits_of(nest: Nest, group: Group) -> tuple[Group, list[Expr | None]] | None:
    """For each row axis of a group the axis of the nest that it equals, or None.

    A row axis that equals a mix of two axes of the nest is split first.
    """
    while True:
        values = _row_values(nest, group)
        if values is None:
            return None
        axes: list[Expr | None] = []
        for k, value in enumerate(values):
            if value is not None and value.op == "linear":
                parts = _radix(value, nest)
                if parts is not None and math.prod(parts) == group.extents[k]:
                    group = _split_row(group, k, parts[-1])
                    break
            good = value is not None and value in nest.axes
            if good and value is not None and extent(value) != group.extents[k]:
                good = False
            axes.append(value if good and value not in axes else None)
        else:
            return group, axes


def _row_values(nest: Nest, group: Group) -> list[Expr | None] | None:
    values: list[Expr | None] | None = None
    by_tensor = {stage.nest.tensor: stage for stage in group.stages}
    for node in walk(*nest.roots):
        if node.op != "load" or node.attr not in by_tensor:
            continue
        stage = by_tensor[node.attr]
        inverse = invert(stage.nest, node.args)
        if inverse is None:
            return None
        here = [inverse[a] for a in stage.rows]
        if values is None:
            values = list(here)
        else:
            values = [v if v is h else None for v, h in zip(values, here, strict=True)]
    return values


def _radix(value: Expr, nest: Nest) -> list[int] | None:
    """Extents of the axes that a mixed-radix number is made of, slowest first."""
    factors, constant = value.attr
    if constant or any(a not in nest.axes for a in value.args):
        return None
    stride, extents = 1, []
    for factor, axis in sorted(zip(factors, value.args, strict=True), key=lambda p: p[0]):
        if factor != stride:
            return None
        extents.append(extent(axis))
        stride *= extent(axis)
    return extents[::-1]


def _split_row(group: Group, place: int, inner: int) -> Group:
    """A group whose row axis ``place`` is two: i = inner * a + b."""
    stages = []
    for stage in group.stages:
        old = stage.rows[place]
        outer = variable(f"{old.attr[0]}a", extent(old) // inner)
        low = variable(f"{old.attr[0]}b", inner)
        nest = _replace_axis(stage.nest, old, (outer, low), outer * inner + low)
        rows = (*stage.rows[:place], outer, low, *stage.rows[place + 1 :])
        stages.append(Stage(nest, rows))
    extents = group.extents
    both = (extents[place] // inner, inner)
    return Group(
        stages, (*extents[:place], *both, *extents[place + 1 :]), {s.nest.tensor for s in stages}
    )


def _replace_axis(nest: Nest, old: Expr, new: tuple[Expr, ...], value: Expr) -> Nest:
    memo: dict[Expr, Expr] = {}
    mapping = {old: value}
    return replace(
        nest,
        axes=tuple(p for a in nest.axes for p in (new if a is old else (a,)) if p.op == "var"),
        body=substitute(nest.body, mapping, None, memo),
        finish=substitute(nest.finish, mapping, None, memo),
        index=tuple(substitute(i, mapping, None, memo) for i in nest.index),
    )


def over_rows(
    nest: Nest, fitted: Sequence[tuple[Group, list[Expr | None]]], order: Sequence[Expr]
) -> Group:
    """The group whose rows are some axes of the nest."""
    stages: list[Stage] = []
    for group, axes in fitted:
        places = [axes.index(a) for a in order]
        for stage in group.stages:
            stages.append(Stage(stage.nest, tuple(stage.rows[p] for p in places)))
    stages.append(Stage(nest, tuple(order)))
    return Group(stages, tuple(extent(a) for a in order), {stage.nest.tensor for stage in stages})
