"""Casts against onnxruntime and ONNX's reference; the formats of small floats against ml_dtypes."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from pybuild.onnx import interpret
from pybuild.onnx.expr import cast as cast_expr
from pybuild.onnx.ir import input_tensor
from pybuild.onnx.lower import Unsupported
from pybuild.onnx.ops.cast import convert
from pybuild.onnx.ops.elementwise import elementwise
from pybuild.onnx.ops.integers import limits, saturate, wrap
from pybuild.onnx.ops.small_floats import SMALL_FLOATS, to_small_float

Agrees = Callable[..., None]
Lowered = Callable[..., list[np.ndarray]]
F32 = np.float32
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.parametrize("target", [*INTEGERS, "float32", "float16", "float64", "bool"])
@pytest.mark.parametrize("source", [*INTEGERS, "float32", "float16", "bool"])
def test_casts(agrees: Agrees, source: str, target: str) -> None:
    """Of values that both have."""
    values = np.array([0, 1, 2, 100]).astype(source)
    if source.startswith("float"):
        values = np.array([0, 0.5, 1.75, 100], source)
    agrees("Cast", [values], to=helper.np_dtype_to_tensor_dtype(np.dtype(target)))


@pytest.mark.parametrize("target", INTEGERS)
@pytest.mark.parametrize("source", ["int32", "int16", "uint32", "uint8"])
def test_high_bits_are_lost(agrees: Agrees, source: str, target: str) -> None:
    info = np.iinfo(source)
    values = np.array([info.min, info.max, 200, 70000 % (info.max + 1)]).astype(source)
    if target == "int64":  # which has 32 bits here
        values = values[values <= 2**31 - 1]
    if target != "uint64" or info.min == 0:
        agrees("Cast", [values], to=helper.np_dtype_to_tensor_dtype(np.dtype(target)))


def test_floats_are_truncated(agrees: Agrees) -> None:
    values = np.array([-2.9, -0.5, 0.5, 2.9, 100.99], F32)
    agrees("Cast", [values], to=TensorProto.INT32)
    agrees("Cast", [values], to=TensorProto.INT8)


def test_everything_but_zero_is_true(agrees: Agrees) -> None:
    agrees("Cast", [np.array([0, -0.0, 0.1, -3, np.inf, np.nan], F32)], to=TensorProto.BOOL)


def test_cast_like_reads_only_the_type(agrees: Agrees) -> None:
    agrees("CastLike", [np.array([1.9, 3], F32), np.array([], np.int64)])


BITS = np.random.default_rng(6).integers(0, 2**32, 4000).astype(np.uint32).view(F32)
NEAR = np.random.default_rng(7).normal(size=(40, 100)) * 2.0 ** np.arange(-20, 20)[:, None]
SPECIAL = np.array([0, -0.0, np.inf, -np.inf, np.nan, 65519, 65520, 3e-8, 464, 465, 7.0], F32)


@pytest.mark.parametrize("saturating", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", *SMALL_FLOATS])
def test_formats(dtype: str, saturating: bool) -> None:
    """Every rounding is that of ml_dtypes, which saturates no infinity."""
    values = np.concatenate([BITS, NEAR.astype(F32).ravel(), SPECIAL])
    form = SMALL_FLOATS.get(dtype)
    if form is not None and form.overflow is None:
        values = values[~np.isnan(values)]  # formats without nan
    x = input_tensor("x", values.shape, "f32")
    out = elementwise("out", lambda v: to_small_float(v, dtype, saturating), x)
    (got,) = interpret.run([out], {"x": values})
    kind = np.dtype(getattr(ml_dtypes, dtype, None) or dtype)
    with np.errstate(all="ignore"):
        given = values
        if form is not None and saturating:
            given = np.clip(values, -form.largest, form.largest)
        wanted = given.astype(kind).astype(F32)
    np.testing.assert_array_equal(got, wanted)
    if form is not None:
        assert form.largest == float(ml_dtypes.finfo(kind).max)


@pytest.mark.parametrize("round_mode", ["up", "down", "nearest"])
def test_powers_of_two(round_mode: str) -> None:
    """float8_e8m0fnu holds exponents only."""
    values = np.array([1, 1.25, 1.5, 1.75, 2, 3, 2.9, 1e30, 3.4e38, 1e-38], F32)
    x = input_tensor("x", values.shape, "f32")
    out = elementwise("out", lambda v: to_small_float(v, "float8_e8m0fnu", True, round_mode), x)
    (got,) = interpret.run([out], {"x": values})
    wanted = numpy_helper.to_float8e8m0(values, True, round_mode).astype(F32)
    np.testing.assert_array_equal(got, wanted)


def test_no_string_is_cast(lowered: Lowered) -> None:
    like = [np.array(["1"])]
    with pytest.raises(Unsupported, match="has no counterpart on the GPU"):
        lowered("Cast", [np.ones(1, F32)], like=like, to=TensorProto.STRING)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int4", "uint4", "int2"])
def test_wrapping_and_saturating(dtype: str) -> None:
    low, high = limits(dtype)
    values = np.array([low - 1, low, 0, high, high + 1, 3 * high + 7], np.int32)
    x = input_tensor("x", values.shape, "i32")
    carrier = "i32" if dtype.startswith("int") else "u32"
    wrapped = elementwise("wrapped", lambda v: wrap(cast_expr(v, carrier), dtype), x)
    saturated = elementwise("saturated", lambda v: saturate(v, dtype), x)
    got = interpret.run([wrapped, saturated], {"x": values})
    size = high - low + 1
    np.testing.assert_array_equal(got[0].astype(np.int64), (values - low) % size + low)
    np.testing.assert_array_equal(got[1].astype(np.int64), np.clip(values, low, high))


def test_what_fits_is_not_wrapped() -> None:
    x = input_tensor("x", (2,), "u32")[0]
    assert convert(x, "uint8", "uint16") is x
    assert convert(x, "uint8", "uint4") is not x
    assert wrap(x, "uint32") is x
