"""Views, each a map whose body is one load, against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.ir import Compute, input_tensor
from pybuild.onnx.ops.views import reshaped, sliced, transposed

Agrees = Callable[..., None]
Lowered = Callable[..., list[Any]]
X = np.random.default_rng(3).normal(size=(2, 3, 4, 5)).astype(np.float32)
LARGEST, LEAST = 2**63 - 1, -(2**63)


def ints(*values: int) -> Any:
    """An int64 vector."""
    return np.array(values, np.int64)


@pytest.mark.parametrize("shape", [(6, 20), (0, -1), (-1,), (2, 3, 2, 2, 5), (0, 0, 2, 1, -1)])
def test_reshape(agrees: Agrees, shape: tuple[int, ...]) -> None:
    agrees("Reshape", [X, ints(*shape)], static=[1])


def test_reshape_of_nothing(agrees: Agrees) -> None:
    """An extent of 0 must not become a division by 0."""
    agrees("Reshape", [np.zeros((0, 3), np.float32), ints(3, 0, 2)], static=[1], allowzero=1)
    agrees("Flatten", [np.zeros((2, 0, 3), np.float32)], axis=2)


@pytest.mark.parametrize("axis", [0, 1, 4, -1])
def test_flatten(agrees: Agrees, axis: int) -> None:
    agrees("Flatten", [X], axis=axis)


def test_squeeze_and_unsqueeze(agrees: Agrees) -> None:
    agrees("Squeeze", [X[:1, :, :1]], opset=13)
    agrees("Squeeze", [X[:1, :, :1], ints(-2)], static=[1])
    agrees("Squeeze", [X[:1]], opset=11, axes=[0])
    agrees("Unsqueeze", [X, ints(0, -1)], static=[1])
    agrees("Unsqueeze", [X], opset=11, axes=[1, 3])


@pytest.mark.parametrize("order", [None, [3, 1, 2, 0], [0, 2, 3, 1]])
def test_transpose(agrees: Agrees, order: list[int] | None) -> None:
    agrees("Transpose", [X], **({} if order is None else {"perm": order}))


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 4), (1, 1), (2, 1, 1, 4), (0, 3, 1)])
def test_expand(agrees: Agrees, shape: tuple[int, ...]) -> None:
    agrees("Expand", [X[0, :, :1, 0], ints(*shape)], static=[1])


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [
        (1, 4, 1),
        (0, LARGEST, 2),
        (-1, LEAST, -1),
        (LARGEST, LEAST, -2),
        (-2, -9, -1),
        (3, 1, 1),
        (-9, 2, 1),
        (-9, LEAST, -1),
    ],
)
def test_slice(agrees: Agrees, start: int, end: int, step: int) -> None:
    inputs = [X, ints(start), ints(end), ints(-1), ints(step)]
    agrees("Slice", inputs, static=[1, 2, 3, 4])


def test_slice_of_several_axes_and_before_opset_10(agrees: Agrees) -> None:
    agrees("Slice", [X, ints(1, 0), ints(9, -1), ints(3, 1)], static=[1, 2, 3])
    agrees("Slice", [X, ints(1, 0), ints(9, -1)], static=[1, 2])
    agrees("Slice", [X], opset=9, starts=[1, -3], ends=[2, LARGEST], axes=[1, 3])
    agrees("Slice", [X[:0], ints(LARGEST), ints(LEAST), ints(0), ints(-1)], static=[1, 2, 3, 4])


def test_split(agrees: Agrees) -> None:
    agrees("Split", [X, ints(1, 4)], static=[1], outputs=2, axis=-1, opset=13)
    agrees("Split", [X], outputs=2, axis=2, opset=13)
    agrees("Split", [X], outputs=3, axis=3, num_outputs=3)
    agrees("Split", [X], outputs=2, axis=3, split=[0, 5], opset=11)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
@pytest.mark.parametrize("block", [1, 2, 3])
def test_depth_to_space_and_back(lowered: Lowered, agrees: Agrees, mode: str, block: int) -> None:
    x = np.random.default_rng(1).normal(size=(2, 2 * block**2, 3, 2)).astype(np.float32)
    agrees("DepthToSpace", [x], blocksize=block, mode=mode)
    there = lowered("DepthToSpace", [x], blocksize=block, mode=mode)
    back = lowered("SpaceToDepth", there, blocksize=block, mode=mode, opset=28)
    np.testing.assert_array_equal(back[0], x)
    agrees("SpaceToDepth", there, blocksize=block)


def test_a_chain_of_views_is_one_load() -> None:
    """Split into heads, transpose, join again: index arithmetic that folds away."""
    x = input_tensor("x", (6, 8), "f32")
    heads = transposed("t", reshaped("h", x, (6, 2, 4)), (1, 0, 2))
    joined = sliced("s", heads, {1: range(5, -1, -1)})
    source = joined.source
    assert isinstance(source, Compute)
    assert source.body.op == "load"
    assert source.body.args[1].op == "linear"
