"""The flat graph as it grows: unique names, nodes, constants, and what is wrong so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onnx import AttributeProto

from pybuild.onnx.front.intake import tensor_array
from pybuild.onnx.front.values import Array, Sources, Step, Unfit, Value, static_info
from pybuild.onnx.graph import Node, TensorInfo
from pybuild.onnx.problems import Problem

__all__ = ["ABSENT", "Flat", "Scope", "attribute_value"]

ABSENT = Value("", None)
"""What a function's formal input stands for when the call omits it."""


@dataclass(slots=True)
class Scope:
    """The names of one body.

    Attributes
    ----------
    values : dict of str to Value
        What each name stands for.
    opsets : mapping of str to int
        By domain.
    prefix : str
        Of its names in the flat graph: '' at the root.
    attributes : mapping of str to AttributeProto
        What a function's body may refer to.
    parent : Scope or None
        Around a branch; a function sees nothing around it.
    depth : int
        Bodies around this one.
    """

    values: dict[str, Value]
    opsets: Mapping[str, int]
    prefix: str = ""
    attributes: Mapping[str, AttributeProto] = field(default_factory=dict)
    parent: Scope | None = None
    depth: int = 0

    def find(self, name: str) -> Value | None:
        """What a name stands for, here or around."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.parent
        return None


class Flat:
    """Nodes and values without scopes.

    Parameters
    ----------
    reserved : iterable of str
        Names of the root's values, which they keep.
    """

    def __init__(self, reserved: Iterable[str]) -> None:
        self.nodes: list[Node] = []
        self.infos: dict[str, TensorInfo] = {}
        self.constants: dict[str, Array] = {}
        self.problems: list[Problem] = []
        self._names = set(reserved)
        self._temporaries: set[str] = set()
        self._node_names: set[str] = set()

    def fresh(self, base: str) -> str:
        """A name for a value that no other has."""
        return _unique(base, self._names)

    def node_name(self, scope: Scope, label: str) -> str:
        """A name for a node that no other has."""
        return _unique(f"{scope.prefix}/{label}" if scope.prefix else label, self._node_names)

    def temporary(self, step: Step, hint: str) -> str:
        """A name for a value that the front makes; the same in the scope and in the flat graph."""
        name = self.fresh(f"{step.name}/{hint}")
        self._temporaries.add(name)
        return name

    def flat_name(self, scope: Scope, name: str) -> str:
        """The flat name of what a scope calls by this name."""
        if not scope.prefix or name in self._temporaries:
            return name
        return self.fresh(f"{scope.prefix}/{name}")

    def constant(self, scope: Scope, name: str, array: Array) -> None:
        """Give a name of a scope to an array."""
        flat = self.flat_name(scope, name)
        self.constants[flat] = array
        info = self.infos[flat] = static_info(flat, array)
        scope.values[name] = Value(flat, info, array)

    def result(
        self,
        scope: Scope,
        name: str,
        dtype: str,
        shape: tuple[int, ...],
        dynamic: tuple[str | None, ...],
        sources: Sources,
    ) -> str:
        """Give a name of a scope to a node's result; its flat name."""
        flat = self.flat_name(scope, name)
        info = self.infos[flat] = TensorInfo(flat, dtype, shape, dynamic)
        scope.values[name] = Value(flat, info, None, sources)
        return flat

    def refuse(
        self,
        scope: Scope,
        step: Step,
        reason: str,
        hint: str = "",
        values: tuple[str, ...] | None = None,
    ) -> None:
        """Note what is wrong with a node; its results stay unknown."""
        self.problems.append(
            Problem(reason, hint, step.op, step.name, step.domain, step.opset, values)
        )
        self.forget(scope, step.outputs)

    def forget(self, scope: Scope, names: Sequence[str]) -> None:
        """Leave results unknown."""
        scope.values.update((name, Value(name, None)) for name in names if name)


def _unique(base: str, taken: set[str]) -> str:
    name, number = base, 1
    while name in taken:
        name, number = f"{base}.{number}", number + 1
    taken.add(name)
    return name


def attribute_value(proto: AttributeProto, folder: Path | None) -> Any:
    """An attribute as int, float, str, list of one of them, or array.

    Raises
    ------
    Unfit
        It is something else.
    """
    kind = proto.type
    if kind == AttributeProto.INT:
        return proto.i
    if kind == AttributeProto.FLOAT:
        return proto.f
    if kind == AttributeProto.STRING:
        return _text(proto.s)
    if kind == AttributeProto.INTS:
        return list(proto.ints)
    if kind == AttributeProto.FLOATS:
        return list(proto.floats)
    if kind == AttributeProto.STRINGS:
        return [_text(item) for item in proto.strings]
    if kind == AttributeProto.TENSOR:
        try:
            return tensor_array(proto.t, folder)
        except ValueError as error:
            raise Unfit(f"its attribute {proto.name!r}: {error}") from error
    raise Unfit(f"its attribute {proto.name!r} is no number, text or tensor")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Unfit(f"the text {data[:32]!r} is not UTF-8") from error
