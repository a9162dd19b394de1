"""Scalar expressions: the value of one element of a tensor as a function of its index.

An expression is an immutable node in a graph without duplicates: two that are built alike are the
same object, so equality is identity and common subexpressions need no search. Integers carry the
range that they can take, which lets index arithmetic be decided when it is built: with
``0 <= j < 32``, ``(i * 32 + j) // 32`` is ``i``, and a guard that always holds disappears. That is
what makes a chain of reshapes, transposes and slices cost nothing (nn-compiler: view operators are
index maps).

Types are WGSL's: f32, i32, u32, bool. Integer division and remainder by constants round towards
minus infinity here; the emitter keeps that promise.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from pybuild.onnx.ir import Tensor

__all__ = [
    "FALSE",
    "I32_MAX",
    "I32_MIN",
    "TRUE",
    "Expr",
    "Type",
    "as_expr",
    "binary",
    "call",
    "cast",
    "const",
    "linear",
    "load",
    "logical_and",
    "logical_or",
    "make_node",
    "maximum",
    "minimum",
    "select",
    "unary",
    "variable",
]

Type = Literal["f32", "i32", "u32", "bool"]
I32_MIN, I32_MAX = -(2**31), 2**31 - 1
_U32_MASK = 2**32 - 1

_interned: weakref.WeakValueDictionary[tuple[Any, ...], Expr] = weakref.WeakValueDictionary()
_serial = count()


class Expr:
    """One node. Never constructed directly: use the functions of this module and the operators.

    Attributes
    ----------
    op : str
        const, var, load, linear, floordiv, mod, select, cast, bitcast, or a WGSL operation.
    args : tuple of Expr
    attr : object
        const: the value. var: its name. load: the Tensor. linear: (coefficients, constant).
        floordiv, mod: the divisor.
    type : {'f32', 'i32', 'u32', 'bool'}
    low, high : int
        Inclusive range of an i32; meaningless for other types.
    serial : int
        Order of creation: a stable key for canonical order.
    """

    __slots__ = ("__weakref__", "args", "attr", "high", "low", "op", "serial", "type")

    op: str
    args: tuple[Expr, ...]
    attr: Any
    type: Type
    low: int
    high: int
    serial: int

    def __repr__(self) -> str:
        return show(self)

    def __add__(self, other: Operand) -> Expr:
        return binary("add", self, as_expr(other, self.type))

    def __radd__(self, other: Operand) -> Expr:
        return binary("add", as_expr(other, self.type), self)

    def __sub__(self, other: Operand) -> Expr:
        return binary("sub", self, as_expr(other, self.type))

    def __rsub__(self, other: Operand) -> Expr:
        return binary("sub", as_expr(other, self.type), self)

    def __mul__(self, other: Operand) -> Expr:
        return binary("mul", self, as_expr(other, self.type))

    def __rmul__(self, other: Operand) -> Expr:
        return binary("mul", as_expr(other, self.type), self)

    def __truediv__(self, other: Operand) -> Expr:
        return binary("div", self, as_expr(other, self.type))

    def __rtruediv__(self, other: Operand) -> Expr:
        return binary("div", as_expr(other, self.type), self)

    def __floordiv__(self, divisor: int) -> Expr:
        return floordiv(self, divisor)

    def __mod__(self, divisor: int) -> Expr:
        return mod(self, divisor)

    def __neg__(self) -> Expr:
        return unary("neg", self)

    def __lt__(self, other: Operand) -> Expr:
        return compare("lt", self, as_expr(other, self.type))

    def __le__(self, other: Operand) -> Expr:
        return compare("le", self, as_expr(other, self.type))

    def __gt__(self, other: Operand) -> Expr:
        return compare("lt", as_expr(other, self.type), self)

    def __ge__(self, other: Operand) -> Expr:
        return compare("le", as_expr(other, self.type), self)

    def equals(self, other: Operand) -> Expr:
        """Elementwise equality; ``==`` stays identity."""
        return compare("eq", self, as_expr(other, self.type))

    def __and__(self, other: Expr) -> Expr:
        return logical_and(self, other) if self.type == "bool" else binary("and", self, other)

    def __or__(self, other: Expr) -> Expr:
        return logical_or(self, other) if self.type == "bool" else binary("or", self, other)

    def __invert__(self) -> Expr:
        return unary("not", self)


Operand = Expr | int | float | bool


def make_node(
    op: str, args: tuple[Expr, ...], attr: Any, type_: Type, low: int = I32_MIN, high: int = I32_MAX
) -> Expr:
    """The node of these parts, which is one object however often it is asked for; as it stands.

    The functions below simplify first. This is for what none of them makes.
    """
    key = (op, args, attr, type_)
    found = _interned.get(key)
    if found is not None:
        return found
    expr = object.__new__(Expr)
    expr.op, expr.args, expr.attr, expr.type = op, args, attr, type_
    expr.low, expr.high, expr.serial = low, high, next(_serial)
    _interned[key] = expr
    return expr


def show(expr: Expr) -> str:
    """Short text for messages and tests."""
    op, args = expr.op, expr.args
    if op == "const":
        return str(expr.attr)
    if op == "var":
        return str(expr.attr[0])
    if op == "load":
        return f"{expr.attr.name}[{', '.join(map(show, args))}]"
    if op == "linear":
        coefficients, constant = expr.attr
        parts = [
            show(arg) if factor == 1 else f"{factor}*{show(arg)}"
            for factor, arg in zip(coefficients, args, strict=True)
        ]
        return "(" + " + ".join(parts + [str(constant)] * bool(constant)) + ")"
    if op in ("floordiv", "mod"):
        return f"({show(args[0])} {'//' if op == 'floordiv' else '%'} {expr.attr})"
    name = expr.attr if op == "call" else expr.type if op == "cast" else op
    return f"{name}({', '.join(map(show, args))})"


# ---------------------------------------------------------------------------------------- leaves


def const(value: float | int | bool, type_: Type) -> Expr:
    """A constant, rounded to its type (f32) or wrapped (i32, u32)."""
    if type_ == "f32":
        with np.errstate(over="ignore"):
            rounded = float(np.float32(value))
        # the text tells -0.0 from 0.0 and makes every nan one
        return make_node("const", (), repr(rounded), type_)
    if type_ == "bool":
        return make_node("const", (), bool(value), type_)
    whole = int(value)
    if type_ == "u32":
        return make_node("const", (), whole & _U32_MASK, type_)
    if not I32_MIN <= whole <= I32_MAX:
        whole = (whole - I32_MIN) % 2**32 + I32_MIN
    return make_node("const", (), whole, type_, whole, whole)


def constant_value(expr: Expr) -> float | int | bool:
    """Value of a const expression."""
    return float(expr.attr) if expr.type == "f32" else expr.attr


TRUE, FALSE = const(True, "bool"), const(False, "bool")


def as_expr(value: Operand, type_: Type) -> Expr:
    """An operand of an operator: numbers become constants of the other side's type."""
    return value if isinstance(value, Expr) else const(value, type_)


def variable(name: str, extent: int) -> Expr:
    """A new loop variable in ``0 .. extent - 1``; each call makes another one.

    An axis of one element needs none: it is the constant 0.
    """
    if extent == 1:
        return const(0, "i32")
    return make_node("var", (), (name, next(_serial)), "i32", 0, max(extent - 1, 0))


def load(tensor: Tensor, index: tuple[Expr, ...]) -> Expr:
    """One element. An index outside the tensor reads an unspecified element, never faults."""
    if len(index) != len(tensor.shape):
        raise ValueError(f"{tensor}: {len(index)} indices for {len(tensor.shape)} axes")
    low, high = tensor.low, tensor.high
    return make_node("load", index, tensor, tensor.type, low, high)


# ------------------------------------------------------------------------------- index arithmetic


def terms_of(expr: Expr) -> tuple[dict[Expr, int], int]:
    """An i32 as a sum: coefficients of terms that are not linear themselves, and a constant."""
    if expr.op == "const":
        return {}, int(expr.attr)
    if expr.op == "linear":
        coefficients, constant = expr.attr
        return dict(zip(expr.args, coefficients, strict=True)), constant
    return {expr: 1}, 0


def linear(terms: Mapping[Expr, int], constant: int = 0) -> Expr:
    """Sum of coefficient * term + constant over i32 terms that are not linear themselves."""
    kept = {term: factor for term, factor in terms.items() if factor}
    if len(kept) > 1:
        _rejoin(kept)
    if not kept:
        return const(constant, "i32")
    if constant == 0 and len(kept) == 1:
        ((term, factor),) = kept.items()
        if factor == 1:
            return term
    order = sorted(kept, key=lambda term: term.serial)
    low, high = _range(kept, constant)
    attr = (tuple(kept[term] for term in order), constant)
    return make_node("linear", tuple(order), attr, "i32", low, high)


def _range(terms: Mapping[Expr, int], constant: int) -> tuple[int, int]:
    low = high = constant
    for term, factor in terms.items():
        ends = (term.low * factor, term.high * factor)
        low, high = low + min(ends), high + max(ends)
    return low, high


def _rejoin(terms: dict[Expr, int]) -> None:
    """In place: d * (x // d) + x % d is x, and a * (x // a % b) + x % a is x % ab."""
    changed = True
    while changed:
        changed = False
        for term, factor in list(terms.items()):
            if term.op != "mod":
                continue
            base, divisor = term.args[0], term.attr
            for other, scale in list(terms.items()):
                if scale != factor * divisor:
                    continue
                if other is floordiv(base, divisor):
                    joined = base
                elif other.op == "mod" and other.args[0] is floordiv(base, divisor):
                    joined = mod(base, divisor * other.attr)
                else:
                    continue
                del terms[term], terms[other]
                inner, constant = terms_of(joined)
                if constant == 0:
                    for piece, piece_factor in inner.items():
                        terms[piece] = terms.get(piece, 0) + factor * piece_factor
                        if terms[piece] == 0:
                            del terms[piece]
                    changed = True
                else:  # pragma: no cover - put back what cannot be expressed here
                    terms[term], terms[other] = factor, scale
                break
            if changed:
                break


def _split(terms: dict[Expr, int], constant: int, divisor: int) -> tuple[int, Expr, Expr] | None:
    """``value == g * big + small`` with g dividing ``divisor`` and 0 <= small < g, g > 1."""
    for g in sorted({math.gcd(factor, divisor) for factor in terms.values()}, reverse=True):
        if g == 1:
            continue
        big = {term: factor // g for term, factor in terms.items() if factor % g == 0}
        small = {term: factor for term, factor in terms.items() if factor % g}
        low, high = _range(small, constant % g)
        if low >= 0 and high < g:
            return g, linear(big, constant // g), linear(small, constant % g)
    return None


def floordiv(expr: Expr, divisor: int) -> Expr:
    """``floor(expr / divisor)`` for an i32 and a positive constant."""
    if divisor <= 0:
        raise ValueError(f"division by {divisor}")
    if divisor == 1:
        return expr
    if expr.op == "floordiv":
        return floordiv(expr.args[0], expr.attr * divisor)
    terms, constant = terms_of(expr)
    whole = {term: factor // divisor for term, factor in terms.items() if factor % divisor == 0}
    rest = {term: factor for term, factor in terms.items() if factor % divisor}
    quotient, remainder = divmod(constant, divisor)
    low, high = _range(rest, remainder)
    if low // divisor == high // divisor:
        return linear(whole, quotient + low // divisor)
    if whole or quotient:
        return linear(whole, quotient) + floordiv(linear(rest, remainder), divisor)
    split = _split(rest, remainder, divisor)
    if split is not None:
        g, big, _ = split
        return floordiv(big, divisor // g)
    inner = linear(rest, remainder)
    return make_node("floordiv", (inner,), divisor, "i32", low // divisor, high // divisor)


def mod(expr: Expr, divisor: int) -> Expr:
    """``expr - divisor * floor(expr / divisor)`` for an i32 and a positive constant."""
    if divisor <= 0:
        raise ValueError(f"remainder by {divisor}")
    if divisor == 1:
        return const(0, "i32")
    if expr.op == "mod" and expr.attr % divisor == 0:
        return mod(expr.args[0], divisor)
    terms, constant = terms_of(expr)
    rest = {term: factor for term, factor in terms.items() if factor % divisor}
    remainder = constant % divisor
    low, high = _range(rest, remainder)
    if low // divisor == high // divisor:
        return linear(rest, remainder - low // divisor * divisor)
    split = _split(rest, remainder, divisor)
    if split is not None:
        g, big, small = split
        return mod(big, divisor // g) * g + small
    inner = linear(rest, remainder)
    return make_node("mod", (inner,), divisor, "i32", 0, divisor - 1)


# --------------------------------------------------------------------------------- general values

_FOLD: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "min": min,
    "max": max,
}


def binary(op: str, a: Expr, b: Expr) -> Expr:
    """A WGSL binary operation on two values of one type: add sub mul div rem min max pow and
    or xor shl shr atan2. ``div`` and ``rem`` of integers truncate, as in WGSL.
    """
    if a.type != b.type:
        raise TypeError(f"{op} of {a.type} and {b.type}: {a!r}, {b!r}")
    if a.type == "i32" and op in ("add", "sub"):
        terms, constant = terms_of(a)
        more, offset = terms_of(b)
        sign = 1 if op == "add" else -1
        for term, factor in more.items():
            terms[term] = terms.get(term, 0) + sign * factor
        return linear(terms, constant + sign * offset)
    if a.op == "const" and b.op == "const" and op in _FOLD:
        with np.errstate(all="ignore"):
            return const(_FOLD[op](constant_value(a), constant_value(b)), a.type)
    if a.type == "i32":
        if op == "mul":
            if a.op == "const":
                a, b = b, a
            if b.op == "const":
                terms, constant = terms_of(a)
                factor = int(b.attr)
                return linear({t: c * factor for t, c in terms.items()}, constant * factor)
            corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
            return make_node(op, (a, b), None, "i32", min(corners), max(corners))
        if op == "min":
            return minimum(a, b)
        if op == "max":
            return maximum(a, b)
        if op == "div" and b.op == "const" and b.attr > 0 and a.low >= 0:
            return floordiv(a, b.attr)
        if op == "rem" and b.op == "const" and b.attr > 0 and a.low >= 0:
            return mod(a, b.attr)
    if a.type == "f32":
        if op == "mul" and b.op == "const" and float(b.attr) == 1.0:
            return a
        if op == "mul" and a.op == "const" and float(a.attr) == 1.0:
            return b
        if op == "div" and b.op == "const" and float(b.attr) == 1.0:
            return a
        if (
            op in ("add", "sub")
            and b.op == "const"
            and b.attr == ("-0.0" if op == "add" else "0.0")
        ):
            return a
    return make_node(op, (a, b), None, a.type)


def minimum(a: Expr, b: Expr) -> Expr:
    """The smaller; decided at once where the ranges of integers allow."""
    if a.type == "i32":
        if a.high <= b.low:
            return a
        if b.high <= a.low:
            return b
        return make_node("min", (a, b), None, "i32", min(a.low, b.low), min(a.high, b.high))
    return make_node("min", (a, b), None, a.type)


def maximum(a: Expr, b: Expr) -> Expr:
    """The larger; decided at once where the ranges of integers allow."""
    if a.type == "i32":
        if a.low >= b.high:
            return a
        if b.low >= a.high:
            return b
        return make_node("max", (a, b), None, "i32", max(a.low, b.low), max(a.high, b.high))
    return make_node("max", (a, b), None, a.type)


def unary(op: str, a: Expr) -> Expr:
    """A WGSL unary operation or builtin that keeps the type: neg not abs exp log sqrt ..."""
    if op == "neg" and a.type == "i32":
        terms, constant = terms_of(a)
        return linear({t: -c for t, c in terms.items()}, -constant)
    if op == "neg" and a.op == "const":
        return const(-constant_value(a), a.type)
    if op == "not" and a.type == "bool":
        if a.op == "const":
            return FALSE if a.attr else TRUE
        if a.op == "not":
            return a.args[0]
    if op == "abs" and a.type == "i32" and a.low >= 0:
        return a
    return make_node(op, (a,), None, a.type)


def call(name: str, *args: Expr, type_: Type = "f32") -> Expr:
    """A function of shaders/program/*.wgsl or a WGSL builtin, by its name."""
    return make_node("call", args, name, type_)


def compare(op: str, a: Expr, b: Expr) -> Expr:
    """``lt``, ``le`` or ``eq``."""
    if a.type != b.type:
        raise TypeError(f"{op} of {a.type} and {b.type}")
    if a.type == "i32":
        difference = a - b
        low, high = difference.low, difference.high
        if op == "lt" and (high < 0 or low >= 0):
            return TRUE if high < 0 else FALSE
        if op == "le" and (high <= 0 or low > 0):
            return TRUE if high <= 0 else FALSE
        if op == "eq" and (low == high == 0 or low > 0 or high < 0):
            return TRUE if low == high == 0 else FALSE
    elif a.op == "const" and b.op == "const":
        x, y = constant_value(a), constant_value(b)
        return TRUE if {"lt": x < y, "le": x <= y, "eq": x == y}[op] else FALSE
    return make_node(op, (a, b), None, "bool")


def logical_and(*conditions: Expr) -> Expr:
    """All of them; TRUE of none."""
    result = TRUE
    for condition in conditions:
        if condition is FALSE or result is FALSE:
            return FALSE
        if condition is TRUE or condition is result:
            continue
        result = (
            condition if result is TRUE else make_node("and", (result, condition), None, "bool")
        )
    return result


def logical_or(*conditions: Expr) -> Expr:
    """Any of them; FALSE of none."""
    result = FALSE
    for condition in conditions:
        if condition is TRUE or result is TRUE:
            return TRUE
        if condition is FALSE or condition is result:
            continue
        result = (
            condition if result is FALSE else make_node("or", (result, condition), None, "bool")
        )
    return result


def select(condition: Expr, yes: Operand, no: Operand) -> Expr:
    """``yes`` where the condition holds, else ``no``; both are evaluated."""
    if not isinstance(yes, Expr):
        if not isinstance(no, Expr):
            raise TypeError("select of two plain numbers: give one a type with const()")
        yes = as_expr(yes, no.type)
    no = as_expr(no, yes.type)
    if yes.type != no.type:
        raise TypeError(f"select of {yes.type} and {no.type}")
    if condition is TRUE or yes is no:
        return yes
    if condition is FALSE:
        return no
    if yes.type == "i32":
        low, high = min(yes.low, no.low), max(yes.high, no.high)
        return make_node("select", (condition, yes, no), None, "i32", low, high)
    return make_node("select", (condition, yes, no), None, yes.type)


def cast(a: Expr, type_: Type) -> Expr:
    """Conversion of the value, as WGSL does it (f32 to integer truncates and saturates)."""
    if a.type == type_:
        return a
    if a.op == "const":
        value = constant_value(a)
        if type_ == "bool":
            return const(value != 0, "bool")
        if not (isinstance(value, float) and (math.isnan(value) or math.isinf(value))) and (
            type_ == "f32" or I32_MIN <= value <= I32_MAX
        ):
            return const(value, type_)
    if a.type == "bool" and type_ == "i32":
        return make_node("cast", (a,), None, "i32", 0, 1)
    if a.type == "u32" and type_ == "i32" and a.op == "cast" and a.args[0].type == "i32":
        return a.args[0]
    if a.type == "u32" and type_ == "i32" and a.op == "min" and a.args[1].op == "const":
        most = int(a.args[1].attr)
        if most <= I32_MAX:
            return make_node("cast", (a,), None, "i32", 0, most)
    return make_node("cast", (a,), None, type_)


def bitcast(a: Expr, type_: Type) -> Expr:
    """The same 32 bits as another type."""
    return a if a.type == type_ else make_node("bitcast", (a,), None, type_)


def clamp_index(index: Expr, extent: int) -> Expr:
    """An index from data, kept inside ``0 .. extent - 1``."""
    return minimum(maximum(index, const(0, "i32")), const(extent - 1, "i32"))
