"""Gather and its kin, by indices from run time and known at build, against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.expr import variable
from pybuild.onnx.lower import Unsupported
from pybuild.onnx.ops.indexing import affine

Agrees = Callable[..., None]
Lowered = Callable[..., list[Any]]
RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(4, 3, 5)).astype(np.float32)

both = pytest.mark.parametrize("static", [(), (1,)], ids=["run", "build"])


@both
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather(agrees: Agrees, axis: int, static: tuple[int, ...]) -> None:
    indices = [[0, 2, 1], [-1, -3, 0]]
    agrees("Gather", [X, np.array(indices, np.int64)], static=static, axis=axis)
    agrees("Gather", [X, np.array(-2, np.int64)], static=static, axis=axis)
    agrees("Gather", [X, np.array([2, 1, 0], np.int32)], static=static, axis=axis)
    agrees("Gather", [X, np.zeros(0, np.int64)], static=static, axis=axis)


@both
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gather_elements(agrees: Agrees, axis: int, static: tuple[int, ...]) -> None:
    n = X.shape[axis]
    agrees("GatherElements", [X, RANDOM.integers(-n, n, (2, 3, 4))], static=static, axis=axis)


@both
@pytest.mark.parametrize("batch", [0, 1, 2])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_gather_nd(agrees: Agrees, batch: int, depth: int, static: tuple[int, ...]) -> None:
    if batch + depth > X.ndim:
        pytest.skip("no such tuple")
    indices = RANDOM.integers(-3, 3, (*X.shape[:batch], 2, depth))
    agrees("GatherND", [X, indices], static=static, batch_dims=batch)


def test_affine_indices_are_arithmetic() -> None:
    i, j = variable("i", 2), variable("j", 3)
    rows = affine(np.array([[7, 5, 3], [17, 15, 13]]))
    assert rows is not None
    assert rows(i, j) is i * 10 + j * -2 + 7
    assert affine(np.array([0, 1, 3])) is None


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_compress(agrees: Agrees, axis: int | None) -> None:
    attributes: dict[str, Any] = {} if axis is None else {"axis": axis}
    agrees("Compress", [X, np.array([True, False, True])], static=[1], **attributes)


@pytest.mark.parametrize("op", ["NonZero", "Unique"])
def test_shapes_that_hang_on_values_are_refused(lowered: Lowered, op: str) -> None:
    with pytest.raises(Unsupported, match="depends on values"):
        lowered(op, [X])


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float32])
def test_one_hot(agrees: Agrees, axis: int, dtype: Any) -> None:
    indices = np.array([[0, 4, -1], [5, -6, 2]]).astype(dtype)
    values = np.array([-1, 3], np.float32)
    agrees("OneHot", [indices, np.array(5, np.int64), values], static=[1], axis=axis, oracle="onnx")


@pytest.mark.parametrize("axes", [(0, 1), (1, 0)])
def test_reverse_sequence(agrees: Agrees, axes: tuple[int, int]) -> None:
    time, batch = axes
    lengths = RANDOM.integers(1, X.shape[time] + 1, X.shape[batch])
    agrees("ReverseSequence", [X, lengths], time_axis=time, batch_axis=batch)


@pytest.mark.parametrize("mode", ["linear", "circular"])
def test_tensor_scatter(agrees: Agrees, mode: str) -> None:
    cache, update = np.zeros((2, 3, 6, 4), np.float32), np.ones((2, 3, 2, 4), np.float32)
    starts = np.array([4, 1 if mode == "linear" else 5], np.int64)
    agrees("TensorScatter", [cache, update, starts], opset=24, mode=mode, oracle="onnx")
    agrees("TensorScatter", [cache, update], opset=24, mode=mode, axis=2, oracle="onnx")


def test_array_feature_extractor(agrees: Agrees) -> None:
    columns = np.array([3, 0], np.int64)
    agrees("ArrayFeatureExtractor", [X, columns], domain="ai.onnx.ml", opset=1)
