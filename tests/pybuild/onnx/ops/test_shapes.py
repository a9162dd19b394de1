"""Tensors that come of shapes and attributes, triangles, and BitCast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported

Agrees = Callable[..., None]
Lowered = Callable[..., list[Any]]
X = np.random.default_rng(7).normal(size=(2, 3, 4)).astype(np.float32)


def test_shape_and_size(agrees: Agrees) -> None:
    agrees("Shape", [X])
    agrees("Shape", [X], start=-2)
    agrees("Shape", [X], start=1, end=-1)
    agrees("Shape", [X], start=2, end=1)
    agrees("Size", [X])


def test_constant_of_shape(agrees: Agrees) -> None:
    agrees("ConstantOfShape", [np.array([2, 0, 3])], static=[0])
    agrees("ConstantOfShape", [np.array([2, 3])], static=[0])


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float32])
@pytest.mark.parametrize("ends", [(0, 5, 2), (5, -4, -3), (3, 3, 1), (5, 0, 1)])
def test_range(agrees: Agrees, dtype: Any, ends: tuple[int, int, int]) -> None:
    agrees("Range", [np.array(end, dtype) for end in ends], static=[0, 1, 2])


def test_range_of_fractions(agrees: Agrees) -> None:
    ends = [np.array(end, np.float32) for end in (0.1, 2.0, 0.3)]
    agrees("Range", ends, static=[0, 1, 2])


@pytest.mark.parametrize("k", [-3, -1, 0, 2, 5])
def test_eye_like(agrees: Agrees, k: int) -> None:
    agrees("EyeLike", [X[0]], k=k)
    agrees("EyeLike", [X[0]], k=k, dtype=7)


@pytest.mark.parametrize("static", [(), (1,)], ids=["run", "build"])
@pytest.mark.parametrize("k", [-5, -1, 0, 2, 9])
@pytest.mark.parametrize("upper", [0, 1])
def test_trilu(agrees: Agrees, upper: int, k: int, static: Any) -> None:
    agrees("Trilu", [X, np.array(k, np.int64)], static=static, upper=upper)


def test_trilu_without_a_diagonal(agrees: Agrees) -> None:
    agrees("Trilu", [X])
    agrees("Trilu", [X > 0], upper=0)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.float32, np.int32),
        (np.uint32, np.float32),
        (np.int32, np.uint32),
        (np.int16, np.uint16),
        (np.uint8, np.int8),
        (np.int8, np.uint8),
    ],
)
def test_bit_cast(lowered: Lowered, source: Any, target: Any) -> None:
    x = np.array([1, 2, 100, 127, 0]).astype(source)
    if x.dtype.kind != "u":
        x = np.concatenate([x, -x]).astype(source)
    else:
        x = np.concatenate([x, ~x]) if x.dtype.itemsize < 4 else x
    wanted = x.view(target)
    (value,) = lowered("BitCast", [x], opset=26, like=[wanted])
    np.testing.assert_array_equal(value, wanted)


def test_bit_cast_of_64_bits_is_refused(lowered: Lowered) -> None:
    x = np.zeros(2, np.int64)
    with pytest.raises(Unsupported, match="int64 to float64"):
        lowered("BitCast", [x], opset=26, like=[x.view(np.float64)])
