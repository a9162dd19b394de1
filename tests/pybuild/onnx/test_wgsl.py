"""Expressions as WGSL text: literals that every compiler reads alike, each value written once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybuild.onnx.expr import Expr, const, unary, variable
from pybuild.onnx.wgsl import Writer, combine_text, literal


def text_of(value: float) -> str:
    """Literal of a float."""
    return literal(const(value, "f32"))


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_come_back_to_the_bit(value: float) -> None:
    """Nine digits tell all floats apart; the sign of zero stays."""
    text = text_of(value).strip("()")
    assert text.endswith("f")
    assert "." in text or "e" in text
    assert np.float32(text[:-1]).tobytes() == np.float32(value).tobytes()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0f"),
        (-0.0, "(-0.0f)"),
        (0.1, "0.100000001f"),
        (-2.5, "(-2.5f)"),
        # 3.40282347e+38 lies beyond the largest, which Tint refuses
        (3.4028234663852886e38, "3.4028234663852886e+38f"),
        (1e-45, "1.40129846e-45f"),
        (math.inf, "bitcast<f32>(INFINITY_BITS)"),
        (-math.inf, "(-bitcast<f32>(INFINITY_BITS))"),
        (math.nan, "bitcast<f32>(NAN_BITS)"),
        (1e39, "bitcast<f32>(INFINITY_BITS)"),
    ],
)
def test_floats(value: float, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0i"),
        (7, "7i"),
        (-7, "(-7i)"),
        (2**31 - 1, "2147483647i"),
        (-(2**31) + 1, "(-2147483647i)"),
        # a minus and 2147483648i would be two tokens, the second out of range
        (-(2**31), "bitcast<i32>(0x80000000u)"),
    ],
)
def test_whole_numbers(value: int, text: str) -> None:
    assert literal(const(value, "i32")) == text


def test_counts_and_choices() -> None:
    assert literal(const(2**32 - 1, "u32")) == "4294967295u"
    assert literal(const(True, "bool")) == "true"
    assert literal(const(0, "bool")) == "false"


def test_choices_are_combined_by_logic() -> None:
    assert combine_text("max", "bool", "a", "b") == "a = a | b;"
    assert combine_text("min", "bool", "a", "b") == "a = a & b;"
    assert combine_text("max", "f32", "a", "b") == "a = max(a, b);"


def test_infinity_is_declared_where_it_is_used() -> None:
    """The file with its bits is included, and no other."""
    writer = Writer(lambda expr, _: repr(expr))
    assert writer.value(const(math.inf, "f32") + 0.0) != ""
    assert list(writer.functions) in (["infinity"], [])
    writer.value(const(math.nan, "f32"))
    assert list(writer.functions) == ["infinity"]


def test_what_a_loop_does_not_move_stands_before_it() -> None:
    """And what is used twice has a name."""
    i, k = variable("i", 8), variable("k", 4)
    from pybuild.onnx.ir import input_tensor

    x = input_tensor("x", (8,), "f32")

    def load(expr: Expr, writer: Writer) -> str:
        return f"x[{writer.value(expr.args[0])}]"

    writer = Writer(load)
    writer.define(i, "thread")
    value = unary("exp", x[i]) * x[k]
    writer.open("for (var k = 0i; k < 4i; k++)", {k: "k"})
    writer.count_uses([value])
    writer.line(f"sum += {writer.value(value)};")
    writer.close()
    lines = [line.strip() for line in writer.text().splitlines()]
    loop = lines.index("for (var k = 0i; k < 4i; k++) {")
    assert any("exp(" in line for line in lines[:loop])
    assert not any("exp(" in line for line in lines[loop:])
    assert any("x[k]" in line for line in lines[loop:])
