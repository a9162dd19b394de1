"""Softmax, LogSoftmax and Hardmax against onnxruntime, before opset 13 and since."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

Agrees = Callable[..., None]
OPS = ["Softmax", "LogSoftmax", "Hardmax"]
X = np.random.default_rng(9).normal(size=(2, 3, 4, 5)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 3, -1, -3])
@pytest.mark.parametrize("op", OPS)
def test_one_axis(agrees: Agrees, op: str, axis: int) -> None:
    agrees(op, [X], opset=13, axis=axis)


@pytest.mark.parametrize("axis", [0, 1, 3, -2])
@pytest.mark.parametrize("op", OPS)
def test_trailing_axes_before_opset_13(agrees: Agrees, op: str, axis: int) -> None:
    agrees(op, [X], opset=11, axis=axis)


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("op", OPS)
def test_axis_by_default(agrees: Agrees, op: str, opset: int) -> None:
    agrees(op, [X], opset=opset)


@pytest.mark.parametrize("op", OPS)
def test_large_and_equal_values(agrees: Agrees, op: str) -> None:
    """exp(1000) overflows; of equal values Hardmax takes the first."""
    agrees(op, [np.array([[1000, 999, 1000], [-1000, -1000, -1000]], np.float32)], opset=13)
    agrees(op, [np.array([[0, -np.inf, 1]], np.float32)], opset=13)
    agrees(op, [np.ones((3, 1), np.float32)], opset=13)
