"""Reductions, ArgMax and running totals against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pybuild.onnx.ir import Compute, input_tensor
from pybuild.onnx.ops.reductions import mean_axes, normal_axes

Agrees = Callable[..., None]
Lowered = Callable[..., list[np.ndarray]]
F32 = np.float32
FLOATS = [
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
]
X = np.random.default_rng(8).uniform(0.5, 2, (3, 1, 4, 5)).astype(F32)


def axes_of(*axes: int) -> np.ndarray:
    """The second input."""
    return np.array(axes, np.int64)


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [(0,), (-1,), (1, 3), (-2, 0), (0, 1, 2, 3)])
@pytest.mark.parametrize("op", FLOATS)
def test_reductions(agrees: Agrees, op: str, axes: tuple[int, ...], keepdims: int) -> None:
    agrees(op, [X, axes_of(*axes)], static=[1], opset=18, keepdims=keepdims)


@pytest.mark.parametrize("op", FLOATS)
def test_axes_left_out(agrees: Agrees, op: str) -> None:
    """All of them, unless that is to do nothing but the element's own part."""
    agrees(op, [X], opset=18)
    agrees(op, [X, axes_of()], static=[1], opset=18, noop_with_empty_axes=0)
    values = X if op == "ReduceLogSum" else -X
    agrees(op, [values], opset=18, noop_with_empty_axes=1, oracle="onnx")


@pytest.mark.parametrize("op", FLOATS)
def test_axes_as_attribute(agrees: Agrees, op: str) -> None:
    agrees(op, [X], opset=11, axes=[-1, 0], keepdims=0)


@pytest.mark.parametrize("op", FLOATS)
def test_of_a_scalar_and_of_axes_of_one(agrees: Agrees, op: str) -> None:
    agrees(op, [np.array(1.5, F32)], opset=18)
    agrees(op, [X, axes_of(1)], static=[1], opset=18)


@pytest.mark.parametrize("op", ["ReduceL1", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum"])
def test_of_nothing(agrees: Agrees, op: str) -> None:
    """The neutral element; infinities for the extremes."""
    agrees(op, [np.ones((2, 0, 3), F32), axes_of(1)], static=[1], opset=20, oracle="onnx")


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("op", ["ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"])
def test_of_integers(agrees: Agrees, op: str, dtype: type) -> None:
    values = np.array([[1, -3, 2, 7], [4, 5, -6, 3]], dtype)
    agrees(op, [values, axes_of(1)], static=[1], opset=18)


@pytest.mark.parametrize("op", ["ReduceMax", "ReduceMin"])
def test_extremes_of_bytes_and_truths(agrees: Agrees, op: str) -> None:
    agrees(op, [np.array([[3, 250], [7, 1]], np.uint8), axes_of(0)], static=[1], opset=20)
    truths = np.array([[True, False], [True, True], [False, False]])
    agrees(op, [truths, axes_of(1)], static=[1], opset=20, oracle="onnx")


def test_large_logarithms_do_not_overflow(agrees: Agrees) -> None:
    values = np.array([[1000, 1001, 999], [-1000, -1000, -1001], [-np.inf] * 3], F32)
    agrees("ReduceLogSumExp", [values, axes_of(1)], static=[1], opset=18)


def test_the_mean_is_a_sum_and_a_map() -> None:
    """So that the scheduler fuses the division into the sum's end."""
    x = input_tensor("x", (4, 6), "f32")
    source = mean_axes("mean", x.shape, (1,), lambda i: x[i]).source
    assert isinstance(source, Compute)
    assert source.combine is None
    assert normal_axes([-1, 0, 1], 2) == (0, 1)


TIES = np.array([[2, 5, 5, 1], [3, 3, 3, 3], [-1, -2, -2, -1]], F32)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
def test_places(agrees: Agrees, op: str, axis: int, keepdims: int, last: int) -> None:
    given = {"axis": axis, "keepdims": keepdims, "select_last_index": last}
    agrees(op, [TIES], opset=13, **given)
    agrees(op, [TIES.astype(np.int32)], opset=13, **given)


def test_places_by_default(agrees: Agrees) -> None:
    agrees("ArgMax", [TIES], opset=11)


@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("axis", [0, 2, -2])
@pytest.mark.parametrize("op", ["CumSum", "CumProd"])
def test_running_totals(agrees: Agrees, op: str, axis: int, exclusive: int, reverse: int) -> None:
    opset, oracle = (14, "onnxruntime") if op == "CumSum" else (26, "onnx")
    inputs = [X[:, 0], np.array(axis, np.int64)]
    given = {"exclusive": exclusive, "reverse": reverse}
    agrees(op, inputs, static=[1], opset=opset, oracle=oracle, **given)


def test_running_totals_of_integers(agrees: Agrees) -> None:
    agrees("CumSum", [np.arange(5), np.array([0])], static=[1], opset=14)
