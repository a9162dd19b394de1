"""Arithmetic against onnxruntime: floats, and integers that wrap, divide and take powers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pybuild.onnx.expr import const
from pybuild.onnx.ir import Compute, input_tensor
from pybuild.onnx.ops.arithmetic import _power
from pybuild.onnx.substitution import walk

Agrees = Callable[..., None]
Lowered = Callable[..., list[np.ndarray]]
F32 = np.float32


def pair(dtype: type) -> list[np.ndarray]:
    """Two tensors that broadcast, the second without a zero."""
    random = np.random.default_rng(5)
    low = 0 if np.dtype(dtype).kind == "u" else -90
    a = random.integers(low, 90, (4, 5)).astype(dtype)
    b = random.integers(1, 20, (5,)).astype(dtype)
    return [a, b if low == 0 else b * np.array([1, -1, 1, -1, 1], dtype)]


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64, np.uint32])
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
def test_arithmetic(agrees: Agrees, op: str, dtype: type) -> None:
    """A quotient of integers is rounded towards zero."""
    agrees(op, pair(dtype))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
def test_narrow_integers_wrap(agrees: Agrees, op: str, dtype: type) -> None:
    info = np.iinfo(dtype)
    ends = np.array([info.min, info.max, info.max // 2, 1], dtype)
    agrees(op, [ends, ends[:, None]], oracle="onnx")


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8, np.uint32])
@pytest.mark.parametrize("fmod", [0, 1])
def test_remainder_of_integers(agrees: Agrees, dtype: type, fmod: int) -> None:
    agrees("Mod", pair(dtype), fmod=fmod)


def test_remainder_of_floats(agrees: Agrees) -> None:
    a = np.array([5.5, -5.5, 5.5, -5.5, 6, -6, 1], F32)
    b = np.array([2, 2, -2, -2, 3, 3, np.inf], F32)
    agrees("Mod", [a, b], fmod=1)
    agrees("Mod", [a, b], opset=28, oracle="onnx", fmod=0)


@pytest.mark.parametrize("op", ["Max", "Min", "Sum", "Mean"])
@pytest.mark.parametrize("shapes", [[(3,)], [(3, 1), (4,)], [(2, 3), (1,), (2, 1)]])
def test_variadic(agrees: Agrees, op: str, shapes: list[tuple[int, ...]]) -> None:
    random = np.random.default_rng(2)
    agrees(op, [random.normal(size=shape).astype(F32) for shape in shapes])


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64])
@pytest.mark.parametrize("op", ["Max", "Min"])
def test_extremes_of_integers(agrees: Agrees, op: str, dtype: type) -> None:
    agrees(op, pair(dtype))


BASES = np.array([0.5, 1, 2.5, 9], F32)
SIGNED = np.array([-2, -1, -0.5, 0.5, 3], F32)


@pytest.mark.parametrize("static", [(), (1,)])
@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2, 3, 7, 8, 11, -1, -2, -0.5, 2.5])
def test_power(agrees: Agrees, exponent: float, static: tuple[int, ...]) -> None:
    """The same whether the exponent is known at build or not."""
    agrees("Pow", [BASES, np.array(exponent, F32)], static=static)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -3])
def test_power_of_negative_bases(agrees: Agrees, exponent: int) -> None:
    agrees("Pow", [SIGNED, np.array([exponent], F32)])
    agrees("Pow", [SIGNED, np.array([exponent], np.int64)])


def test_power_of_zero_and_of_no_real_value(agrees: Agrees) -> None:
    agrees("Pow", [np.array([0, 0, -8], F32), np.array([0, 3, 1 / 3], F32)])


@pytest.mark.parametrize("static", [(), (1,)])
def test_power_of_integers(agrees: Agrees, static: tuple[int, ...]) -> None:
    """Past 2^24, where floats would round; and wrapping past 2^31."""
    base = np.array([3, -3, 7, 10, -1, 0], np.int32)
    for exponent in (0, 1, 9, 13):
        wanted_fits = base[abs(base.astype(float)) ** exponent < 2**31]
        agrees("Pow", [wanted_fits, np.array(exponent, np.int32)], static=static)
    agrees("Pow", [np.array([2, 3], np.int32), np.array([4.0, 0.5], F32)])


def test_an_integer_power_wraps(lowered: Lowered) -> None:
    (got,) = lowered(
        "Pow",
        [np.array([3, 2], np.int32), np.array([40, 33], np.int32)],
        like=[np.zeros(2, np.int32)],
    )
    wrapped = [(value + 2**31) % 2**32 - 2**31 for value in (3**40, 2**33)]
    np.testing.assert_array_equal(got, wrapped)


def test_small_powers_are_products() -> None:
    """Of x there is one load, and squaring makes few multiplications."""
    x = input_tensor("x", (4,), "f32")[0]
    for exponent, products in ((2, 1), (3, 2), (4, 2), (8, 3)):
        ops = [e.op for e in walk(_power(x, const(exponent, "f32")))]
        assert ops.count("mul") == products
        assert "call" not in ops
    assert _power(x, const(1.0, "f32")) is x
    assert _power(x, const(0.0, "f32")) is const(1.0, "f32")


def test_axis_before_opset_7(lowered: Lowered) -> None:
    """The second operand's axes lie from ``axis`` on in the first one's."""
    a, b = np.ones((2, 3, 4, 5), F32), np.arange(12, dtype=F32).reshape(3, 4)
    (got,) = lowered("Add", [a, b], opset=6, axis=1, broadcast=1)
    np.testing.assert_array_equal(got, a + b[:, :, None])


def test_a_map_is_one_body() -> None:
    """A binary operator makes one tensor without a reduction."""
    from pybuild.onnx.ops.elementwise import elementwise

    x = input_tensor("x", (4,), "f32")
    source = elementwise("out", lambda a, b: a + b, x, x).source
    assert isinstance(source, Compute)
    assert source.combine is None
