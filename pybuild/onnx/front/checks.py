"""Reasons to refuse a node once its results are inferred, and what a Constant holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from onnx import AttributeProto

from pybuild.onnx.front.flat import attribute_value
from pybuild.onnx.front.guard import MAX_RANK, SHAPE_INPUTS
from pybuild.onnx.front.intake import MAX_ELEMENTS
from pybuild.onnx.front.values import Array, Inferred, Sources, Step, Unfit, Value

__all__ = [
    "Refusal",
    "check_shaping",
    "constant_of",
    "not_constant",
    "sources_of",
    "static_shape",
]


class Refusal(Exception):
    """Reason, hint and values of a `Problem` with the node at hand."""


_CONSTANT_KINDS = {
    "value": (AttributeProto.TENSOR, ""),
    "value_float": (AttributeProto.FLOAT, "float32"),
    "value_floats": (AttributeProto.FLOATS, "float32"),
    "value_int": (AttributeProto.INT, "int64"),
    "value_ints": (AttributeProto.INTS, "int64"),
}
"""What the attributes of a Constant hold, and the dtype it gets."""


def constant_of(step: Step, folder: Path | None) -> Array:
    """The one array that a Constant's attributes hold."""
    if len(step.attributes) != 1 or len(step.outputs) != 1:
        raise Unfit("a Constant has one attribute and one output")
    name, proto = next(iter(step.attributes.items()))
    kind, dtype = _CONSTANT_KINDS.get(name, (AttributeProto.UNDEFINED, ""))
    if proto.type != kind or kind == AttributeProto.UNDEFINED:
        raise Unfit(f"its {name} is no tensor of numbers; Vitrine works on dense numbers")
    value = attribute_value(proto, folder)
    return np.array(value, dtype) if dtype else np.asarray(value)


def sources_of(values: Iterable[Value]) -> Sources:
    """The graph inputs that any of the values depends on."""
    found: set[str] = set()
    for value in values:
        if value.sources is None:
            return None
        found |= value.sources
    return frozenset(found)


def not_constant(what: str, values: Sequence[Value]) -> Refusal:
    """Why values that only the run knows stop the build."""
    sources = sources_of(values)
    names = ", ".join(repr(value.name) for value in values)
    reason = f"{what} {names} must be known to the build, but is computed at run time"
    if not sources:
        return Refusal(reason, "Make it a constant before the export.", ())
    inputs = ", ".join(repr(name) for name in sorted(sources))
    hint = f"Make it a constant, or fix the graph inputs that it depends on: {inputs}."
    return Refusal(reason, hint, tuple(sorted(sources)))


def check_shaping(step: Step, inputs: Sequence[Value | None]) -> None:
    """Refuse a shape, axis or size that only the run would tell."""
    places = SHAPE_INPUTS.get(step.op, ())
    found = [inputs[index] for index in places if index < len(inputs)]
    missing = [value for value in found if value is not None and value.constant is None]
    if missing:
        what = "a shape, axis or size"
        raise not_constant(f"{what}:" if len(missing) > 1 else what, missing)


def static_shape(step: Step, name: str, result: Inferred) -> tuple[int, ...]:
    """The static shape of a result."""
    if not name:
        return ()
    shape = result.static()
    if result.dtype == "string":
        raise Refusal(
            f"its output {name!r} holds strings; Vitrine works on numbers",
            "Move it out of the model.",
        )
    if shape is None or result.dtype is None:
        reason = f"the shape of its output {name!r} depends on the data, not on shapes alone"
        raise Refusal(reason, "Replace it by operators whose results have a fixed shape.")
    count = 1
    for size in shape:
        count *= size
    if min(shape, default=0) < 0 or count > MAX_ELEMENTS or len(shape) > MAX_RANK:
        reason = f"its output {name!r} of shape {list(shape)} has too many elements"
        raise Refusal(f"{reason}; wanted at most {MAX_ELEMENTS}", "Is a size wrong?")
    return shape
