"""ScatterND and ScatterElements, as scatters and as maps, against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.expr import variable
from pybuild.onnx.ops.scattering import inverse_reader, inverse_table

Agrees = Callable[..., None]
RANDOM = np.random.default_rng(6)
X = RANDOM.normal(size=(4, 3, 5)).astype(np.float32)

both = pytest.mark.parametrize("static", [(), (1,)], ids=["run", "build"])
reductions = pytest.mark.parametrize("reduction", ["none", "add", "mul", "min", "max"])


def distinct(axis: int, count: int) -> Any:
    """Indices along an axis of X that hit no element twice, some of them negative."""
    ranked = np.argsort(RANDOM.random(X.shape), axis)
    chosen = np.take(ranked, range(count), axis)
    return np.where(RANDOM.random(chosen.shape) < 0.5, chosen, chosen - X.shape[axis])


@both
@reductions
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_scatter_elements(agrees: Agrees, axis: int, reduction: str, static: Any) -> None:
    indices = distinct(axis, 2)
    updates = RANDOM.normal(size=indices.shape).astype(np.float32)
    agrees("ScatterElements", [X, indices, updates], static=static, axis=axis, reduction=reduction)


@both
@pytest.mark.parametrize("reduction", ["add", "mul", "min", "max"])
def test_repeated_indices(agrees: Agrees, reduction: str, static: Any) -> None:
    indices = RANDOM.integers(-4, 4, (9, 1))
    updates = RANDOM.normal(size=(9, 3, 5)).astype(np.float32)
    agrees("ScatterND", [X, indices, updates], static=static, reduction=reduction)
    places = RANDOM.integers(-3, 3, (4, 6, 5))
    others = RANDOM.normal(size=places.shape).astype(np.float32)
    agrees(
        "ScatterElements",
        [X, places[:, :3], others[:, :3]],
        static=static,
        axis=1,
        reduction=reduction,
    )


@both
@reductions
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_scatter_nd(agrees: Agrees, depth: int, reduction: str, static: Any) -> None:
    extents = X.shape[:depth]
    flat = RANDOM.permutation(int(np.prod(extents)))[:4]
    indices = np.stack(np.unravel_index(flat, extents), -1).reshape(2, 2, depth)
    updates = RANDOM.normal(size=(2, 2, *X.shape[depth:])).astype(np.float32)
    agrees("ScatterND", [X, indices, updates], static=static, reduction=reduction)


def test_narrow_integers_wrap(agrees: Agrees) -> None:
    data = np.array([250, 3], np.uint8)
    updates = np.array([10, 4], np.uint8)
    for static in ((), (1,)):
        inputs = [data, np.array([0, 1]), updates]
        agrees("ScatterElements", inputs, static=static, reduction="add", oracle="onnx")


def test_other_types_and_nothing(agrees: Agrees) -> None:
    flags = X > 0
    agrees("ScatterElements", [flags, distinct(1, 1), ~flags[:, :1]], axis=1, static=[1])
    agrees("ScatterND", [X, np.zeros((0, 2), np.int64), np.zeros((0, 5), np.float32)])
    agrees("Scatter", [X, distinct(0, 1), X[:1]], opset=9)


def test_an_assignment_to_a_slice_needs_no_table() -> None:
    """``x[1:3, 2:5] = update`` is two guards on each axis and a linear index."""
    rows, columns = np.meshgrid(np.arange(1, 3), np.arange(2, 5), indexing="ij")
    table = inverse_table([rows, columns], (4, 5), unique=False)
    assert table is not None
    read = inverse_reader("t", table, limit=0)
    assert read is not None
    i, j = variable("i", 4), variable("j", 5)
    written, number = read(i, j)
    assert number is i * 3 + j - 5
    assert written.op == "and"


def test_of_two_updates_known_at_build_the_last_stays(lowered: Callable[..., list[Any]]) -> None:
    inputs = [np.zeros(3, np.float32), np.array([1, 1]), np.array([5, 6], np.float32)]
    (value,) = lowered("ScatterElements", inputs, static=[1])
    np.testing.assert_array_equal(value, [0, 6, 0])
