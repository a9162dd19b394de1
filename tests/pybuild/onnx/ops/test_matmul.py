"""MatMul and Gemm against onnxruntime, and shapes that it does not take."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported


def random(*shape: int) -> np.ndarray:
    """Reproducible values about 0."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 5), (5, 2)),
        ((5,), (5,)),
        ((5,), (5, 2)),
        ((3, 5), (5,)),
        ((5,), (4, 5, 2)),
        ((4, 3, 5), (5,)),
        ((4, 1, 3, 5), (2, 5, 6)),
        ((1, 3, 5), (4, 5, 6)),
        ((3, 1), (1, 4)),
        ((0, 5), (5, 2)),
    ],
)
def test_matmul_follows_numpy(
    agrees: Callable[..., None], left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    agrees("MatMul", [random(*left), random(*right)])


def test_matmul_over_nothing_is_zero(lowered: Callable[..., list[np.ndarray]]) -> None:
    (value,) = lowered("MatMul", [random(3, 0), random(0, 4)])
    np.testing.assert_array_equal(value, np.zeros((3, 4)))


def test_matmul_of_integers_wraps(lowered: Callable[..., list[np.ndarray]]) -> None:
    a = np.array([[2**30, 2**30]], np.int32)
    (value,) = lowered("MatMul", [a, np.array([[1], [1]], np.int32)])
    assert value[0, 0] == -(2**31)


def test_matmul_names_shapes_that_do_not_contract(
    lowered: Callable[..., list[np.ndarray]],
) -> None:
    with pytest.raises(Unsupported, match=r"\(2, 3\) and \(4, 2\) do not contract"):
        lowered("MatMul", [random(2, 3), random(4, 2)])


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("c_shape", [None, (), (1,), (4,), (3, 1), (1, 4), (3, 4)])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 2.0), (1.0, 0.0)])
def test_gemm(
    agrees: Callable[..., None],
    trans_a: int,
    trans_b: int,
    c_shape: tuple[int, ...] | None,
    alpha: float,
    beta: float,
) -> None:
    a = random(*((5, 3) if trans_a else (3, 5)))
    b = random(*((4, 5) if trans_b else (5, 4)))
    inputs = [a, b] if c_shape is None else [a, b, random(*c_shape)]
    agrees("Gemm", inputs, transA=trans_a, transB=trans_b, alpha=alpha, beta=beta)
