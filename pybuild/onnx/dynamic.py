"""Axes whose size is a count on the GPU: the same network lowered at several capacities.

Everything in the lowered tensors that differs between capacities follows the symbol: the extents of
loops, the sizes of axes, numbers such as the divisor of a mean. Each is fitted by a function of
the count and becomes an expression of it::

    capacity      1000              2000              3000
    mean     sum r<1000 / 1000   sum r<2000 / 2000   sum r<3000 / 3000
    becomes  sum r<1000 of select(r < count, x, 0) / f32(count)

What cannot be fitted, such as an index that is divided by the size, is refused with the node's
name. The result computes at any count what the model of that size would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import (
    Expr,
    cast,
    const,
    constant_value,
    floordiv,
    load,
    logical_and,
    mod,
    select,
)
from pybuild.onnx.fits import CLOSE, Fit, NotFitted
from pybuild.onnx.front.sizes import FITTED
from pybuild.onnx.fuse import inline_views
from pybuild.onnx.graph import Graph
from pybuild.onnx.ir import (
    Compute,
    Constant,
    Input,
    Scan,
    Scatter,
    Tensor,
    constant,
    input_tensor,
    map_tensor,
    neutral,
    sources,
)
from pybuild.onnx.lower import lower
from pybuild.onnx.problems import GraphError, Problem
from pybuild.onnx.substitution import rebuild

__all__ = ["Counted", "lower_counted"]

Many = tuple[Expr, ...]
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Counted:
    """A lowered graph.

    Attributes
    ----------
    outputs : list of Tensor
    counts : dict of str to Tensor
        For each symbol the input of one u32 that holds its count.
    """

    outputs: list[Tensor]
    counts: dict[str, Tensor]


def lower_counted(graph: Graph) -> Counted:
    """Lower a graph; where it has symbols, as a function of their counts.

    Raises
    ------
    GraphError
        A node cannot be lowered, or does something with a count that is not known how to do.
    """
    if not graph.sizes:
        return Counted(lower(graph)[1], {})
    symbols = tuple(graph.sizes)
    several = len(symbols) > 1
    fitted = len(FITTED) * len(symbols) + several
    larger, smaller = graph.others[:fitted], graph.others[fitted:]
    counts = {symbol: input_tensor(f"count.{symbol}", (1,), "u32") for symbol in symbols}
    fit = Fit(symbols, tuple(graph.sizes.values()), counts)
    _check_shapes(graph, larger, smaller, fit)
    lowered = [inline_views(lower(g)[1]) for g in (graph, *larger)]
    joined = _Joined(fit)
    outputs = []
    for many in zip(*lowered, strict=True):
        try:
            outputs.append(joined.tensor(many))
        except NotFitted as error:
            raise GraphError(graph.name, [_problem(graph, joined.at, str(error))]) from None
    return Counted(outputs, counts)


def _problem(graph: Graph, name: str, reason: str) -> Problem:
    """With the node that made the tensor, whose name begins with the value's."""
    hint = "Fix the size with --shape, or give the count as an input of the model."
    made = {output: node for node in graph.nodes for output in node.outputs if output}
    for output in sorted(made, key=len, reverse=True):
        if name.startswith(output):
            node = made[output]
            return Problem(reason, hint, node.op, node.name, node.domain, node.opset)
    return Problem(f"{name!r}: {reason}", hint)


def _check_shapes(
    graph: Graph, larger: Sequence[Graph], smaller: Sequence[Graph], fit: Fit
) -> None:
    """Sizes follow the symbols down to a few rows: none is the lesser of a count and a number."""
    made = [{o: (n.op, o) for n in g.nodes for o in n.outputs if o} for g in (graph, *larger)]
    for other in smaller:
        here = {o: (n.op, o) for n in other.nodes for o in n.outputs if o}
        for name in here.keys() & made[0].keys():
            if any(m.get(name) != here[name] for m in made):
                continue
            shapes = [g.infos[name].shape for g in (graph, *larger)]
            found = other.infos[name].shape
            if any(len(shape) != len(found) for shape in shapes):
                continue
            for axis, size in enumerate(found):
                parts = fit.affine([shape[axis] for shape in shapes])
                if parts is None:
                    continue
                told = parts.at([other.sizes[s] for s in fit.symbols])
                if max(0, told) != size:
                    sizes = ", ".join(f"{s} is {n}" for s, n in other.sizes.items())
                    reason = (
                        f"axis {axis} of {name!r} is {size} where {sizes}, but {told:g} by the "
                        "rule of larger sizes"
                    )
                    raise GraphError(graph.name, [_problem(graph, name, reason)])


def _near(found: Array, wanted: Array) -> bool:
    return bool(np.allclose(found, wanted, rtol=CLOSE, atol=1e-30))


# ------------------------------------------------------------------------------------------ tensors


@dataclass(slots=True)
class _Joined:
    """Tensors of several capacities as one; ``at`` is the name of the last that was begun."""

    fit: Fit
    at: str = ""
    done: dict[tuple[Tensor, ...], Tensor] = field(default_factory=dict)

    def tensor(self, many: tuple[Tensor, ...]) -> Tensor:
        """One tensor that stands for those of all capacities."""
        stack = [(many, False)]
        while stack:
            here, ready = stack.pop()
            if here in self.done:
                continue
            self.at = here[0].name
            given = [sources(tensor) for tensor in here]
            if ready:
                self.done[here] = self._join(here)
                continue
            if any(len(g) != len(given[0]) for g in given):
                raise NotFitted("it reads more tensors where there are more rows")
            stack.append((here, True))
            stack += [(each, False) for each in zip(*given, strict=True) if each not in self.done]
        return self.done[many]

    def _join(self, many: tuple[Tensor, ...]) -> Tensor:
        base = many[0]
        kinds = {(type(t.source), t.type, len(t.shape)) for t in many}
        if len(kinds) > 1:
            raise NotFitted("it is computed in another way where there are more rows")
        if isinstance(base.source, Constant):
            return self._constant(many)
        limits = tuple(
            self._limit([tensor.shape[axis] for tensor in many]) for axis in range(len(base.shape))
        )
        if isinstance(base.source, Input):
            return Tensor(base.name, base.shape, base.type, base.source, limits)
        source = self._source([tensor.source for tensor in many], many)
        made = Tensor(base.name, base.shape, base.type, source, limits)
        if all(isinstance(t.source, Constant) for t in sources(made) if t not in self._counts()):
            computed = Tensor(base.name, base.shape, base.type, source)
            if not set(sources(computed)) & self._counts():
                return computed  # of constants alone: the rows beyond are there, and never read
        return made

    def _counts(self) -> set[Tensor]:
        return set(self.fit.counts.values())

    def _limit(self, sizes: Sequence[int]) -> Expr | None:
        if all(size == sizes[0] for size in sizes):
            return None
        return self.fit.whole(sizes)

    def _constant(self, many: tuple[Tensor, ...]) -> Tensor:
        base = many[0]
        arrays = [t.source.array for t in many if isinstance(t.source, Constant)]
        for axis in range(len(base.shape)):
            self._limit([array.shape[axis] for array in arrays])
        part = tuple(slice(0, size) for size in base.shape)
        first, *others = (array[part] for array in arrays)
        if all(np.array_equal(array, first, equal_nan=base.type == "f32") for array in others):
            return base
        return self._following(base, [first, *others])

    def _following(self, base: Tensor, arrays: Sequence[Array]) -> Tensor:
        """A constant whose elements follow the counts: a size that is data, steps of a ramp."""
        wide = [array.astype(np.float64) for array in arrays]
        largest = np.unravel_index(int(np.abs(wide[0]).argmax()), base.shape)
        values = [float(array[largest]) for array in wide]
        if base.type == "f32" and values[0]:
            shares = wide[0] / values[0]
            if all(_near(a, shares * v) for a, v in zip(wide, values, strict=True)):
                share, number = self._elements(base, shares), self.fit.number(values)
                return map_tensor(base.name, base.shape, lambda *i: share(i) * number)
        factors = []
        for k, size in enumerate(self.fit.sizes):
            factors.append((wide[1 + len(FITTED) * k] - wide[0]) / ((FITTED[0] - 1) * size))
        pairs = list(zip(factors, self.fit.sizes, strict=True))
        offset = wide[0] - sum(f * n for f, n in pairs)
        for sizes, array in zip(self.fit.points(), wide, strict=True):
            told = offset + sum(f * n for f, n in zip(factors, sizes, strict=True))
            if not _near(array, told):
                raise NotFitted(
                    "the elements of a constant follow the number of its rows by no rule that "
                    "Vitrine knows"
                )
        if base.type in ("bool", "u32") or (
            base.type == "i32" and any(np.any(a != np.rint(a)) for a in (offset, *factors))
        ):
            raise NotFitted("the elements of a constant are no whole multiples of a count")
        steps = [self._elements(base, factor) for factor in factors]
        start = self._elements(base, offset)

        def element(*index: Expr) -> Expr:
            total = start(index)
            for symbol, step in zip(self.fit.symbols, steps, strict=True):
                total = total + step(index) * cast(self.fit.count(symbol), base.type)
            return total

        return map_tensor(base.name, base.shape, element)

    def _elements(self, base: Tensor, array: Array) -> Callable[[tuple[Expr, ...]], Expr]:
        """Reads of an array; a number where all are the same."""
        if np.all(array == array.ravel()[0]):
            same = const(array.ravel()[0].item(), base.type)
            return lambda _: same
        held = constant(f"{base.name}.steps", array, base.type)
        return lambda index: held[index]

    def _source(self, found: Sequence[Any], many: tuple[Tensor, ...]) -> Compute | Scan | Scatter:
        base = found[0]
        match base:
            case Compute():
                if any(s.combine != base.combine or len(s.over) != len(base.over) for s in found):
                    raise NotFitted("it has other loops where there are more rows")
                walk = _Expressions(self)
                walk.bind([s.axes for s in found])
                inside = walk.bind([s.over for s in found])
                body = walk.expr(tuple(s.body for s in found))
                if base.combine is not None:
                    body = select(inside, body, neutral(base.combine, body.type))
                return Compute(base.axes, base.over, base.combine, body)
            case Scan():
                same = {(s.axis, s.combine, s.exclusive) for s in found}
                if len(same) > 1:
                    raise NotFitted("it runs another way where there are more rows")
                walk = _Expressions(self)
                walk.bind([s.axes for s in found])
                body = walk.expr(tuple(s.body for s in found))
                return Scan(base.axes, base.axis, base.combine, base.exclusive, body)
            case Scatter():
                if any(s.combine != base.combine or len(s.over) != len(base.over) for s in found):
                    raise NotFitted("it writes another way where there are more rows")
                walk = _Expressions(self)
                inside = walk.bind([s.over for s in found])
                index = tuple(
                    walk.expr(parts) for parts in zip(*(s.index for s in found), strict=True)
                )
                value = walk.expr(tuple(s.value for s in found))
                where = walk.expr(tuple(s.where for s in found))
                data = self.done[tuple(s.data for s in found)]
                guard = logical_and(inside, where)
                return Scatter(data, base.over, index, value, base.combine, guard)
            case _:
                raise NotFitted(f"{many[0]} has no source")


@dataclass(slots=True)
class _Expressions:
    """Expressions of several capacities as one."""

    joined: _Joined
    done: dict[Many, Expr] = field(default_factory=dict)

    def bind(self, axes: Sequence[Many]) -> Expr:
        """Variables of the loops; the condition that they are below the counts' limits."""
        inside = []
        for many in zip(*axes, strict=True):
            if any(v.op != many[0].op for v in many):
                raise NotFitted("an axis is only sometimes one element")
            self.done[many] = many[0]
            limit = self.joined._limit([v.high + 1 for v in many])
            if limit is not None:
                inside.append(many[0] < limit)
        return logical_and(*inside)

    def expr(self, many: Many) -> Expr:
        """One expression of the counts."""
        stack = [(many, False)]
        while stack:
            here, ready = stack.pop()
            if here in self.done:
                continue
            if ready:
                self.done[here] = self._join(here)
                continue
            base = here[0]
            if any(
                (e.op, e.type, len(e.args)) != (base.op, base.type, len(base.args)) for e in here
            ):
                raise NotFitted("its arithmetic is another where there are more rows")
            stack.append((here, True))
            stack += [(each, False) for each in zip(*(e.args for e in here), strict=True)]
        return self.done[many]

    def _join(self, many: Many) -> Expr:
        base, fit = many[0], self.joined.fit
        args = tuple(self.done[each] for each in zip(*(e.args for e in many), strict=True))
        match base.op:
            case "const":
                return self._constant(many)
            case "var":
                raise NotFitted("a loop has no counterpart where there are more rows")
            case "linear":
                total = fit.whole([e.attr[1] for e in many])
                for k, arg in enumerate(args):
                    total = total + arg * fit.whole([e.attr[0][k] for e in many])
                return total
            case "floordiv" | "mod":
                if any(e.attr != base.attr for e in many):
                    raise NotFitted(
                        "it joins or splits an axis that follows a count with one before it"
                    )
                return (floordiv if base.op == "floordiv" else mod)(args[0], base.attr)
            case "load":
                tensor = self.joined.done.get(tuple(e.attr for e in many))
                if tensor is None:
                    raise NotFitted("it reads other tensors where there are more rows")
                return load(tensor, args)
            case _:
                if any(e.attr != base.attr for e in many):
                    raise NotFitted("it calls another function where there are more rows")
                return rebuild(base, args)

    def _constant(self, many: Many) -> Expr:
        base, fit = many[0], self.joined.fit
        if all(e is base for e in many):
            return base
        values = [constant_value(e) for e in many]
        if base.type == "f32":
            return fit.number([float(v) for v in values])
        if base.type == "bool":
            raise NotFitted("a condition holds only where there are more rows")
        whole = fit.whole([int(v) for v in values])
        return cast(whole, "u32") if base.type == "u32" else whole
