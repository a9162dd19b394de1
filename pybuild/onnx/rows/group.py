"""What a group of nests over the same rows is, and what its stages read of each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pybuild.onnx.expr import Expr
from pybuild.onnx.ir import Tensor
from pybuild.onnx.nest import Nest, extent
from pybuild.onnx.substitution import walk

__all__ = ["Group", "Stage", "invert", "reads_of", "strangers"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A nest with its row axes, in the group's order."""

    nest: Nest
    rows: tuple[Expr, ...]

    @property
    def rest(self) -> tuple[Expr, ...]:
        """The axes within a row."""
        return tuple(a for a in self.nest.axes if a not in self.rows)

    @property
    def width(self) -> int:
        """Elements of a row."""
        return math.prod(extent(a) for a in self.rest)


@dataclass(slots=True)
class Group:
    """Stages in order, all over the same rows."""

    stages: list[Stage]
    extents: tuple[int, ...] = ()
    tensors: set[Tensor] = field(default_factory=set)

    @property
    def count(self) -> int:
        """Rows."""
        return math.prod(self.extents)


def reads_of(nest: Nest) -> tuple[Tensor, ...]:
    """Tensors that a nest loads from, in order of appearance."""
    return tuple(dict.fromkeys(e.attr for e in walk(*nest.roots) if e.op == "load"))


def invert(nest: Nest, index: Sequence[Expr]) -> dict[Expr, Expr] | None:
    """Values of a nest's axes at the point that writes ``index``; None where it is not plain."""
    values: dict[Expr, Expr] = {}
    for own, wanted in zip(nest.index, index, strict=True):
        if own.op == "const":
            continue
        if own.op == "var":
            values[own] = wanted
            continue
        if own.op != "linear" or own.attr[1] != 0:
            return None
        stride = 1
        for factor, axis in sorted(zip(own.attr[0], own.args, strict=True), key=lambda p: p[0]):
            if axis.op != "var" or factor != stride:
                return None
            values[axis] = (wanted // stride) % extent(axis)
            stride *= extent(axis)
    return values


def strangers(group: Group) -> list[Tensor]:
    """Stages that read another one at other rows than their own: they cannot share its kernel.

    A chain that forks may meet again: what joins the two ends reads both at its own row, while
    one end reads the other's neighbours, as a pooling does.
    """
    makers = {stage.nest.tensor: stage for stage in group.stages}
    found = []
    for stage in group.stages:
        for node in walk(*stage.nest.roots):
            if node.op != "load" or node.attr not in makers:
                continue
            maker = makers[node.attr]
            place = invert(maker.nest, node.args)
            if place is None or any(
                place[own] is not row for own, row in zip(maker.rows, stage.rows, strict=True)
            ):
                found.append(stage.nest.tensor)
                break
    return found
