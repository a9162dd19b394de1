"""What the front passes around: values that are known so far, and nodes on their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, helper

from pybuild.onnx.graph import TensorInfo

__all__ = [
    "INPUTLESS",
    "Array",
    "Dims",
    "Inferred",
    "Sources",
    "Step",
    "Unfit",
    "Value",
    "static_info",
]

Array: TypeAlias = NDArray[Any]

Sources: TypeAlias = frozenset[str] | None
"""The graph inputs that a value depends on; None when it depends on something else as well."""

Dims: TypeAlias = tuple[int | str | None, ...]
"""Sizes, symbols, and None for what nobody knows."""

INPUTLESS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the flat graph.

    Attributes
    ----------
    name : str
        Unique in the flat graph.
    info : TensorInfo or None
        None after a problem: nothing more is said about what depends on it.
    constant : ndarray or None
        Its elements, where the build knows them.
    sources : frozenset of str or None
        See `Sources`.
    parts : tuple of Value, or None
        Of a sequence, which has no info.
    """

    name: str
    info: TensorInfo | None
    constant: Array | None = None
    sources: Sources = INPUTLESS
    parts: tuple[Value, ...] | None = None

    def known(self) -> TensorInfo:
        """The info of a value that no problem touched."""
        assert self.info is not None
        return self.info


@dataclass
class Step:
    """A node on its way: names are those of its scope, attributes are still messages.

    Attributes
    ----------
    op, domain, name : str
        Of the node; the name is unique in the flat graph.
    opset : int
        The opset whose semantics it follows so far.
    inputs, outputs : sequence of str
        In the names of its scope.
    attributes : dict of str to AttributeProto
        By name, without references.
    """

    op: str
    domain: str
    name: str
    opset: int
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: dict[str, AttributeProto] = field(default_factory=dict)

    def attribute(self, name: str, default: Any = None) -> Any:
        """Value of an attribute: int, float, bytes, list or message."""
        proto = self.attributes.get(name)
        return default if proto is None else helper.get_attribute_value(proto)

    def text(self, name: str, default: str) -> str:
        """Value of a string attribute."""
        found = self.attribute(name)
        return found.decode("utf-8", "replace") if isinstance(found, bytes) else default

    def changed(self, **changes: Any) -> Step:
        """A copy with other fields."""
        return replace(self, **changes)

    def without(self, *names: str) -> dict[str, AttributeProto]:
        """Its attributes but for some."""
        return {key: proto for key, proto in self.attributes.items() if key not in names}

    def given(self, **attributes: Any) -> dict[str, AttributeProto]:
        """Its attributes and some more (or other) ones."""
        made = {key: helper.make_attribute(key, value) for key, value in attributes.items()}
        return self.attributes | made

    @cached_property
    def proto(self) -> NodeProto:
        """As a message, for ONNX's own inference."""
        node = NodeProto(op_type=self.op, domain=self.domain, name=self.name)
        node.input.extend(self.inputs)
        node.output.extend(self.outputs)
        node.attribute.extend(self.attributes.values())
        return node


class Unfit(Exception):
    """A node that breaks its operator's schema; the text is the reason of a `Problem`."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """What inference says of one result; None where it does not know."""

    dtype: str | None
    dims: Dims | None

    def static(self) -> tuple[int, ...] | None:
        """Its shape, when all of it is known."""
        if self.dims is None or not all(isinstance(dim, int) for dim in self.dims):
            return None
        return tuple(dim for dim in self.dims if isinstance(dim, int))


def static_info(name: str, array: Array) -> TensorInfo:
    """Of a constant."""
    return TensorInfo(name, np.dtype(array.dtype).name, array.shape, (None,) * array.ndim)
