"""A model file to a checked `Graph`: static shapes, one opset, no functions, nothing constant left.

::

    read_model      bytes held against their claims
    Walk.body       versions, shapes, constants, branches, definitions: one pass
    _finished       outputs named, dead nodes and values dropped
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from pybuild.onnx.front.flat import Flat, Scope
from pybuild.onnx.front.functions import opsets_of
from pybuild.onnx.front.inputs import Bindings, input_infos
from pybuild.onnx.front.intake import read_model, tensor_array
from pybuild.onnx.front.order import Disorder
from pybuild.onnx.front.sizes import with_others
from pybuild.onnx.front.symbols import symbolic_axes
from pybuild.onnx.front.tidy import finished
from pybuild.onnx.front.values import Value
from pybuild.onnx.front.versions import OPSET
from pybuild.onnx.front.walk import Walk
from pybuild.onnx.graph import Graph
from pybuild.onnx.problems import GraphError, NotConstant, Problem
from pyengine.errors import InputError

__all__ = ["OPSET", "GraphError", "NotConstant", "load_graph", "parse_shape_option"]


def load_graph(
    model: Path | bytes | onnx.ModelProto,
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    capacities: Mapping[str, int] | None = None,
    specialise: Mapping[str, NDArray[Any]] | None = None,
    supported: Collection[tuple[str, str]] | None = None,
) -> Graph:
    """Read a model and make of it a graph that can be compiled.

    Parameters
    ----------
    model : Path, bytes or ModelProto
        External data is only read for a path, from inside the file's folder. A ModelProto is not
        changed.
    shapes : mapping of str to tuple of int, optional
        Shapes of inputs by name, or sizes of symbols: ``{"batch": (1,)}``.
    capacities : mapping of str to int, optional
        Symbols that stay symbolic, with the most they can be: shapes are computed for that.
    specialise : mapping of str to ndarray, optional
        Inputs that become constants.
    supported : collection of (str, str), optional
        Domain and operator of all that the compiler lowers itself; what else ONNX defines as a
        function is expanded. None expands nothing and takes every operator of ONNX.

    Returns
    -------
    Graph
        See `graph`.

    Raises
    ------
    NotConstant
        The only problems are shapes, axes and sizes that are computed at run time.
    GraphError
        Everything else; it lists every node at fault.
    """
    name, proto, folder = read_model(model)
    bindings = Bindings(shapes or {}, capacities or {}, specialise or {})
    try:
        graph = _loaded(name, proto, folder, bindings, supported)
        if not bindings.capacities:
            return graph
        return with_others(
            name,
            graph,
            bindings.capacities,
            lambda sizes: _loaded(
                name, proto, folder, replace(bindings, capacities=sizes), supported
            ),
        )
    except Disorder as disorder:
        raise GraphError(name, disorder.problems) from disorder
    except UnicodeDecodeError as error:
        raise GraphError(
            name, [Problem("a name in it is not UTF-8", "Export it again.")]
        ) from error


def _loaded(
    name: str,
    proto: onnx.ModelProto,
    folder: Path | None,
    bindings: Bindings,
    supported: Collection[tuple[str, str]] | None,
) -> Graph:
    graph = proto.graph
    opsets = opsets_of(proto.opset_import)
    _check_opset(name, opsets)
    arrays, problems = _initialisers(graph, folder)
    inputs, more = input_infos(graph, arrays.keys(), bindings)
    if problems or more:
        raise GraphError(name, [*problems, *more])
    flat = Flat(_root_names(graph))
    scope = Scope({}, opsets)
    for label, array in {**arrays, **bindings.specialise}.items():
        flat.constant(scope, label, array)
    for info in inputs:
        flat.infos[info.name] = info
        scope.values[info.name] = Value(info.name, info, None, frozenset([info.name]))
    walk = Walk(
        flat,
        {(f.domain, f.name, f.overload): f for f in proto.functions},
        supported,
        symbolic_axes(proto, inputs, bindings) if any(any(i.dynamic) for i in inputs) else {},
        folder,
        sum(array.nbytes for array in arrays.values()),
    )
    results = walk.body(scope, graph.node, [output.name for output in graph.output])
    if flat.problems:
        only = all(problem.values is not None for problem in flat.problems)
        raise (NotConstant if only else GraphError)(name, flat.problems)
    return finished(name, graph, flat, inputs, results, _metadata(proto.metadata_props))


def _metadata(entries: Iterable[onnx.StringStringEntryProto]) -> dict[str, str]:
    return {entry.key: entry.value for entry in entries}


def _check_opset(name: str, opsets: Mapping[str, int]) -> None:
    opset = opsets.get("", 1)
    if not 1 <= opset <= OPSET:
        hint = f"Export it with an opset of at most {OPSET}."
        raise GraphError(name, [Problem(f"opset {opset} is not known; wanted 1 to {OPSET}", hint)])


def _root_names(graph: onnx.GraphProto) -> set[str]:
    names = {name for node in graph.node for name in node.output}
    names.update(value.name for value in (*graph.input, *graph.output))
    names.update(tensor.name for tensor in graph.initializer)
    return names


def _initialisers(
    graph: onnx.GraphProto, folder: Path | None
) -> tuple[dict[str, NDArray[Any]], list[Problem]]:
    """The arrays of the initialisers, and what is wrong with them."""
    arrays: dict[str, NDArray[Any]] = {}
    problems = []
    for tensor in graph.initializer:
        try:
            if tensor.name in arrays:
                raise ValueError("there are two of this name")
            arrays[tensor.name] = tensor_array(tensor, folder)
        except ValueError as error:
            problems.append(
                Problem(f"initialiser {tensor.name!r}: {error}", "Export the model again.")
            )
    for sparse in graph.sparse_initializer:
        reason = f"initialiser {sparse.values.name!r} is sparse; Vitrine reads dense ones"
        problems.append(Problem(reason, "Store it dense."))
    return arrays, problems


_SHAPE_OPTION = re.compile(r"(?P<name>.+)=(?P<dims>[1-9][0-9]{0,9}(?:[x,][1-9][0-9]{0,9})*)")


def parse_shape_option(text: str) -> tuple[str, tuple[int, ...]]:
    """Take ``name=1x3x256x256`` apart: the name of an input or symbol, and its sizes.

    Raises
    ------
    InputError
        The text is of another form.
    """
    match = _SHAPE_OPTION.fullmatch(text)
    if match is None:
        raise InputError(
            f"--shape {text!r}: wanted NAME=SIZES with positive sizes, such as"
            " image=1x3x256x256 for an input or batch=1 for a symbol."
        )
    dims = tuple(int(part) for part in re.split("[x,]", match["dims"]))
    if math.prod(dims) > np.iinfo(np.int32).max:
        raise InputError(f"--shape {text!r}: more than {np.iinfo(np.int32).max} elements.")
    return match["name"], dims
