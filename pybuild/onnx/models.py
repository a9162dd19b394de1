"""A model file to a program in one call: the whole way, with the file's name in every message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx

import pybuild.onnx.ops  # noqa: F401 - fills the registry
from pybuild.onnx.compile import Compiled, compile_graph
from pybuild.onnx.front import load_graph
from pybuild.onnx.graph import Graph
from pybuild.onnx.ir import Packing
from pybuild.onnx.lower import LOWERINGS
from pybuild.onnx.problems import GraphError

__all__ = ["Precision", "Sizes", "compile_model", "compile_opened", "open_graph"]

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a user says of sizes that a model leaves open.

    Attributes
    ----------
    shapes : mapping of str to tuple of int
        Of inputs by name, or of symbols.
    capacities : mapping of str to int
        Symbols that stay symbolic, with the most that they can be.
    """

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    capacities: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Precision:
    """How a program keeps and multiplies numbers; see `compile.compile_graph`.

    Attributes
    ----------
    weights : {'f32', 'f16', 'i8', 'i4'}
    half : bool
    """

    weights: Packing = "f32"
    half: bool = False


def open_graph(model: Path | onnx.ModelProto, sizes: Sizes | None = None) -> Graph:
    """Read a model, down to the operators that Vitrine lowers.

    Raises
    ------
    GraphError
        It lists every node at fault.
    """
    sizes = sizes or Sizes()
    return load_graph(
        model,
        shapes=sizes.shapes,
        capacities=sizes.capacities,
        supported=LOWERINGS.keys(),
    )


def compile_model(
    model: Path | onnx.ModelProto,
    sizes: Sizes | None = None,
    tell: Tell | None = None,
    precision: Precision | None = None,
    finish: Callable[[Graph, Compiled], Compiled] | None = None,
) -> Compiled:
    """Read and compile a model.

    Parameters
    ----------
    model : Path or ModelProto
    sizes : Sizes, optional
    tell : callable, optional
        Told what is being done, and how much of the whole is done before it.
    precision : Precision, optional
    finish : callable, optional
        Given the graph and the program, gives the program that is returned.

    Raises
    ------
    GraphError
        It lists every node at fault.
    """
    if tell:
        tell("reading the model", 0.0)
    graph = open_graph(model, sizes)
    if tell:
        tell(f"compiling {len(graph.nodes)} nodes", 0.2)
    name = str(model) if isinstance(model, Path) else model.graph.name or "model"
    compiled = compile_opened(graph, name, precision)
    return finish(graph, compiled) if finish else compiled


def compile_opened(graph: Graph, name: str, precision: Precision | None = None) -> Compiled:
    """Compile what `open_graph` gave; ``name`` is the model's, for messages.

    Raises
    ------
    GraphError
        It lists every node at fault.
    """
    precision = precision or Precision()
    try:
        return compile_graph(graph, precision.weights, precision.half)
    except GraphError as error:  # of the graph's own name, which no user knows
        raise type(error)(name, error.problems) from None
