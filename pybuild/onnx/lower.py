"""Operators to tensors: the registry of lowerings and the walk over a graph.

A lowering is a function ``(context, node) -> Tensor | tuple[Tensor, ...]`` registered for an
operator; those of one family share a file in ``pybuild/onnx/ops``. It reads inputs with
``context.tensor(node, k)`` and values that must be known at build with ``context.array(node, k)``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import I32_MAX, I32_MIN, Type
from pybuild.onnx.graph import Graph, Node, TensorInfo
from pybuild.onnx.ir import Tensor, constant, input_tensor
from pybuild.onnx.problems import GraphError, NotConstant, Problem

__all__ = [
    "LOWERINGS",
    "Context",
    "Lowering",
    "NeedsConstant",
    "Unsupported",
    "ir_type",
    "lower",
    "lowers",
]

Lowered = Tensor | tuple[Tensor, ...]


class Unsupported(Exception):
    """A node that cannot be compiled; the message is the reason, without the node's name."""


class NeedsConstant(Exception):
    """An input that carries a shape or an axis must be known at build."""

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


class _Missing(Exception):
    """An input comes from a node that is at fault itself, and has no stand-in."""


@dataclass(frozen=True, slots=True)
class Lowering:
    """One registered operator.

    Attributes
    ----------
    since : int
        First opset whose semantics the function knows; it consults ``node.opset`` for changes.
    limits : str
        What it does not take, for docs/operators.md.
    """

    domain: str
    op: str
    function: Callable[[Context, Node], Lowered]
    since: int
    limits: str
    family: str


LOWERINGS: dict[tuple[str, str], Lowering] = {}


def lowers(
    *ops: str, since: int = 1, limits: str = "", domain: str = ""
) -> Callable[[Callable[[Context, Node], Lowered]], Callable[[Context, Node], Lowered]]:
    """Register a lowering for operators."""

    def register(
        function: Callable[[Context, Node], Lowered],
    ) -> Callable[[Context, Node], Lowered]:
        family = function.__module__.rsplit(".", 1)[-1]
        for op in ops:
            if (domain, op) in LOWERINGS:
                raise ValueError(f"{op} of {domain or 'ai.onnx'!r} is lowered twice")
            LOWERINGS[domain, op] = Lowering(domain, op, function, since, limits, family)
        return function

    return register


_TYPES: dict[str, Type] = {
    **dict.fromkeys(("float32", "float16", "bfloat16", "float64"), "f32"),
    **dict.fromkeys(("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"), "f32"),
    **dict.fromkeys(("float8_e8m0fnu", "float4_e2m1fn"), "f32"),
    **dict.fromkeys(("int64", "int32", "int16", "int8", "int4", "int2"), "i32"),
    **dict.fromkeys(("uint64", "uint32", "uint16", "uint8", "uint4", "uint2"), "u32"),
    "bool": "bool",
}


def ir_type(dtype: str) -> Type:
    """Type that carries an ONNX dtype: floats as f32, signed as i32, unsigned as u32.

    Raises
    ------
    Unsupported
        Strings and complex numbers.
    """
    if dtype not in _TYPES:
        raise Unsupported(f"{dtype} has no counterpart on the GPU")
    return _TYPES[dtype]


@dataclass(slots=True)
class Context:
    """What lowerings see of the graph, and the tensors made so far."""

    graph: Graph
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def tensor(self, node: Node, index: int) -> Tensor:
        """Required input ``index``."""
        found = self.optional(node, index)
        if found is None:
            raise Unsupported(f"input {index} is missing")
        return found

    def optional(self, node: Node, index: int) -> Tensor | None:
        """Input ``index``, or None where it is omitted."""
        if index >= len(node.inputs) or not node.inputs[index]:
            return None
        name = node.inputs[index]
        if name not in self.tensors:
            if name not in self.graph.constants:
                raise _Missing(name)
            array = self.graph.constants[name]
            self.tensors[name] = constant(name, _checked(array, name), ir_type(str(array.dtype)))
        return self.tensors[name]

    def array(self, node: Node, index: int) -> NDArray[Any]:
        """Value of an input that must be known at build (shapes, axes).

        Raises
        ------
        NeedsConstant
            It is computed at run time.
        """
        name = node.inputs[index]
        if name not in self.graph.constants:
            raise NeedsConstant(name)
        return self.graph.constants[name]

    def optional_array(self, node: Node, index: int) -> NDArray[Any] | None:
        """As `array`; None where the input is omitted."""
        if index >= len(node.inputs) or not node.inputs[index]:
            return None
        return self.array(node, index)

    def info(self, node: Node, index: int = 0) -> TensorInfo:
        """ONNX dtype and shape of input ``index``."""
        return self.graph.infos[node.inputs[index]]

    def result(self, node: Node, index: int = 0) -> TensorInfo:
        """ONNX dtype and shape of output ``index``."""
        return self.graph.infos[node.outputs[index]]


def _checked(array: NDArray[Any], name: str) -> NDArray[Any]:
    """64-bit integers in 32: the two ends of 64 bits stand for no limit, and saturate.

    Raises
    ------
    Unsupported
        Another number is beyond 32 bits.
    """
    if array.dtype not in (np.int64, np.uint64) or not array.size:
        return array
    whole = np.iinfo(array.dtype)
    low, high = (I32_MIN, I32_MAX) if array.dtype == np.int64 else (0, 2**32 - 1)
    beyond = array[((array < low) & (array != whole.min)) | ((array > high) & (array != whole.max))]
    if beyond.size:
        raise Unsupported(
            f"constant {name!r} holds {beyond.flat[0]}; programs count with {low} to {high}"
        )
    clipped: NDArray[Any] = np.clip(array, low, high)
    return clipped


def lower(graph: Graph) -> tuple[Context, list[Tensor]]:
    """Every node in order; the tensors of the graph's outputs.

    Raises
    ------
    NotConstant
        The only problems are shapes, axes and sizes that are computed at run time.
    GraphError
        It lists every node at fault.
    """
    context = Context(graph)
    problems: list[Problem] = []
    for info in graph.inputs:
        try:
            context.tensors[info.name] = input_tensor(info.name, info.shape, ir_type(info.dtype))
        except Unsupported as error:
            problems.append(Problem(f"input {info.name!r}: {error}"))
    roots = _roots(graph)
    for node in graph.nodes:
        try:
            _lower_node(context, node)
        except Unsupported as error:
            problems.append(_problem(node, str(error)))
        except NeedsConstant as error:
            needed = roots[error.value]
            reason = f"{error.value!r} is computed at run time and must be known at build"
            problems.append(_problem(node, reason, tuple(sorted(needed))))
        except _Missing:
            pass
        for name in node.outputs:
            if name and name not in context.tensors:
                _stand_in(context, name)
    if problems:
        only = all(problem.values is not None for problem in problems)
        raise (NotConstant if only else GraphError)(graph.name or "graph", problems)
    outputs: list[Tensor] = []
    for info in graph.outputs:
        if info.name not in context.tensors:
            array = graph.constants[info.name]
            context.tensors[info.name] = constant(info.name, array, ir_type(info.dtype))
        outputs.append(context.tensors[info.name])
    return context, outputs


def _lower_node(context: Context, node: Node) -> None:
    """Add a node's outputs to the context; their shapes must be those that ONNX infers."""
    lowering = LOWERINGS.get((node.domain, node.op))
    if lowering is None:
        raise Unsupported("Vitrine does not know this operator")
    lowered = lowering.function(context, node)
    made = lowered if isinstance(lowered, tuple) else (lowered,)
    tensors = {name: t for name, t in zip(node.outputs, made, strict=False) if name}
    for name, tensor in tensors.items():
        wanted = context.graph.infos[name].shape
        if tensor.shape != wanted:
            raise Unsupported(f"{name!r} is lowered to {tensor.shape}, ONNX infers {wanted}")
    context.tensors.update(tensors)


def _problem(node: Node, reason: str, values: tuple[str, ...] | None = None) -> Problem:
    fix = "Make it a constant, or fix the graph inputs that it depends on."
    hint = "" if values is None else fix
    return Problem(reason, hint, node.op, node.name, node.domain, node.opset, values)


def _stand_in(context: Context, name: str) -> None:
    """What a node at fault would have made, so that those behind it are looked at too."""
    info = context.graph.infos[name]
    with contextlib.suppress(Unsupported):
        context.tensors[name] = input_tensor(name, info.shape, ir_type(info.dtype))


def _roots(graph: Graph) -> dict[str, set[str]]:
    """The graph inputs on which each value depends."""
    roots = {info.name: {info.name} for info in graph.inputs}
    for node in graph.nodes:
        found = set().union(*(roots.get(name, ()) for name in node.inputs))
        roots.update((name, found) for name in node.outputs)
    return roots
