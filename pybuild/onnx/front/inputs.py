"""What a user says of a graph's inputs, held against what the model declares."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from pybuild.onnx.front.intake import MAX_ELEMENTS, dtype_name
from pybuild.onnx.front.values import Dims
from pybuild.onnx.graph import TensorInfo
from pybuild.onnx.problems import Problem

__all__ = ["Bindings", "declared_dims", "input_infos"]


@dataclass(frozen=True, slots=True)
class Bindings:
    """Sizes and values from outside; see `front.load_graph`."""

    shapes: Mapping[str, tuple[int, ...]]
    capacities: Mapping[str, int]
    specialise: Mapping[str, NDArray[Any]]


def declared_dims(value: onnx.ValueInfoProto) -> Dims | None:
    """Sizes, symbols and unnamed sizes (None) of a tensor; None when not even the rank is known."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or None)
        for dim in tensor.shape.dim
    )


def input_infos(
    graph: onnx.GraphProto, constants: Collection[str], bindings: Bindings
) -> tuple[list[TensorInfo], list[Problem]]:
    """Types and static shapes of the inputs that stay inputs, and what is wrong with them.

    Parameters
    ----------
    graph : GraphProto
        The root.
    constants : collection of str
        Initialisers; an input of such a name only declares a type.
    bindings : Bindings
        From outside.
    """
    problems: list[Problem] = []
    values: dict[str, onnx.ValueInfoProto] = {}
    for value in graph.input:
        if value.name in values:
            problems.append(Problem(f"input {value.name!r} is declared twice", "Export it again."))
        elif value.name not in constants:
            values[value.name] = value
    declared: dict[str, Dims | None] = {}
    for name, value in values.items():
        problem = _type_problem(name, value)
        if problem is not None:
            problems.append(problem)
        else:
            declared[name] = declared_dims(value)
    if problems:
        return [], problems
    symbols = _symbols(declared, bindings, problems)
    infos = []
    for name, dims in declared.items():
        dtype = dtype_name(values[name].type.tensor_type.elem_type)
        assert dtype is not None
        if name in bindings.specialise:
            problems += _misfit(name, dtype, dims, bindings.specialise[name])
            continue
        info = _info(name, dtype, dims, symbols, bindings, problems)
        if info is not None:
            infos.append(info)
    return infos, problems


def _type_problem(name: str, value: onnx.ValueInfoProto) -> Problem | None:
    kind = value.type.WhichOneof("value") or "undeclared type"
    if kind != "tensor_type":
        kind = kind.removesuffix("_type")
        return Problem(f"input {name!r} is no tensor, but of the type {kind}", "Feed tensors.")
    number = value.type.tensor_type.elem_type
    dtype = dtype_name(number)
    if dtype is None:
        return Problem(f"input {name!r} is of an unknown element type {number}", "Export it again.")
    if dtype == "string":
        return Problem(f"input {name!r} holds strings; Vitrine works on numbers", "Feed numbers.")
    return None


def _symbols(
    declared: Mapping[str, Dims | None], bindings: Bindings, problems: list[Problem]
) -> dict[str, int]:
    """The size of each symbol that is given one, by itself or by an input's shape."""
    used = {dim for dims in declared.values() for dim in dims or () if isinstance(dim, str)}
    known = f"Inputs: {_listed(declared)}; symbols: {_listed(sorted(used))}."
    found: dict[str, int] = {}
    for name, shape in bindings.shapes.items():
        if name in declared:
            continue
        if name not in used:
            problems.append(Problem(f"shape of {name!r}: no input or symbol has that name", known))
        elif len(shape) != 1 or shape[0] < 0:
            reason = f"symbol {name!r} stands for one size; got {list(shape)}"
            problems.append(Problem(reason))
        else:
            found[name] = shape[0]
    for name, capacity in bindings.capacities.items():
        if name not in used:
            problems.append(Problem(f"capacity of {name!r}: no input has that symbol", known))
        elif capacity < 1:
            problems.append(Problem(f"capacity of {name!r} is {capacity}; wanted at least 1"))
        elif found.setdefault(name, capacity) != capacity:
            reason = f"symbol {name!r} is {found[name]} by its shape and {capacity} by its capacity"
            problems.append(Problem(reason, "Give one of them."))
    for name in bindings.specialise:
        if name not in declared:
            problems.append(Problem(f"value of {name!r}: no input has that name", known))
    for name, dims in declared.items():
        given = bindings.shapes.get(name)
        if name in bindings.specialise:
            given = bindings.specialise[name].shape
        if given is None or dims is None or len(given) != len(dims):
            continue
        for dim, size in zip(dims, given, strict=True):
            if isinstance(dim, str) and found.setdefault(dim, size) != size:
                reason = f"symbol {dim!r} is {found[dim]} elsewhere, but {size} in input {name!r}"
                problems.append(Problem(reason, "Give it one size."))
    return found


def _listed(names: Collection[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"


def _info(
    name: str,
    dtype: str,
    dims: Dims | None,
    symbols: Mapping[str, int],
    bindings: Bindings,
    problems: list[Problem],
) -> TensorInfo | None:
    """An input with a static shape; None after a problem."""
    given = bindings.shapes.get(name)
    if dims is None:
        if given is None:
            hint = f"Give it, such as --shape {name}=1x3x256x256."
            problems.append(Problem(f"input {name!r} has no shape", hint))
            return None
        dims = tuple(given)
    if given is not None:
        fits = len(given) == len(dims) and all(
            not isinstance(dim, int) or dim == size for dim, size in zip(dims, given, strict=False)
        )
        if not fits:
            reason = f"input {name!r} is declared {_spelled(dims)}; got the shape {list(given)}"
            problems.append(Problem(reason, "Sizes that are declared cannot be changed."))
            return None
        shape: Dims = tuple(given)
    else:
        shape = tuple(symbols.get(dim) if isinstance(dim, str) else dim for dim in dims)
    missing = [
        dim if isinstance(dim, str) else f"axis {axis}"
        for axis, (dim, size) in enumerate(zip(dims, shape, strict=True))
        if size is None
    ]
    if missing:
        reason = f"input {name!r} {_spelled(dims)} has no size for {', '.join(missing)}"
        problems.append(Problem(reason, f"Give its shape, such as {_suggestion(name, dims)}."))
        return None
    static = tuple(size for size in shape if isinstance(size, int))
    if min(static, default=0) < 0 or math.prod(static) > MAX_ELEMENTS:
        reason = f"input {name!r} of shape {list(static)} has a negative size or too many elements"
        problems.append(Problem(f"{reason}; wanted at most {MAX_ELEMENTS}"))
        return None
    dynamic = tuple(
        dim if isinstance(dim, str) and dim in bindings.capacities else None for dim in dims
    )
    return TensorInfo(name, dtype, static, dynamic)


def _spelled(dims: Dims) -> str:
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in dims) + "]"


def _suggestion(name: str, dims: Dims) -> str:
    """An example of the option that would help: 1 for a batch, 256 for everything else."""
    sizes = [
        str(dim) if isinstance(dim, int) else ("1" if axis == 0 and len(dims) > 1 else "256")
        for axis, dim in enumerate(dims)
    ]
    text = f"--shape {name}={'x'.join(sizes)}"
    symbol = next((dim for dim in dims if isinstance(dim, str)), None)
    return text if symbol is None else f"{text} or --shape {symbol}={sizes[dims.index(symbol)]}"


def _misfit(name: str, dtype: str, dims: Dims | None, array: NDArray[Any]) -> list[Problem]:
    """What is wrong with the value that an input is fixed to."""
    problems = []
    if np.dtype(array.dtype).name != dtype:
        problems.append(Problem(f"value of {name!r} is {array.dtype}; wanted {dtype}"))
    if dims is not None:
        fits = len(dims) == array.ndim and all(
            not isinstance(dim, int) or dim == size
            for dim, size in zip(dims, array.shape, strict=False)
        )
        if not fits:
            reason = f"value of {name!r} has shape {list(array.shape)}; wanted {_spelled(dims)}"
            problems.append(Problem(reason))
    return problems
