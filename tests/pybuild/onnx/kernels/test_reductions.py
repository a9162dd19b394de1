"""Kernels of plain reductions, of running sums and of scatters."""

from __future__ import annotations

import numpy as np
import pytest

from pybuild.onnx.expr import Expr, Type, const, maximum, minimum, select, unary
from pybuild.onnx.ir import (
    Combine,
    constant,
    input_tensor,
    map_tensor,
    reduce_tensor,
    scan_tensor,
    scatter_tensor,
)
from tests.pybuild.onnx.kernels.tensors import KINDS, Check

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize(("combine", "type_"), KINDS)
@pytest.mark.parametrize("shape", [(3, 700), (300, 33), (1, 5000), (40, 1), (5, 0)])
def test_reductions(check: Check, combine: Combine, type_: Type, shape: tuple[int, int]) -> None:
    """A workgroup for each of few long rows, a thread for each of many, neutral over nothing."""
    x = input_tensor("x", shape, type_)
    one = const(1, type_)

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        value = x[o[0], r[0]]
        if combine != "prod":
            return value
        # most factors are 1
        return select(r[0] < 9, value, one) if type_ == "i32" else value * 0.1 + 1.0

    made = reduce_tensor("y", (shape[0],), (shape[1],), combine, body)
    given = np.random.default_rng(0).random(shape) < (0.999 if combine == "and" else 0.001)
    check(made, **({"x": given} if type_ == "bool" else {}))


@pytest.mark.parametrize("depth", [63, 64, 65, 127, 128, 129, 511, 512, 513, 100_000])
def test_sums_around_the_lanes_of_a_workgroup(check: Check, depth: int) -> None:
    x = input_tensor("x", (5, depth), "f32")
    y = reduce_tensor("y", (5,), (depth,), "sum", lambda o, r: x[o[0], r[0]] * x[o[0], r[0]])
    check(map_tensor("z", (5,), lambda i: unary("sqrt", y[i] / float(depth))))


def test_sums_over_several_axes(check: Check) -> None:
    x = input_tensor("x", (6, 5, 4, 30, 3), "f32")
    check(
        reduce_tensor(
            "inner", (6, 4), (5, 30, 3), "sum", lambda o, r: x[o[0], r[0], o[1], r[1], r[2]]
        ),
        reduce_tensor(
            "outer", (5, 3), (6, 4, 30), "max", lambda o, r: x[r[0], o[0], r[1], r[2], o[1]]
        ),
        reduce_tensor("all", (), (6, 5, 4, 30, 3), "min", lambda _, r: x[r]),
    )


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("combine", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((1,), 0), ((257,), 0), ((5, 64), 1), ((63, 4, 3), 0), ((3, 0), 0)]
)
def test_scans(
    check: Check, shape: tuple[int, ...], axis: int, combine: Combine, exclusive: bool
) -> None:
    x = input_tensor("x", shape, "f32")
    scale = const(0.01 if combine == "prod" else 1.0, "f32")
    y = scan_tensor(
        "y", shape, axis, combine,
        lambda *i: x[i] * scale + (1.0 if combine == "prod" else 0.0), exclusive,
    )  # fmt: skip
    finite = map_tensor(
        "z", shape, lambda *i: maximum(minimum(y[i], const(1e9, "f32")), const(-1e9, "f32"))
    )
    check(finite)


@pytest.mark.parametrize("type_", ["i32", "u32"])
def test_scans_of_whole_numbers(check: Check, type_: Type) -> None:
    x = input_tensor("x", (9, 50), type_)
    check(scan_tensor("y", (9, 50), 1, "sum", lambda i, j: x[i, 49 - j] * 2))


@pytest.mark.parametrize("writes", [0, 1, 63, 64, 65, 1000])
@pytest.mark.parametrize(("combine", "type_"), [(c, t) for c, t in KINDS if t != "bool"])
def test_scatters_that_combine(check: Check, combine: Combine, type_: Type, writes: int) -> None:
    """Many writes to one place: none is lost."""
    data, value = input_tensor("data", (7, 5), type_), input_tensor("value", (writes,), type_)
    at = input_tensor("at", (writes,), "i32")
    if combine == "prod":
        writes_value = lambda r: select(r < 5, value[r], const(1, type_))  # noqa: E731
    else:
        writes_value = lambda r: value[r]  # noqa: E731
    made = scatter_tensor(
        "made", data, (writes,),
        lambda r: ((at[r] % 7, r % 5), writes_value(r), const(True, "bool")), combine,
    )  # fmt: skip
    check(made)


def test_scatters_that_replace(check: Check) -> None:
    """Each place once; a condition keeps some from being written, and of some all."""
    order = np.random.default_rng(0).permutation(600).astype(np.int32)
    places = constant("places", order, "i32")
    data, value = input_tensor("data", (20, 30), "f32"), input_tensor("value", (600,), "f32")
    check(
        *(
            scatter_tensor(
                f"made{limit}",
                data,
                (600,),
                lambda r, limit=limit: (
                    (places[r] // 30, places[r] % 30),
                    value[r] * 3.0,
                    value[r] < float(limit),
                ),
            )
            for limit in (-100, 0, 100)
        )
    )


def test_scatters_of_choices(check: Check) -> None:
    data, at = input_tensor("data", (40,), "bool"), input_tensor("at", (30,), "i32")
    check(
        *(
            scatter_tensor(
                combine,
                data,
                (30,),
                lambda r: ((at[r] + 9,), (at[r] % 2).equals(0), const(True, "bool")),
                combine,
            )
            for combine in ("and", "or")
        )
    )
