"""TopK and LabelEncoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported

Agrees = Callable[..., None]
Lowered = Callable[..., list[Any]]
RANDOM = np.random.default_rng(11)
X = RANDOM.normal(size=(3, 7, 4)).astype(np.float32)
TIES = RANDOM.integers(-2, 3, (3, 7, 4))


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_top_k(agrees: Agrees, k: int, axis: int, largest: int) -> None:
    for x in (X, TIES, TIES.astype(np.float32)):
        inputs = [x, np.array([k], np.int64)]
        agrees("TopK", inputs, static=[1], outputs=2, axis=axis, largest=largest)


def test_top_k_of_infinities(agrees: Agrees) -> None:
    x = np.array([[1, np.inf, -np.inf, np.inf, 3]], np.float32)
    for k in (1, 5):
        agrees("TopK", [x, np.array([k], np.int64)], static=[1], outputs=2)


def test_top_k_before_opset_11(agrees: Agrees) -> None:
    agrees("TopK", [X, np.array([4], np.int64)], static=[1], outputs=2, opset=10, axis=1)
    agrees("TopK", [X], outputs=2, opset=9, axis=1, k=4)


def test_label_encoder(agrees: Agrees) -> None:
    where: dict[str, Any] = {"domain": "ai.onnx.ml", "opset": 2}
    keys = np.array([[3, 1, 9], [7, 3, -1]], np.int64)
    agrees("LabelEncoder", [keys], keys_int64s=[1, 3, 7], values_floats=[0.5, 1.5, 2.5], **where)
    agrees("LabelEncoder", [keys], keys_int64s=[1, 3], values_int64s=[5, 6], **where)


def test_nan_finds_nan_and_the_last_of_equal_keys_counts(lowered: Lowered) -> None:
    x = np.array([0.5, np.nan, 2], np.float32)
    keys, values = [np.nan, 0.5, 0.5], [4, 5, 6]
    where: dict[str, Any] = {"domain": "ai.onnx.ml", "opset": 4, "default_int64": -7}
    (found,) = lowered("LabelEncoder", [x], keys_floats=keys, values_int64s=values, **where)
    np.testing.assert_array_equal(found, [6, 4, -7])


def test_label_encoder_of_strings_is_refused(lowered: Lowered) -> None:
    with pytest.raises(Unsupported, match="values are not numbers"):
        lowered(
            "LabelEncoder",
            [np.zeros(2, np.int64)],
            domain="ai.onnx.ml",
            opset=2,
            keys_int64s=[1],
            values_strings=["a"],
        )
