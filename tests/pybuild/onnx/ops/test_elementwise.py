"""Broadcasting, unary maths, Clip and Where against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pybuild.onnx import interpret
from pybuild.onnx.expr import const
from pybuild.onnx.ir import constant, input_tensor
from pybuild.onnx.ops.elementwise import broadcast_shape, constant_scalar, elementwise

Agrees = Callable[..., None]
F32 = np.float32


def spread(low: float, high: float) -> np.ndarray:
    """Values between two bounds, those at the ends and at the middle too."""
    return np.linspace(low, high, 33, dtype=F32).reshape(3, 11)


@pytest.mark.parametrize(
    ("op", "low", "high"),
    [
        ("Abs", -3, 3),
        ("Acos", -1, 1),
        ("Acosh", 1, 50),
        ("Asin", -1, 1),
        ("Asinh", -5000, 5000),
        ("Atan", -50, 50),
        ("Atanh", -0.99, 0.99),
        ("Ceil", -3, 3),
        ("Cos", -9, 9),
        ("Cosh", -9, 9),
        ("Erf", -5, 5),
        ("Exp", -20, 20),
        ("Floor", -3, 3),
        ("Log", 1e-6, 1e6),
        ("Neg", -3, 3),
        ("Reciprocal", 0.01, 7),
        ("Round", -4, 4),
        ("Sign", -1, 1),
        ("Sin", -9, 9),
        ("Sinh", -9, 9),
        ("Sqrt", 0, 100),
        ("Tan", -1.5, 1.5),
        ("Tanh", -99, 99),
    ],
)
def test_maths(agrees: Agrees, op: str, low: float, high: float) -> None:
    agrees(op, [spread(low, high)])


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64])
@pytest.mark.parametrize("op", ["Abs", "Neg", "Sign"])
def test_maths_of_integers(agrees: Agrees, op: str, dtype: type) -> None:
    agrees(op, [np.arange(-5, 6).astype(dtype)])


def test_the_lowest_int8_is_its_own_negative(agrees: Agrees) -> None:
    agrees("Neg", [np.array([-128, 127], np.int8)])
    agrees("Abs", [np.array([0, 255], np.uint8)])
    agrees("Sign", [np.array([0, 1, 200], np.uint8)])


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 3), (3,)],
        [(1, 3, 1), (2, 1, 4)],
        [(), (2, 2)],
        [(0, 3), (1, 3)],
        [(1,), (0,)],
        [(5,), (5,)],
        [(3, 1), ()],
    ],
)
def test_broadcasting(agrees: Agrees, shapes: list[tuple[int, ...]]) -> None:
    random = np.random.default_rng(1)
    inputs = [random.normal(size=shape).astype(F32) for shape in shapes]
    agrees("Add", inputs)
    assert broadcast_shape(*shapes) == np.broadcast_shapes(*shapes)


def test_a_constant_of_one_element_stands_in_the_expression() -> None:
    half = constant("half", np.full((1, 1), 0.5), "f32")
    x = input_tensor("x", (3,), "f32")
    assert constant_scalar(half) is const(0.5, "f32")
    assert constant_scalar(x) is None
    out = elementwise("out", lambda a, b: a * b, x, half)
    assert out.shape == (1, 3)
    (value,) = interpret.run([out], {"x": np.arange(3, dtype=F32)})
    np.testing.assert_array_equal(value, [[0, 0.5, 1]])


X = spread(-3, 3)


@pytest.mark.parametrize("static", [(), (1, 2)])
@pytest.mark.parametrize("bounds", [(-1, 2), (None, 2), (-1, None), (None, None), (2, -1)])
def test_clip(agrees: Agrees, bounds: tuple[int | None, ...], static: tuple[int, ...]) -> None:
    """Where the lower bound is above the upper one, the upper one wins."""
    inputs = [X, *(None if b is None else np.array(b, F32) for b in bounds)]
    while inputs[-1] is None:
        inputs.pop()
    known = [k for k in static if k < len(inputs) and inputs[k] is not None]
    agrees("Clip", inputs, static=known)


def test_clip_before_opset_11(agrees: Agrees) -> None:
    agrees("Clip", [X], opset=6, min=-1.0, max=0.5)
    agrees("Clip", [X], opset=6)


def test_clip_of_integers(agrees: Agrees) -> None:
    bounds = [np.array(-2, np.int8), np.array(5, np.int8)]
    agrees("Clip", [np.arange(-9, 9, dtype=np.int8), *bounds])


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, bool])
def test_where(agrees: Agrees, dtype: type) -> None:
    condition = np.array([[True], [False]])
    oracle = "onnx" if dtype is bool else "onnxruntime"
    agrees("Where", [condition, np.arange(3).astype(dtype), np.ones((), dtype)], oracle=oracle)
