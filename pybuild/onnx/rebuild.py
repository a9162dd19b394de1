"""A `Graph` back to an ONNX model, so that a runtime can say what the graph computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from pybuild.onnx.front.intake import element_type
from pybuild.onnx.graph import Graph, Node, TensorInfo

__all__ = ["to_model"]

_IR_VERSIONS = {13: 4, 15: 8, 19: 9, 21: 10, 23: 11, 25: 12}
"""Opsets that came with a new format of the file."""


def to_model(graph: Graph, opset: int | None = None) -> onnx.ModelProto:
    """The model that a graph stands for; dynamic axes have their capacities.

    Parameters
    ----------
    graph : Graph
        All nodes must follow one opset, or an opset must be given that means the same for all.
    opset : int, optional
        Stamped instead of the graph's, for a runtime that knows none as new. Since OPSET only
        widened what 26 accepts, 26 holds whenever the runtime knows the operators and types.

    Raises
    ------
    ValueError
        Nodes follow different opsets, and none was given.
    """
    kept = {node.opset for node in graph.nodes if not node.domain}
    if opset is None:
        if len(kept) > 1:
            raise ValueError(f"nodes follow the opsets {sorted(kept)}; one model has one")
        opset = kept.pop() if kept else graph.opset
    imports = {"": opset} | {node.domain: node.opset for node in graph.nodes if node.domain}
    proto = helper.make_graph(
        [_node(node) for node in graph.nodes],
        graph.name,
        [_value(info) for info in graph.inputs],
        [_value(info) for info in graph.outputs],
        [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    model = helper.make_model(
        proto,
        opset_imports=[helper.make_opsetid(domain, number) for domain, number in imports.items()],
        ir_version=max((ir for since, ir in _IR_VERSIONS.items() if since <= opset), default=3),
    )
    helper.set_model_props(model, dict(graph.metadata))
    return model


def _value(info: TensorInfo) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(info.name, element_type(info.dtype), info.shape)


def _node(node: Node) -> onnx.NodeProto:
    proto = helper.make_node(node.op, node.inputs, node.outputs, node.name, domain=node.domain)
    proto.attribute.extend(_attributes(node.attributes))
    return proto


def _attributes(attributes: Mapping[str, Any]) -> list[onnx.AttributeProto]:
    protos = []
    for name, value in attributes.items():
        if isinstance(value, np.ndarray):
            value = numpy_helper.from_array(value)
        if isinstance(value, list) and not value:
            protos.append(onnx.AttributeProto(name=name, type=onnx.AttributeProto.INTS))
        else:
            protos.append(helper.make_attribute(name, value))
    return protos
