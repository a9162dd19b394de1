"""Floats of 4 to 16 bits, carried as f32: the value that a format has nearest to a given one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pybuild.onnx.expr import Expr, binary, bitcast, call, const, maximum, minimum, select, unary
from pybuild.onnx.lower import Unsupported

__all__ = ["SMALL_FLOATS", "SmallFloat", "to_small_float"]


@dataclass(frozen=True, slots=True)
class SmallFloat:
    """A binary format.

    Attributes
    ----------
    digits : int
        Bits of the fraction.
    lowest : int
        Exponent of the smallest normal number.
    largest : float
        Largest finite number.
    overflow : float or None
        What lies beyond becomes, where it does not saturate; None where it always saturates.
    """

    digits: int
    lowest: int
    largest: float
    overflow: float | None


SMALL_FLOATS = {
    "float8_e4m3fn": SmallFloat(3, -6, 448.0, math.nan),
    "float8_e4m3fnuz": SmallFloat(3, -7, 240.0, math.nan),
    "float8_e5m2": SmallFloat(2, -14, 57344.0, math.inf),
    "float8_e5m2fnuz": SmallFloat(2, -15, 57344.0, math.nan),
    "float6_e2m3fn": SmallFloat(3, 0, 7.5, None),
    "float6_e3m2fn": SmallFloat(2, -2, 28.0, None),
    "float4_e2m1fn": SmallFloat(1, 0, 6.0, None),
}


def to_small_float(x: Expr, dtype: str, saturate: bool = True, round_mode: str = "up") -> Expr:
    """An f32 rounded to nearest even in another float type; tables of the operator Cast.

    Parameters
    ----------
    saturate : bool
        8-bit formats: whether what is too large becomes the largest number.
    round_mode : {'up', 'down', 'nearest'}
        Of float8_e8m0fnu, which has powers of two only.
    """
    if dtype in ("float32", "float64"):
        return x
    if dtype == "float16":
        return call("round_f16", x)
    if dtype == "bfloat16":
        return call("round_bf16", x)
    if dtype == "float8_e8m0fnu":
        return _power_of_two(x, saturate, round_mode)
    if dtype not in SMALL_FLOATS:
        raise Unsupported(f"{dtype} has no counterpart on the GPU")
    form = SMALL_FLOATS[dtype]
    most = const(form.largest, "f32")
    if saturate or form.overflow is None:
        # of nan the GPU's min and max may give the other operand
        x = select(call("is_nan", x, type_="bool"), x, minimum(maximum(x, -most), most))
    rounded = call("round_small", x, const(form.digits, "i32"), const(form.lowest, "i32"))
    if saturate or form.overflow is None:
        return rounded
    beyond = const(form.overflow, "f32")
    if math.isinf(form.overflow):
        beyond = select(x < 0.0, -beyond, beyond)
    return select(unary("abs", rounded) > most, beyond, rounded)


def _power_of_two(x: Expr, saturate: bool, round_mode: str) -> Expr:
    """float8_e8m0fnu: the exponent of a positive f32, rounded as asked."""
    bits = bitcast(x, "u32")
    exponent = binary("shr", bits, const(23, "u32")) & const(255, "u32")
    fraction = bits & const((1 << 23) - 1, "u32")
    half, zero = const(1 << 22, "u32"), const(0, "u32")
    if round_mode == "up":
        upwards = fraction > zero
    elif round_mode == "nearest":
        upwards = (fraction > half) | (fraction.equals(half) & (exponent > zero))
    else:
        upwards = fraction < zero
    grown = exponent + select(upwards, const(1, "u32"), zero)
    if saturate:
        grown = minimum(grown, const(254, "u32"))
    special = exponent.equals(255) | grown.equals(255)
    shifted = binary("shl", grown, const(23, "u32"))
    value = bitcast(select(grown.equals(0), half, shifted), "f32")
    return select(special, const(math.nan, "f32"), value)
