"""The simplifier of index arithmetic by brute force: every value, and every range it claims."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pybuild.onnx.expr import (
    FALSE,
    I32_MAX,
    I32_MIN,
    TRUE,
    Expr,
    bitcast,
    cast,
    const,
    floordiv,
    logical_and,
    logical_or,
    maximum,
    minimum,
    mod,
    select,
    unary,
    variable,
)
from pybuild.onnx.interpret import _value
from pybuild.onnx.ir import constant, flatten_index, unflatten_index
from pybuild.onnx.substitution import Sharing, substitute, walk

Array = NDArray[Any]
Grid = dict[Expr, Array]

EXTENTS = (2, 3, 4, 6, 12)
FACTORS = (-7, -4, -1, 1, 2, 3, 4, 5, 6, 8, 12, 24)
DIVISORS = (1, 2, 3, 4, 5, 6, 8, 12, 24, 36)
DATA = np.array([-13, 5, 40, -2, 0, 7], np.int32)


class Pair:
    """An expression, and the value that numpy gives for what it was built from."""

    def __init__(self, expr: Expr, value: Array) -> None:
        self.expr, self.value = expr, value


class Space:
    """Three loop variables and all their points."""

    def __init__(self, extents: tuple[int, ...]) -> None:
        self.extents = extents
        self.axes = [variable(f"i{k}", n) for k, n in enumerate(extents)]
        values = np.meshgrid(*(np.arange(n, dtype=np.int64) for n in extents), indexing="ij")
        self.pairs = [Pair(a, v) for a, v in zip(self.axes, values, strict=True)]
        self.grid: Grid = dict(zip(self.axes, values, strict=True))
        self.data = constant("data", DATA, "i32")

    def evaluate(self, expr: Expr) -> Array:
        """What the expression is at every point."""
        return np.broadcast_to(_value(expr, self.grid, {self.data: DATA}), self.extents)


@st.composite
def arithmetic(draw: st.DrawFn) -> tuple[Space, list[Pair]]:
    """Index arithmetic of up to fifteen steps, with every value on the way."""
    space = Space(tuple(draw(st.sampled_from(EXTENTS)) for _ in range(3)))
    made = list(space.pairs)
    for _ in range(draw(st.integers(1, 15))):
        a = draw(st.sampled_from(made))
        b = draw(st.sampled_from(made))
        kind = draw(st.sampled_from(STEPS))
        pair = kind(draw, space, a, b)
        if np.abs(pair.value).max() < 1 << 20:
            made.append(pair)
    return space, made


def _add(draw: st.DrawFn, _space: Space, a: Pair, b: Pair) -> Pair:
    f, g, c = draw(st.tuples(*[st.sampled_from(FACTORS)] * 2, st.integers(-30, 30)))
    return Pair(a.expr * f + b.expr * g + c, a.value * f + b.value * g + c)


def _subtract(_draw: st.DrawFn, _space: Space, a: Pair, b: Pair) -> Pair:
    return Pair(a.expr - b.expr, a.value - b.value)


def _divide(draw: st.DrawFn, _space: Space, a: Pair, _b: Pair) -> Pair:
    d = draw(st.sampled_from(DIVISORS))
    return Pair(a.expr // d, a.value // d)


def _remain(draw: st.DrawFn, _space: Space, a: Pair, _b: Pair) -> Pair:
    d = draw(st.sampled_from(DIVISORS))
    return Pair(a.expr % d, a.value % d)


def _reassemble(draw: st.DrawFn, space: Space, _a: Pair, _b: Pair) -> Pair:
    """What a chain of reshapes makes: flat, and taken apart another way."""
    flat = flatten_index(space.axes, space.extents)
    value = np.arange(math.prod(space.extents)).reshape(space.extents)
    shape = draw(st.permutations([*space.extents, 1]))
    at = draw(st.integers(0, 3))
    parts = np.unravel_index(value, shape)
    return Pair(unflatten_index(flat, shape)[at], parts[at].astype(np.int64))


def _product(_draw: st.DrawFn, _space: Space, a: Pair, b: Pair) -> Pair:
    return Pair(a.expr * b.expr, a.value * b.value)


def _extreme(draw: st.DrawFn, _space: Space, a: Pair, b: Pair) -> Pair:
    if draw(st.booleans()):
        return Pair(minimum(a.expr, b.expr), np.minimum(a.value, b.value))
    return Pair(maximum(a.expr, b.expr), np.maximum(a.value, b.value))


def _choose(draw: st.DrawFn, _space: Space, a: Pair, b: Pair) -> Pair:
    edge = draw(st.integers(-20, 40))
    kind = draw(st.sampled_from(["lt", "le", "eq", "not", "and", "or"]))
    less, held = a.expr < edge, a.value < edge
    if kind == "le":
        less, held = a.expr <= b.expr, a.value <= b.value
    elif kind == "eq":
        less, held = a.expr.equals(edge), a.value == edge
    elif kind == "not":
        less, held = ~less, ~held
    elif kind == "and":
        less, held = logical_and(less, b.expr >= 1), held & (b.value >= 1)
    elif kind == "or":
        less, held = logical_or(less, b.expr > a.expr), held | (b.value > a.value)
    return Pair(select(less, a.expr, b.expr + 3), np.where(held, a.value, b.value + 3))


def _magnitude(_draw: st.DrawFn, _space: Space, a: Pair, _b: Pair) -> Pair:
    return Pair(unary("abs", a.expr), np.abs(a.value))


def _read(_draw: st.DrawFn, space: Space, a: Pair, _b: Pair) -> Pair:
    """A number from data: an index that nothing is known of but its range."""
    at = a.value % len(DATA)
    return Pair(space.data[a.expr % len(DATA)], DATA.astype(np.int64)[at])


STEPS: tuple[Callable[..., Pair], ...] = (
    *(_add, _add, _subtract, _divide, _divide, _remain, _remain, _reassemble, _product, _extreme),
    *(_choose, _magnitude, _read),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(arithmetic())
def test_simplified_arithmetic_has_the_same_values(made: tuple[Space, list[Pair]]) -> None:
    space, pairs = made
    for pair in pairs:
        np.testing.assert_array_equal(space.evaluate(pair.expr), pair.value, repr(pair.expr))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(arithmetic())
def test_ranges_hold_at_every_node(made: tuple[Space, list[Pair]]) -> None:
    space, pairs = made
    for node in walk(*(pair.expr for pair in pairs)):
        if node.type == "i32":
            values = space.evaluate(node)
            assert node.low <= values.min() <= values.max() <= node.high, repr(node)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(arithmetic(), st.sampled_from([2, 3, 4, 5]), st.booleans())
def test_substitution_means_the_same(
    made: tuple[Space, list[Pair]], factor: int, whole: bool
) -> None:
    """A tile: i is factor * t + u, beyond its end too; by one substitution and by many shared."""
    space, pairs = made
    axis, extent = space.axes[0], space.extents[0]
    turns = -(-extent // factor)
    tile = variable("t", turns)
    for pair in pairs:
        shared = Sharing(pair.expr, space.axes)
        for u in range(factor):
            mapping = {a: a for a in space.axes} | {axis: tile * factor + u}
            new = substitute(pair.expr, mapping) if whole else shared.at(mapping)
            kept = np.arange(turns) * factor + u
            kept = kept[kept < extent]
            grid = {a: values[: len(kept)] for a, values in space.grid.items()}
            shape = (len(kept), *space.extents[1:])
            grid[tile] = np.arange(len(kept), dtype=np.int64).reshape(-1, 1, 1)
            found = np.broadcast_to(_value(new, grid, {space.data: DATA}), shape)
            np.testing.assert_array_equal(found, pair.value[kept], f"{pair.expr!r} -> {new!r}")


def test_a_chain_of_reshapes_is_the_index_itself() -> None:
    i, j = variable("i", 6), variable("j", 32)
    flat = i * 32 + j
    assert floordiv(flat, 32) is i
    assert mod(flat, 32) is j
    assert (flat // 8) % 4 is j // 8
    assert (flat // 8) * 8 + flat % 8 is flat
    assert (i * 64 + j * 2) // 2 is flat


def test_guards_that_always_hold_are_gone() -> None:
    i = variable("i", 6)
    assert (i >= 0) is TRUE
    assert (i < 6) is TRUE
    assert (i + 3 > 9) is FALSE
    assert logical_and(i < 6, i >= 0) is TRUE
    assert select(i < 6, i, i + 1) is i
    assert minimum(i, const(5, "i32")) is i


def test_alike_is_the_same_object() -> None:
    i, j = variable("i", 6), variable("j", 5)
    assert i + j is j + i
    assert (i * 3 + j) * 2 is j * 2 + i * 6
    assert const(0.0, "f32") is not const(-0.0, "f32")
    assert const(math.nan, "f32") is const(-math.nan, "f32")


@pytest.mark.parametrize("divisor", [0, -3])
def test_divisors_are_positive(divisor: int) -> None:
    with pytest.raises(ValueError, match=f"{divisor}"):
        floordiv(variable("i", 4), divisor)
    with pytest.raises(ValueError, match=f"{divisor}"):
        mod(variable("i", 4), divisor)


def test_constants_are_rounded_and_wrapped() -> None:
    assert const(2**31, "i32").attr == I32_MIN
    assert const(-1, "u32").attr == 2**32 - 1
    assert const(0.1, "f32").attr == repr(float(np.float32(0.1)))
    assert const(1e300, "f32").attr == "inf"
    assert (const(I32_MAX, "i32") + 1).attr == I32_MIN


def test_casts_of_constants() -> None:
    assert cast(const(2.9, "f32"), "i32").attr == 2
    assert cast(const(-2.9, "f32"), "i32").attr == -2
    assert cast(const(3, "i32"), "bool") is TRUE
    assert cast(const(math.nan, "f32"), "i32").op == "cast"
    assert bitcast(const(1.0, "f32"), "f32") is const(1.0, "f32")


def test_types_do_not_mix() -> None:
    with pytest.raises(TypeError, match="add of i32 and f32"):
        const(1, "i32") + const(1.0, "f32")
    with pytest.raises(TypeError, match="select of f32 and i32"):
        select(variable("i", 3) < 2, const(1.0, "f32"), const(1, "i32"))
