"""Definitions of operators in terms of others: those ONNX gives, and those a model brings along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from onnx import AttributeProto, FunctionProto, NodeProto, OperatorSetIdProto, defs, helper

from pybuild.onnx.front.intake import element_type
from pybuild.onnx.front.values import Step, Value

__all__ = [
    "Definition",
    "bound_attributes",
    "defined",
    "local_definition",
    "opsets_of",
    "schema_definition",
]


@dataclass(frozen=True, slots=True)
class Definition:
    """The body of a function, for one node that calls it.

    Attributes
    ----------
    inputs, outputs : sequence of str
        Formal names.
    nodes : sequence of NodeProto
        Their attributes may refer to ``attributes``.
    opsets : mapping of str to int
        What the body's nodes follow, by domain.
    attributes : mapping of str to AttributeProto
        The call's, with the function's defaults.
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    nodes: Sequence[NodeProto]
    opsets: Mapping[str, int]
    attributes: Mapping[str, AttributeProto]


def opsets_of(imports: Iterable[OperatorSetIdProto]) -> dict[str, int]:
    """Opsets by domain, 'ai.onnx' written ''."""
    return {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in imports}


def _definition(
    body: FunctionProto, attributes: Mapping[str, AttributeProto], opsets: Mapping[str, int]
) -> Definition:
    own = opsets_of(body.opset_import)
    return Definition(body.input, body.output, body.node, {**opsets, **own}, attributes)


def defined(schema: defs.OpSchema) -> bool:
    """Whether ONNX defines an operator in terms of others."""
    return bool(_untyped(schema).all_function_opset_versions)


def _untyped(schema: defs.OpSchema) -> Any:
    """The schema, for the parts that the package's type stubs leave out."""
    return schema


def schema_definition(
    schema: defs.OpSchema,
    step: Step,
    inputs: Sequence[Value | None],
    opsets: Mapping[str, int],
) -> Definition | None:
    """How ONNX defines an operator, the newest way that the node's opset knows.

    Parameters
    ----------
    schema : OpSchema
        Of the node's operator.
    step : Step
        The node.
    inputs : sequence of (Value or None)
        Its inputs; some definitions depend on their types.
    opsets : mapping of str to int
        Of the scope, for domains that the definition does not mention.
    """
    source = _untyped(schema)
    plain = [n for n in source.function_opset_versions if n <= step.opset]
    contextual = [n for n in source.context_dependent_function_opset_versions if n <= step.opset]
    if not plain and not contextual:
        return None
    try:
        if max(plain, default=0) >= max(contextual, default=0):
            data = source.get_function_with_opset_version(max(plain))
        else:
            types = [_type_bytes(value) for value in inputs]
            data = source.get_context_dependent_function_with_opset_version(
                max(contextual), step.proto.SerializeToString(), types
            )
        body = FunctionProto.FromString(data)
    except (RuntimeError, ValueError, DecodeError):
        return None
    if not body.node:
        return None
    defaults = {
        name: attribute.default_value
        for name, attribute in schema.attributes.items()
        if attribute.default_value.type != AttributeProto.UNDEFINED
    }
    around = opsets if step.domain else {**opsets, "": step.opset}
    return _definition(body, defaults | step.attributes, around)


def _type_bytes(value: Value | None) -> bytes:
    if value is None:
        return b""
    info = value.known()
    proto = helper.make_tensor_type_proto(element_type(info.dtype), info.shape)
    data: bytes = proto.SerializeToString()
    return data


def local_definition(body: FunctionProto, step: Step) -> Definition:
    """How the model defines a function, for one node that calls it."""
    defaults = {proto.name: proto for proto in body.attribute_proto}
    return _definition(body, defaults | step.attributes, {})


def bound_attributes(
    node: NodeProto, given: Mapping[str, AttributeProto]
) -> dict[str, AttributeProto]:
    """Attributes of a function's node; references resolved, those to nothing left out."""
    found: dict[str, AttributeProto] = {}
    for proto in node.attribute:
        if proto.ref_attr_name:
            actual = given.get(proto.ref_attr_name)
            if actual is None:
                continue
            renamed = AttributeProto()
            renamed.CopyFrom(actual)
            renamed.name = proto.name
            found[proto.name] = renamed
        else:
            found[proto.name] = proto
    return found
