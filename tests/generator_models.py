"""Small generators as ONNX models, made of seeds: what the compiler of generators is tested on."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]


class Builder:
    """Nodes and constants in order; ``model`` puts them together."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}

    def constant(self, name: str, value: Any) -> str:
        """A constant, f32 unless it holds integers."""
        array = np.asarray(value)
        self.constants[name] = array if array.dtype.kind == "i" else array.astype(np.float32)
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """A node with one output, which is its name."""
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def reshaped(self, value: str, shape: tuple[int, ...], output: str) -> str:
        """A Reshape to a known shape."""
        return self.node("Reshape", [value, self.constant(f"{output}.shape", shape)], output)

    def model(
        self,
        inputs: dict[str, tuple[int, ...]],
        outputs: dict[str, tuple[int, ...]],
        metadata: dict[str, str],
    ) -> onnx.ModelProto:
        """The model, checked; all inputs and outputs are f32."""
        graph = helper.make_graph(
            self.nodes,
            "generator",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        opset = [helper.make_opsetid("", 17)]
        made = helper.make_model(graph, opset_imports=opset, ir_version=9)
        told = {"contract": "1", "kind": "generator"} | metadata
        helper.set_model_props(made, {f"vitrine.{key}": value for key, value in told.items()})
        onnx.checker.check_model(made)
        return made


def scaffold(anchors: int = 300, group: int = 4, features: int = 8, seed: int = 0) -> Any:
    """Anchors with features, and networks for opacity, colour, scale and rotation by direction.

    Where a Gaussian lies takes no network; a scale is a sigmoid of one times the anchor's own.
    """
    random = np.random.default_rng(seed)
    b = Builder()
    n = anchors * group
    b.constant("anchor", random.uniform(-3, 3, (anchors, 3)))
    b.constant("feature", random.standard_normal((anchors, features)))
    b.constant("offset", random.standard_normal((anchors, group, 3)) * 0.1)
    b.constant("log_scale", random.standard_normal((anchors, 1, 3)) * 0.3 - 3)
    b.node("Sub", ["anchor", "eye"], "away")
    b.node("ReduceL2", ["away"], "distance", axes=[1], keepdims=1)
    b.node("Div", ["away", "distance"], "direction")
    b.node("Concat", ["feature", "direction", "distance"], "row", axis=1)
    b.constant("w", random.standard_normal((features + 4, 32)) * 0.3)
    b.node("Relu", [b.node("MatMul", ["row", "w"], "hidden.in")], "hidden")
    for head, width in (("opacity", 1), ("color", 3), ("scale", 3), ("rotation", 4)):
        b.constant(f"{head}.w", random.standard_normal((32, width * group)) * 0.3)
        b.node("MatMul", ["hidden", f"{head}.w"], f"{head}.out")
    b.reshaped("anchor", (anchors, 1, 3), "anchor.wide")
    b.reshaped(b.node("Add", ["anchor.wide", "offset"], "places"), (n, 3), "position")
    b.reshaped("opacity.out", (n, 1), "opacity")
    b.reshaped(b.node("Sigmoid", ["color.out"], "color.one"), (n, 3), "color")
    share = b.reshaped(b.node("Sigmoid", ["scale.out"], "share"), (anchors, group, 3), "shares")
    whole = b.node("Exp", ["log_scale"], "whole")
    b.reshaped(b.node("Mul", [share, whole], "scales"), (n, 3), "scale")
    b.reshaped("rotation.out", (n, 4), "rotation")
    widths = {"position": 3, "opacity": 1, "color": 3, "scale": 3, "rotation": 4}
    roles = {f"output.{name}": f"gaussian.{name}" for name in widths}
    return b.model(
        {"eye": (3,)},
        {name: (n, width) for name, width in widths.items()},
        roles
        | {
            "input.eye": "camera.position",
            "activation.opacity": "sigmoid",
            "activation.rotation": "normalize",
        },
    )


def figure(rows: int = 200, joints: int = 5, seed: int = 0) -> Any:
    """A chain of joints turned about z by angles and a slider, and Gaussians blended between."""
    random = np.random.default_rng(seed)
    b = Builder()
    b.constant("rest", random.uniform(-1, 1, (rows, 3)))
    weights = random.uniform(0, 1, (rows, joints))
    b.constant("weights", weights / weights.sum(axis=1, keepdims=True))
    placed = ""
    for k in range(-1, joints):  # the first is the slider's
        angle = "sway"
        if k >= 0:
            index = b.constant(f"joint{k}", np.array([k]))
            angle = b.node("Gather", ["pose", index], f"angle{k}")
        cos, sin = b.node("Cos", [angle], f"cos{k}"), b.node("Sin", [angle], f"sin{k}")
        minus = b.node("Neg", [sin], f"minus{k}")
        if k < 0:
            for name, value in (("zero", 0.0), ("one", 1.0), ("reach", 0.4)):
                b.constant(name, [value])
        names = [cos, minus, "zero", "reach", sin, cos, "zero", "zero"]
        names += ["zero", "zero", "one", "zero", "zero", "zero", "zero", "one"]
        local = b.reshaped(b.node("Concat", names, f"flat{k}", axis=0), (4, 4), f"local{k}")
        placed = b.node("MatMul", [placed, local], f"world{k}") if placed else local
        if k >= 0:
            b.reshaped(placed, (1, 16), f"row{k}")
    b.node("Concat", [f"row{k}" for k in range(joints)], "matrices", axis=0)
    b.reshaped(b.node("MatMul", ["weights", "matrices"], "blend"), (rows, 4, 4), "blended")
    starts, ends = b.constant("from", np.array([0, 0])), b.constant("to", np.array([3, 3]))
    axes = b.constant("axes", np.array([1, 2]))
    turn = b.node("Slice", ["blended", starts, ends, axes], "turn")
    from_3, to_4 = b.constant("from.3", np.array([0, 3])), b.constant("to.4", np.array([3, 4]))
    shift = b.node("Slice", ["blended", from_3, to_4, axes], "shift")
    rest = b.reshaped("rest", (rows, 3, 1), "rest.column")
    moved = b.node("Add", [b.node("MatMul", [turn, rest], "turned"), shift], "moved")
    b.reshaped(moved, (rows, 3), "position")
    b.constant("spread", np.diag([0.01, 0.004, 0.002]))
    b.node("Transpose", [turn], "turn.t", perm=[0, 2, 1])
    full = b.node("MatMul", [b.node("MatMul", [turn, "spread"], "half"), "turn.t"], "full")
    flat = b.reshaped(full, (rows, 9), "full.flat")
    upper = b.constant("upper", np.array([0, 1, 2, 4, 5, 8]))
    b.node("Gather", [flat, upper], "covariance", axis=1)
    b.node("Identity", [b.constant("opacity.given", np.full((rows, 1), 0.8))], "opacity")
    b.node("Identity", [b.constant("color.given", random.uniform(0, 1, (rows, 3)))], "color")
    widths = {"position": 3, "covariance": 6, "opacity": 1, "color": 3}
    return b.model(
        {"pose": (joints,), "sway": (1,)},
        {name: (rows, width) for name, width in widths.items()},
        {f"output.{name}": f"gaussian.{name}" for name in widths}
        | {
            "input.pose": "latent",
            "input.sway": "control",
            "control.sway": '{"label": "Sway", "min": -1, "max": 1, "default": 0}',
        },
    )
