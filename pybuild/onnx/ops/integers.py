"""Integers narrower than the 32 bits that carry them: how they wrap, and how they saturate."""

from __future__ import annotations

from pybuild.onnx.expr import Expr, cast, const, maximum, minimum

__all__ = ["bits_of", "is_integer", "is_signed", "limits", "saturate", "wrap"]


def is_integer(dtype: str) -> bool:
    """Whether an ONNX dtype is int2 .. int64 or uint2 .. uint64."""
    return dtype.startswith(("int", "uint"))


def is_signed(dtype: str) -> bool:
    """Whether an integer dtype has negative values."""
    return dtype.startswith("int")


def bits_of(dtype: str) -> int:
    """Bits that carry an integer dtype here: its own, at most 32."""
    return min(32, int(dtype.removeprefix("u").removeprefix("int")))


def limits(dtype: str) -> tuple[int, int]:
    """Smallest and largest value of an integer dtype, as carried."""
    size = 1 << bits_of(dtype)
    return (-size // 2, size // 2 - 1) if is_signed(dtype) else (0, size - 1)


def wrap(value: Expr, dtype: str) -> Expr:
    """The value modulo the width of its dtype; what is not a narrow integer stays as it is."""
    if not is_integer(dtype) or bits_of(dtype) == 32:
        return value
    size = 1 << bits_of(dtype)
    if is_signed(dtype):
        return (value + size // 2) % size - size // 2
    return value & const(size - 1, "u32")


def saturate(value: Expr, dtype: str) -> Expr:
    """An i32 or f32 brought into the range of an integer dtype, in the type that carries it."""
    low, high = limits(dtype)
    held = minimum(maximum(value, const(low, value.type)), const(high, value.type))
    return cast(held, "i32" if is_signed(dtype) else "u32")
