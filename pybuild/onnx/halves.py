"""Contractions whose products are computed with 16-bit floats; their sums stay f32.

A body ``x * w`` becomes ``widen(half(x) * half(w), factor)``. The products of one unrolled step are
added as 16-bit floats, and the result is widened, multiplied by the factor and added to the f32
accumulator.
"""

from __future__ import annotations

from dataclasses import replace

from pybuild.onnx.expr import Expr, binary, const, select, unary
from pybuild.onnx.nest import Nest
from pybuild.onnx.substitution import walk
from pybuild.onnx.words import packing_of

__all__ = ["HALF_TERMS", "halved"]

HALF_TERMS = 8
"""Products that are added as 16-bit floats: their sum keeps three digits."""
_BYTE_RANGE = 128.0
"""Weights of whole numbers are divided by it before the product, which could overflow."""


def halved(nest: Nest) -> Nest | None:
    """The nest with 16-bit products; None where it is no sum of products of two loaded values."""
    if nest.combine != "sum" or nest.body.type != "f32":
        return None
    whole = any(
        node.op == "load" and packing_of(node.attr) == "i8"
        for node in walk(nest.body)
        if node.type == "f32"
    )
    body = _product(nest.body, whole)
    if body is None:
        return None
    factor = const(_BYTE_RANGE if whole else 1.0, "f32")
    return replace(nest, body=binary("widen", body, factor))


def _product(expr: Expr, whole: bool) -> Expr | None:
    if expr.op == "select":
        condition, *sides = expr.args
        found = [_side(side, whole) for side in sides]
        if found[0] is None or found[1] is None:
            return None
        return select(condition, found[0], found[1])
    if expr.op != "mul" or not all(_loads(arg) for arg in expr.args):
        return None
    left, right = (_operand(arg, whole) for arg in expr.args)
    return binary("mul", left, right)


def _side(expr: Expr, whole: bool) -> Expr | None:
    """A side of a choice: a product, or the zero of padding."""
    if expr.op == "const":
        return unary("half", expr)
    return _product(expr, whole)


def _operand(expr: Expr, whole: bool) -> Expr:
    if whole and any(e.op == "load" and packing_of(e.attr) == "i8" for e in walk(expr)):
        expr = expr * (1 / _BYTE_RANGE)
    return unary("half", expr)


def _loads(expr: Expr) -> bool:
    return any(node.op == "load" for node in walk(expr))
