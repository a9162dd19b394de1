"""What kernels bind: WebGPU allows eight buffers each; and that a program is the same each time."""

from __future__ import annotations

import pytest

from pybuild.onnx.compile import Compiled, compile_tensors
from pybuild.onnx.expr import Expr, unary
from pybuild.onnx.ir import input_tensor, map_tensor
from tests.pybuild.onnx.kernels.tensors import Check, layer, product_of, softmax, weights

pytestmark = pytest.mark.gpu


def test_more_constants_than_bindings(check: Check) -> None:
    """Constants of one type share a binding."""
    x = input_tensor("x", (1500, 8), "f32")
    for k in range(9):
        x = layer(x, 8 + k % 3, f"layer{k}")
    compiled = check(x)
    assert max(len(d.bindings) for d in compiled.program.dispatches) <= 8


@pytest.mark.parametrize("size", [5, 2000])
def test_more_inputs_than_bindings(check: Check, size: int) -> None:
    """Some are copied next to each other first: one kernel reads twelve buffers through eight."""
    given = [input_tensor(f"x{k}", (size,), "f32") for k in range(12)]

    def body(i: Expr) -> Expr:
        total = given[0][i]
        for x in given[1:]:
            total = unary("sin", total + x[i])
        return total

    check(map_tensor("y", (size,), body))


@pytest.mark.parametrize("size", [5, 2000])
def test_more_outputs_than_bindings(check: Check, size: int) -> None:
    """Groups that share rows are not made so large that their results find no binding."""
    x = input_tensor("x", (size, 6), "f32")
    y = softmax(x)
    made = [
        map_tensor(f"y{k}", (size, 6), lambda i, j, k=k: y[i, j] * float(k) + y[i, 5 - j])
        for k in range(11)
    ]
    total = map_tensor("total", (size, 6), lambda i, j: made[0][i, j] + made[10][i, j])
    check(*made, total)


def test_more_results_handed_on_than_bindings(check: Check) -> None:
    """What kernels hand on shares a binding: some write to it, some read, some do both."""
    x = input_tensor("x", (40, 40), "f32")
    parts = [product_of(x, weights(f"w{k}", 40, 40, seed=k)) for k in range(10)]
    chained = [
        map_tensor(f"c{k}", (40, 40), lambda i, j, p=p: unary("tanh", p[i, j]) + p[j, i] * 0.5)
        for k, p in enumerate(parts)
    ]
    products = [product_of(c, parts[k - 1]) for k, c in enumerate(chained)]

    def total(i: Expr, j: Expr) -> Expr:
        value = products[0][i, j]
        for p in products[1:]:
            value = value * 0.5 + p[i, j] * p[j, i]
        return value

    check(map_tensor("y", (40, 40), total))


def test_programs_are_the_same_each_time() -> None:
    """Names, order and text depend on nothing but the graph."""

    def build() -> Compiled:
        x = input_tensor("x", (300, 12), "f32")
        made = [layer(x, 5, f"l{k}") for k in range(3)]
        other = softmax(made[0])
        return compile_tensors("same", [x], [*made, other])

    first = build()
    for _ in range(3):
        again = build()
        assert again.program.to_json() == first.program.to_json()
        assert again.files == first.files
