"""Quantisation against ONNX's reference: by tensor, axis and block, to every integer width."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto

from pybuild.onnx.lower import Unsupported

Agrees = Callable[..., None]
Lowered = Callable[..., list[np.ndarray]]
F32 = np.float32
X = np.random.default_rng(10).normal(size=(3, 4, 6)).astype(F32) * 50
TYPES = ["int8", "uint8", "int16", "uint16", "int4", "uint4", "int2", "uint2"]


def kind(dtype: str) -> np.dtype:
    """Of a dtype that numpy may not know."""
    return np.dtype(getattr(ml_dtypes, dtype, None) or dtype)


@pytest.mark.parametrize("dtype", TYPES)
def test_by_tensor(agrees: Agrees, dtype: str) -> None:
    """Ties go to even, before the zero point is added."""
    x = np.array([-300, -1.5, -0.5, 0.25, 0.5, 1.5, 2.5, 300], F32)
    zero = np.array(1, kind(dtype))
    agrees("QuantizeLinear", [x, np.array(1, F32), zero], opset=25, oracle="onnx")
    agrees("QuantizeLinear", [x, np.array(0.3, F32), zero], opset=25, oracle="onnx")
    quantised = np.array([0, 1, 1, 0], kind(dtype))
    given = [quantised, np.array([0.3], F32), zero.reshape(1)]
    agrees("DequantizeLinear", given, opset=25, oracle="onnx")


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("zeros", [True, False])
def test_by_axis(agrees: Agrees, axis: int, zeros: bool) -> None:
    size = X.shape[axis]
    scale = np.linspace(0.5, 2, size, dtype=F32)
    rest = [np.arange(size, dtype=np.int8)] * zeros
    agrees("QuantizeLinear", [X, scale, *rest], oracle="onnx", axis=axis)
    quantised = X.astype(np.int8)
    agrees("DequantizeLinear", [quantised, scale, *rest], oracle="onnx", axis=axis)


@pytest.mark.parametrize(("axis", "block"), [(2, 2), (2, 4), (-1, 3), (1, 3), (0, 2)])
def test_by_block(agrees: Agrees, axis: int, block: int) -> None:
    """The last block may be short."""
    shape = list(X.shape)
    shape[axis] = -(-shape[axis] // block)
    scale = np.random.default_rng(11).uniform(0.5, 2, shape).astype(F32)
    zero = np.ones(shape, np.int16)
    given = {"axis": axis, "block_size": block}
    agrees("QuantizeLinear", [X, scale, zero], oracle="onnx", **given)
    agrees("DequantizeLinear", [X.astype(np.int16), scale, zero], oracle="onnx", **given)


def test_what_no_zero_point_means(agrees: Agrees) -> None:
    """uint8, unless the attribute says otherwise."""
    scale = np.array(0.5, F32)
    agrees("QuantizeLinear", [X, scale], oracle="onnx")
    agrees("QuantizeLinear", [X, scale], oracle="onnx", output_dtype=TensorProto.INT16)


def test_a_difference_of_integers_is_exact(agrees: Agrees) -> None:
    """Of unsigned ones it may be negative."""
    x = np.array([0, 5, 255], np.uint8)
    agrees("DequantizeLinear", [x, np.array(2, F32), np.array(128, np.uint8)])
    agrees("DequantizeLinear", [np.array([-70000, 123456], np.int32), np.array(1e-3, F32)])


def test_a_division_in_half_precision(agrees: Agrees) -> None:
    given = {"opset": 23, "oracle": "onnx", "precision": TensorProto.FLOAT16}
    scale = np.array(0.37, F32)
    agrees("QuantizeLinear", [X, scale, np.array(0, np.int8)], **given)


def test_a_scale_of_some_axes_needs_blocks(lowered: Lowered) -> None:
    with pytest.raises(Unsupported, match=r"a scale of shape \(3, 4, 2\) without block_size"):
        lowered("QuantizeLinear", [X, np.ones((3, 4, 2), F32)], like=[X.astype(np.uint8)])


@pytest.mark.parametrize("values", [[0, 2, -3, -2.5, 1.34, 0.5], [1, 2, 3], [-1, -4]])
def test_dynamically(agrees: Agrees, values: list[float]) -> None:
    agrees("DynamicQuantizeLinear", [np.array(values, F32)], outputs=3, oracle="onnx")
    agrees("DynamicQuantizeLinear", [np.array([values], F32)], outputs=3)


def test_dynamically_of_zeros_alone(agrees: Agrees) -> None:
    agrees("DynamicQuantizeLinear", [np.zeros(3, F32)], outputs=3, oracle="onnx")
