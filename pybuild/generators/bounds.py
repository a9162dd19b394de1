"""Between what an expression lies, as expressions that leave out what is dear to compute.

A scale that is ``exp(anchor) * sigmoid(network)`` is at most ``exp(anchor)``: intervals are carried
through the arithmetic, and what a network computes is taken to be anything at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from pybuild.onnx.expr import Expr, const, constant_value, maximum, minimum, unary
from pybuild.onnx.ir import Compute, Constant, Input, Tensor, bind, topological
from pybuild.onnx.substitution import substitute, walk

__all__ = ["Interval", "bounds_of", "expanded", "is_cheap"]

MOST_TERMS = 16
"""Terms of a sum that is not taken for a network's layer."""


@dataclass(frozen=True, slots=True)
class Interval:
    """``low <= value <= high``; None where nothing is known.

    ``least`` and ``most`` are numbers with the same meaning.
    """

    low: Expr | None
    high: Expr | None
    least: float = -math.inf
    most: float = math.inf


ANYTHING = Interval(None, None)


def is_cheap(expr: Expr) -> bool:
    """Whether an expression is elementwise work on constants and inputs, or next to it."""
    return all(_is_cheap(e.attr) for e in walk(expr) if e.op == "load")


def _is_cheap(tensor: Tensor) -> bool:
    for each in topological([tensor]):
        source = each.source
        if isinstance(source, Constant | Input):
            continue
        if not isinstance(source, Compute) or math.prod(map(_extent, source.over)) > MOST_TERMS:
            return False
    return True


def _extent(axis: Expr) -> int:
    return axis.high + 1


def expanded(expr: Expr) -> Expr:
    """An expression that reads through every map: loads of what is reduced or given are left."""
    known: dict[tuple[Tensor, tuple[Expr, ...]], Expr] = {}

    def loads(tensor: Tensor, index: tuple[Expr, ...]) -> Expr | None:
        source = tensor.source
        if not isinstance(source, Compute) or source.combine is not None:
            return None
        key = tensor, index
        if key not in known:
            body = substitute(source.body, bind(source.axes, index))
            known[key] = substitute(body, {}, loads)
        return known[key]

    return substitute(expr, {}, loads)


def bounds_of(expr: Expr) -> Interval:
    """An interval of cheap expressions that holds ``expr``, an f32 that is `expanded`."""
    return _Bounds().of(expr)


@dataclass(slots=True)
class _Bounds:
    done: dict[Expr, Interval] = field(default_factory=dict)

    def of(self, expr: Expr) -> Interval:
        if expr not in self.done:
            self.done[expr] = self._of(expr)
        return self.done[expr]

    def _of(self, expr: Expr) -> Interval:
        if expr.type != "f32":
            return ANYTHING
        if expr.op == "const":
            value = float(constant_value(expr))
            return Interval(expr, expr, value, value)
        if expr.op == "load":
            return self._load(expr)
        rule = _RULES.get(expr.op if expr.op != "call" else f"call {expr.attr}")
        return rule(expr, [self.of(arg) for arg in expr.args]) if rule else ANYTHING

    def _load(self, expr: Expr) -> Interval:
        tensor: Tensor = expr.attr
        source = tensor.source
        if isinstance(source, Constant):
            array = source.array
            ends = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
            return Interval(expr, expr, *ends)
        if isinstance(source, Input):
            return Interval(expr, expr)
        return Interval(expr, expr) if _is_cheap(tensor) else ANYTHING


def _both(a: Expr | None, b: Expr | None, combined: Callable[[Expr, Expr], Expr]) -> Expr | None:
    return None if a is None or b is None else combined(a, b)


def _one(a: Expr | None, done: Callable[[Expr], Expr]) -> Expr | None:
    return None if a is None else done(a)


def _add(_: Expr, args: list[Interval]) -> Interval:
    a, b = args
    return Interval(
        _both(a.low, b.low, lambda x, y: x + y),
        _both(a.high, b.high, lambda x, y: x + y),
        a.least + b.least,
        a.most + b.most,
    )


def _neg(_: Expr, args: list[Interval]) -> Interval:
    (a,) = args
    return Interval(_one(a.high, lambda x: -x), _one(a.low, lambda x: -x), -a.most, -a.least)


def _sub(expr: Expr, args: list[Interval]) -> Interval:
    return _add(expr, [args[0], _neg(expr, [args[1]])])


def _mul(expr: Expr, args: list[Interval]) -> Interval:
    a, b = args
    if expr.args[0] is expr.args[1] and a.least < 0:
        if a.low is None or a.high is None:
            return Interval(const(0.0, "f32"), None, 0.0)
        ends = maximum(a.low * a.low, a.high * a.high)
        return Interval(const(0.0, "f32"), ends, 0.0, _product(a.least, a.least, a.most))
    for first, second in ((a, b), (b, a)):
        if first.least == first.most and first.high is not None and math.isfinite(first.least):
            factor, number = first.high, first.least
            if number == 0:
                return Interval(factor, factor, 0.0, 0.0)
            low = _both(second.low, factor, lambda x, y: x * y)
            high = _both(second.high, factor, lambda x, y: x * y)
            least, most = second.least * number, second.most * number
            if number < 0:
                low, high, least, most = high, low, most, least
            return Interval(low, high, least, most)
    if a.least >= 0 and b.least >= 0:
        return Interval(
            _both(a.low, b.low, lambda x, y: x * y) or const(0.0, "f32"),
            _both(a.high, b.high, lambda x, y: x * y),
            a.least * b.least,
            _product(a.most, b.most),
        )
    return ANYTHING


def _product(*numbers: float) -> float:
    """The largest square or product; nothing known stays so."""
    if any(math.isinf(n) for n in numbers):
        return math.inf
    return max(n * n for n in numbers) if len(numbers) == 3 else math.prod(numbers)


def _div(_: Expr, args: list[Interval]) -> Interval:
    a, b = args
    if a.least < 0 or b.least <= 0:
        return ANYTHING
    low = _both(a.low, b.high, lambda x, y: x / y) or const(0.0, "f32")
    least = a.least / b.most
    return Interval(low, _both(a.high, b.low, lambda x, y: x / y), least, a.most / b.least)


def _exp(_: Expr, args: list[Interval]) -> Interval:
    (a,) = args
    low = _one(a.low, lambda x: unary("exp", x)) or const(0.0, "f32")
    ends = [math.exp(max(min(n, 700.0), -700.0)) for n in (a.least, a.most)]
    most = math.inf if a.most > 700 else ends[1]
    return Interval(low, _one(a.high, lambda x: unary("exp", x)), max(0.0, ends[0]), most)


def _sqrt(_: Expr, args: list[Interval]) -> Interval:
    (a,) = args
    low = _one(a.low, lambda x: unary("sqrt", x)) if a.least >= 0 else const(0.0, "f32")
    most = math.sqrt(a.most) if a.most >= 0 else 0.0
    return Interval(
        low, _one(a.high, lambda x: unary("sqrt", x)), math.sqrt(max(a.least, 0.0)), most
    )


def _abs(_: Expr, args: list[Interval]) -> Interval:
    (a,) = args
    if a.least >= 0:
        return a
    high = _both(a.low, a.high, lambda x, y: maximum(-x, y))
    return Interval(const(0.0, "f32"), high, 0.0, max(-a.least, a.most))


def _min(_: Expr, args: list[Interval]) -> Interval:
    a, b = args
    high = _both(a.high, b.high, minimum) or a.high or b.high
    low = _both(a.low, b.low, minimum)
    return Interval(low, high, min(a.least, b.least), min(a.most, b.most))


def _max(_: Expr, args: list[Interval]) -> Interval:
    a, b = args
    low = _both(a.low, b.low, maximum) or a.low or b.low
    high = _both(a.high, b.high, maximum)
    return Interval(low, high, max(a.least, b.least), max(a.most, b.most))


def _select(_: Expr, args: list[Interval]) -> Interval:
    a, b = args[1:]
    low, high = _both(a.low, b.low, minimum), _both(a.high, b.high, maximum)
    return Interval(low, high, min(a.least, b.least), max(a.most, b.most))


def _unit(_: Expr, __: list[Interval]) -> Interval:
    return Interval(const(-1.0, "f32"), const(1.0, "f32"), -1.0, 1.0)


_RULES: dict[str, Callable[[Expr, list[Interval]], Interval]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "exp": _exp,
    "sqrt": _sqrt,
    "abs": _abs,
    "min": _min,
    "max": _max,
    "select": _select,
    **dict.fromkeys(
        ("call tangent_hyperbolic", "call sine", "call cosine", "sin", "cos", "tanh"), _unit
    ),
}
