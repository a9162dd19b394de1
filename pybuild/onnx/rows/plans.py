"""How the stages of a group are cut in a kernel: tiles, loops, rows a thread, orders of weights.

Where all of a group's loops are short they are written out, and constants stand in the text as
literals: on processors a load costs as much as ten multiplications (docs/decisions/0005).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pybuild.onnx.expr import Expr
from pybuild.onnx.ir import Constant, Tensor
from pybuild.onnx.loops import Tile
from pybuild.onnx.nest import extent
from pybuild.onnx.rows.group import Group, Stage
from pybuild.onnx.rows.worth import contracts
from pybuild.onnx.substitution import walk

__all__ = ["Plan", "is_unrolled", "layouts", "literals_of", "plan_of", "rows_each", "total_terms"]

UNROLLED_TERMS = 26000
"""Products written out in one kernel at most, where rows are many."""
MANY_ROWS = 1024
ROWS_EACH = 4
"""Rows of a thread that takes several: their values lie together in a vector."""
MOST_THREADS = 1 << 16
"""Rows from which on a thread takes four light ones: a thread alone costs some adapters 8 ns."""
FEW_TERMS = 2048
"""The same where rows are few: a kernel that runs seldom is not worth a long text."""
STAGE_TERMS = 512
"""Products of a stage that are written out though the group's are not, and of a loop's turn."""
LITERALS = 1 << 14
"""Elements of a constant that stands in the text."""


@dataclass(slots=True)
class Plan:
    """How a stage is cut: its tile, and the axes that a loop runs over."""

    tile: Tile
    looped: tuple[Expr, ...]


def plan_of(stage: Stage, unrolled: bool, each: int) -> Plan:
    """How a stage is cut, in a kernel that is written out or not, with ``each`` rows a thread."""
    nest = stage.nest
    depth, width = nest.depth, stage.width
    rows = {stage.rows[-1]: each} if each > 1 else {}
    if unrolled or width * depth * each <= STAGE_TERMS:
        return Plan(
            Tile({**rows, **{a: extent(a) for a in stage.rest}}, {v: extent(v) for v in nest.over}),
            (),
        )
    unroll: dict[Expr, int] = {}
    # of several rows a tile of outputs shares a few inputs at a time: with all inputs at hand,
    # hundreds of values live through the loop, and some compilers take a minute to place them
    room = (8 if each > 1 else 128) if nest.combine else 1
    for var in reversed(nest.over):
        if extent(var) <= room:
            unroll[var] = extent(var)
            room //= extent(var)
            continue
        unroll[var] = max(
            (d for d in (16, 8, 4, 2) if extent(var) % d == 0 and d <= room), default=1
        )
        break
    inner = math.prod(unroll.values())
    factors: dict[Expr, int] = {}
    looped: list[Expr] = []
    room = min(16, max(1, STAGE_TERMS // (inner * each)))
    for axis in reversed(stage.rest):
        if extent(axis) <= room:
            factors[axis] = extent(axis)
            room //= extent(axis)
            continue
        step = max((d for d in (16, 8, 4, 2, 1) if d <= room and extent(axis) % d == 0), default=1)
        factors[axis] = step
        looped.append(axis)
        room //= max(step, 1)
    return Plan(Tile({**rows, **factors}, unroll), tuple(reversed(looped)))


def total_terms(group: Group) -> int:
    """Products that a row's stages have together."""
    return sum(stage.width * stage.nest.depth for stage in group.stages)


def is_unrolled(group: Group) -> bool:
    """Whether all loops are written out, and weights are literals; what has none gains nothing."""
    most = UNROLLED_TERMS if group.count >= MANY_ROWS else FEW_TERMS
    if not any(contracts(stage.nest) for stage in group.stages):
        most = STAGE_TERMS
    return total_terms(group) <= most


def rows_each(group: Group) -> int:
    """Rows of one thread: weights read from memory serve all of them."""
    heavy = not is_unrolled(group) and any(
        contracts(s.nest) and s.width * s.nest.depth >= STAGE_TERMS for s in group.stages
    )
    many = group.count >= MANY_ROWS and bool(group.extents) and group.extents[-1] % ROWS_EACH == 0
    light = total_terms(group) <= STAGE_TERMS // 8 and group.count >= MOST_THREADS
    return ROWS_EACH if many and (heavy or light) else 1


def literals_of(group: Group) -> frozenset[Tensor]:
    """Constants of an unrolled group whose places do not depend on the row."""
    found: set[Tensor] = set()
    moved: set[Tensor] = set()
    for stage in group.stages:
        rows = set(stage.rows)
        for node in walk(*stage.nest.roots):
            if node.op == "load" and isinstance(node.attr.source, Constant):
                inside = set(walk(*node.args))
                still = not inside & rows and not any(e.op == "load" for e in inside)
                (found if still else moved).add(node.attr)
    return frozenset(t for t in found - moved if t.size <= LITERALS)


def layouts(group: Group) -> dict[Tensor, tuple[int, ...]]:
    """Constants of a group that lie better in another order: what is read together, together."""
    unrolled = is_unrolled(group)
    if unrolled:
        return {}
    found: dict[Tensor, int | None] = {}
    for stage in group.stages:
        steps = plan_of(stage, unrolled, 1).tile.steps
        for node in walk(*stage.nest.roots):
            if node.op != "load" or not isinstance(node.attr.source, Constant):
                continue
            best = max(
                (
                    (steps.get(part, 1), k)
                    for k, part in enumerate(node.args)
                    if part not in stage.rows
                ),
                default=(1, 0),
            )
            place = best[1] if best[0] >= 4 else None
            if found.setdefault(node.attr, place) != place:
                found[node.attr] = None
    orders: dict[Tensor, tuple[int, ...]] = {}
    for tensor, place in found.items():
        last = len(tensor.shape) - 1
        if place is not None and place != last:
            orders[tensor] = (*(a for a in range(last + 1) if a != place), place)
    return orders
