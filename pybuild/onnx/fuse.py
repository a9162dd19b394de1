"""Rewrites of the tensor graph: what is folded, what is read through, what is computed where.

Each rule takes the outputs of a graph and gives the outputs of a graph that means the same:

=============== =================================================================================
fold_constants  a tensor that depends on constants alone becomes one
inline_views    a pure index map is read through by everyone
inline_maps     elementwise work moves into its readers where that repeats little of it
epilogues       a map that alone reads a reduction is computed by the reduction's kernel
=============== =================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from pybuild.onnx.bindings import MAX_BINDINGS, least_bindings
from pybuild.onnx.expr import Expr, const, load
from pybuild.onnx.interpret import evaluate
from pybuild.onnx.ir import (
    Compute,
    Constant,
    Input,
    Scan,
    Scatter,
    Tensor,
    bind,
    constant,
    sources,
    topological,
)
from pybuild.onnx.nest import Nest, nest_of, split_axes, with_epilogue
from pybuild.onnx.rereading import reread
from pybuild.onnx.substitution import substitute, walk

__all__ = [
    "body_cost",
    "epilogues",
    "fold_constants",
    "inline_maps",
    "inline_views",
    "is_contraction",
    "readers",
    "rewrite",
]

FOLD_BYTES = 1 << 22
LITERAL_SIZE = 4
VIEW_PARTS = 4
CHEAP = 2.5
FREE_POINTS = 1 << 14

_HEAVY = {
    *("exp", "exp2", "log", "log2", "sin", "cos", "tan", "tanh", "pow", "atan", "atan2", "asin"),
    *("acos", "sinh", "cosh", "asinh", "acosh", "atanh", "call"),
}


def body_cost(expr: Expr) -> float:
    """Work of one evaluation, about one for a float operation; a single load is free."""
    total, loads = 0.0, 0
    for node in walk(expr):
        if node.op in ("const", "var", "acc"):
            continue
        if node.op == "load":
            loads += 1
        elif node.op in _HEAVY:
            total += 4
        elif node.op in ("linear", "floordiv", "mod", "cast", "bitcast") or node.type in (
            "i32",
            "bool",
        ):
            total += 0.0 if node.type == "i32" else 0.25
        elif node.op == "select":
            total += 0.25
        else:
            total += 1
    return total + 0.5 * max(0, loads - 1)


def is_contraction(source: Compute) -> bool:
    """A sum of products: matrix product, convolution."""
    return source.combine == "sum" and any(
        node.op == "mul" and all(any(e.op == "load" for e in walk(arg)) for arg in node.args)
        for node in walk(source.body)
    )


def readers(outputs: Sequence[Tensor]) -> dict[Tensor, list[Tensor]]:
    """Who reads each tensor."""
    found: dict[Tensor, list[Tensor]] = {}
    for tensor in topological(outputs):
        found.setdefault(tensor, [])
        for source in sources(tensor):
            found.setdefault(source, []).append(tensor)
    return found


def rewrite(
    outputs: Sequence[Tensor], inlined: Callable[[Tensor, Tensor, dict[Tensor, Tensor]], bool]
) -> list[Tensor]:
    """Read through the maps for which ``inlined`` holds; asked once each, sources first.

    ``inlined`` is given the tensor, the tensor as rewritten so far, and what each rewritten tensor
    was before.
    """
    new: dict[Tensor, Tensor] = {}
    back: dict[Tensor, Tensor] = {}
    through: set[Tensor] = set()
    kept = set(outputs)

    def loads(tensor: Tensor, index: tuple[Expr, ...]) -> Expr | None:
        there = new[tensor]
        source = there.source
        if there in through:
            assert isinstance(source, Compute)
            return substitute(source.body, bind(source.axes, index))
        if isinstance(source, Constant) and there.size <= LITERAL_SIZE:
            if all(part.op == "const" for part in index):
                place = tuple(
                    min(max(int(p.attr), 0), n - 1) for p, n in zip(index, there.shape, strict=True)
                )
                return const(source.array[place].item(), there.type)
            flat = source.array.ravel()
            if there.size and there.type != "f32" and np.all(flat == flat[0]):
                return const(flat[0].item(), there.type)
        return None if there is tensor else load(there, index)

    for tensor in topological(outputs):
        renewed = new[tensor] = reread(tensor, new, loads)
        back[renewed] = tensor
        plain = isinstance(renewed.source, Compute) and renewed.source.combine is None
        if plain and tensor not in kept and inlined(tensor, renewed, back):
            through.add(renewed)
    return [new[tensor] for tensor in outputs]


def fold_constants(outputs: Sequence[Tensor]) -> list[Tensor]:
    """Tensors without elements or that depend on constants alone, within `FOLD_BYTES`.

    Views of constants stay.
    """
    new: dict[Tensor, Tensor] = {}
    for tensor in topological(outputs):
        source = tensor.source
        here = new[tensor] = reread(tensor, new)
        if isinstance(source, Input | Constant) or (isinstance(source, Compute) and source.pixels):
            continue
        if not tensor.size:  # whatever it would read need not be computed for it
            new[tensor] = constant(here.name, np.empty(here.shape), here.type)
            continue
        given = sources(here)
        if not all(isinstance(s.source, Constant) for s in given):
            continue
        bound = 4 * max(sum(s.size for s in given), 1024)
        depth = 1
        if isinstance(source, Compute):
            depth = math.prod(v.high + 1 for v in source.over)
        if 4 * here.size <= min(FOLD_BYTES, 4 * bound) and here.size * depth <= 1 << 24:
            values = {s: s.source.array for s in given if isinstance(s.source, Constant)}
            new[tensor] = constant(here.name, evaluate(here, values), here.type)
    return [new[tensor] for tensor in outputs]


def _is_view(tensor: Tensor) -> bool:
    """Moves elements without computing: loads chosen by conditions on the index."""
    source = tensor.source
    assert isinstance(source, Compute)
    loads = 0
    for node in walk(source.body):
        if node.op == "load":
            loads += 1
            if any(e.op == "load" for arg in node.args for e in walk(arg)):
                return False
        elif (
            node.op not in ("const", "var", "linear", "floordiv", "mod", "select")
            and not (
                node.type in ("i32", "bool") and node.op in ("lt", "le", "eq", "and", "or", "not")
            )
            and not (node.type == "i32" and node.op in ("min", "max", "abs", "mul"))
        ):
            return False
    return loads <= VIEW_PARTS


def inline_views(outputs: Sequence[Tensor]) -> list[Tensor]:
    """Every view becomes part of its readers, but for the data of a scatter, which must exist."""
    who = readers(outputs)

    def wanted(old: Tensor, renewed: Tensor, back: dict[Tensor, Tensor]) -> bool:
        del back
        return _is_view(renewed) and not _is_scattered(old, who)

    return rewrite(outputs, wanted)


def _is_scattered(tensor: Tensor, who: dict[Tensor, list[Tensor]]) -> bool:
    return any(isinstance(r.source, Scatter) and r.source.data is tensor for r in who[tensor])


def _points(tensor: Tensor) -> int:
    source = tensor.source
    points = tensor.size
    if isinstance(source, Compute):
        points *= math.prod(v.high + 1 for v in source.over)
        if source.pixels:  # what does not depend on the channel is computed once
            points //= tensor.shape[-1]
    elif isinstance(source, Scatter):
        points = math.prod(v.high + 1 for v in source.over)
    return points


def _sites(reader: Tensor, tensor: Tensor) -> int:
    source = reader.source
    if isinstance(source, Compute | Scan):
        roots: tuple[Expr, ...] = (source.body,)
    elif isinstance(source, Scatter):
        roots = (*source.index, source.value, source.where)
    else:
        return 0
    return len({e.args for e in walk(*roots) if e.op == "load" and e.attr is tensor})


def inline_maps(outputs: Sequence[Tensor]) -> list[Tensor]:
    """Elementwise work goes to its readers where little of it is then done twice."""
    who = readers(outputs)

    def wanted(tensor: Tensor, renewed: Tensor, back: dict[Tensor, Tensor]) -> bool:
        source = renewed.source
        assert isinstance(source, Compute)
        cost = body_cost(source.body)
        taking = who[tensor]
        if not taking or _is_scattered(tensor, who):
            return False
        if any(_is_ordered(reader, tensor) for reader in taking):
            return False
        if len({e.attr for e in walk(source.body) if e.op == "load"}) > 5:
            return False
        reading = sum(_points(r) * _sites(r, tensor) for r in taking)
        if all(isinstance(r.source, Compute) and r.source.combine is None for r in taking):
            if reading <= tensor.size:
                return True
        elif _ends_reduction(source, who, back):
            return False
        if reading * cost <= FREE_POINTS:
            return True
        if any(isinstance(r.source, Compute) and r.source.combine is not None for r in taking):
            return cost <= CHEAP or (reading <= tensor.size and cost <= 16)
        return cost <= CHEAP

    return rewrite(outputs, wanted)


def _is_ordered(reader: Tensor, tensor: Tensor) -> bool:
    """A reduction compares its floats with others, to find a place: the largest, the k-th.

    Computed once for each side they could be rounded in two ways, and be found nowhere or twice.
    """
    source = reader.source
    if tensor.type != "f32" or not isinstance(source, Compute) or source.combine is None:
        return False
    return any(
        node.op in ("lt", "le", "eq")
        and all(any(e.op == "load" for e in walk(side)) for side in node.args)
        and any(e.op == "load" and e.attr is tensor for e in walk(*node.args))
        for node in walk(source.body)
    )


def _ends_reduction(
    source: Compute, who: dict[Tensor, list[Tensor]], back: dict[Tensor, Tensor]
) -> bool:
    """The map could be the epilogue of a reduction that it alone reads."""
    for node in walk(source.body):
        if node.op == "load" and isinstance(node.attr.source, Compute) and node.attr.source.combine:
            old = back.get(node.attr)
            if old is not None and len(who.get(old, ())) == 1:
                return True
    return False


def _binds(nest: Nest, finals: set[Tensor]) -> int:
    read = [node.attr for node in walk(*nest.roots) if node.op == "load"]
    return least_bindings([nest.tensor, *read], finals)


def epilogues(outputs: Sequence[Tensor]) -> dict[Tensor, Nest]:
    """The nest of every Compute tensor that must exist, each with the epilogue it can take."""
    who = readers(outputs)
    kept = set(outputs)
    nests: dict[Tensor, Nest] = {}
    gone: set[Tensor] = set()
    for tensor in topological(outputs):
        if not isinstance(tensor.source, Compute):
            continue
        nest = nest_of(tensor)
        if tensor.source.combine is None:
            given = [
                s
                for s in sources(tensor)
                if s in nests and nests[s].combine and who[s] == [tensor] and s not in kept
            ]
            # the most work first: the others are stored and read
            for source in sorted(given, key=lambda s: -nests[s].points * nests[s].depth):
                joined = with_epilogue(nests[source], tensor)
                if joined is not None and _binds(joined, kept) <= MAX_BINDINGS:
                    nest = joined
                    gone.add(source)
                    break
        nests[tensor] = nest
    return {t: split_axes(nest) for t, nest in nests.items() if t not in gone}
