"""Nests in groups: each joins those that it reads where all can share rows and a kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pybuild.onnx.bindings import MAX_BINDINGS, Uses, least_bindings
from pybuild.onnx.expr import Expr
from pybuild.onnx.ir import Compute, Scan, Scatter, Tensor, sources, topological
from pybuild.onnx.nest import Nest, extent
from pybuild.onnx.rows.axes import digits_of, divided, over_rows
from pybuild.onnx.rows.group import Group, Stage, reads_of, strangers
from pybuild.onnx.rows.worth import LOCAL_SUM, TINY_SIZE, TINY_WORK, work_of, worthwhile
from pybuild.onnx.words import is_pixels

__all__ = ["group_rows"]

MOST_INSTANCES = 256
"""Rows of a group of tiny ones that each have a workgroup: instances of one small network."""


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


def _aligned(nest: Nest, chosen: Sequence[Group], uses: Uses) -> Group | None:
    """The group of a nest and the groups that it reads, over the rows that all share."""
    nest = divided(nest, chosen)
    shared: list[Expr] | None = None
    fitted: list[tuple[Group, list[Expr | None]]] = []
    for group in chosen:
        found = digits_of(nest, group)
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
        made = over_rows(nest, fitted, order[:count])
        if _binds(made, uses) > MAX_BINDINGS:
            return None
        if worthwhile(made, most) and not strangers(made):
            return made
    return None


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


def _merge_tiny(
    groups: list[Group], unit: dict[Tensor, Group], order: dict[Tensor, int], uses: Uses
) -> None:
    """In place: groups that one workgroup does at no cost become one, where no cycle arises."""
    tiny = [group for group in groups if _together([group], order, uses)]
    k = 0
    while k < len(tiny):
        first = tiny[k]
        for other in tiny[k + 1 :]:
            if not _acyclic(first.stages[0].nest, [first, other], unit):
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
    work = sum(g.count * work_of(s) for g in groups for s in g.stages)
    sizes = [s.nest.tensor.size for g in groups for s in g.stages]
    if any(is_pixels(s.nest.tensor) for g in groups for s in g.stages):
        return False
    return work <= TINY_WORK * share and max(sizes) <= TINY_SIZE * share
