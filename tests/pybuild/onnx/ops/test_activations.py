"""Activations against onnxruntime, far from zero too, where an exponential would overflow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported

Agrees = Callable[..., None]
Lowered = Callable[..., list[np.ndarray]]
F32 = np.float32
X = np.concatenate([np.linspace(-6, 6, 49), [-100, 100, -1e4, 1e4, 1e-4, -1e-4]]).astype(F32)


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("Relu", {}),
        ("LeakyRelu", {}),
        ("LeakyRelu", {"alpha": 0.3}),
        ("LeakyRelu", {"alpha": 2.0}),
        ("ThresholdedRelu", {}),
        ("ThresholdedRelu", {"alpha": -0.5}),
        ("Elu", {}),
        ("Elu", {"alpha": 2.0}),
        ("Selu", {}),
        ("Selu", {"alpha": 1.5, "gamma": 2.0}),
        ("Celu", {}),
        ("Celu", {"alpha": 0.5}),
        ("Gelu", {}),
        ("Gelu", {"approximate": "tanh"}),
        ("Mish", {}),
        ("Sigmoid", {}),
        ("HardSigmoid", {}),
        ("HardSigmoid", {"alpha": 0.5, "beta": 0.6}),
        ("HardSwish", {}),
        ("Softplus", {}),
        ("Softsign", {}),
        ("Shrink", {}),
        ("Shrink", {"bias": 0.5, "lambd": 1.5}),
    ],
)
def test_activations(agrees: Agrees, op: str, attributes: dict[str, float]) -> None:
    agrees(op, [X], opset=20, **attributes)


@pytest.mark.parametrize("alpha", [1.0, 1.702])
def test_swish(agrees: Agrees, alpha: float) -> None:
    near = X[np.abs(X) < 50]
    agrees("Swish", [near], opset=24, oracle="onnx", alpha=alpha)
    gate = np.linspace(-1, 1, near.size, dtype=F32)
    agrees("SwiGLU", [gate, near], opset=28, oracle="onnx", alpha=alpha)


def test_relu_of_integers(agrees: Agrees) -> None:
    agrees("Relu", [np.arange(-3, 4, dtype=np.int32)])


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint8])
def test_shrink_of_integers(agrees: Agrees, dtype: type) -> None:
    values = np.arange(5).astype(dtype) if dtype is np.uint8 else np.arange(-4, 5).astype(dtype)
    agrees("Shrink", [values], bias=1.0, lambd=1.5)


@pytest.mark.parametrize("shape", [(1,), (3, 1, 1), (2, 3, 4, 5), (5,)])
def test_slopes_broadcast(agrees: Agrees, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(4)
    x, slope = (random.normal(size=s).astype(F32) for s in ((2, 3, 4, 5), shape))
    agrees("PRelu", [x, slope])


def test_slopes_by_channel_before_opset_7(lowered: Lowered) -> None:
    x, slope = -np.ones((2, 3, 4, 5), F32), np.array([1, 2, 3], F32)
    (got,) = lowered("PRelu", [x, slope], opset=6)
    np.testing.assert_array_equal(got, x * slope[:, None, None])


def test_an_unknown_approximation(lowered: Lowered) -> None:
    with pytest.raises(Unsupported, match="approximate='fast' is not known"):
        lowered("Gelu", [X], approximate="fast")
