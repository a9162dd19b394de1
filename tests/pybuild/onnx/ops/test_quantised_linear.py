"""Integer contractions against onnxruntime: zero points of a tensor, a row, a column, a filter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest


def integers(dtype: type[np.generic], *shape: int) -> np.ndarray:
    """Reproducible values over the whole range of a type."""
    limits = np.iinfo(dtype)
    generator = np.random.default_rng(sum(shape))
    return generator.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)


@pytest.mark.parametrize("a_type", [np.uint8, np.int8])
@pytest.mark.parametrize("per_column", [False, True])
def test_matmul_integer(
    agrees: Callable[..., None], a_type: type[np.generic], per_column: bool
) -> None:
    a, b = integers(a_type, 2, 3, 5), integers(np.int8, 5, 4)
    b_zero = integers(np.int8, 4) if per_column else np.array(7, np.int8)
    agrees("MatMulInteger", [a, b, np.array(3, a_type), b_zero])


def test_matmul_integer_of_a_row_zero_point(lowered: Callable[..., list[np.ndarray]]) -> None:
    a, b = integers(np.uint8, 3, 5), integers(np.uint8, 5, 4)
    zero = integers(np.uint8, 3)
    (got,) = lowered("MatMulInteger", [a, b, zero])
    wanted = (a.astype(int) - zero[:, None]) @ b.astype(int)
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("per_column", [False, True])
def test_qlinear_matmul(
    agrees: Callable[..., None], dtype: type[np.generic], per_column: bool
) -> None:
    a, b = integers(dtype, 3, 5), integers(dtype, 5, 4)
    scale, zero = np.array(0.013, np.float32), np.array(5, dtype)
    b_scale = np.array([0.01, 0.02, 0.03, 0.04], np.float32) if per_column else scale
    b_zero = integers(dtype, 4) if per_column else zero
    y_scale = np.array(0.2, np.float32)
    agrees("QLinearMatMul", [a, scale, zero, b, b_scale, b_zero, y_scale, np.array(9, dtype)])


def test_conv_integer_pads_with_the_zero_point(agrees: Callable[..., None]) -> None:
    x, w = integers(np.uint8, 1, 4, 6, 5), integers(np.uint8, 6, 2, 3, 2)
    zeros = [np.array(100, np.uint8), np.array(20, np.uint8)]
    agrees("ConvInteger", [x, w, *zeros], group=2, pads=[1, 1, 0, 1], strides=[2, 1])


@pytest.mark.parametrize("per_filter", [False, True])
def test_qlinear_conv(agrees: Callable[..., None], per_filter: bool) -> None:
    x, w = integers(np.uint8, 1, 4, 6, 5), integers(np.int8, 6, 4, 3, 2)
    w_scale = np.linspace(0.01, 0.02, 6, dtype=np.float32)
    w_zero = np.zeros(6, np.int8)
    if not per_filter:
        w_scale, w_zero = w_scale[:1].reshape(()), w_zero[:1].reshape(())
    parameters = [
        np.array(0.02, np.float32),
        np.array(120, np.uint8),
        w,
        w_scale,
        w_zero,
        np.array(0.5, np.float32),
        np.array(90, np.uint8),
        integers(np.int32, 6) // 2**18,
    ]
    agrees("QLinearConv", [x, *parameters], pads=[1, 1, 0, 1], dilations=[1, 2])
