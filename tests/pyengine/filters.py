"""Small filters as ONNX models, for tests of the frame that runs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F32 = TensorProto.FLOAT


def model(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[str, list[int | str]]],
    outputs: dict[str, tuple[str, list[int | str]]],
    constants: dict[str, float] | None = None,
    **more: str,
) -> Path:
    """Write a filter whose tensors have a role and a shape each; constants are scalars."""
    ports = [
        [helper.make_tensor_value_info(name, F32, shape) for name, (_, shape) in group.items()]
        for group in (inputs, outputs)
    ]
    arrays = [
        numpy_helper.from_array(np.float32(value), name)
        for name, value in (constants or {}).items()
    ]
    graph = helper.make_graph(nodes, path.stem, *ports, arrays)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    said = {"vitrine.contract": "1", "vitrine.kind": "filter"}
    said |= {f"vitrine.input.{name}": role for name, (role, _) in inputs.items()}
    said |= {f"vitrine.output.{name}": role for name, (role, _) in outputs.items()}
    helper.set_model_props(made, said | {f"vitrine.{k}": v for k, v in more.items()})
    onnx.save(made, path)
    return path


RGB: list[int | str] = [1, 3, "h", "w"]


def negative(folder: Path) -> Path:
    """1 - image."""
    nodes = [helper.make_node("Sub", ["one", "x"], ["y"])]
    return model(
        folder / "negative.onnx", nodes, {"x": ("image", RGB)}, {"y": ("image", RGB)}, {"one": 1.0}
    )


def halved(folder: Path) -> Path:
    """Half of the image."""
    nodes = [helper.make_node("Mul", ["x", "half"], ["y"])]
    return model(
        folder / "halved.onnx", nodes, {"x": ("image", RGB)}, {"y": ("image", RGB)}, {"half": 0.5}
    )


def trail(folder: Path) -> Path:
    """Half of the image, and half of what was shown before."""
    nodes = [
        helper.make_node("Add", ["x", "before"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["y"]),
    ]
    inputs = {"x": ("image", RGB), "before": ("previous", RGB)}
    return model(folder / "trail.onnx", nodes, inputs, {"y": ("image", RGB)}, {"half": 0.5})


def deep(folder: Path) -> Path:
    """A quarter of the depth, as grey; it reads the image and leaves it out."""
    nodes = [
        helper.make_node("Mul", ["x", "none"], ["black"]),
        helper.make_node("Mul", ["z", "scale"], ["grey"]),
        helper.make_node("Add", ["black", "grey"], ["y"]),
    ]
    inputs: dict[str, tuple[str, list[int | str]]] = {
        "x": ("image", RGB),
        "z": ("depth", [1, 1, "h", "w"]),
    }
    constants = {"none": 0.0, "scale": 0.1}
    return model(folder / "deep.onnx", nodes, inputs, {"y": ("image", RGB)}, constants)


def gain(folder: Path) -> Path:
    """The image times a slider."""
    nodes = [helper.make_node("Mul", ["x", "gain"], ["y"])]
    inputs: dict[str, tuple[str, list[int | str]]] = {"x": ("image", RGB), "gain": ("control", [1])}
    control = '{"label": "Gain", "min": 0, "max": 2, "default": 0.5}'
    return model(
        folder / "gain.onnx",
        nodes,
        inputs,
        {"y": ("image", RGB)},
        **{"control.gain": control},
    )


def spoiled(folder: Path) -> Path:
    """The logarithm of a number below 0: never finite."""
    nodes = [
        helper.make_node("Sub", ["x", "two"], ["below"]),
        helper.make_node("Log", ["below"], ["y"]),
    ]
    return model(
        folder / "spoiled.onnx", nodes, {"x": ("image", RGB)}, {"y": ("image", RGB)}, {"two": 2.0}
    )


def doubled(folder: Path) -> Path:
    """Each pixel four times."""
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")]
    out: list[int | str] = [1, 3, "2*h", "2*w"]
    path = folder / "doubled.onnx"
    ports = [
        [helper.make_tensor_value_info("x", F32, RGB)],
        [helper.make_tensor_value_info("y", F32, out)],
    ]
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    graph = helper.make_graph(nodes, "doubled", *ports, [scales])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    said = {"contract": "1", "kind": "filter", "input.x": "image", "output.y": "image"}
    helper.set_model_props(made, {f"vitrine.{key}": value for key, value in said.items()})
    onnx.save(made, path)
    return path
