"""Normalisations against onnxruntime, or ONNX's reference where that has none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported

Agrees = Callable[..., None]
Lowered = Callable[..., list[np.ndarray]]
F32 = np.float32


def random(*shape: int) -> np.ndarray:
    """Reproducible values."""
    return np.random.default_rng(len(shape) + sum(shape)).normal(size=shape).astype(F32)


@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 4, 5), (1, 2, 3, 2, 2)])
def test_instances(agrees: Agrees, shape: tuple[int, ...]) -> None:
    inputs = [random(*shape), random(shape[1]), random(shape[1])]
    agrees("InstanceNormalization", inputs, epsilon=1e-3)
    agrees("InstanceNormalization", inputs)


def test_a_large_mean_costs_few_digits(lowered: Lowered) -> None:
    """Why there are two passes: E[x²] - E[x]² of this would be rounding errors alone."""
    x = random(1, 2, 5, 5) + F32(1000)
    exact = x.astype(np.float64)
    for op, axes in (("InstanceNormalization", (2, 3)), ("LayerNormalization", (3,))):
        size = 2 if op == "InstanceNormalization" else 5
        (got, *_) = lowered(op, [x, np.ones(size, F32), np.zeros(size, F32)])
        centred = exact - exact.mean(axes, keepdims=True)
        wanted = centred / np.sqrt(exact.var(axes, keepdims=True) + 1e-5)
        np.testing.assert_allclose(got, wanted, atol=1e-3)


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("opset", [18, 21])
def test_groups(agrees: Agrees, opset: int, groups: int) -> None:
    """Scale and bias by group, then by channel."""
    size = groups if opset == 18 else 6
    inputs = [random(2, 6, 3, 2), random(size), random(size)]
    agrees("GroupNormalization", inputs, opset=opset, oracle="onnx", num_groups=groups)


@pytest.mark.parametrize("axis", [-1, 1, 2, 0])
@pytest.mark.parametrize("biased", [True, False])
def test_layers(agrees: Agrees, axis: int, biased: bool) -> None:
    x = random(2, 3, 4)
    shape = x.shape[axis:]
    inputs = [x, random(*shape)] + [random(*shape)] * biased
    agrees("LayerNormalization", inputs, opset=17, axis=axis, epsilon=1e-4)
    agrees("LayerNormalization", inputs, opset=17, outputs=3, axis=axis, oracle="onnx")


@pytest.mark.parametrize("axis", [-1, 1, 0])
def test_root_mean_squares(agrees: Agrees, axis: int) -> None:
    x = random(2, 3, 4)
    agrees("RMSNormalization", [x, random(*x.shape[axis:])], opset=23, oracle="onnx", axis=axis)
    agrees("RMSNormalization", [x, random(4)], opset=23, oracle="onnx", axis=axis)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_lengths(agrees: Agrees, lowered: Lowered, axis: int, p: int) -> None:
    agrees("LpNormalization", [random(3, 4, 2)], axis=axis, p=p)
    (got,) = lowered("LpNormalization", [np.zeros((2, 3), F32)], axis=axis, p=p)
    np.testing.assert_array_equal(got, np.zeros((2, 3)))


def test_only_two_norms_are_known(lowered: Lowered) -> None:
    with pytest.raises(Unsupported, match="p=3; 1 and 2 are known"):
        lowered("LpNormalization", [random(2, 2)], p=3)


@pytest.mark.parametrize("axes", [None, (0, 2, 3), (1,), (-1, 0)])
def test_mean_and_variance(agrees: Agrees, axes: tuple[int, ...] | None) -> None:
    given = {} if axes is None else {"axes": list(axes)}
    agrees("MeanVarianceNormalization", [random(2, 3, 4, 5)], opset=13, oracle="onnx", **given)


def batch(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Input, scale, bias, mean and variance."""
    channels = shape[1]
    return [random(*shape), *(random(channels + k)[:channels] for k in range(3)),
            np.abs(random(channels)) + F32(0.1)]  # fmt: skip


@pytest.mark.parametrize("opset", [7, 9, 14, 15])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (1, 2, 3, 4)])
def test_batches(agrees: Agrees, shape: tuple[int, ...], opset: int) -> None:
    agrees("BatchNormalization", batch(shape), opset=opset, epsilon=1e-3)
    agrees("BatchNormalization", batch(shape), static=[1, 2, 3, 4], opset=opset)


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4, 5)])
def test_batches_in_training(agrees: Agrees, shape: tuple[int, ...]) -> None:
    given = {"training_mode": 1, "momentum": 0.8}
    agrees("BatchNormalization", batch(shape), outputs=3, opset=15, oracle="onnx", **given)


def test_batches_that_are_not_compiled(lowered: Lowered) -> None:
    with pytest.raises(Unsupported, match="training before opset 14"):
        lowered("BatchNormalization", batch((2, 3, 4)), outputs=3, opset=9)
    with pytest.raises(Unsupported, match="spatial=0"):
        lowered("BatchNormalization", batch((2, 3, 4)), opset=7, spatial=0)
