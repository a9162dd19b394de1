"""Row groups: chains of nests that work row by row become one kernel.

Two nests share rows when the second reads the first, at each of its points, only where some of the
first one's axes equal some of its own: those axes are the row, the others lie within it. A
softmax's maximum, sum and quotient share rows; so do the layers of a small network that maps
Gaussians to Gaussians, a norm and its statistics, the scores and the weighted sum of attention.
What a row's later stages read of its earlier ones never leaves the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pybuild.onnx.bindings import MAX_BINDINGS, Uses, least_bindings
from pybuild.onnx.expr import Expr, variable
from pybuild.onnx.fuse import body_cost
from pybuild.onnx.ir import Compute, Constant, Scan, Scatter, Tensor, sources, topological
from pybuild.onnx.nest import Nest, extent
from pybuild.onnx.substitution import substitute, walk
from pybuild.onnx.words import is_pixels

__all__ = ["Group", "Stage", "contracts", "group_rows", "invert", "reads_of", "strangers"]

TINY_WORK = 1 << 16
"""Operations that one workgroup may do alone."""
TINY_SIZE = 1024
"""Elements of each tensor of such a group."""
MOST_INSTANCES = 256
"""Rows of a group of tiny ones that each have a workgroup: instances of one small network."""
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


# -------------------------------------------------------------------------------------- grouping


def group_rows(nests: dict[Tensor, Nest], outputs: Sequence[Tensor]) -> list[Group]:
    """Cut nests, given sources first, into groups; a nest that nothing joins stands alone."""
    unit: dict[Tensor, Group] = {}
    groups: list[Group] = []
    order = {tensor: k for k, tensor in enumerate(nests)}
    uses = _uses(nests, outputs)
    for tensor, nest in nests.items():
        made = _join(nest, unit, groups, uses)
        if made is None:
            made = Group([Stage(nest, nest.axes)], tuple(extent(a) for a in nest.axes), {tensor})
            groups.append(made)
        made.stages.sort(key=lambda stage: order[stage.nest.tensor])
        for stage in made.stages:
            unit[stage.nest.tensor] = made
    _merge_tiny(groups, unit, order, uses)
    return groups


def _uses(nests: dict[Tensor, Nest], outputs: Sequence[Tensor]) -> Uses:
    readers: dict[Tensor, list[Tensor]] = {}
    for tensor, nest in nests.items():
        for source in reads_of(nest):
            readers.setdefault(source, []).append(tensor)
    for tensor in topological(outputs):
        for source in sources(tensor) if isinstance(tensor.source, Scan | Scatter) else ():
            readers.setdefault(source, []).append(tensor)
    return Uses(frozenset(outputs), readers)


def _binds(group: Group, uses: Uses) -> int:
    """Bindings of a group's kernel at least."""
    read = {t for s in group.stages for t in reads_of(s.nest) if t not in group.tensors}
    return least_bindings([*read, *uses.outside(group.tensors)], uses.finals)


def _merge_tiny(
    groups: list[Group], unit: dict[Tensor, Group], order: dict[Tensor, int], uses: Uses
) -> None:
    """In place: groups that one workgroup does at no cost become one, where no cycle arises."""
    tiny = [group for group in groups if _together([group], order, uses)]
    k = 0
    while k < len(tiny):
        first = tiny[k]
        for other in tiny[k + 1 :]:
            if not _independent([first, other], unit):
                continue
            made = _together([first, other], order, uses)
            if made is None:
                continue
            groups[groups.index(first)] = made
            groups.remove(other)
            tiny[k] = made
            tiny.remove(other)
            for stage in made.stages:
                unit[stage.nest.tensor] = made
            break
        else:
            k += 1


def _together(groups: Sequence[Group], order: dict[Tensor, int], uses: Uses) -> Group | None:
    """Groups as one that a single workgroup does, or one for each of a few instances."""
    stages = sorted((s for g in groups for s in g.stages), key=lambda s: order[s.nest.tensor])
    tensors = {tensor for group in groups for tensor in group.tensors}
    for shared in (0, 1):
        rows = {tuple(map(extent, stage.nest.axes[:shared])) for stage in stages}
        if len(rows) > 1 or any(len(s.nest.axes[:shared]) < shared for s in stages):
            continue
        extents = rows.pop()
        if math.prod(extents) > MOST_INSTANCES or not _is_tiny(groups, math.prod(extents)):
            continue
        made = Group([Stage(s.nest, s.nest.axes[:shared]) for s in stages], extents, tensors)
        if sum(s.width for s in made.stages) > LOCAL_SUM or _binds(made, uses) > MAX_BINDINGS:
            continue
        if not shared or not strangers(made):
            return made
    return None


def _is_tiny(groups: Sequence[Group], share: int) -> bool:
    work = sum(g.count * _work(s) for g in groups for s in g.stages)
    sizes = [s.nest.tensor.size for g in groups for s in g.stages]
    if any(is_pixels(s.nest.tensor) for g in groups for s in g.stages):
        return False
    return work <= TINY_WORK * share and max(sizes) <= TINY_SIZE * share


def _independent(chosen: Sequence[Group], unit: dict[Tensor, Group]) -> bool:
    nest = chosen[0].stages[0].nest
    return _acyclic(nest, chosen, unit)


def _join(nest: Nest, unit: dict[Tensor, Group], groups: list[Group], uses: Uses) -> Group | None:
    """Join a nest to the groups it reads: all that share rows, or the largest set that may."""
    if not _joinable(nest):
        return None
    candidates = list({id(unit[t]): unit[t] for t in reads_of(nest) if t in unit}.values())
    if not candidates:
        return None
    for chosen in (candidates, *([c] for c in candidates)):
        if len(chosen) == len(candidates) and len(chosen) > 1 and chosen is not candidates:
            continue
        if not _acyclic(nest, chosen, unit):
            continue
        made = _aligned(nest, chosen, uses)
        if made is not None:
            for group in chosen:
                groups.remove(group)
            groups.append(made)
            return made
    return None


def _joinable(nest: Nest) -> bool:
    source = nest.tensor.source
    return isinstance(source, Compute) and not source.pixels and nest.points > 0


def _acyclic(nest: Nest, chosen: Sequence[Group], unit: dict[Tensor, Group]) -> bool:
    """Nothing that the nest, or one of the groups, reads from outside depends on the groups."""
    inside = {id(group) for group in chosen}
    start = list(reads_of(nest))
    for group in chosen:
        start += [t for stage in group.stages for t in reads_of(stage.nest)]
    # what a group makes may be read in it at once, but not through a scan or a scatter
    stack = _makers([t for t in start if t not in unit], unit)
    stack += [unit[t] for t in start if t in unit and id(unit[t]) not in inside]
    seen: set[int] = set()
    while stack:
        group = stack.pop()
        if id(group) in inside:
            return False
        if id(group) in seen:
            continue
        seen.add(id(group))
        stack += _makers([t for s in group.stages for t in reads_of(s.nest)], unit)
    return True


def _makers(tensors: Sequence[Tensor], unit: dict[Tensor, Group]) -> list[Group]:
    """The groups that tensors come from, at once or through scans and scatters."""
    made: dict[int, Group] = {}
    stack, seen = list(tensors), set(tensors)
    while stack:
        tensor = stack.pop()
        if tensor in unit:
            made[id(unit[tensor])] = unit[tensor]
        elif isinstance(tensor.source, Scan | Scatter):
            given = [t for t in sources(tensor) if t not in seen]
            seen.update(given)
            stack += given
    return list(made.values())


def _divided(nest: Nest, chosen: Sequence[Group]) -> Nest:
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


def _aligned(nest: Nest, chosen: Sequence[Group], uses: Uses) -> Group | None:
    """The group of a nest and the groups that it reads, over the rows that all share."""
    nest = _divided(nest, chosen)
    shared: list[Expr] | None = None
    fitted: list[tuple[Group, list[Expr | None]]] = []
    for group in chosen:
        found = _digits(nest, group)
        if found is None:
            return None
        group, axes = found
        fitted.append((group, axes))
        mine = [a for a in axes if a is not None]
        shared = mine if shared is None else [a for a in shared if a in mine]
    assert shared is not None
    order = [a for a in nest.axes if a in shared]
    most = max((g.count for g in chosen if len(g.stages) > 1), default=0)
    for count in range(len(order), -1, -1):
        made = _over(nest, fitted, order[:count])
        if _binds(made, uses) > MAX_BINDINGS:
            return None
        if _worthwhile(made, most) and not strangers(made):
            return made
    return None


def _over(
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


def _digits(nest: Nest, group: Group) -> tuple[Group, list[Expr | None]] | None:
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


# --------------------------------------------------------------------------------- what may join


def _worthwhile(group: Group, rows_before: int) -> bool:
    read_inside = {t for stage in group.stages for t in reads_of(stage.nest) if t in group.tensors}
    kept = [s for s in group.stages if s.nest.tensor in read_inside]
    if any(s.width > LOCAL for s in kept):
        return False
    if sum(s.width for s in kept) > LOCAL_SUM:
        return False
    work = sum(_work(stage) for stage in group.stages)
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


def _work(stage: Stage) -> float:
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
