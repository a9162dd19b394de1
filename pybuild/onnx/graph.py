"""A checked ONNX graph: every value has a static shape and a dtype, every node one opset.

`front.load_graph` makes it; everything behind the front reads it and nothing else::

    model.onnx -> front -> Graph -> expressions -> kernels -> arena -> program

Rules that hold for every Graph:

- ``nodes`` are in topological order, each value is written once, no node is dead;
- a node's inputs are '' (an omitted optional), graph inputs, constants, or outputs of nodes before;
- every graph output is written by a node: an ``Identity`` where it equals an input or a constant;
- ``infos`` names every value that a node reads or writes, and every input and constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

__all__ = ["Graph", "Node", "TensorInfo", "operator_name"]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Name, dtype and shape of a value.

    Attributes
    ----------
    name : str
        Unique in the graph.
    dtype : str
        As numpy and ml_dtypes name it: ``float32``, ``int64``, ``bool``, ``bfloat16``, ...
    shape : tuple of int
        Always static; a dynamic axis holds its capacity.
    dynamic : tuple of (str or None)
        An entry per axis: the symbol that stays symbolic, or None.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    dynamic: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One operator.

    Attributes
    ----------
    op, name : str
        Operator type; the node's name, unique in the graph.
    inputs : tuple of str
        Values read; '' stands for an omitted optional.
    outputs : tuple of str
        Values written; '' stands for one that nobody reads.
    attributes : mapping
        Only those that the model gives: int, float, str, a list of one of them, or an array.
    opset : int
        The opset whose semantics the node follows: the graph's, unless no way leads there.
    domain : str
        '' is ONNX's own.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """A whole network, as the compiler takes it; see the module for what it promises.

    Attributes
    ----------
    name : str
        The graph's own name.
    opset : int
        The opset that all nodes follow but those that say otherwise.
    inputs, outputs : tuple of TensorInfo
        In the model's order.
    nodes : tuple of Node
        In topological order.
    constants : mapping of str to ndarray
        Initialisers and folded values that a node reads.
    infos : mapping of str to TensorInfo
        Every value by name.
    metadata : mapping of str to str
        The model's ``metadata_props``.
    sizes : mapping of str to int
        The capacity of each symbol that stays symbolic.
    others : tuple of Graph
        The same model at other capacities: what differs between them follows the symbol. See
        `dynamic`.
    """

    name: str
    opset: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]
    infos: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    sizes: Mapping[str, int] = field(default_factory=dict)
    others: tuple[Graph, ...] = ()


def operator_name(domain: str, op: str) -> str:
    """An operator as it is written for people: ONNX's own without a domain."""
    return op if domain in ("", "ai.onnx") else f"{domain}.{op}"
