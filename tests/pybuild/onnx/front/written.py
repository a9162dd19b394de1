"""Models written down in ONNX's text format, loaded, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import onnx
import onnx.parser
import pytest

from pybuild.onnx.front import GraphError, load_graph
from pybuild.onnx.graph import Graph

__all__ = ["PRIMITIVES", "error", "loaded", "operators", "parsed"]

PRIMITIVES = {
    ("", op)
    for op in ("Add", "Cast", "Div", "Erf", "Exp", "Max", "Mul", "Sqrt", "Sub", "Tanh", "Where")
} | {("", op) for op in ("Greater", "Equal", "Or", "Less", "Log", "ReduceSum", "ReduceMax", "Sum")}
"""What a compiler of few operators supports: the others are made of these."""


def parsed(text: str, opset: int = 18) -> onnx.ModelProto:
    """A model, from the text of its graph."""
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {text}')


def loaded(text: str, opset: int = 18, **options: Any) -> Graph:
    """What the front makes of it."""
    return load_graph(parsed(text, opset), **options)


def operators(graph: Graph) -> list[str]:
    """Of a graph's nodes, in order."""
    return [node.op for node in graph.nodes]


def error(text: str, opset: int = 18, **options: Any) -> str:
    """The message with which the front refuses a model."""
    with pytest.raises(GraphError) as caught:
        loaded(text, opset, **options)
    return str(caught.value)
