"""Long running reductions in two steps: within pieces, and over the pieces' totals.

A thread walks a line of a scan, and a line of a hundred thousand elements would keep one thread
busy while all others wait::

    y[i] = x[0] + ... + x[i]      becomes, with pieces of c elements,

    within[k, t] = x[kc] + ... + x[kc + t]
    before[k]    = within[0, c - 1] + ... + within[k - 1, c - 1]
    y[i]         = before[i // c] + within[i // c, i % c]
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pybuild.onnx.expr import Expr, binary, logical_and, logical_or, maximum, minimum, select
from pybuild.onnx.ir import (
    Combine,
    Scan,
    Tensor,
    bind,
    map_tensor,
    neutral,
    scan_tensor,
    sources,
    topological,
)
from pybuild.onnx.rereading import reread
from pybuild.onnx.substitution import substitute

__all__ = ["split_scans"]

LEAST_LENGTH = 2048
MOST_LINES = 256
"""Lines that keep a GPU busy without being cut."""


def split_scans(outputs: Sequence[Tensor]) -> list[Tensor]:
    """Scans of few long lines as two scans of shorter ones each, and a map that adds them."""
    new: dict[Tensor, Tensor] = {}
    for tensor in topological(outputs):
        here = tensor
        if any(new[given] is not given for given in sources(tensor)):
            here = reread(tensor, new)
        new[tensor] = _split(here) if isinstance(here.source, Scan) else here
    return [new[tensor] for tensor in outputs]


def _split(tensor: Tensor) -> Tensor:
    source = tensor.source
    assert isinstance(source, Scan)
    length = tensor.shape[source.axis]
    lines = tensor.size // max(length, 1)
    if length < LEAST_LENGTH or lines > MOST_LINES or tensor.limits:
        return tensor
    piece = 1 << math.ceil(math.log2(math.sqrt(length)))
    axis, pieces = source.axis, -(-length // piece)
    nothing = neutral(source.combine, tensor.type)

    def element(*index: Expr) -> Expr:
        place = index[axis] * piece + index[axis + 1]
        whole = (*index[:axis], place, *index[axis + 2 :])
        value = substitute(source.body, bind(source.axes, whole))
        return select(place < length, value, nothing)

    shape = (*tensor.shape[:axis], pieces, piece, *tensor.shape[axis + 1 :])
    within = scan_tensor(f"{tensor.name}.within", shape, axis + 1, source.combine, element)

    def total(*index: Expr) -> Expr:
        return within[(*index[: axis + 1], piece - 1, *index[axis + 1 :])]

    before = scan_tensor(
        f"{tensor.name}.before",
        (*tensor.shape[:axis], pieces, *tensor.shape[axis + 1 :]),
        axis,
        source.combine,
        total,
        exclusive=True,
    )

    def joined(*index: Expr) -> Expr:
        which, place = index[axis] // piece, index[axis] % piece
        first, rest = index[:axis], index[axis + 1 :]
        last = place - 1 if source.exclusive else place
        here = within[(*first, which, last, *rest)]
        if source.exclusive:
            here = select(place < 1, nothing, here)
        return _combined(source.combine, before[(*first, which, *rest)], here)

    return map_tensor(tensor.name, tensor.shape, joined)


def _combined(combine: Combine, a: Expr, b: Expr) -> Expr:
    if combine in ("and", "or"):
        return (logical_and if combine == "and" else logical_or)(a, b)
    if combine in ("max", "min"):
        return (maximum if combine == "max" else minimum)(a, b)
    return a + b if combine == "sum" else binary("mul", a, b)
