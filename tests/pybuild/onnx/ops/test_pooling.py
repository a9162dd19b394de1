"""Pooling against onnxruntime: ceil_mode, padding that counts, dilations, indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


def random(*shape: int) -> np.ndarray:
    """Reproducible values about 0."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


CASES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 9), {"kernel_shape": [3], "strides": [2], "pads": [1, 2]}),
    ((1, 2, 7, 6), {"kernel_shape": [3, 2], "strides": [2, 3], "ceil_mode": 1}),
    ((1, 2, 7, 8), {"kernel_shape": [3, 3], "strides": [3, 3], "ceil_mode": 1, "pads": [1] * 4}),
    ((1, 2, 9, 8), {"kernel_shape": [3, 2], "dilations": [2, 3], "pads": [1, 0, 2, 1]}),
    ((1, 2, 7, 6), {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ((1, 2, 7, 6), {"kernel_shape": [4, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    ((1, 2, 7, 6), {"kernel_shape": [4, 3], "strides": [2, 2], "auto_pad": "VALID"}),
    ((1, 2, 5, 4, 6), {"kernel_shape": [2, 3, 2], "pads": [1, 0, 1, 0, 1, 0]}),
]


@pytest.mark.parametrize(("shape", "attributes"), CASES)
def test_max_pool(
    agrees: Callable[..., None], shape: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    agrees("MaxPool", [random(*shape)], outputs=2, **attributes)


def test_max_pool_indices_in_column_major_order(agrees: Callable[..., None]) -> None:
    """Of equal elements the first in rows wins, whatever the order of the indices."""
    x = np.random.default_rng(0).integers(0, 3, (2, 2, 5, 6)).astype(np.float32)
    agrees("MaxPool", [x], outputs=2, kernel_shape=[3, 3], storage_order=1)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_max_pool_of_bytes(agrees: Callable[..., None], dtype: type[np.generic]) -> None:
    x = (np.arange(72).reshape(1, 2, 6, 6) * 37 % 101 - (dtype is np.int8) * 120).astype(dtype)
    agrees("MaxPool", [x], kernel_shape=[3, 3], pads=[1, 1, 1, 1])


@pytest.mark.parametrize(("shape", "attributes"), CASES)
@pytest.mark.parametrize("padded", [0, 1])
def test_average_pool(
    agrees: Callable[..., None], shape: tuple[int, ...], attributes: dict[str, Any], padded: int
) -> None:
    agrees("AveragePool", [random(*shape)], count_include_pad=padded, **attributes)


@pytest.mark.parametrize(("shape", "attributes"), CASES)
@pytest.mark.parametrize("p", [1, 2, 3, 5])
def test_lp_pool(
    agrees: Callable[..., None], shape: tuple[int, ...], attributes: dict[str, Any], p: int
) -> None:
    agrees("LpPool", [random(*shape)], p=p, **attributes)


@pytest.mark.parametrize("op", ["GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"])
@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 3, 4, 5), (1, 2, 3, 4, 5), (2, 3, 1, 1)])
def test_global_pools(agrees: Callable[..., None], op: str, shape: tuple[int, ...]) -> None:
    agrees(op, [random(*shape)])
