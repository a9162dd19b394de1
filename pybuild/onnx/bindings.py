"""How many buffers a kernel binds at least, and how to stay within what WebGPU allows.

Constants of one type can lie together in one binding, and so can tensors of one type that kernels
hand on to each other. What the caller gives or gets has a buffer of its own, and so has what a
scatter writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pybuild.onnx.expr import Expr, load, substitute
from pybuild.onnx.ir import (
    Compute,
    Constant,
    Input,
    Scan,
    Scatter,
    Tensor,
    map_tensor,
    sources,
    topological,
)

__all__ = ["MAX_BINDINGS", "Uses", "least_bindings", "spread_reads"]

MAX_BINDINGS = 8
"""WebGPU's default maxStorageBuffersPerShaderStage."""


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
    """Bindings of a kernel that touches these tensors, when all is put together that can be."""
    found: set[object] = set()
    for tensor in touched:
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
        over = least_bindings((tensor, *given), finals) - MAX_BINDINGS
        swapped = {t: new[t] for t in given if new[t] is not t}
        if over > 0:
            copied = tensor.source.data if isinstance(tensor.source, Scatter) else None
            alone = [t for t in given if _alone(t, finals) and t is not copied]
            # the copies together take a binding that may not have been there
            for source in sorted(alone, key=lambda t: t.size)[: over + 1]:
                copy = copies.get(source)
                if copy is None:
                    there = new[source]
                    copy = copies[source] = map_tensor(
                        f"{source.name} (copy)", source.shape, lambda *i, t=there: load(t, i)
                    )
                swapped[source] = copy
        new[tensor] = _rewired(tensor, swapped) if swapped else tensor
    return [new[tensor] for tensor in outputs]


def _rewired(tensor: Tensor, swapped: Mapping[Tensor, Tensor]) -> Tensor:
    def loads(source: Tensor, index: tuple[Expr, ...]) -> Expr | None:
        return load(swapped[source], index) if source in swapped else None

    made = tensor.source
    match made:
        case Compute() | Scan():
            made = replace(made, body=substitute(made.body, {}, loads))
        case Scatter():
            made = replace(
                made,
                data=swapped.get(made.data, made.data),
                index=tuple(substitute(part, {}, loads) for part in made.index),
                value=substitute(made.value, {}, loads),
                where=substitute(made.where, {}, loads),
            )
        case Constant() | Input():
            pass
    return Tensor(tensor.name, tensor.shape, tensor.type, made)
