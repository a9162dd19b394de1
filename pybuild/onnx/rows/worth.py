"""Whether a group is worth its kernel: too few rows, too long ones or too much to keep are not.

The limits were measured; where a row's stages contract with a matrix, tiles that share what they
read soon win over a thread or a workgroup that does a row alone.
"""

from __future__ import annotations

from pybuild.onnx.expr import Expr
from pybuild.onnx.fuse import body_cost
from pybuild.onnx.ir import Constant
from pybuild.onnx.nest import Nest
from pybuild.onnx.rows.group import Group, Stage, reads_of
from pybuild.onnx.substitution import walk

__all__ = [
    "LEAST_ROWS",
    "LOCAL",
    "LOCAL_SUM",
    "TINY_SIZE",
    "TINY_WORK",
    "contracts",
    "work_of",
    "worthwhile",
]

TINY_WORK = 1 << 16
"""Operations that one workgroup may do alone."""
TINY_SIZE = 1024
"""Elements of each tensor of such a group."""
LEAST_ROWS = 256
MANY_ROWS, FEW_PRODUCTS = 4096, 64
"""Threads enough for any adapter, and products of a row too few to be worth a tile."""
LEAST_ATTENTION_ROWS = 64
"""Rows of a contraction of two computed tensors: attention's scores."""
LONG_ROW = 1 << 21
"""Operations that one workgroup may do for a row of a norm."""
ROW_WORK = 1 << 15
"""Products of one contraction that a single thread may do for its row."""
ATTENTION_WORK = 1 << 18
"""Products of a contraction of two computed tensors for one row: 4,096 keys of 64 features."""
LOCAL = 3072
"""Elements of a tensor that a row may keep; of all of them together: 12 KiB of workgroup memory."""
LOCAL_SUM = 3584


def worthwhile(group: Group, rows_before: int) -> bool:
    """Whether the stages are better together; ``rows_before`` had the largest of those joined."""
    read_inside = {t for stage in group.stages for t in reads_of(stage.nest) if t in group.tensors}
    kept = [s for s in group.stages if s.nest.tensor in read_inside]
    if any(s.width > LOCAL for s in kept):
        return False
    if sum(s.width for s in kept) > LOCAL_SUM:
        return False
    work = sum(work_of(stage) for stage in group.stages)
    if group.count * work <= TINY_WORK and all(
        s.nest.tensor.size <= TINY_SIZE for s in group.stages
    ):
        return True
    if 2 * group.count < rows_before and not _coarser(group, rows_before):
        return False
    for stage in group.stages:
        if not contracts(stage.nest):
            continue
        weights = _has_weights(stage.nest)
        least = LEAST_ROWS if weights else LEAST_ATTENTION_ROWS
        most = ROW_WORK if weights else ATTENTION_WORK
        if group.count < least or stage.width * stage.nest.depth > most:
            return False
        if _windowed(stage) or not _leading(stage):
            return False
    if group.count >= LEAST_ROWS:
        return True
    # few rows, but long ones: a workgroup for each, which shares their reductions
    return work <= LONG_ROW and any(
        s.nest.combine is not None and s.width <= 4 and s.nest.depth >= 32 for s in group.stages
    )


def work_of(stage: Stage) -> float:
    """Operations for one row, about."""
    nest = stage.nest
    return stage.width * (
        nest.depth * (1 + body_cost(nest.body)) + (body_cost(nest.finish) if nest.combine else 0)
    )


def contracts(nest: Nest) -> bool:
    """A sum of products with a matrix, not of a row with itself."""
    return (
        nest.combine == "sum"
        and any(node.op == "mul" and _multiplies(*node.args) for node in walk(nest.body))
        and any(
            # an operand that is not of the row alone: a matrix
            node.op == "load" and (isinstance(node.attr.source, Constant) or len(node.args) > 1)
            for node in walk(nest.body)
        )
    )


def _multiplies(left: Expr, right: Expr) -> bool:
    """Both are read from somewhere, and not from the same places: no power."""
    loads = [{e for e in walk(side) if e.op == "load"} for side in (left, right)]
    return all(loads) and loads[0] != loads[1]


def _coarser(group: Group, rows_before: int) -> bool:
    """Rows joined to longer ones leave threads enough, and no product that tiles would share."""
    products = [s.width * s.nest.depth for s in group.stages if contracts(s.nest)]
    few = max(products, default=0) <= FEW_PRODUCTS
    return group.count >= MANY_ROWS and 4 * group.count >= rows_before and few


def _has_weights(nest: Nest) -> bool:
    return any(e.op == "load" and isinstance(e.attr.source, Constant) for e in walk(nest.body))


def _leading(stage: Stage) -> bool:
    """A row's elements lie together in memory: so do rows of Gaussians, not pixels of planes."""
    rest = set(stage.rest)
    begun = False
    for part in stage.nest.index:
        terms = (
            dict(zip(part.args, part.attr[0], strict=True)) if part.op == "linear" else {part: 1}
        )
        for axis, _ in sorted(terms.items(), key=lambda t: -t[1]):
            if axis in rest:
                begun = True
            elif axis.op == "var" and begun:
                return False
    return True


def _windowed(stage: Stage) -> bool:
    """Reads neighbours: an index in which a row axis and a reduction variable overlap."""
    over, rows = set(stage.nest.over), set(stage.rows)
    for node in walk(stage.nest.body):
        if node.op == "load" and any(_overlap(part, rows, over) for part in node.args):
            return True
    return False


def _reckoned(index: Expr) -> set[Expr]:
    """What an index is made of, but for what it looks up: a place in a list tells nothing of it."""
    found: set[Expr] = set()
    stack = [index]
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack += () if node.op == "load" else node.args
    return found


def _overlap(index: Expr, rows: set[Expr], over: set[Expr]) -> bool:
    inside = _reckoned(index)
    if not inside & rows or not inside & over:
        return False
    if index.op != "linear" or any(a.op != "var" for a in index.args):
        return True
    terms = dict(zip(index.args, index.attr[0], strict=True))
    reach = {a: abs(c) * a.high for a, c in terms.items()}
    # digits of one number do not meet: each steps over all that the lower ones reach
    covered = 0
    for axis, factor in sorted(terms.items(), key=lambda t: abs(t[1])):
        if abs(factor) <= covered:
            return True
        covered += reach[axis]
    return False
