"""A model as it is opened at other sizes: its inputs declared anew, and no other shapes in it."""

from __future__ import annotations

import math
from pathlib import Path

import onnx
from onnx import numpy_helper

from pybuild.onnx.front.intake import tensor_array
from pybuild.onnx.front.values import Dims
from pybuild.onnx.graph import Graph
from pybuild.onnx.problems import GraphError, Problem

__all__ = ["declare", "light", "misshaped"]


def light(name: str, proto: onnx.ModelProto, folder: Path | None) -> onnx.ModelProto:
    """A copy that has its weights inside, and no shapes but of its inputs.

    Raises
    ------
    GraphError
        Weights that lie beside it cannot be read.
    """
    model = onnx.ModelProto()
    model.CopyFrom(proto)
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    for tensor in model.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        try:
            tensor.CopyFrom(numpy_helper.from_array(tensor_array(tensor, folder), tensor.name))
        except ValueError as error:
            problem = Problem(f"initialiser {tensor.name!r}: {error}", "Export the model again.")
            raise GraphError(name, [problem]) from None
    return model


def misshaped(graph: Graph) -> list[Problem]:
    """Reshapes to sizes that are baked in, as inference of shapes believes them; empty images."""
    problems = []
    for node in graph.nodes:
        for name in node.outputs:
            shape = graph.infos[name].shape if name in graph.infos else ()
            if len(shape) > 2 and 0 in shape:
                reason = f"its output {name!r} of shape {list(shape)} is empty"
                problems.append(Problem(reason, "", node.op, node.name, node.domain, node.opset))
        if node.op != "Reshape" or node.domain:
            continue
        taken, made = (graph.infos[name].shape for name in (node.inputs[0], node.outputs[0]))
        if math.prod(taken) != math.prod(made):
            reason = f"its shape is {list(made)} whatever it is given, as here {list(taken)}"
            problems.append(Problem(reason, "", node.op, node.name, node.domain, node.opset))
    return problems


def declare(value: onnx.ValueInfoProto, dims: Dims) -> None:
    shape = value.type.tensor_type.shape
    del shape.dim[:]
    for size in dims:
        dim = shape.dim.add()
        if isinstance(size, int):
            dim.dim_value = size
        elif size is not None:
            dim.dim_param = size
