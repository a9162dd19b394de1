"""Models made by hand, for the commands that take one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

__all__ = ["branches", "model", "network", "saved", "unsupported"]

OPSET = 17


def model(
    nodes: Sequence[NodeProto],
    inputs: dict[str, Sequence[int | str]],
    outputs: Sequence[str],
    constants: dict[str, Any] | None = None,
    **metadata: str,
) -> ModelProto:
    """Nodes, float inputs with their sizes, the names of outputs, and arrays."""
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()]
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    arrays = [numpy_helper.from_array(np.asarray(a), n) for n, a in (constants or {}).items()]
    graph = helper.make_graph(nodes, "small", values, results, arrays)
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.example", 1)]
    made = helper.make_model(graph, opset_imports=imports, ir_version=8, producer_name="tests")
    helper.set_model_props(made, metadata)
    return made


def network(rows: int | str = "n") -> ModelProto:
    """Conv, Relu, Flatten, Gemm on (n, 3, 8, 8), named like an exporter's."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Flatten", ["r"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "b"], ["scores"], name="head"),
    ]
    constants = {
        "w": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "b": rng.normal(size=(256, 5)).astype(np.float32),
    }
    return model(nodes, {"image": [rows, 3, 8, 8]}, ["scores"], constants, author="tests")


def branches() -> ModelProto:
    """Two branches of three operators that a sum joins, and one behind it."""
    nodes = [
        helper.make_node("Tanh", ["x"], ["a1"], name="a1"),
        helper.make_node("Neg", ["a1"], ["a2"], name="a2"),
        helper.make_node("Exp", ["a2"], ["a3"], name="a3"),
        helper.make_node("Sin", ["x"], ["b1"], name="b1"),
        helper.make_node("Relu", ["b1"], ["b2"], name="b2"),
        helper.make_node("Cos", ["b2"], ["b3"], name="b3"),
        helper.make_node("Add", ["a3", "b3"], ["sum"], name="sum"),
        helper.make_node("Mul", ["sum", "sum"], ["y"], name="square"),
    ]
    return model(nodes, {"x": [4, 6]}, ["y"])


def unsupported() -> ModelProto:
    """Two nodes that cannot be compiled, and one that can."""
    nodes = [
        helper.make_node("Foo", ["x"], ["a"], name="foreign", domain="com.example"),
        helper.make_node("NonZero", ["x"], ["b"], name="where"),
        helper.make_node("Relu", ["x"], ["c"], name="fine"),
    ]
    return model(nodes, {"x": [2, 3]}, ["a", "b", "c"])


def saved(made: ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    """Write a model."""
    path = folder / name
    path.write_bytes(made.SerializeToString())
    return path
