"""Several instances of one network as one: what depends on an input of its own gets an axis more.

The number of kernels stays what it was, since an axis more is more rows of the same loop nests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pybuild.onnx.expr import Expr, variable
from pybuild.onnx.fuse import readers
from pybuild.onnx.ir import (
    Compute,
    Input,
    Scan,
    Scatter,
    Tensor,
    map_tensor,
    sources,
    topological,
)
from pybuild.onnx.rereading import reread
from pybuild.onnx.substitution import substitute

__all__ = ["batched", "spread", "with_inputs"]

SMALL_WORK = 4096
"""Operations that each instance may as well do again."""


def with_inputs(outputs: Sequence[Tensor], given: Mapping[Tensor, Tensor]) -> list[Tensor]:
    """The same tensors, reading others of the same shape in the place of some."""
    new: dict[Tensor, Tensor] = {}
    for tensor in topological(outputs):
        if tensor in given:
            new[tensor] = given[tensor]
        elif any(new[source] is not source for source in sources(tensor)):
            new[tensor] = reread(tensor, new)
        else:
            new[tensor] = tensor
    return [new[tensor] for tensor in outputs]


def batched(
    outputs: Sequence[Tensor], given: Mapping[Tensor, Tensor], instances: int
) -> list[tuple[Tensor, bool]]:
    """Tensors with a leading axis of instances.

    Parameters
    ----------
    outputs : sequence of Tensor
    given : mapping
        Inputs to the inputs of all instances, which have the leading axis.
    instances : int

    Returns
    -------
    list of (Tensor, bool)
        Whether it has the leading axis; one that is the same for all of them has none.
    """
    new: dict[Tensor, tuple[Tensor, bool]] = {}
    several = _several(outputs, set(given))
    for tensor in topological(outputs):
        if tensor in given:
            new[tensor] = given[tensor], True
        elif tensor in several:
            new[tensor] = _one_more(tensor, new, instances), True
        else:
            new[tensor] = tensor, False
    return [new[tensor] for tensor in outputs]


def _several(outputs: Sequence[Tensor], given: set[Tensor]) -> set[Tensor]:
    """What each instance has for itself: all that hangs on its inputs, and small things before.

    A turn of a joint by a slider is the same for all, but computed for each it stays in one kernel
    with the joint's own.
    """
    order = list(topological(outputs))
    several, moving = set(given), {tensor for tensor in order if isinstance(tensor.source, Input)}
    for tensor in order:
        if any(source in several for source in sources(tensor)):
            several.add(tensor)
        if any(source in moving for source in sources(tensor)):
            moving.add(tensor)
    who = readers(outputs)
    for tensor in reversed(order):
        source = tensor.source
        if not isinstance(source, Compute) or tensor not in moving or tensor in outputs:
            continue
        work = tensor.size * math.prod(axis.high + 1 for axis in source.over)
        if work <= SMALL_WORK and who[tensor] and all(r in several for r in who[tensor]):
            several.add(tensor)
    return several


def spread(tensor: Tensor, many: bool, instances: int) -> Tensor:
    """With the leading axis, where it has none yet."""
    if many:
        return tensor
    return map_tensor(tensor.name, (instances, *tensor.shape), lambda _, *i: tensor[i])


def _one_more(tensor: Tensor, new: Mapping[Tensor, tuple[Tensor, bool]], instances: int) -> Tensor:
    which = variable("b", instances)
    shape = (instances, *tensor.shape)

    def loads(read: Tensor, index: tuple[Expr, ...]) -> Expr | None:
        there, many = new[read]
        return there[(which, *index)] if many else None

    def changed(expr: Expr) -> Expr:
        return substitute(expr, {}, loads)

    source = tensor.source
    made: Compute | Scan | Scatter
    match source:
        case Compute():
            made = replace(source, axes=(which, *source.axes), body=changed(source.body))
        case Scan():
            made = replace(
                source,
                axes=(which, *source.axes),
                axis=source.axis + 1,
                body=changed(source.body),
            )
        case Scatter():
            made = replace(
                source,
                data=spread(*new[source.data], instances),
                over=(which, *source.over),
                index=(which, *map(changed, source.index)),
                value=changed(source.value),
                where=changed(source.where),
            )
        case _:
            raise TypeError(f"{tensor} is given")
    limits = tuple(None if limit is None else changed(limit) for limit in tensor.limits)
    return Tensor(tensor.name, shape, tensor.type, made, (None, *limits) if limits else ())
