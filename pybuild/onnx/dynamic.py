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

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import (
    Expr,
    binary,
    cast,
    const,
    constant_value,
    floordiv,
    load,
    logical_and,
    minimum,
    mod,
    rebuild,
    select,
    unary,
)
from pybuild.onnx.front_sizes import FITTED
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

__all__ = ["Counted", "lower_counted"]

Many = tuple[Expr, ...]
Array = NDArray[Any]
_CLOSE = 1e-6
_POWERS = (-1.0, -0.5, 0.5, 1.0)


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


class _Differs(Exception):
    """Something depends on a size in a way that has no counterpart at run time."""


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
    fit = _Fit(symbols, tuple(graph.sizes.values()), counts)
    _check_shapes(graph, larger, smaller, fit)
    lowered = [inline_views(lower(g)[1]) for g in (graph, *larger)]
    joined = _Joined(fit)
    outputs = []
    for many in zip(*lowered, strict=True):
        try:
            outputs.append(joined.tensor(many))
        except _Differs as error:
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
    graph: Graph, larger: Sequence[Graph], smaller: Sequence[Graph], fit: _Fit
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


# ------------------------------------------------------------------------------------------- fits


@dataclass(frozen=True, slots=True)
class _Affine:
    factors: tuple[float, ...]
    offset: float

    def at(self, sizes: Sequence[int]) -> float:
        """Value at some sizes."""
        return self.offset + sum(f * n for f, n in zip(self.factors, sizes, strict=True))


@dataclass(slots=True)
class _Fit:
    """Numbers at each capacity as functions of the counts.

    Numbers come in the order of `front_sizes.with_others`: at the capacities, for each symbol at
    its multiples, and with all symbols doubled where there are several.
    """

    symbols: tuple[str, ...]
    sizes: tuple[int, ...]
    counts: dict[str, Tensor]

    def points(self) -> list[tuple[int, ...]]:
        """Sizes of the symbols for each number."""
        found = [self.sizes]
        for k, size in enumerate(self.sizes):
            for factor in FITTED:
                found.append((*self.sizes[:k], factor * size, *self.sizes[k + 1 :]))
        if len(self.sizes) > 1:
            found.append(tuple(2 * size for size in self.sizes))
        return found

    def count(self, symbol: str) -> Expr:
        """The count as an i32: never more than the capacity."""
        size = self.sizes[self.symbols.index(symbol)]
        zero = const(0, "i32")
        held = load(self.counts[symbol], (zero,))
        return cast(minimum(held, const(size, "u32")), "i32")

    def affine(self, values: Sequence[float]) -> _Affine | None:
        """The sum of multiples of the sizes and a number that gives these values."""
        factors = []
        for k, size in enumerate(self.sizes):
            first = values[1 + len(FITTED) * k]
            factors.append((first - values[0]) / ((FITTED[0] - 1) * size))
        found = _Affine(
            tuple(factors),
            values[0] - sum(f * n for f, n in zip(factors, self.sizes, strict=True)),
        )
        return found if self._holds(found.at, values) else None

    def _near(self, values: Sequence[float]) -> _Affine | None:
        """As `affine`, with whole numbers in place of what rounding made of them."""
        parts = self.affine(values)
        if parts is None:
            return None
        plain = _Affine(tuple(map(float, map(round, parts.factors))), float(round(parts.offset)))
        return plain if self._holds(plain.at, values) else parts

    def _holds(self, rule: Callable[[Sequence[int]], float], values: Sequence[float]) -> bool:
        return all(
            math.isclose(rule(sizes), value, rel_tol=_CLOSE, abs_tol=1e-30)
            for sizes, value in zip(self.points(), values, strict=True)
        )

    def whole(self, values: Sequence[int]) -> Expr:
        """An i32 that follows the counts."""
        if all(value == values[0] for value in values):
            return const(values[0], "i32")
        parts = self.affine(values)
        if parts is None or any(f != round(f) for f in (*parts.factors, parts.offset)):
            told = ", ".join(map(str, values))
            raise _Differs(
                f"it needs a number that is {told} at {self._told()}; wanted a whole multiple of "
                "the count plus a number"
            )
        total = const(round(parts.offset), "i32")
        for symbol, factor in zip(self.symbols, parts.factors, strict=True):
            if factor:
                total = total + self.count(symbol) * round(factor)
        return total

    def number(self, values: Sequence[float]) -> Expr:
        """An f32 that follows the counts: a product of powers, a sum, or a sum's reciprocal."""
        if all(repr(value) == repr(values[0]) for value in values):
            return const(values[0], "f32")
        found = self._power(values)
        if found is not None:
            return found
        for upside_down in (False, True):
            if upside_down and not all(values):
                break
            parts = self._near([1 / v for v in values] if upside_down else list(values))
            if parts is not None:
                total = const(parts.offset, "f32")
                for symbol, factor in zip(self.symbols, parts.factors, strict=True):
                    if factor:
                        total = total + cast(self.count(symbol), "f32") * factor
                return const(1, "f32") / total if upside_down else total
        told = ", ".join(f"{value:g}" for value in values)
        raise _Differs(
            f"it needs a number that is {told} at {self._told()}, which follows no rule that "
            "Vitrine knows"
        )

    def _power(self, values: Sequence[float]) -> Expr | None:
        if not all(math.isfinite(v) and v * values[0] > 0 for v in values):
            return None
        powers = []
        for k in range(len(self.sizes)):
            ratio = values[1 + len(FITTED) * k] / values[0]
            powers.append(round(2 * math.log(ratio, FITTED[0])) / 2)
        factor = values[0] / math.prod(n**p for n, p in zip(self.sizes, powers, strict=True))
        if any(p not in (0, *_POWERS) for p in powers) or not self._holds(
            lambda sizes: factor * math.prod(n**p for n, p in zip(sizes, powers, strict=True)),
            values,
        ):
            return None
        # a divisor keeps its exact value, so that count of them divides as the model does
        total = const(factor, "f32")
        for symbol, power in zip(self.symbols, powers, strict=True):
            if power:
                count = cast(self.count(symbol), "f32")
                root = unary("sqrt", count) if abs(power) == 0.5 else count
                total = binary("mul" if power > 0 else "div", total, root)
        return total

    def _told(self) -> str:
        points = self.points()
        if len(self.symbols) == 1:
            return f"{self.symbols[0]} = {', '.join(str(n) for (n,) in points)}"
        return f"({', '.join(self.symbols)}) = {', '.join(map(str, points))}"


def _near(found: Array, wanted: Array) -> bool:
    return bool(np.allclose(found, wanted, rtol=_CLOSE, atol=1e-30))


# ------------------------------------------------------------------------------------------ tensors


@dataclass(slots=True)
class _Joined:
    """Tensors of several capacities as one; ``at`` is the name of the last that was begun."""

    fit: _Fit
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
                raise _Differs("it reads more tensors where there are more rows")
            stack.append((here, True))
            stack += [(each, False) for each in zip(*given, strict=True) if each not in self.done]
        return self.done[many]

    def _join(self, many: tuple[Tensor, ...]) -> Tensor:
        base = many[0]
        kinds = {(type(t.source), t.type, len(t.shape)) for t in many}
        if len(kinds) > 1:
            raise _Differs("it is computed in another way where there are more rows")
        if isinstance(base.source, Constant):
            return self._constant(many)
        limits = tuple(
            self._limit([tensor.shape[axis] for tensor in many]) for axis in range(len(base.shape))
        )
        if isinstance(base.source, Input):
            return Tensor(base.name, base.shape, base.type, Input(), limits)
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
                raise _Differs(
                    "the elements of a constant follow the number of its rows by no rule that "
                    "Vitrine knows"
                )
        if base.type in ("bool", "u32") or (
            base.type == "i32" and any(np.any(a != np.rint(a)) for a in (offset, *factors))
        ):
            raise _Differs("the elements of a constant are no whole multiples of a count")
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
                    raise _Differs("it has other loops where there are more rows")
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
                    raise _Differs("it runs another way where there are more rows")
                walk = _Expressions(self)
                walk.bind([s.axes for s in found])
                body = walk.expr(tuple(s.body for s in found))
                return Scan(base.axes, base.axis, base.combine, base.exclusive, body)
            case Scatter():
                if any(s.combine != base.combine or len(s.over) != len(base.over) for s in found):
                    raise _Differs("it writes another way where there are more rows")
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
                raise _Differs(f"{many[0]} has no source")


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
                raise _Differs("an axis is only sometimes one element")
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
                raise _Differs("its arithmetic is another where there are more rows")
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
                raise _Differs("a loop has no counterpart where there are more rows")
            case "linear":
                total = fit.whole([e.attr[1] for e in many])
                for k, arg in enumerate(args):
                    total = total + arg * fit.whole([e.attr[0][k] for e in many])
                return total
            case "floordiv" | "mod":
                if any(e.attr != base.attr for e in many):
                    raise _Differs(
                        "it joins or splits an axis that follows a count with one before it"
                    )
                return (floordiv if base.op == "floordiv" else mod)(args[0], base.attr)
            case "load":
                tensor = self.joined.done.get(tuple(e.attr for e in many))
                if tensor is None:
                    raise _Differs("it reads other tensors where there are more rows")
                return load(tensor, args)
            case _:
                if any(e.attr != base.attr for e in many):
                    raise _Differs("it calls another function where there are more rows")
                return rebuild(base, args)

    def _constant(self, many: Many) -> Expr:
        base, fit = many[0], self.joined.fit
        if all(e is base for e in many):
            return base
        values = [constant_value(e) for e in many]
        if base.type == "f32":
            return fit.number([float(v) for v in values])
        if base.type == "bool":
            raise _Differs("a condition holds only where there are more rows")
        whole = fit.whole([int(v) for v in values])
        return cast(whole, "u32") if base.type == "u32" else whole
