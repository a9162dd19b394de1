"""TopK by counting, for each element, how many go before it; and LabelEncoder's search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import Expr, call, cast, clamp_index, const, logical_and, logical_or, select
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, constant, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, ir_type, lowers
from pybuild.onnx.ops.views import axis_of, empty, replaced

__all__: list[str] = []


@lowers("TopK", limits="k known at build, no NaN; k above 1 compares every pair along the axis, n²")
def _top_k(context: Context, node: Node) -> tuple[Tensor, Tensor]:
    """Equal elements in order of their index; always sorted. ``k`` is an attribute before 10."""
    x, attributes = context.tensor(node, 0), node.attributes
    axis = axis_of(int(attributes.get("axis", -1)), len(x.shape))
    given = attributes.get("k")
    k = int(context.array(node, 1).reshape(())) if given is None else int(given)
    largest = bool(attributes.get("largest", 1))
    outputs = (*node.outputs, "")
    names = [name or f"{node.name}.unread{j}" for j, name in enumerate(outputs[:2])]
    shape = _shrunk(x.shape, axis, k)
    if 0 in shape:
        return empty(names[0], shape, x.type), empty(names[1], shape, "i32")
    find = _best if k == 1 else _ranked
    places = find(names[1], x, axis, k, largest)

    def value(*i: Expr) -> Expr:
        return x[replaced(i, axis, clamp_index(places[i], x.shape[axis]))]

    return map_tensor(names[0], shape, value), places


def _shrunk(shape: tuple[int, ...], axis: int, extent: int) -> tuple[int, ...]:
    """The shape with another extent at one axis."""
    return (*shape[:axis], extent, *shape[axis + 1 :])


def _best(name: str, x: Tensor, axis: int, k: int, largest: bool) -> Tensor:
    """First place of the extreme element: the extreme, then the least index that has it."""
    shape, n = _shrunk(x.shape, axis, k), x.shape[axis]
    extreme = reduce_tensor(
        f"{name}.extreme",
        shape,
        (n,),
        "max" if largest else "min",
        lambda o, r: x[replaced(o, axis, r[0])],
    )
    return reduce_tensor(
        name,
        shape,
        (n,),
        "min",
        lambda o, r: select(x[replaced(o, axis, r[0])].equals(extreme[o]), r[0], n - 1),
    )


def _ranked(name: str, x: Tensor, axis: int, k: int, largest: bool) -> Tensor:
    """``rank[i]`` counts the elements before i; the place of k is the i whose rank is k."""
    n = x.shape[axis]

    def before(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        own, other = x[o], x[replaced(o, axis, r[0])]
        ahead = other > own if largest else other < own
        first = logical_or(ahead, logical_and(other.equals(own), r[0] < o[axis]))
        return cast(first, "i32")

    rank = reduce_tensor(f"{name}.rank", x.shape, (n,), "sum", before)

    def place(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        return select(rank[replaced(o, axis, r[0])].equals(o[axis]), r[0], const(0, "i32"))

    return reduce_tensor(name, _shrunk(x.shape, axis, k), (n,), "sum", place)


# ----------------------------------------------------------------------------------- LabelEncoder

_SUFFIXES = ("_tensor", "_floats", "_int64s")
_FALLBACK = {"_floats": "default_float", "_int64s": "default_int64"}


def _numbers(attributes: Mapping[str, Any], stem: str) -> tuple[NDArray[Any], str]:
    for suffix in _SUFFIXES:
        if stem + suffix in attributes:
            dtypes = {"_floats": np.float32, "_int64s": np.int64}
            array = np.asarray(attributes[stem + suffix], dtypes.get(suffix))
            ir_type(str(array.dtype))  # refuses strings
            return array.reshape(-1), suffix
    raise Unsupported(f"{stem} are not numbers")


@lowers("LabelEncoder", since=2, domain="ai.onnx.ml", limits="numbers to numbers only")
def _label_encoder(context: Context, node: Node) -> Tensor:
    """A search through all keys; of equal ones the last counts, and NaN finds NaN."""
    x, attributes = context.tensor(node, 0), node.attributes
    keys, _ = _numbers(attributes, "keys")
    values, suffix = _numbers(attributes, "values")
    fallback = attributes.get("default_tensor")
    if fallback is None:
        plain = -0.0 if values.dtype.kind == "f" else -1
        fallback = attributes.get(_FALLBACK.get(suffix, ""), plain)
    type_ = ir_type(str(values.dtype))
    default = const(np.asarray(fallback).reshape(()).item(), type_)
    name = node.outputs[0]
    if len(keys) == 0:
        return map_tensor(name, x.shape, lambda *_: default)
    table = constant(f"{name}.keys", keys, x.type)
    results = constant(f"{name}.values", values, type_)
    unset = np.isnan(keys) if keys.dtype.kind == "f" else np.zeros(len(keys), np.bool_)
    nan_at = constant(f"{name}.nan", unset, "bool") if unset.any() else None

    def place(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        own = x[o]
        found = own.equals(table[r[0]])
        if nan_at is not None:
            found = logical_or(found, logical_and(nan_at[r[0]], call("is_nan", own, type_="bool")))
        return select(found, r[0], const(-1, "i32"))

    places = reduce_tensor(f"{name}.place", x.shape, (len(keys),), "max", place)

    def value(*i: Expr) -> Expr:
        return select(places[i] >= 0, results[clamp_index(places[i], len(keys))], default)

    return map_tensor(name, x.shape, value)
