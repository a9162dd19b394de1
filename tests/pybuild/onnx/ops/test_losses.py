"""Losses against ONNX's reference: weights, labels to ignore, every reduction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported

Agrees = Callable[..., None]
Lowered = Callable[..., list[np.ndarray]]
F32 = np.float32
REDUCTIONS = ["none", "sum", "mean"]


def case(*extra: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (3, 5, extra...), labels (3, extra...), a weight for each class."""
    random = np.random.default_rng(12)
    scores = random.normal(size=(3, 5, *extra)).astype(F32)
    labels = random.integers(0, 5, (3, *extra))
    labels.flat[0] = 2
    return scores, labels, random.uniform(0.5, 2, 5).astype(F32)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("ignored", [None, 2, -100])
@pytest.mark.parametrize("extra", [(), (4,), (2, 3)])
def test_losses(
    agrees: Agrees, extra: tuple[int, ...], ignored: int | None, weighted: bool, reduction: str
) -> None:
    scores, labels, weights = case(*extra)
    if ignored == -100:
        labels.flat[-1] = -100
    inputs = [scores, labels] + [weights] * weighted
    given = {"reduction": reduction, "oracle": "onnx"}
    if ignored is not None:
        given["ignore_index"] = ignored
    agrees("NegativeLogLikelihoodLoss", inputs, opset=13, **given)
    agrees("SoftmaxCrossEntropyLoss", inputs, opset=13, **given)
    agrees("SoftmaxCrossEntropyLoss", inputs, opset=13, outputs=2, **given)


def test_an_unknown_reduction(lowered: Lowered) -> None:
    with pytest.raises(Unsupported, match="reduction='most' is not known"):
        lowered("NegativeLogLikelihoodLoss", list(case()), reduction="most")
