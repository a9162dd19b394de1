"""ScatterND, ScatterElements and the old Scatter: a tensor with elements replaced or combined.

Where the indices are known at build and hit no element twice, each output element knows its
update, and the whole is a map: assignments to slices become two guards and a load. Otherwise it
is a Scatter of the IR.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import TRUE, Expr, as_expr, binary, cast, logical_and, logical_or, select
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Combine, Tensor, constant, map_tensor, scatter_tensor, unflatten_index
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.elementwise import elementwise
from pybuild.onnx.ops.indexing import affine, check_inside
from pybuild.onnx.ops.integers import bits_of, is_integer, wrap
from pybuild.onnx.ops.views import axis_of

__all__ = ["inverse_reader", "inverse_table"]

Indices = NDArray[np.int64]

_REDUCTIONS: dict[str, Combine] = {"add": "sum", "mul": "prod", "max": "max", "min": "min"}
_MAP_LIMIT = 8
"""A table of places is made where it is at most this many times as large as the updates."""

_MOST_PLACES = 1 << 24
"""Of a table that is looked through at build, even where a formula may take its place."""


def _combined(combine: Combine, a: Expr, b: Expr) -> Expr:
    if a.type == "bool":
        joined = {"sum": logical_or, "max": logical_or, "prod": logical_and, "min": logical_and}
        return joined[combine](a, b)
    return binary({"sum": "add", "prod": "mul"}.get(combine, combine), a, b)


def inverse_table(
    components: Sequence[Indices], extents: Sequence[int], unique: bool
) -> Indices | None:
    """For each place the flat number of the last update that goes there, -1 where none does.

    None where an index is outside, with ``unique`` where a place is hit twice, and for more
    places than a build should hold.
    """
    if math.prod(extents) > _MOST_PLACES:
        return None
    pairs = list(zip(components, extents, strict=True))
    places = [np.where(part < 0, part + n, part) for part, n in pairs]
    if any(((part < 0) | (part >= n)).any() for part, n in zip(places, extents, strict=True)):
        return None
    flat: Indices = np.zeros(components[0].shape, np.int64)
    for part, n in zip(places, extents, strict=True):
        flat = flat * n + part
    flat = flat.reshape(-1)
    if unique and len(np.unique(flat)) < len(flat):
        return None
    table = np.full(math.prod(extents), -1, np.int64)
    table[flat] = np.arange(len(flat))
    return table.reshape(tuple(extents))


def inverse_reader(
    name: str, table: Indices, limit: int
) -> Callable[..., tuple[Expr, Expr]] | None:
    """``(is written, number of the update)`` of a place, or None where the table is too large.

    A box that the updates fill in steps needs no table.
    """
    hit = np.argwhere(table >= 0)
    if len(hit) == 0:
        return lambda *_: (as_expr(False, "bool"), as_expr(0, "i32"))
    low, high = hit.min(axis=0), hit.max(axis=0) + 1
    box = table[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    formula = affine(box) if (box >= 0).all() else None
    if formula is not None:
        step = formula

        def read(*i: Expr) -> tuple[Expr, Expr]:
            guards = [e >= int(a) for e, a in zip(i, low, strict=True)]
            guards += [e < int(b) for e, b in zip(i, high, strict=True)]
            return logical_and(*guards), step(*(e - int(a) for e, a in zip(i, low, strict=True)))

        return read
    if table.size > limit:
        return None
    places = constant(name, table, "i32")
    return lambda *i: (places[i] >= 0, places[i])


def _scatter(
    node: Node,
    data: Tensor,
    updates: Tensor,
    lead: tuple[int, ...],
    index: Callable[..., Sequence[Expr]],
    known: Sequence[Indices] | None,
    dtype: str,
) -> Tensor:
    """The first axes of ``data`` are indexed by tuples; the first axes ``lead`` of ``updates``
    number them, and the others of both are the same.
    """
    reduction = node.attributes.get("reduction", "none")
    if reduction != "none" and reduction not in _REDUCTIONS:
        raise Unsupported(f"reduction {reduction!r}")
    combine = _REDUCTIONS.get(reduction)
    name, rank = node.outputs[0], len(data.shape) - len(updates.shape) + len(lead)
    if updates.size == 0 or data.size == 0:
        return map_tensor(name, data.shape, lambda *i: data[i])
    if known is not None:
        for part, extent in zip(known, data.shape, strict=False):
            check_inside(part, extent)
        table = inverse_table(known, data.shape[:rank], combine is not None)
        limit = max(4096, _MAP_LIMIT * math.prod(lead))
        read = None if table is None else inverse_reader(f"{name}.places", table, limit)
        if read is not None:
            at = read

            def body(*i: Expr) -> Expr:
                written, number = at(*i[:rank])
                new = updates[(*unflatten_index(number, lead), *i[rank:])]
                old = data[i]
                if combine is not None:
                    new = wrap(_combined(combine, old, new), dtype)
                return select(written, new, old)

            return map_tensor(name, data.shape, body)

    def write(*r: Expr) -> tuple[tuple[Expr, ...], Expr, Expr]:
        parts = [cast(part, "i32") for part in index(*r[: len(lead)])]
        pairs = list(zip(parts, data.shape, strict=False))
        parts = [select(part < 0, part + n, part) for part, n in pairs]
        guards = [part >= 0 for part in parts]
        guards += [part < n for part, n in zip(parts, data.shape, strict=False)]
        return (*parts, *r[len(lead) :]), updates[r], logical_and(TRUE, *guards)

    if data.type == "bool" and combine is not None:
        combine = "or" if combine in ("sum", "max") else "and"
    if combine not in ("sum", "prod") or not is_integer(dtype) or bits_of(dtype) == 32:
        return scatter_tensor(name, data, updates.shape, write, combine)
    wide = scatter_tensor(f"{name}.wide", data, updates.shape, write, combine)
    return elementwise(name, lambda value: wrap(value, dtype), wide)


@lowers("ScatterND", since=11, limits="of several updates of one element, any may remain")
def _scatter_nd(context: Context, node: Node) -> Tensor:
    """Index tuples in the last axis; ``reduction`` from opset 16 on."""
    data, updates = context.tensor(node, 0), context.tensor(node, 2)
    shape = context.info(node, 1).shape
    known, depth = context.graph.constants.get(node.inputs[1]), shape[-1]
    parts = None
    if known is not None:
        parts = [known[..., k].astype(np.int64) for k in range(depth)]
    indices = context.tensor(node, 1)
    return _scatter(
        node,
        data,
        updates,
        shape[:-1],
        lambda *r: [indices[(*r, as_expr(k, "i32"))] for k in range(depth)],
        parts,
        context.info(node, 0).dtype,
    )


@lowers(
    "Scatter",
    "ScatterElements",
    since=9,
    limits="of several updates of one element, any may remain",
)
def _scatter_elements(context: Context, node: Node) -> Tensor:
    """Scatter is ScatterElements' name before opset 11."""
    data, updates = context.tensor(node, 0), context.tensor(node, 2)
    axis = axis_of(int(node.attributes.get("axis", 0)), len(data.shape))
    known, shape = context.graph.constants.get(node.inputs[1]), updates.shape
    parts = None
    if known is not None:
        parts = [np.asarray(part, np.int64) for part in np.indices(shape)]
        parts[axis] = known.astype(np.int64)
    indices = context.tensor(node, 1)
    return _scatter(
        node,
        data,
        updates,
        shape,
        lambda *r: [indices[r] if k == axis else part for k, part in enumerate(r)],
        parts,
        context.info(node, 0).dtype,
    )
