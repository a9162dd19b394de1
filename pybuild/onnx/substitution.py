"""Expressions as graphs: their nodes in order, and the same expression with nodes replaced.

What is rebuilt is simplified again, so that an index that becomes known, or a load that becomes
what the loaded tensor computes, leaves no more behind than if it had been written so at first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING

from pybuild.onnx.expr import (
    Expr,
    binary,
    bitcast,
    call,
    cast,
    compare,
    floordiv,
    linear,
    load,
    logical_and,
    logical_or,
    mod,
    select,
    terms_of,
    unary,
)
from pybuild.onnx.order import sources_first

if TYPE_CHECKING:
    from pybuild.onnx.ir import Tensor

__all__ = ["Sharing", "rebuild", "substitute", "walk"]

_RECURSION = 400
"""Nodes of an expression that is walked by calls; a deeper one might exhaust Python's stack."""


def walk(*roots: Expr) -> Iterator[Expr]:
    """Every node once, arguments before those who use them."""
    return sources_first(roots, attrgetter("args"))


def rebuild(expr: Expr, args: tuple[Expr, ...]) -> Expr:
    """The same operation on other arguments, simplified again."""
    op, attr = expr.op, expr.attr
    if op == "linear":
        coefficients, constant = attr
        terms: dict[Expr, int] = {}
        for arg, factor in zip(args, coefficients, strict=True):
            more, offset = terms_of(arg)
            constant += factor * offset
            for term, inner in more.items():
                terms[term] = terms.get(term, 0) + factor * inner
        return linear(terms, constant)
    if op == "floordiv":
        return floordiv(args[0], attr)
    if op == "mod":
        return mod(args[0], attr)
    if op == "load":
        return load(attr, args)
    if op == "select":
        return select(*args)
    if op == "cast":
        return cast(args[0], expr.type)
    if op == "bitcast":
        return bitcast(args[0], expr.type)
    if op == "call":
        return call(attr, *args, type_=expr.type)
    if op in ("lt", "le", "eq"):
        return compare(op, *args)
    if expr.type == "bool" and op == "and":
        return logical_and(*args)
    if expr.type == "bool" and op == "or":
        return logical_or(*args)
    if len(args) == 1:
        return unary(op, args[0])
    return binary(op, *args)


def substitute(
    root: Expr,
    mapping: Mapping[Expr, Expr],
    loads: Callable[[Tensor, tuple[Expr, ...]], Expr | None] | None = None,
    memo: dict[Expr, Expr] | None = None,
) -> Expr:
    """Replace nodes, and loads by ``loads(tensor, new index)`` where that is not None.

    Parameters
    ----------
    mapping : mapping
        Nodes and what stands in their place; that is not entered again.
    memo : dict, optional
        Shared by calls with one mapping.
    """
    done = {} if memo is None else memo
    for expr in walk(root):
        if expr in done:
            continue
        replacement = mapping.get(expr)
        if replacement is not None:
            done[expr] = replacement
            continue
        args = tuple(done[arg] for arg in expr.args)
        if loads is not None and expr.op == "load":
            other = loads(expr.attr, args)
            if other is not None:
                done[expr] = other
                continue
        unchanged = all(new is old for new, old in zip(args, expr.args, strict=True))
        done[expr] = expr if unchanged else rebuild(expr, args)
    return done[root]


class Sharing:
    """Many substitutions into one expression, each node computed once for what it depends on.

    A tile of a contraction evaluates its body at hundreds of points, but each operand at a few.

    Parameters
    ----------
    root : Expr
    variables : iterable of Expr
        Nodes that mappings give.
    """

    def __init__(self, root: Expr, variables: Iterable[Expr]) -> None:
        self._root = root
        wanted = set(variables)
        self._order = list(walk(root))
        depends: dict[Expr, tuple[Expr, ...]] = {}
        for node in self._order:
            found = dict.fromkeys(v for arg in node.args for v in depends[arg])
            depends[node] = (node,) if node in wanted else tuple(found)
        self._depends = depends
        self._memo: dict[tuple[Expr, tuple[Expr, ...]], Expr] = {}

    def at(self, mapping: Mapping[Expr, Expr]) -> Expr:
        """The expression with every variable replaced."""
        if len(self._order) < _RECURSION:
            return self._value(self._root, mapping)
        return substitute(self._root, mapping)

    def _value(self, node: Expr, mapping: Mapping[Expr, Expr]) -> Expr:
        depends = self._depends[node]
        if not depends:
            return node
        if depends[0] is node:
            return mapping[node]
        key = (node, tuple([mapping[v] for v in depends]))
        found = self._memo.get(key)
        if found is None:
            args = tuple([self._value(arg, mapping) for arg in node.args])
            found = self._memo[key] = rebuild(node, args)
        return found
