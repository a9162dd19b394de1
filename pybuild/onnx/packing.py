"""Large constants in fewer bits: 16-bit floats, bytes with a scale a channel, nibbles with a scale
a block.

A packed constant W is rewritten in the loop nests that read it, so that everything behind them sees
plain arithmetic::

    f16   W[i]                     elements rounded to 16 bits
    i8    Q[i] * S[channels]       Q whole numbers -127 .. 127, a scale an output channel
    i4    Q[i] * S[channels, b]    Q whole numbers -8 .. 7, a scale for 32 along the reduction

Q is a float constant whose elements fit the packing exactly; `slots` reads it from 32-bit words.
Where a sum is taken over products with W and the scale does not change within the sum, it is
multiplied once, after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import Expr, as_expr, binary, floordiv, load, select, unary
from pybuild.onnx.ir import Constant, Packing, Tensor
from pybuild.onnx.nest import Nest, accumulator
from pybuild.onnx.rows.group import Group, Stage
from pybuild.onnx.substitution import substitute, walk
from pybuild.onnx.words import word_count

__all__ = [
    "BLOCK",
    "LEAST_ELEMENTS",
    "Quantised",
    "pack_groups",
    "quantise",
]

Array = NDArray[Any]

BLOCK = 32
"""Elements along the reduction that share a scale of i4."""
LEAST_ELEMENTS = 256
"""Smaller constants stay as they are: they cost nothing, and biases need their digits."""
_SMALLEST_NORMAL_F16 = 2.0**-14
_SHRINK = (1.0, 0.95, 0.9, 0.85)
"""Scales tried for a block of nibbles: clipping its largest element can serve the others."""


# --------------------------------------------------------------------------------------- numbers


@dataclass(frozen=True, slots=True)
class Quantised:
    """A constant as whole numbers and scales.

    Attributes
    ----------
    whole : (as the constant) float32
        Whole numbers.
    scale : (channels...) or (channels..., blocks) float32
    channels : tuple of int
        Axes of the constant that have scales of their own.
    inner : tuple of int
        The other axes, slowest first, in the order in which blocks run.
    """

    whole: Array
    scale: Array
    channels: tuple[int, ...]
    inner: tuple[int, ...]


def quantise(array: Array, channels: Sequence[int], packing: Packing) -> Quantised:
    """Nearest whole numbers times scales.

    Parameters
    ----------
    array : float32
    channels : sequence of int
        Axes along which the scale may change.
    packing : {'i8', 'i4'}
        i8: one scale for all of a channel. i4: one for `BLOCK` elements of it, the largest of the
        other axes running fastest.
    """
    kept = tuple(channels)
    rest = (axis for axis in range(array.ndim) if axis not in kept)
    inner = tuple(sorted(rest, key=lambda axis: (array.shape[axis], axis)))
    moved = np.transpose(array, (*kept, *inner))
    outer_shape, inner_shape = moved.shape[: len(kept)], moved.shape[len(kept) :]
    flat = moved.reshape(*outer_shape, -1)
    length = flat.shape[-1]
    block = length if packing == "i8" else BLOCK
    blocks = -(-length // block)
    padded = np.zeros((*outer_shape, blocks * block), np.float32)
    padded[..., :length] = flat
    parts = padded.reshape(*outer_shape, blocks, block)
    scale = _scales(parts, packing)
    whole = _whole(parts, scale, packing)
    back = whole.reshape(*outer_shape, -1)[..., :length].reshape(*outer_shape, *inner_shape)
    restored = np.transpose(back, np.argsort((*kept, *inner)))
    return Quantised(
        np.ascontiguousarray(restored), scale if packing == "i4" else scale[..., 0], kept, inner
    )


def _scales(parts: Array, packing: Packing) -> Array:
    """A scale for each last axis."""
    if packing == "i8":
        return np.asarray(np.abs(parts).max(-1) / 127, np.float32)
    # the element that is largest in size becomes -8, which the other end does not have
    at = np.abs(parts).argmax(-1)
    largest = np.take_along_axis(parts, at[..., None], -1)[..., 0]
    best = np.zeros(largest.shape, np.float32)
    least = np.full(largest.shape, np.inf)
    for shrink in _SHRINK:
        scale = _stored_scale(largest / -8 * np.float32(shrink))
        error = ((_whole(parts, scale, packing) * scale[..., None] - parts) ** 2).sum(-1)
        better = error < least
        best, least = np.where(better, scale, best), np.where(better, error, least)
    return np.asarray(best, np.float32)


def _stored_scale(scale: Array) -> Array:
    """As f16 holds it; as it is where f16 has few digits left."""
    sizes = np.abs(scale[scale != 0])
    if sizes.size and (sizes.min() < _SMALLEST_NORMAL_F16 or sizes.max() > 65504):
        return scale.astype(np.float32)
    return _rounded(scale)


def _whole(parts: Array, scale: Array, packing: Packing) -> Array:
    lowest, highest = (-127, 127) if packing == "i8" else (-8, 7)
    divisor = np.where(scale == 0, 1, scale)[..., None]
    whole: Array = np.clip(np.rint(parts / divisor), lowest, highest).astype(np.float32)
    return whole


def fits_f16(array: Array) -> bool:
    """Finite, and within the range of 16-bit floats."""
    return bool(np.all(np.abs(array) <= 65504)) if array.size else True


def is_f16(array: Array) -> bool:
    """Rounding to 16 bits changes nothing."""
    return fits_f16(array) and bool(np.array_equal(_rounded(array), array))


def _rounded(array: Array) -> Array:
    rounded: Array = array.astype(np.float16).astype(np.float32)
    return rounded


# ---------------------------------------------------------------------------------------- choice


@dataclass(slots=True)
class _Use:
    """How the nests read one constant: axes that no reduction moves along, if all multiply it."""

    channels: frozenset[int]
    multiplied: bool = True


def pack_groups(groups: Sequence[Group], packing: Packing, kept: frozenset[Tensor]) -> None:
    """Replace large constants that the groups' nests read, in place.

    Constants whose elements are 16-bit floats already are stored so under every packing.

    Parameters
    ----------
    kept : frozenset of Tensor
        Constants that something else reads too.
    """
    uses: dict[Tensor, _Use] = {}
    for group in groups:
        for stage in group.stages:
            _note(stage.nest, uses)
    choices: dict[Tensor, _Choice] = {}
    for tensor, use in uses.items():
        if tensor in kept:
            continue
        choice = _choose(tensor, use, packing)
        if choice is not None:
            choices[tensor] = choice
    if choices:
        for group in groups:
            group.stages = [
                Stage(_rewritten(stage.nest, choices), stage.rows) for stage in group.stages
            ]


def _note(nest: Nest, uses: dict[Tensor, _Use]) -> None:
    over = set(nest.over)
    found: dict[Tensor, list[Expr]] = {}
    for node in _loads(nest.roots):
        found.setdefault(node.attr, []).append(node)
    for tensor, loads in found.items():
        multiplied = nest.combine == "sum" and _multiplies(nest, loads)
        use = uses.setdefault(tensor, _Use(frozenset(range(len(tensor.shape)))))
        for node in loads:
            moving = [any(v in over for v in walk(part)) for part in node.args]
            use.channels &= frozenset(k for k, moves in enumerate(moving) if not moves)
            multiplied &= any(moving)
        use.multiplied &= multiplied


def _loads(roots: Iterable[Expr]) -> list[Expr]:
    """Reads of large float constants."""
    return [
        node
        for node in walk(*roots)
        if node.op == "load"
        and node.type == "f32"
        and isinstance(node.attr.source, Constant)
        and node.attr.size >= LEAST_ELEMENTS
    ]


def _multiplies(nest: Nest, loads: Sequence[Expr]) -> bool:
    """The sum is one of products of what is loaded with something else that is."""
    scale = accumulator("f32")
    parts = _apart(nest.body, {node: (node, scale) for node in loads}, {})
    if parts is None or parts[1] is None or set(loads) & set(walk(nest.finish)):
        return False
    own = set(loads)
    for product in walk(nest.body):
        if product.op == "mul" and product.type == "f32":
            inside = [set(walk(arg)) for arg in product.args]
            for here, there in (inside, inside[::-1]):
                if own & here and any(e.op == "load" for e in there):
                    return True
    return False


@dataclass(frozen=True, slots=True)
class _Choice:
    """What stands for a constant."""

    whole: Tensor
    scale: Tensor | None = None
    parts: Quantised | None = None

    def product(self, index: tuple[Expr, ...]) -> tuple[Expr, Expr | None]:
        """The whole number at an index of the constant, and its scale."""
        value = load(self.whole, index)
        if self.scale is None or self.parts is None:
            return value, None
        place = [index[axis] for axis in self.parts.channels]
        if len(self.scale.shape) > len(place):
            flat = as_expr(0, "i32")
            for axis in self.parts.inner:
                flat = flat * self.whole.shape[axis] + index[axis]
            place.append(floordiv(flat, BLOCK))
        return value, load(self.scale, tuple(place))


def _choose(tensor: Tensor, use: _Use, packing: Packing) -> _Choice | None:
    assert isinstance(tensor.source, Constant)
    array = tensor.source.array
    if packing in ("i8", "i4") and use.multiplied and bool(np.isfinite(array).all()):
        parts = quantise(array, sorted(use.channels), packing)
        scale = _constant(f"{tensor.name}.scale", parts.scale, "f32")
        if is_f16(parts.scale) and parts.scale.size >= LEAST_ELEMENTS:
            scale = _constant(scale.name, parts.scale, "f16")
        whole = _constant(tensor.name, parts.whole, packing)
        if 4 * (word_count(whole) + word_count(scale)) < 2 * tensor.size:
            return _Choice(whole, scale, parts)
    if is_f16(array) or (packing != "f32" and fits_f16(array)):
        return _Choice(_constant(tensor.name, _rounded(array), "f16"))
    return None


def _constant(name: str, array: Array, packing: Packing) -> Tensor:
    return Tensor(name, array.shape, "f32", Constant(np.ascontiguousarray(array), packing))


# --------------------------------------------------------------------------------------- rewriting


def _rewritten(nest: Nest, choices: Mapping[Tensor, _Choice]) -> Nest:
    """The nest on packed constants; one scale of a sum moves behind it."""
    loads = {
        node: choices[node.attr].product(node.args)
        for node in _loads(nest.roots)
        if node.attr in choices
    }
    if not loads:
        return nest
    multiplied = {
        node: value if scale is None else value * scale for node, (value, scale) in loads.items()
    }
    finish = substitute(nest.finish, multiplied)
    body = substitute(nest.body, multiplied)
    if nest.combine is None:
        return replace(nest, body=body, finish=body)
    scaled = {node: pair for node, pair in loads.items() if pair[1] is not None}
    if scaled and nest.combine == "sum" and nest.acc is not None:
        plain = {node: value for node, (value, scale) in loads.items() if scale is None}
        parts = _apart(substitute(nest.body, plain), scaled, {})
        rest, scale = parts or (body, None)
        if scale is not None and not set(nest.over) & set(walk(scale)):
            return replace(nest, body=rest, finish=substitute(finish, {nest.acc: nest.acc * scale}))
    return replace(nest, body=body, finish=finish)


_Apart = tuple[Expr, Expr | None]


def _apart(
    expr: Expr, loads: Mapping[Expr, _Apart], memo: dict[Expr, _Apart | None]
) -> _Apart | None:
    """An expression as ``(rest, scale)`` with rest * scale its value; None where it is not so."""
    for node in walk(expr):
        if node not in memo:
            memo[node] = _apart_step(node, loads, memo)
    return memo[expr]


def _apart_step(
    node: Expr, loads: Mapping[Expr, _Apart], memo: Mapping[Expr, _Apart | None]
) -> _Apart | None:
    if node in loads:
        return loads[node]
    found = [memo[arg] for arg in node.args]
    if any(part is None for part in found):
        return None
    parts = [part for part in found if part is not None]
    scales = {scale for _, scale in parts if scale is not None}
    if not scales:
        return node, None
    if len(scales) > 1:
        return None
    (scale,) = scales
    values = [value for value, _ in parts]
    holds = [own is not None for _, own in parts]
    if node.op == "mul" and sum(holds) == 1:
        return binary("mul", *values), scale
    if node.op == "div" and holds == [True, False]:
        return binary("div", *values), scale
    if node.op == "neg":
        return unary("neg", values[0]), scale
    if node.op in ("add", "sub") and all(holds):
        return binary(node.op, *values), scale
    if node.op == "select" and not holds[0]:
        zero = [value.op == "const" and float(value.attr) == 0 for value in values[1:]]
        if all(own or empty for own, empty in zip(holds[1:], zero, strict=True)):
            return select(*values), scale
    return None
