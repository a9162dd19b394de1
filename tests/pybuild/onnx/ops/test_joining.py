"""Concat, Tile, Pad and CenterCropPad against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.expr import const
from pybuild.onnx.ir import Compute, input_tensor
from pybuild.onnx.ops.joining import concatenated
from pybuild.onnx.substitution import substitute

Agrees = Callable[..., None]
X = np.random.default_rng(4).normal(size=(2, 3, 5)).astype(np.float32)


def ints(*values: int) -> Any:
    """An int64 vector."""
    return np.array(values, np.int64)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(agrees: Agrees, axis: int) -> None:
    other = np.take(X, [0, 1, 0, 1], axis)
    agrees("Concat", [X, other, np.take(X, [], axis), X], axis=axis)


def test_concat_of_others(agrees: Agrees) -> None:
    agrees("Concat", [X], axis=1)
    agrees("Concat", [X[:0], X[:0]], axis=0)
    agrees("Concat", [X > 0, X < 0], axis=2)
    agrees("Concat", [ints(1, 2), ints(3)], axis=0, static=[0])


def test_concat_read_at_a_known_index_reads_one_tensor() -> None:
    """Which part an index falls in is decided when the expression is built."""
    parts = [input_tensor(name, (4, 2), "f32") for name in "abc"]
    source = concatenated("j", parts, 1).source
    assert isinstance(source, Compute)
    row, column = source.axes
    fifth = substitute(source.body, {column: const(4, "i32")})
    assert fifth is parts[2][row, 0]


@pytest.mark.parametrize("repeats", [(1, 1, 1), (2, 1, 3), (1, 0, 2)])
def test_tile(agrees: Agrees, repeats: tuple[int, ...]) -> None:
    agrees("Tile", [X, ints(*repeats)], static=[1])


@pytest.mark.parametrize("mode", ["constant", "edge", "wrap", "reflect"])
@pytest.mark.parametrize("pads", [(0, 0, 2, 1, 0, 1), (1, 2, 4, 0, 2, 3)])
def test_pad(agrees: Agrees, mode: str, pads: tuple[int, ...]) -> None:
    fewer = np.minimum(pads, [1, 2, 4, 1, 2, 4])
    agrees("Pad", [X, ints(*fewer)], static=[1], mode=mode)


@pytest.mark.parametrize("mode", ["constant", "edge", "wrap"])
def test_pad_by_less_than_nothing(agrees: Agrees, mode: str) -> None:
    """Cropping comes first, so the border is that of what is left."""
    agrees("Pad", [X, ints(0, -1, 2, 1, 1, -2)], static=[1], mode=mode)


def test_pad_reflects_more_than_once(agrees: Agrees) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    agrees("Pad", [x, ints(0, 7, 3, 9)], static=[1], mode="reflect", oracle="onnx")
    agrees("Pad", [x, ints(0, 8, 0, 7)], static=[1], mode="wrap", oracle="onnx")


def test_pad_with_a_value_and_axes(agrees: Agrees) -> None:
    seven = np.array(7, np.float32)
    agrees("Pad", [X, ints(2, 1), seven, ints(-1)], static=[1, 3])
    agrees("Pad", [X, ints(2, 1, 0, 3), seven, ints(2, 0)], static=[1, 2, 3])
    agrees("Pad", [ints(1, 2), ints(1, 1), np.array(9, np.int64)], static=[1])
    agrees("Pad", [X], opset=10, pads=[0, 1, 0, 0, 0, 2], value=0.5)
    agrees("Pad", [X[:0], ints(1, 0, 0, 1, 0, 0), seven], static=[1])


@pytest.mark.parametrize("shape", [(4, 2, 7), (1, 6, 4), (2, 3, 5)])
def test_center_crop_pad(agrees: Agrees, shape: tuple[int, ...]) -> None:
    agrees("CenterCropPad", [X, ints(*shape)], static=[1], opset=18)
    agrees("CenterCropPad", [X, ints(*shape[:2])], static=[1], opset=18, axes=[2, -2])
