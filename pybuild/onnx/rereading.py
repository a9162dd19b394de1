"""Tensors that read others than they did: what a rule of the tensor graph makes of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from pybuild.onnx.expr import Expr, load
from pybuild.onnx.ir import Compute, Scan, Scatter, Tensor
from pybuild.onnx.substitution import substitute

__all__ = ["Loads", "moved", "reread"]

Loads = Callable[[Tensor, tuple[Expr, ...]], Expr | None]
"""What stands in the place of a load, by the tensor and the new index; None where it stays."""


def moved(new: Mapping[Tensor, Tensor]) -> Loads:
    """Loads of what tensors have become; those that are not in ``new`` stay."""

    def loads(tensor: Tensor, index: tuple[Expr, ...]) -> Expr | None:
        there = new.get(tensor, tensor)
        return None if there is tensor else load(there, index)

    return loads


def reread(tensor: Tensor, new: Mapping[Tensor, Tensor], loads: Loads | None = None) -> Tensor:
    """The tensor with other loads; itself where it is given, or where none of its loads changes.

    Parameters
    ----------
    tensor : Tensor
    new : mapping
        What tensors have become; a scatter starts from such a one.
    loads : callable, optional
        `moved` of these unless given.
    """
    found = loads or moved(new)
    source = tensor.source
    if isinstance(source, Compute | Scan):
        body = substitute(source.body, {}, found)
        return tensor if body is source.body else tensor.computed(replace(source, body=body))
    if not isinstance(source, Scatter):
        return tensor
    return tensor.computed(
        replace(
            source,
            data=new.get(source.data, source.data),
            index=tuple(substitute(part, {}, found) for part in source.index),
            value=substitute(source.value, {}, found),
            where=substitute(source.where, {}, found),
        )
    )
