"""Kernels of maps: an element each, in fours where memory allows, through views of any kind."""

from __future__ import annotations

import math

import pytest

from pybuild.onnx.expr import Expr, call, cast, const, logical_and, select, unary
from pybuild.onnx.ir import input_tensor, map_tensor, reshape
from tests.pybuild.onnx.kernels.tensors import Check, product_of, weights

pytestmark = pytest.mark.gpu

SIZES = (0, 1, 3, 4, 5, 63, 64, 65, 1023, 1024, 1025, 100_003)
"""Around vectors of 4, workgroups of 64, and where maps begin to be cut in fours."""


@pytest.mark.parametrize("size", SIZES)
def test_maps_of_one_axis(check: Check, size: int) -> None:
    x, y = input_tensor("x", (size,), "f32"), input_tensor("y", (size,), "f32")
    check(map_tensor("z", (size,), lambda i: unary("exp", x[i]) + y[i] * 2.0))


@pytest.mark.parametrize(
    "shape",
    [
        *((5, 7), (32, 32), (33, 31), (64, 36), (37, 129), (3, 5, 7), (12, 10, 12), (1, 40, 30)),
        *((2, 3, 5, 7), (4, 8, 6, 12), (2, 3, 2, 5, 7), (3, 4, 2, 8, 12), (2, 0, 3), (1, 1, 1)),
    ],
)
def test_maps_that_transpose_and_broadcast(check: Check, shape: tuple[int, ...]) -> None:
    """Reads in memory order in fours, reads across it one by one."""
    x = input_tensor("x", shape, "f32")
    y = input_tensor("y", shape[::-1], "f32")
    last = input_tensor("b", (shape[-1],), "f32")

    def body(*i: Expr) -> Expr:
        return x[i] * y[i[::-1]] + last[i[-1]]

    check(map_tensor("z", shape, body))


def test_maps_of_every_type(check: Check) -> None:
    shape = (31, 36)
    f, i = input_tensor("f", shape, "f32"), input_tensor("i", shape, "i32")
    u, b = input_tensor("u", shape, "u32"), input_tensor("b", shape, "bool")
    check(
        map_tensor("floats", shape, lambda *k: cast(i[k], "f32") / (cast(u[k], "f32") + 1.0)),
        map_tensor("wholes", shape, lambda *k: cast(f[k] * 3.0, "i32") + i[k] * 3),
        map_tensor("counts", shape, lambda *k: u[k] * 3 + cast(b[k], "u32")),
        map_tensor("choices", shape, lambda *k: logical_and(b[k], f[k] > 0.0)),
        map_tensor("chosen", shape, lambda *k: select(b[k], f[k], cast(i[k], "f32"))),
        map_tensor("digits", shape, lambda *k: (i[k] % 4) * 100 + (i[k] // 4) * 10 + i[k] % 3),
    )


def test_maps_beyond_one_dimension_of_workgroups(check: Check) -> None:
    """65,535 workgroups are the most in one dimension."""
    n = 64 * 65535 + 777
    x = input_tensor("x", (1000,), "f32")
    z = map_tensor("z", (n,), lambda i: x[i % 1000] + cast(i // 4096, "f32"))
    compiled = check(z)
    assert any(c.workgroups[1] > 1 for d in compiled.program.dispatches for c in d.candidates)


def test_maps_that_pad_slice_and_join(check: Check) -> None:
    """What lies outside a tensor is never read, only chosen away."""
    x, y = input_tensor("x", (9, 12), "f32"), input_tensor("y", (5, 12), "f32")
    joined = map_tensor("j", (14, 12), lambda i, j: select(i < 9, x[i, j], y[i - 9, j]))
    padded = map_tensor(
        "p",
        (20, 16),
        lambda i, j: select(
            logical_and(i >= 3, i < 17, j >= 2, j < 14), joined[i - 3, j - 2], const(7, "f32")
        ),
    )
    check(map_tensor("z", (20, 16), lambda i, j: unary("tanh", padded[19 - i, j])))


def test_maps_of_a_shifting_index(check: Check) -> None:
    """A tile of four whose places are not in step with the fours of the buffer that it reads."""
    x = input_tensor("x", (8, 16, 3, 5), "f32")
    y = map_tensor("y", x.shape, lambda *i: unary("exp", x[i]))
    flat = reshape("flat", y, (8 * 16 * 15,))
    view = map_tensor("v", (5, 18, 8), lambda a, i, b: flat[a * 144 + i * 8 + b + 1200])
    check(map_tensor("z", (10, 18, 24), lambda a, i, b: unary("abs", view[a % 5, i, b % 8])), y)


def test_what_only_empty_tensors_read_is_not_computed(check: Check) -> None:
    """It had a kernel that wrote nothing, and did not compile."""
    x = input_tensor("x", (6, 8), "f32")
    y = product_of(x, weights("w", 8, 200))
    z = map_tensor("z", (0, 200), lambda i, j: y[i, j] + 1.0)
    check(z, map_tensor("u", (2,), lambda i: x[i, 0] * 2.0), dispatches=1)


def test_numbers_that_are_no_literals(check: Check) -> None:
    """Infinities, nan, the lowest integer, numbers that 9 digits must tell apart."""
    x = input_tensor("x", (9,), "f32")
    numbers = [math.inf, -math.inf, math.nan, 3.4028234663852886e38, -3.4028234663852886e38,
               1.17549435e-38, 0.1, 16777217.0, -0.0]  # fmt: skip
    table = [const(v, "f32") for v in numbers]

    def body(i: Expr) -> Expr:
        value = table[0]
        for k, v in enumerate(table[1:], 1):
            value = select(i.equals(k), v, value)
        return select(x[i] > -100.0, value, x[i])

    whole = [-(2**31), 2**31 - 1, -1, 0]
    k = input_tensor("k", (4,), "i32")

    def wholes(i: Expr) -> Expr:
        value = const(whole[0], "i32")
        for n, v in enumerate(whole[1:], 1):
            value = select(i.equals(n), const(v, "i32"), value)
        return select(k[i] > -100, value, k[i])

    u = input_tensor("u", (4,), "u32")
    top = const(2**32 - 1, "u32")
    check(
        map_tensor("floats", (9,), body),
        map_tensor("wholes", (4,), wholes),
        map_tensor("tops", (4,), lambda i: select(u[i] < 4, top, u[i])),
        map_tensor("nans", (9,), lambda i: call("is_nan", body(i), type_="bool")),
    )
