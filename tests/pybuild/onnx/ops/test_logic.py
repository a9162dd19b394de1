"""Comparisons, logic and bits against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

Agrees = Callable[..., None]
COMPARISONS = ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64, np.uint32])
@pytest.mark.parametrize("op", COMPARISONS)
def test_comparisons(agrees: Agrees, op: str, dtype: type) -> None:
    random = np.random.default_rng(3)
    a, b = (random.integers(0, 4, shape).astype(dtype) for shape in ((3, 4), (4,)))
    agrees(op, [a, b], opset=16)


@pytest.mark.parametrize("op", COMPARISONS)
def test_nothing_compares_with_nan(agrees: Agrees, op: str) -> None:
    values = np.array([np.nan, 1, np.inf, -np.inf], np.float32)
    agrees(op, [values, values[:, None]])


@pytest.mark.parametrize("op", ["And", "Or", "Xor", "Equal"])
def test_logic(agrees: Agrees, op: str) -> None:
    agrees(op, [np.array([[True], [False]]), np.array([True, False])])
    agrees("Not", [np.array([True, False])])


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 3e38, -1], np.float32)


def test_special_floats(agrees: Agrees) -> None:
    agrees("IsNaN", [SPECIAL])
    for positive in (0, 1):
        for negative in (0, 1):
            signs = {"detect_positive": positive, "detect_negative": negative}
            agrees("IsInf", [SPECIAL], **signs)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.uint32])
@pytest.mark.parametrize("op", ["BitwiseAnd", "BitwiseOr", "BitwiseXor"])
def test_bits(agrees: Agrees, op: str, dtype: type) -> None:
    info = np.iinfo(dtype)
    values = np.array([info.min, info.max, 5, 6, 0], dtype)
    agrees(op, [values, values[:, None]], oracle="onnx")
    agrees("BitwiseNot", [values], oracle="onnx")


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_shifts(agrees: Agrees, dtype: type, direction: str) -> None:
    values = np.array([1, 5, np.iinfo(dtype).max], dtype)
    inputs = [values[:, None], np.arange(8, dtype=dtype)]
    agrees("BitShift", inputs, oracle="onnx", direction=direction)


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32])
def test_shifts_by_too_much(agrees: Agrees, dtype: type, direction: str) -> None:
    """By the width or more, or (opset 28) by less than 0, only copies of the sign stay."""
    info = np.iinfo(dtype)
    values = np.array([1, info.max, info.min], dtype)
    by = [info.bits - 1, info.bits, info.bits + 1, 100] + [-1] * (info.min < 0)
    inputs = [values[:, None], np.array(by, dtype)]
    agrees("BitShift", inputs, opset=28, oracle="onnx", direction=direction)
