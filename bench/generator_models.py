"""Generators of the literature's sizes, with seeded random weights, for `bench.generators`.

Layers and widths are those that the papers' code uses by default, so the arithmetic is theirs; the
weights are noise, which costs the same.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from exporters.figure import PARENTS, rest_joints

__all__ = ["avatar", "hexplane", "scaffold"]

Array = NDArray[Any]
Shape = tuple[int, ...]

OPSET = 17
GROUP = 10
"""Gaussians of an anchor."""
REACH = 3.0
"""Anchors lie within a cube of twice that; world units."""
BODY = 1.9
"""Height of an avatar, metres."""
SPACE, STEPS, CHANNELS, WIDTH = 64, 25, 32, 64
"""4D-GS: cells of a plane along a coarse axis of space, and of time; features; width of a layer."""
LEVELS = (1, 2)
CLIP_S = 2.0
SIDES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Axes of the six planes: x, y, z, time."""


@dataclass
class Builder:
    """A graph's nodes and constants in order; noise from one seed."""

    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def constant(self, value: Any) -> str:
        """A constant: f32 unless it holds integers."""
        array = np.asarray(value)
        name = f"c{len(self.constants)}"
        self.constants[name] = array if array.dtype.kind == "i" else array.astype(np.float32)
        return name

    def noise(self, *shape: int, scale: float = 1.0) -> str:
        """A constant of normal numbers."""
        return self.constant(scale * self.random.standard_normal(shape, np.float32))

    def node(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """A node with one output, whose name it returns."""
        output = name or f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def linear(self, value: str, wide: int, high: int) -> str:
        """A layer as PyTorch exports it: a weight (high, wide) and a bias."""
        weight = self.noise(high, wide, scale=1 / math.sqrt(wide))
        return self.node("Gemm", value, weight, self.noise(high, scale=0.1), transB=1)

    def reshaped(self, value: str, shape: Shape, name: str = "") -> str:
        """A Reshape to a known shape."""
        return self.node("Reshape", value, self.constant(np.array(shape)), name=name)

    def columns(self, value: str, start: int, end: int, axis: int = -1) -> str:
        """A Slice along one axis."""
        places = (self.constant(np.array([place])) for place in (start, end, axis))
        return self.node("Slice", value, *places)

    def model(
        self, inputs: dict[str, Shape], outputs: dict[str, Shape], **told: object
    ) -> onnx.ModelProto:
        """The model with its metadata, all f32; ``told``'s underscores are the keys' dots."""
        graph = helper.make_graph(
            self.nodes,
            "generator",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        opset = [helper.make_opsetid("", OPSET)]
        made = helper.make_model(graph, opset_imports=opset, ir_version=9)
        texts = {
            f"vitrine.{key.replace('_', '.')}": value
            if isinstance(value, str)
            else json.dumps(value)
            for key, value in told.items()
        }
        roles = {f"vitrine.output.{name}": f"gaussian.{name}" for name in outputs}
        told_all = {"vitrine.contract": "1", "vitrine.kind": "generator"} | roles | texts
        helper.set_model_props(made, told_all)
        return made

    def ellipsoids(self, rows: int, sigma: float) -> dict[str, Array]:
        """Places in the cube, turns, logarithms of sizes, opacities and colours of Gaussians."""
        return {
            "position": self.random.uniform(-REACH, REACH, (rows, 3)),
            "rotation": self.random.standard_normal((rows, 4)),
            "log_scale": np.log(sigma) + 0.3 * self.random.standard_normal((rows, 3)),
            "opacity": self.random.uniform(0.2, 0.9, (rows, 1)),
            "color": self.random.random((rows, 3)),
        }


def scaffold(anchors: int, features: int = 32, hidden: int = 32) -> onnx.ModelProto:
    """Scaffold-GS: 10 Gaussians an anchor, and three heads.

    Every Gaussian has its row; those that its code drops have no opacity here.
    """
    b = Builder()
    rows = anchors * GROUP
    spacing = 2 * REACH / max(anchors, 1) ** (1 / 3)
    anchor = b.constant(b.random.uniform(-REACH, REACH, (anchors, 3)))
    feature = b.noise(anchors, features)
    offset = b.noise(anchors, GROUP, 3, scale=0.5)
    sizes = np.log(spacing * np.repeat([1.0, 0.4], 3))
    log_scaling = b.constant(sizes + 0.2 * b.random.standard_normal((anchors, 6)))
    away = b.node("Sub", anchor, "eye")
    distance = b.node("ReduceL2", away, axes=[1], keepdims=1)
    direction = b.node("Div", away, distance)
    seen = b.node("Concat", feature, direction, distance, axis=1)
    heads = {}
    for head, width in (("opacity", 1), ("color", 3), ("shape", 7)):
        heads[head] = b.linear(
            b.node("Relu", b.linear(seen, features + 4, hidden)), hidden, width * GROUP
        )
    alive = b.node("Relu", b.node("Tanh", heads["opacity"]))
    b.reshaped(alive, (rows, 1), "opacity")
    b.node("Sigmoid", b.reshaped(heads["color"], (rows, 3)), name="color")
    shape = b.reshaped(heads["shape"], (anchors, GROUP, 7))
    scaling = b.reshaped(b.node("Exp", log_scaling), (anchors, 1, 6))
    reach = b.node("Mul", offset, b.columns(scaling, 0, 3))
    place = b.node("Add", b.reshaped(anchor, (anchors, 1, 3)), reach)
    b.reshaped(place, (rows, 3), "position")
    size = b.node("Mul", b.columns(scaling, 3, 6), b.node("Sigmoid", b.columns(shape, 0, 3)))
    b.reshaped(size, (rows, 3), "scale")
    turn = b.columns(shape, 3, 7)
    length = b.node("ReduceL2", turn, axes=[2], keepdims=1)
    b.reshaped(b.node("Div", turn, length), (rows, 4), "rotation")
    return b.model(
        {"eye": (3,)},
        {n: (rows, k) for n, k in (*_FIRST, ("scale", 3), ("rotation", 4), ("color", 3))},
        input_eye="camera.position",
        bounds=_bounds(1.3),
        pose=_POSE,
    )


def hexplane(rows: int) -> onnx.ModelProto:
    """4D-GS as for D-NeRF: six planes at two scales, 32 features each, a trunk and three heads."""
    b = Builder()
    rest = b.ellipsoids(rows, 0.3 * 2 * REACH / max(rows, 1) ** (1 / 3))
    place = b.constant(rest["position"])
    share = b.node("Div", "time", b.constant(np.array([CLIP_S / 2])))
    now = b.node("Sub", share, b.constant(np.ones(1)))
    column = b.node("Expand", b.reshaped(now, (1, 1)), b.constant(np.array([rows, 1])))
    at = b.node("Concat", b.constant(rest["position"] / REACH), column, axis=1)
    levels = []
    for level in LEVELS:
        features = ""
        for first, second in SIDES:
            high = STEPS if second == 3 else SPACE * level
            plane = b.noise(1, CHANNELS, high, SPACE * level, scale=0.3)
            pair = b.node("Gather", at, b.constant(np.array([first, second])), axis=1)
            sample = b.node(
                "GridSample",
                plane,
                b.reshaped(pair, (1, 1, rows, 2)),
                mode="bilinear",
                padding_mode="border",
                align_corners=1,
            )
            columns = b.node("Transpose", b.reshaped(sample, (CHANNELS, rows)), perm=[1, 0])
            features = b.node("Mul", features, columns) if features else columns
        levels.append(features)
    trunk = b.linear(b.node("Concat", *levels, axis=1), CHANNELS * len(LEVELS), WIDTH)
    trunk = b.node("Relu", trunk)  # of each head, which PyTorch's exporter makes one
    moved = {}
    for head, width in (("position", 3), ("log_scale", 3), ("rotation", 4)):
        hidden = b.node("Relu", b.linear(trunk, WIDTH, WIDTH))
        moved[head] = b.node("Mul", b.linear(hidden, WIDTH, width), b.constant(np.array([0.05])))
    b.node("Add", place, moved["position"], name="position")
    b.node("Add", b.constant(rest["log_scale"]), moved["log_scale"], name="scale")
    b.node("Add", b.constant(rest["rotation"]), moved["rotation"], name="rotation")
    b.node("Identity", b.constant(rest["opacity"]), name="opacity")
    b.node("Identity", b.constant(rest["color"]), name="color")
    return b.model(
        {"time": (1,)},
        {n: (rows, k) for n, k in (*_FIRST, ("scale", 3), ("rotation", 4), ("color", 3))},
        input_time="time",
        activation_scale="exp",
        activation_rotation="normalize",
        clip={"duration": CLIP_S, "loop": True},
        bounds=_bounds(1.3),
        pose=_POSE,
    )


def avatar(rows: int, batch: int = 0) -> onnx.ModelProto:
    """SMPL's 24 joints, a chain of products, and blended transforms of centres and covariances.

    Parameters
    ----------
    rows : int
        Gaussians of an avatar.
    batch : int
        Poses that one graph takes at once; 0 for one without an axis of its own.
    """
    b = Builder()
    lead = (batch,) * bool(batch)
    joints = len(PARENTS)
    rest = b.ellipsoids(rows, 0.4 * BODY / max(rows, 1) ** (1 / 2))
    spine = rest_joints()
    nearest = b.random.integers(0, joints, rows)
    skin_place = spine[nearest] + 0.07 * b.random.standard_normal((rows, 3))
    bones = spine - np.where(np.arange(joints)[:, None] > 0, spine[list(PARENTS)], 0)
    turns = _rodrigues(b, "joints", (*lead, joints))
    moves = b.constant(np.broadcast_to(bones[..., None], (*lead, joints, 3, 1)))
    last = b.constant(np.broadcast_to([[0.0, 0, 0, 1]], (*lead, joints, 1, 4)))
    local = b.node("Concat", b.node("Concat", turns, moves, axis=-1), last, axis=-2)
    chain: list[str] = []
    for joint, parent in enumerate(PARENTS):
        own = b.node("Gather", local, b.constant(np.array(joint)), axis=len(lead))
        chain.append(b.node("MatMul", chain[parent], own) if joint else own)
    one = b.constant(np.array([len(lead)]))
    poses = b.node("Concat", *(b.node("Unsqueeze", m, one) for m in chain), axis=len(lead))
    upper = b.columns(poses, 0, 3, -2)
    turned, shifted = b.columns(upper, 0, 3), b.columns(upper, 3, 4)
    back = b.node("Sub", shifted, b.node("MatMul", turned, b.constant(spine[..., None])))
    skin = b.reshaped(b.node("Concat", turned, back, axis=-1), (*lead, joints, 12))
    weights = 0.4 * b.random.dirichlet(np.full(joints, 0.1), rows) + 0.6 * np.eye(joints)[nearest]
    blend = b.node("MatMul", b.constant(weights), skin)
    matrices = b.reshaped(blend, (*lead, rows, 3, 4))
    turn, shift = b.columns(matrices, 0, 3), b.columns(matrices, 3, 4)
    place = b.node("MatMul", turn, b.constant(skin_place[..., None]))
    b.reshaped(b.node("Add", place, shift), (*lead, rows, 3), "position")
    axes = np.linalg.qr(b.random.standard_normal((rows, 3, 3)))[0]
    factor = b.node("MatMul", turn, b.constant(axes * np.exp(rest["log_scale"])[:, None]))
    order = [*range(len(lead) + 1), len(lead) + 2, len(lead) + 1]
    spread = b.node("MatMul", factor, b.node("Transpose", factor, perm=order))
    nine = b.reshaped(spread, (*lead, rows, 9))
    upper = b.constant(np.array([0, 1, 2, 4, 5, 8]))
    b.node("Gather", nine, upper, name="covariance", axis=len(lead) + 1)
    outputs = {"position": (*lead, rows, 3), "covariance": (*lead, rows, 6)}
    if not batch:
        b.node("Identity", b.constant(rest["opacity"]), name="opacity")
        b.node("Identity", b.constant(rest["color"]), name="color")
        outputs |= {"opacity": (rows, 1), "color": (rows, 3)}
    return b.model(
        {"joints": (*lead, joints, 3)},
        outputs,
        input_joints="joints",
        bounds=[[-BODY / 2, -BODY, -BODY / 2], [BODY / 2, 0.1 * BODY, BODY / 2]],
    )


def _rodrigues(b: Builder, vectors: str, lead: Shape) -> str:
    """Rotations (..., 3, 3) of axis-angle vectors (..., 3)."""
    nudged = b.node("Add", vectors, b.constant(np.array([1e-8])))
    angle = b.node("ReduceL2", nudged, axes=[-1], keepdims=1)
    x, y, z = (b.columns(b.node("Div", vectors, angle), k, k + 1) for k in range(3))
    zero = b.constant(np.zeros((*lead, 1)))
    minus = {name: b.node("Neg", name) for name in (x, y, z)}
    entries = (zero, minus[z], y, z, zero, minus[x], minus[y], x, zero)
    cross = b.reshaped(b.node("Concat", *entries, axis=-1), (*lead, 3, 3))
    wide = b.reshaped(angle, (*lead, 1, 1))
    part = b.node("Sub", b.constant(np.ones(1)), b.node("Cos", wide))
    first = b.node("Mul", b.node("Sin", wide), cross)
    second = b.node("Mul", part, b.node("MatMul", cross, cross))
    return b.node("Add", b.constant(np.eye(3)), b.node("Add", first, second))


_FIRST = (("position", 3), ("opacity", 1))
_POSE = {"eye": [0.0, -1.0, -3.6 * REACH], "target": [0.0, 0.0, 0.0], "fov": 55}


def _bounds(factor: float) -> list[list[float]]:
    return [[sign * factor * REACH] * 3 for sign in (-1, 1)]
