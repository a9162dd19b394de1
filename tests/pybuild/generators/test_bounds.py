"""Intervals of expressions: no value outside of them, and none of what is dear within them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pybuild.generators.bounds import bounds_of, expanded, is_cheap
from pybuild.onnx.expr import (
    Expr,
    call,
    const,
    constant_value,
    maximum,
    minimum,
    select,
    unary,
    variable,
)
from pybuild.onnx.interpret import run
from pybuild.onnx.ir import Tensor, constant, input_tensor, map_tensor, reduce_tensor
from pybuild.onnx.ops.activations import sigmoid

ROWS = 200
RANDOM = np.random.default_rng(0)
KNOWN = constant("known", RANDOM.uniform(-2, 2, ROWS), "f32")
POSITIVE = constant("positive", RANDOM.uniform(0.1, 2, ROWS), "f32")
GIVEN = input_tensor("given", (ROWS, 32), "f32")
LAYER = reduce_tensor("layer", (ROWS,), (32,), "sum", lambda i, k: GIVEN[i[0], k[0]] * 0.3)
VALUES = {"given": RANDOM.standard_normal((ROWS, 32)).astype(np.float32)}

CASES: dict[str, Any] = {
    "sigmoid": lambda n: sigmoid(LAYER[n]),
    "scaled": lambda n: sigmoid(LAYER[n]) * unary("exp", KNOWN[n]),
    "negative factor": lambda n: sigmoid(LAYER[n]) * -3.0,
    "tanh": lambda n: call("tangent_hyperbolic", LAYER[n]) * 0.5 + KNOWN[n],
    "clipped": lambda n: minimum(maximum(LAYER[n], KNOWN[n]), const(3.0, "f32")),
    "square": lambda n: (sigmoid(LAYER[n]) - 0.5) * (sigmoid(LAYER[n]) - 0.5),
    "root": lambda n: unary("sqrt", sigmoid(LAYER[n]) + POSITIVE[n]),
    "quotient": lambda n: sigmoid(LAYER[n]) / POSITIVE[n],
    "either": lambda n: select(LAYER[n] < 0.0, sigmoid(LAYER[n]), KNOWN[n]),
    "size": lambda n: unary("abs", call("tangent_hyperbolic", LAYER[n]) - KNOWN[n]),
}


def evaluated(expr: Expr, row: Expr) -> Any:
    """Values of an expression of a row."""
    if expr.op == "const":
        return np.full(ROWS, float(constant_value(expr)))

    def at(n: Expr) -> Expr:
        from pybuild.onnx.substitution import substitute

        return substitute(expr, {row: n})

    return run([map_tensor("value", (ROWS,), at)], VALUES)[0]


@pytest.mark.parametrize("name", CASES)
def test_values_lie_between(name: str) -> None:
    row = variable("n", ROWS)
    expr = CASES[name](row)
    found = bounds_of(expanded(expr))
    value = evaluated(expr, row)
    assert found.high is not None
    assert is_cheap(found.high)
    assert np.all(value <= evaluated(found.high, row) + 1e-6)
    assert np.all(value <= found.most + 1e-6)
    if found.low is not None:
        assert is_cheap(found.low)
        assert np.all(value >= evaluated(found.low, row) - 1e-6)
    assert np.all(value >= found.least - 1e-6)


def test_bounds_are_no_wider_than_they_must() -> None:
    """Of a sigmoid times exp(anchor): exp(anchor)."""
    row = variable("n", ROWS)
    high = bounds_of(expanded(CASES["scaled"](row))).high
    assert high is not None
    array = KNOWN.source.array  # type: ignore[union-attr]
    np.testing.assert_allclose(evaluated(high, row), np.exp(array), rtol=1e-6)


def test_a_layer_can_be_anything() -> None:
    row = variable("n", ROWS)
    assert bounds_of(LAYER[row]).high is None
    assert bounds_of(LAYER[row] * KNOWN[row]).high is None
    assert not is_cheap(expanded(LAYER[row] + 1.0))


def test_maps_are_read_through() -> None:
    """Where a tensor is a view of a dear one and a cheap one, only what is read counts."""
    beside: Tensor = map_tensor("beside", (ROWS, 2), lambda n, c: select(c < 1, KNOWN[n], LAYER[n]))
    row = variable("n", ROWS)
    assert is_cheap(expanded(beside[row, 0]))
    assert not is_cheap(expanded(beside[row, 1]))
