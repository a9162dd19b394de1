"""How many buffers a kernel binds at least, and how to stay within what WebGPU allows.

Constants of one type can lie together in one binding, and so can tensors of one type that kernels
hand on to each other. What the caller gives or gets has a buffer of its own, and so has what a
scatter writes. Textures are no storage buffers, and take none of what WebGPU allows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pybuild.onnx.expr import load
from pybuild.onnx.ir import (
    Constant,
    Input,
    Scatter,
    Tensor,
    is_texture,
    map_tensor,
    sources,
    topological,
)
from pybuild.onnx.rereading import reread
from pybuild.onnx.words import packing_of

__all__ = ["MAX_BINDINGS", "Uses", "least_bindings", "put_together", "spread_reads"]

MAX_BINDINGS = 8
"""WebGPU's default maxStorageBuffersPerShaderStage."""
SMALL_CONSTANT = 256
_ALIGNMENT = 64
"""Elements; vectors of packed numbers begin at multiples of it."""


@dataclass(frozen=True, slots=True)
class Uses:
    """Who needs each tensor.

    Attributes
    ----------
    finals : frozenset of Tensor
        The caller does.
    readers : mapping
        Tensor to the tensors whose kernels read it.
    """

    finals: frozenset[Tensor]
    readers: Mapping[Tensor, Collection[Tensor]]

    def outside(self, made: Collection[Tensor]) -> list[Tensor]:
        """Those of a kernel's tensors that must be in buffers."""
        return [
            tensor
            for tensor in made
            if tensor in self.finals or any(r not in made for r in self.readers.get(tensor, ()))
        ]


def _alone(tensor: Tensor, finals: Collection[Tensor]) -> bool:
    """Its buffer holds nothing else."""
    return tensor in finals or isinstance(tensor.source, Input | Scatter)


def least_bindings(touched: Iterable[Tensor], finals: Collection[Tensor]) -> int:
    """Buffers of a kernel that touches these tensors, when all is put together that can be."""
    found: set[object] = set()
    for tensor in touched:
        if is_texture(tensor):
            continue
        shared = (isinstance(tensor.source, Constant), tensor.type)
        found.add(tensor if _alone(tensor, finals) else shared)
    return len(found)


def spread_reads(outputs: Sequence[Tensor]) -> list[Tensor]:
    """Copies of inputs and outputs for a tensor that reads too many of them to be one kernel."""
    finals = frozenset(outputs)
    new: dict[Tensor, Tensor] = {}
    copies: dict[Tensor, Tensor] = {}
    for tensor in topological(outputs):
        given = sources(tensor)
        touched = {tensor: tensor} | {t: t for t in given}
        swapped = {t: new[t] for t in given if new[t] is not t}
        copied = tensor.source.data if isinstance(tensor.source, Scatter) else None
        alone = [t for t in given if _alone(t, finals) and t is not copied and not is_texture(t)]
        # the copies of one type together take a binding that may not have been there
        for source in sorted(alone, key=lambda t: t.size):
            if least_bindings(touched.values(), finals) <= MAX_BINDINGS:
                break
            copy = copies.get(source)
            if copy is None:
                there = new[source]
                copy = copies[source] = map_tensor(
                    f"{source.name} (copy)", source.shape, lambda *i, t=there: load(t, i)
                )
            swapped[source] = touched[source] = copy
        new[tensor] = reread(tensor, swapped) if swapped else tensor
    return [new[tensor] for tensor in outputs]


# --------------------------------------------------------------------------------- shared bindings


def put_together(
    kernels: Sequence[tuple[Sequence[Tensor], int]], finals: Collection[Tensor]
) -> dict[Tensor, tuple[Tensor, int]]:
    """Tensors that share a binding, because a kernel would bind too many.

    Parameters
    ----------
    kernels : sequence of (sequence of Tensor, int)
        What each reads and writes, and the number of its rows.
    finals : collection of Tensor
        What the caller gets.

    Returns
    -------
    dict
        Tensor to the one in which it lies, and its first element there.
    """
    parents: dict[Tensor, Tensor] = {}

    def home(tensor: Tensor) -> Tensor:
        while tensor in parents:
            tensor = parents[tensor]
        return tensor

    for every, rows in kernels:
        touched = [tensor for tensor in every if not is_texture(tensor)]
        for alike in _alike(touched, rows, finals):
            if len({home(t) for t in touched}) <= MAX_BINDINGS:
                break
            for tensor in alike[1:]:
                if home(tensor) is not home(alike[0]):
                    parents[home(tensor)] = home(alike[0])
    shared: dict[Tensor, list[Tensor]] = {}
    for tensor in dict.fromkeys(t for touched, _ in kernels for t in touched):
        shared.setdefault(home(tensor), []).append(tensor)
    places: dict[Tensor, tuple[Tensor, int]] = {}
    for tensors in shared.values():
        if len(tensors) > 1:
            places |= _laid_out(tensors)
    return places


def _alike(
    touched: Sequence[Tensor], rows: int, finals: Collection[Tensor]
) -> Iterator[list[Tensor]]:
    """Tensors of a kernel that may share a binding, those that lose least by it first."""
    fixed = [t for t in touched if isinstance(t.source, Constant)]
    kinds = dict.fromkeys((t.type, packing_of(t)) for t in fixed)
    # what is alike in use stays apart from the rest, so that matrices keep their vector access
    for use in range(3):
        for kind in kinds:
            yield [t for t in fixed if (t.type, packing_of(t)) == kind and _use(t, rows) == use]
    for kind in kinds:
        yield [t for t in fixed if (t.type, packing_of(t)) == kind]
    handed = [t for t in touched if t not in fixed and not _alone(t, finals)]
    for type_ in dict.fromkeys(t.type for t in handed):
        yield [t for t in handed if t.type == type_]


def _use(tensor: Tensor, rows: int) -> int:
    """0 for a bias or a scale, 1 for a matrix, 2 for a table with an entry for each row."""
    if tensor.size <= SMALL_CONSTANT:
        return 0
    return 2 if rows and rows in tensor.shape else 1


def _laid_out(tensors: Sequence[Tensor]) -> dict[Tensor, tuple[Tensor, int]]:
    """Tensors of one type one after the other."""
    offsets, total = [], 0
    for tensor in tensors:
        offsets.append(total)
        total += -(-max(tensor.size, 1) // _ALIGNMENT) * _ALIGNMENT
    first = tensors[0]
    source: Constant | Input = Input()
    if isinstance(first.source, Constant):
        array = np.zeros(total, first.source.array.dtype)
        for tensor, offset in zip(tensors, offsets, strict=True):
            assert isinstance(tensor.source, Constant)
            array[offset : offset + tensor.size] = tensor.source.array.ravel()
        source = replace(first.source, array=array)
    whole = Tensor(f"{first.name} …", (total,), first.type, source)
    return {t: (whole, offset) for t, offset in zip(tensors, offsets, strict=True)}
