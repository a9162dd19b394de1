"""Dropout at inference; the steps of optimisers against ONNX's reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported

Agrees = Callable[..., None]
Lowered = Callable[..., list[np.ndarray]]
F32 = np.float32
X = np.random.default_rng(13).normal(size=(2, 3)).astype(F32)


@pytest.mark.parametrize("opset", [7, 10, 12, 13])
def test_dropout_drops_nothing(agrees: Agrees, opset: int) -> None:
    agrees("Dropout", [X], opset=opset)
    agrees("Dropout", [X], opset=opset, outputs=2 if opset >= 12 else 1)


def test_dropout_in_training(agrees: Agrees, lowered: Lowered) -> None:
    """Of a ratio of 0 it is known what it gives."""
    nothing, yes = np.array(0, F32), np.array(True)
    agrees("Dropout", [X, nothing, yes], static=[1, 2], outputs=2, opset=13)
    with pytest.raises(Unsupported, match="the mask is random"):
        lowered("Dropout", [X, np.array(0.5, F32), yes], static=[1, 2], opset=13)
    with pytest.raises(Unsupported, match="the mask is random"):
        lowered("Dropout", [X, None, yes], static=[2], opset=13)
    with pytest.raises(Unsupported, match="the mask is random"):
        lowered("Dropout", [X], outputs=2, opset=6)


DOMAIN = "ai.onnx.preview.training"
OPTIMISERS = {
    "Adam": (4, {"alpha": 0.95, "beta": 0.9, "epsilon": 1e-2, "norm_coefficient": 0.1}),
    "Adagrad": (3, {"decay_factor": 0.1, "epsilon": 1e-3, "norm_coefficient": 0.01}),
    "Momentum": (3, {"alpha": 0.9, "beta": 0.5, "mode": "standard", "norm_coefficient": 0.01}),
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("step", [0, 1, 5])
@pytest.mark.parametrize("op", OPTIMISERS)
def test_optimisers(agrees: Agrees, op: str, step: int, count: int) -> None:
    """With one tensor and two; the first step has its own rule."""
    kinds, attributes = OPTIMISERS[op]
    random = np.random.default_rng(14)
    tensors = [
        random.uniform(0.1, 1, (2, 2 + n)).astype(F32) for _ in range(kinds) for n in range(count)
    ]
    inputs = [np.array(0.1, F32), np.array(step, np.int64), *tensors]
    outputs = (kinds - 1) * count
    given = {"opset": 1, "domain": DOMAIN, "oracle": "onnx"}
    agrees(op, inputs, outputs=outputs, **given, **attributes)


def test_other_rules_of_optimisers(agrees: Agrees) -> None:
    given = {"opset": 1, "domain": DOMAIN, "oracle": "onnx"}
    rate, step = np.array(0.1, F32), np.array(2, np.int64)
    nesterov = {"alpha": 0.9, "beta": 1.0, "mode": "nesterov", "norm_coefficient": 0.01}
    agrees("Momentum", [rate, step, X, X + 1, X - 1], outputs=2, **given, **nesterov)
    after = {"norm_coefficient_post": 0.2}
    agrees("Adam", [rate, step, X, X + 1, X, X * X], outputs=3, **given, **after)
