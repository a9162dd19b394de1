"""Floats in fewer than 32 bits: how they are put into 32-bit words, and read from them in a kernel.

The first element lies in the lowest bits. No device feature is needed: ``unpack2x16float`` and
shifts are in every WGSL. Pixels are written only: shaders/program/functions/packed_pixel.wgsl.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import Expr, binary, bitcast, cast, const, make_node
from pybuild.onnx.ir import Compute, Constant, Packing, Tensor

__all__ = ["PER_WORD", "Stored", "is_pixels", "packing_of", "unpacked", "word_count", "words_of"]

Stored = Packing | Literal["rgb10"]
"""How floats lie in a buffer: the last are three of a pixel."""
PER_WORD: Mapping[Stored, int] = {"f32": 1, "f16": 2, "i8": 4, "i4": 8, "rgb10": 3}
"""Elements in 32 bits."""


def packing_of(tensor: Tensor) -> Stored:
    """How a tensor's elements lie in a buffer."""
    if isinstance(tensor.source, Constant):
        return tensor.source.packing
    return "rgb10" if is_pixels(tensor) else "f32"


def is_pixels(tensor: Tensor) -> bool:
    """Whether red, green and blue are stored as one word."""
    return isinstance(tensor.source, Compute) and tensor.source.pixels


def word_count(tensor: Tensor) -> int:
    """32-bit words that a tensor takes in a buffer."""
    return -(-tensor.size // PER_WORD[packing_of(tensor)])


def words_of(array: NDArray[Any], packing: Stored) -> NDArray[np.uint32]:
    """Elements in C order as words; the last is filled up with zeros."""
    flat = np.ascontiguousarray(array).ravel()
    flat = np.pad(flat, (0, -flat.size % PER_WORD[packing]))
    if packing == "f16":
        return flat.astype("<f2").view("<u4")
    if packing == "i8":
        return flat.astype("<i1").view("<u4")
    if packing == "i4":
        nibbles = flat.astype(np.int8).view(np.uint8) & 15
        flat = nibbles[0::2] | nibbles[1::2] << 4
        return flat.view("<u4")
    return flat.astype("<f4").view("<u4")


def unpacked(word: Expr, lane: Expr, packing: Stored) -> tuple[Expr, str]:
    """The element in a word: an expression, and the component of its value.

    Parameters
    ----------
    word : Expr
        u32.
    lane : Expr
        Number of the element in the word.
    """
    bits = 32 // PER_WORD[packing]
    moving, known = _moving(lane)
    if moving is not None:
        word = binary("shr", word, cast(moving * bits, "u32"))
    if packing == "f16":
        return make_node("unpack2x16float", (word,), None, "f32"), "xy"[known]
    raised = word
    if known != 32 // bits - 1:
        raised = binary("shl", word, const(32 - bits * (known + 1), "u32"))
    signed = binary("shr", bitcast(raised, "i32"), const(32 - bits, "i32"))
    return cast(signed, "f32"), ""


def _moving(lane: Expr) -> tuple[Expr | None, int]:
    """A lane as what is known when the kernel runs, and a number."""
    if lane.op == "const":
        return None, int(lane.attr)
    if lane.op == "linear":
        known = lane.attr[1]
        rest = lane - known
        if known >= 0 and rest.low >= 0:
            return rest, known
    return lane, 0
