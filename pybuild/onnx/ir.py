"""Tensors and how they are computed: loop nests over scalar expressions.

A network is lowered to five kinds of tensor:

========== ======================================================================================
Input      what the caller gives
Constant   an array known at build
Compute    ``out[o...] = reduce over r... of body(o, r)``; without ``r`` a plain map
Scan       a map with a running reduction along one axis (cumulative sums)
Scatter    a copy of a tensor with elements replaced or combined at computed places
========== ======================================================================================

Views (Reshape, Transpose, Slice, Expand, Pad, Concat ...) are maps like any other, whose body is a
load at another index; whoever reads them reads through them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import (
    I32_MAX,
    I32_MIN,
    Expr,
    Operand,
    Type,
    as_expr,
    load,
    logical_and,
    variable,
)
from pybuild.onnx.order import sources_first
from pybuild.onnx.substitution import walk

__all__ = [
    "CHANNELS",
    "Combine",
    "Compute",
    "Constant",
    "Input",
    "Packing",
    "Scan",
    "Scatter",
    "Tensor",
    "as_pixels",
    "bind",
    "constant",
    "describe",
    "flatten_index",
    "input_tensor",
    "is_texture",
    "map_tensor",
    "neutral",
    "reads",
    "reduce_tensor",
    "reshape",
    "scan_tensor",
    "scatter_tensor",
    "sources",
    "topological",
    "unflatten_index",
]

Combine = Literal["sum", "prod", "max", "min", "and", "or"]
Packing = Literal["f32", "f16", "i8", "i4"]
"""A float in a buffer: as it is, of 16 bits, or a whole number -127 .. 127 or -8 .. 7."""
CHANNELS = 4
"""Of a texel."""


@dataclass(frozen=True, slots=True)
class Input:
    """Given by the caller: in a buffer, or as a texture.

    A texture is read by textureLoad, mip 0: of a tensor (H, W, 4) the element [y, x, c] is channel
    c of the texel at (x, y). It is f32 whatever its format.
    """

    texture: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """Known at build; C-contiguous float32, int32, uint32 or bool.

    ``packing`` is how floats are stored; they are such that it changes none.
    """

    array: NDArray[np.generic]
    packing: Packing = "f32"


@dataclass(frozen=True, slots=True)
class Compute:
    """``out[axes] = combine over `over` of body``; ``combine`` is None for a map.

    ``axes`` has a variable (or 0, for an axis of one) for each axis of the tensor. ``pixels`` says
    that the last axis, red, green and blue, is stored as one word; no kernel reads it.
    """

    axes: tuple[Expr, ...]
    over: tuple[Expr, ...]
    combine: Combine | None
    body: Expr
    pixels: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """``out[.., t, ..]`` combines ``body`` at 0 .. t (t - 1 where exclusive) along ``axis``."""

    axes: tuple[Expr, ...]
    axis: int
    combine: Combine
    exclusive: bool
    body: Expr


@dataclass(frozen=True, slots=True)
class Scatter:
    """``data`` with ``value`` put at ``index`` for every point of ``over``.

    ``combine`` None replaces (of several writers the last in C order wins where ``ordered``);
    ``where`` guards a write. ``fresh`` says that nobody reads where nothing was put: the data need
    not be copied first.
    """

    data: Tensor
    over: tuple[Expr, ...]
    index: tuple[Expr, ...]
    value: Expr
    combine: Combine | None
    where: Expr
    fresh: bool = False


Source = Input | Constant | Compute | Scan | Scatter


class Tensor:
    """A value of the network: name, shape, type and how it comes about. Identity is equality.

    Attributes
    ----------
    low, high : int
        Range of the elements of an i32 tensor.
    limits : tuple of (Expr or None)
        For each axis the number of its elements that there are, where that is only known when the
        program runs; the shape has the most. Empty where no axis is so. What lies beyond is never
        read for a result, and need not be computed.
    """

    __slots__ = ("high", "limits", "low", "name", "shape", "source", "type")

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        type_: Type,
        source: Source,
        limits: tuple[Expr | None, ...] = (),
    ) -> None:
        self.name, self.shape = name, tuple(int(n) for n in shape)
        self.type: Type = type_
        self.source: Source = source
        self.limits = limits if any(limit is not None for limit in limits) else ()
        self.low, self.high = I32_MIN, I32_MAX
        if isinstance(source, Constant) and type_ == "i32" and source.array.size:
            self.low, self.high = int(source.array.min()), int(source.array.max())
        elif isinstance(source, Compute) and source.combine is None and type_ == "i32":
            self.low, self.high = source.body.low, source.body.high

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def computed(self, source: Source) -> Tensor:
        """A tensor like this one that comes about in another way."""
        return Tensor(self.name, self.shape, self.type, source, self.limits)

    def inside(self, index: Sequence[Expr]) -> Expr:
        """Whether there is such an element; TRUE where that is known at build."""
        pairs = zip(index, self.limits, strict=False)
        return logical_and(*(part < limit for part, limit in pairs if limit is not None))

    def __getitem__(self, index: Operand | tuple[Operand, ...]) -> Expr:
        parts = index if isinstance(index, tuple) else (index,)
        return load(self, tuple(as_expr(part, "i32") for part in parts))

    def at(self, flat: Expr) -> Expr:
        """Element at a flat C-order index."""
        return load(self, unflatten_index(flat, self.shape))

    def __repr__(self) -> str:
        return f"{self.name}: {self.type}{list(self.shape)}"


_NUMPY: dict[Type, type[np.generic]] = {
    "f32": np.float32,
    "i32": np.int32,
    "u32": np.uint32,
    "bool": np.bool_,
}


def input_tensor(name: str, shape: Sequence[int], type_: Type, texture: bool = False) -> Tensor:
    """What the caller gives; see `Input`.

    Raises
    ------
    ValueError
        A texture that is not f32 of shape (height, width, 4), of a texel or more.
    """
    if texture and (type_ != "f32" or len(shape) != 3 or shape[2] != CHANNELS or 0 in shape):
        raise ValueError(
            f"texture {name!r} must be f32 of shape (height, width, 4), got {type_} {list(shape)}"
        )
    return Tensor(name, shape, type_, Input(texture))


def is_texture(tensor: Tensor) -> bool:
    """Whether the caller gives it as a texture."""
    return isinstance(tensor.source, Input) and tensor.source.texture


def constant(name: str, array: NDArray[np.generic], type_: Type) -> Tensor:
    """An array known at build, converted to the type (the caller has checked the range)."""
    converted = np.ascontiguousarray(np.asarray(array).astype(_NUMPY[type_]))
    return Tensor(name, np.shape(array), type_, Constant(converted.reshape(np.shape(array))))


def map_tensor(name: str, shape: Sequence[int], body: Callable[..., Expr]) -> Tensor:
    """``out[i, j, ...] = body(i, j, ...)``."""
    axes = tuple(variable(f"i{k}", n) for k, n in enumerate(shape))
    value = body(*axes)
    return Tensor(name, shape, value.type, Compute(axes, (), None, value))


def reduce_tensor(
    name: str,
    shape: Sequence[int],
    over: Sequence[int],
    combine: Combine,
    body: Callable[[tuple[Expr, ...], tuple[Expr, ...]], Expr],
) -> Tensor:
    """``out[o...] = combine over r... of body(o, r)``; ``over`` are the extents of r.

    Over nothing (an extent of 0) the result is the combination's neutral element.
    """
    axes = tuple(variable(f"i{k}", n) for k, n in enumerate(shape))
    inner = tuple(variable(f"r{k}", n) for k, n in enumerate(over))
    extents = tuple(int(n) for n in over)
    value = body(axes, inner)
    if 0 in extents:
        return map_tensor(name, shape, lambda *_: neutral(combine, value.type))
    if math.prod(extents) == 1:
        return Tensor(name, shape, value.type, Compute(axes, (), None, value))
    kept = tuple(r for r in inner if r.op == "var")
    return Tensor(name, shape, value.type, Compute(axes, kept, combine, value))


def scan_tensor(
    name: str,
    shape: Sequence[int],
    axis: int,
    combine: Combine,
    body: Callable[..., Expr],
    exclusive: bool = False,
) -> Tensor:
    """Running combination along ``axis``."""
    axes = tuple(variable(f"i{k}", n) for k, n in enumerate(shape))
    value = body(*axes)
    return Tensor(name, shape, value.type, Scan(axes, axis, combine, exclusive, value))


def scatter_tensor(
    name: str,
    data: Tensor,
    over: Sequence[int],
    body: Callable[..., tuple[tuple[Expr, ...], Expr, Expr]],
    combine: Combine | None = None,
    fresh: bool = False,
) -> Tensor:
    """``data`` changed at computed places; ``body(r...)`` gives (index, value, where).

    Over nothing (an extent of 0) the result is ``data``.
    """
    if 0 in over:
        return map_tensor(name, data.shape, lambda *i: data[i])
    inner = tuple(variable(f"r{k}", n) for k, n in enumerate(over))
    index, value, where = body(*inner)
    source = Scatter(data, inner, index, value, combine, where, fresh)
    return Tensor(name, data.shape, data.type, source)


def as_pixels(image: Tensor) -> Tensor:
    """A map (H, W, 3) of f32, each pixel of which is stored as one word; see `Compute`."""
    source = image.source
    assert isinstance(source, Compute)
    if source.combine is not None or image.type != "f32" or image.shape[-1] != 3:
        raise ValueError(f"{image!r}: wanted a map of red, green and blue")
    return image.computed(replace(source, pixels=True))


def bind(axes: Sequence[Expr], index: Sequence[Expr]) -> dict[Expr, Expr]:
    """Mapping that puts an index in the place of a tensor's own variables."""
    return {a: i for a, i in zip(axes, index, strict=True) if a.op == "var"}


def neutral(combine: Combine, type_: Type) -> Expr:
    """What combining nothing gives."""
    if combine in ("and", "or"):
        return as_expr(combine == "and", type_)
    if combine in ("sum", "prod"):
        return as_expr(0 if combine == "sum" else 1, type_)
    infinities = {"f32": math.inf, "i32": I32_MAX, "u32": 2**32 - 1, "bool": True}
    lowest = {"f32": -math.inf, "i32": I32_MIN, "u32": 0, "bool": False}
    return as_expr((lowest if combine == "max" else infinities)[type_], type_)


def flatten_index(index: Sequence[Expr], shape: Sequence[int]) -> Expr:
    """C-order flat index."""
    flat = as_expr(0, "i32")
    for part, extent in zip(index, shape, strict=True):
        flat = flat * extent + part
    return flat


def unflatten_index(flat: Expr, shape: Sequence[int]) -> tuple[Expr, ...]:
    """The index of a flat C-order position."""
    parts: list[Expr] = []
    stride = math.prod(shape)
    for extent in shape:
        stride //= max(extent, 1)
        parts.append(as_expr(0, "i32") if extent == 1 else (flat // max(stride, 1)) % extent)
    return tuple(parts)


def reshape(name: str, tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """The same elements in C order under another shape."""
    return map_tensor(name, shape, lambda *i: tensor.at(flatten_index(i, shape)))


def sources(tensor: Tensor) -> tuple[Tensor, ...]:
    """The tensors that it reads, each once, in order of appearance."""
    source = tensor.source
    if isinstance(source, Input | Constant):
        return ()
    roots: tuple[Expr, ...]
    if isinstance(source, Scatter):
        roots = (*source.index, source.value, source.where)
        first = [source.data]
    else:
        roots, first = (source.body,), []
    limits = (limit for limit in tensor.limits if limit is not None)
    found = dict.fromkeys(first)
    found.update(dict.fromkeys(e.attr for e in walk(*roots, *limits) if e.op == "load"))
    return tuple(found)


def reads(body: Expr, tensor: Tensor) -> list[tuple[Expr, ...]]:
    """Every distinct index at which an expression loads from a tensor."""
    return [e.args for e in walk(body) if e.op == "load" and e.attr is tensor]


def describe(outputs: Sequence[Tensor]) -> str:
    """A tensor graph as text, a line a tensor: for tests and for people.

    Examples
    --------
    ``y: f32[2, 4] = sum r0<3: mul(a[i0, r0], b[r0, i1])``
    """
    lines = []
    for tensor in topological(outputs):
        head = f"{tensor.name}: {tensor.type}{list(tensor.shape)}"
        match tensor.source:
            case Input(texture):
                lines.append(f"{head} given{' as a texture' * texture}")
            case Constant():
                lines.append(f"{head} constant")
            case Compute(_, over, combine, body):
                loops = ", ".join(f"{r!r}<{r.high + 1}" for r in over)
                lines.append(
                    f"{head} = {combine} {loops}: {body!r}" if combine else f"{head} = {body!r}"
                )
            case Scan(_, axis, combine, exclusive, body):
                kind = "exclusive " if exclusive else ""
                lines.append(f"{head} = {kind}running {combine} along {axis}: {body!r}")
            case Scatter(data, _, index, value, combine, where):
                places = ", ".join(map(repr, index))
                how = combine or "replace"
                lines.append(
                    f"{head} = {data.name} with [{places}] {how} {value!r} where {where!r}"
                )
    return "\n".join(lines)


def topological(outputs: Sequence[Tensor]) -> Iterator[Tensor]:
    """Every tensor that the outputs need, sources first."""
    return sources_first(outputs, sources)
