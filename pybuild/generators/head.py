"""A head of Gaussians on a skinned mesh with morph targets, as a generator's model.

Each Gaussian sits at a vertex, moved by a fixed offset. Expression weights move the vertices, joint
rotations carry them: what is blended from the joints' transforms turns the covariances too.
`Head.at` says it in numpy; `to_model` says the same in ONNX.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from pybuild.formats.glb import SkinnedMesh
from pybuild.gaussians import Gaussians
from pyengine.errors import InputError

__all__ = ["Head", "head", "to_model"]

Floats = NDArray[np.float32]

TO_PLY = np.diag([1.0, -1.0, -1.0]).astype(np.float32)
"""From glTF's axes."""
PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


@dataclass(frozen=True, slots=True)
class Head:
    """n Gaussians at rest in PLY axes, k expressions, j joints.

    Attributes
    ----------
    position : (n, 3) float32
    covariance : (n, 3, 3) float32
    opacity : (n,) float32
    color : (n, 3) float32
        Display-referred.
    expressions : tuple of str
    deltas : (k, n, 3) float32
        Rounded to float16, as the model keeps them.
    joints : tuple of str
    parents : tuple of int
        -1 for none; a parent stands before its children.
    pivots : (j, 3) float32
    weights : (n, j) float32
        Rows sum to 1.
    """

    position: Floats
    covariance: Floats
    opacity: Floats
    color: Floats
    expressions: tuple[str, ...]
    deltas: Floats
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    pivots: Floats
    weights: Floats

    def at(self, weights: ArrayLike, joints: ArrayLike) -> tuple[Floats, Floats]:
        """Positions (n, 3) and covariances (n, 6: xx xy xz yy yz zz).

        Parameters
        ----------
        weights : (k,)
        joints : (j, 3)
            Axis-angle in radians about each joint's pivot, PLY axes, on top of its parent's turn.
        """
        moved = self.position + np.tensordot(np.asarray(weights, np.float64), self.deltas, 1)
        turns: list[NDArray[np.float64]] = []
        moves: list[NDArray[np.float64]] = []
        for j, vector in enumerate(np.asarray(joints, np.float64)):
            turn, pivot = _rotation(vector), self.pivots[j].astype(np.float64)
            move = pivot - turn @ pivot
            if self.parents[j] >= 0:
                above, shift = turns[self.parents[j]], moves[self.parents[j]]
                turn, move = above @ turn, above @ move + shift
            turns.append(turn)
            moves.append(move)
        turn = np.tensordot(self.weights, np.array(turns), 1)
        place = np.einsum("nij,nj->ni", turn, moved) + self.weights @ np.array(moves)
        full = turn @ self.covariance @ turn.transpose(0, 2, 1)
        six = np.stack([full[:, i, j] for i, j in PAIRS], axis=1)
        return place.astype(np.float32), six.astype(np.float32)

    def track(self, names: Sequence[str], frames: ArrayLike) -> Floats:
        """Weights (frames, k) in this head's order, of weights in another; what it lacks is 0.

        Raises
        ------
        InputError
            No name is known, or the frames do not fit the names.
        """
        values = np.asarray(frames, np.float32)
        if values.ndim != 2 or values.shape[1] != len(names) or not np.isfinite(values).all():
            raise InputError(
                f"expressions: wanted (frames, {len(names)}) finite numbers, got {values.shape}"
            )
        if not set(names) & set(self.expressions):
            raise InputError(
                f"expressions: none of {list(names)[:3]} is known; the head has "
                f"{', '.join(self.expressions[:3])} ..."
            )
        column = {name: k for k, name in enumerate(names)}
        made = np.zeros((len(values), len(self.expressions)), np.float32)
        for k, name in enumerate(self.expressions):
            if name in column:
                made[:, k] = values[:, column[name]]
        return made


def head(mesh: SkinnedMesh, offsets: Gaussians, where: str) -> Head:
    """Gaussians on a mesh's vertices.

    Parameters
    ----------
    offsets : Gaussians
        One a vertex, in the mesh's axes; their positions are added to the vertices', and their
        degree-0 coefficients are display-referred colours, not harmonics.
    where : str
        What messages call it.

    Raises
    ------
    InputError
        Not one Gaussian a vertex.
    """
    if offsets.count != len(mesh.position):
        raise InputError(
            f"{where}: wanted a Gaussian for each of {len(mesh.position)} vertices, got "
            f"{offsets.count}"
        )
    q = offsets.quaternions.astype(np.float64)
    w, v = q[:, :1, None], q[:, 1:]
    skew = np.zeros((len(q), 3, 3))
    skew[:, [2, 0, 1], [1, 2, 0]], skew[:, [1, 2, 0], [2, 0, 1]] = v, -v
    turn = np.eye(3) + 2 * (w * skew + skew @ skew)
    axes = TO_PLY @ (turn * np.exp(offsets.log_scales.astype(np.float64))[:, None])
    return Head(
        ((mesh.position + offsets.positions) @ TO_PLY).astype(np.float32),
        (axes @ axes.transpose(0, 2, 1)).astype(np.float32),
        (1 / (1 + np.exp(-offsets.opacity_logits.astype(np.float64)))).astype(np.float32),
        np.clip(offsets.sh[:, 0], 0, 1).astype(np.float32),
        mesh.targets,
        (mesh.deltas @ TO_PLY).astype(np.float16).astype(np.float32),
        mesh.joints,
        mesh.parents,
        (mesh.pivots @ TO_PLY).astype(np.float32),
        mesh.weights,
    )


def to_model(given: Head) -> onnx.ModelProto:
    """The head as a generator: inputs ``weights`` (k,) and ``joints`` (j, 3).

    The transforms of joints are joined by doubling: with the parent's, then with that of the joint
    two above, then four. Morph targets are kept in 16 bits.
    """
    n, j, k = len(given.position), len(given.joints), len(given.expressions)
    g = _Graph()
    moved = g("MatMul", g("Reshape", "weights", g.ints([1, k])), g.half(given.deltas, (k, 3 * n)))
    moved = g("Add", g.floats(given.position), g("Reshape", moved, g.ints([n, 3])))

    turn, move = _joint_transforms(g, given)
    for above in _ancestors(given.parents):
        # Concat with a row for none would do, but reads it behind the end of what comes before.
        there, none = g.ints([max(a, 0) for a in above]), [a < 0 for a in above]
        lacks = g.bools(np.array(none)[:, None, None])
        upper = g("Where", lacks, g.floats(np.eye(3)), g("Gather", turn, there))
        shift = g("Where", lacks, g.floats(0.0), g("Gather", move, there))
        turn, move = g("MatMul", upper, turn), g("Add", g("MatMul", upper, move), shift)

    joined = g("Reshape", g("Concat", turn, move, axis=2), g.ints([j, 12]))
    blended = g("Reshape", g("MatMul", g.floats(given.weights), joined), g.ints([n, 3, 4]))
    matrix, place = g.many("Split", blended, g.ints([3, 1]), count=2, axis=2)
    carried = g("MatMul", matrix, g("Unsqueeze", moved, g.ints([2])))
    g("Squeeze", g("Add", carried, place), g.ints([2]), name="position")
    full = g("MatMul", matrix, g.floats(given.covariance))
    full = g("MatMul", full, g("Transpose", matrix, perm=[0, 2, 1]))
    rows = g.ints([3 * a + b for a, b in PAIRS])
    g("Gather", g("Reshape", full, g.ints([n, 9])), rows, axis=1, name="covariance")
    g("Identity", g.floats(given.opacity), name="opacity")
    g("Identity", g.floats(given.color), name="color")

    outputs = {"position": [n, 3], "covariance": [n, 6], "opacity": [n], "color": [n, 3]}
    graph = helper.make_graph(
        g.nodes,
        "head",
        [
            helper.make_tensor_value_info("weights", TensorProto.FLOAT, [k]),
            helper.make_tensor_value_info("joints", TensorProto.FLOAT, [j, 3]),
        ],
        [helper.make_tensor_value_info(a, TensorProto.FLOAT, b) for a, b in outputs.items()],
        g.constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10, producer_name="vitrine"
    )
    helper.set_model_props(model, _metadata(given))
    onnx.checker.check_model(model, full_check=True)
    return model


def _metadata(given: Head) -> dict[str, str]:
    low, high = given.position.min(axis=0), given.position.max(axis=0)
    reach = np.abs(given.deltas).max(axis=(0, 1)) + 0.3 * (high - low)
    middle, size = (low + high) / 2, float(np.linalg.norm(high - low))
    eye = middle + np.array([0.15, 0.0, -1.15]) * size
    told = {
        "contract": 1,
        "bounds": [[float(x) for x in low - reach], [float(x) for x in high + reach]],
        "pose": {"eye": [float(x) for x in eye], "target": [float(x) for x in middle], "fov": 38},
        "background": [1.0, 1.0, 1.0],
    }
    return {
        **{f"vitrine.{key}": json.dumps(value) for key, value in told.items()},
        "vitrine.kind": "generator",
        "vitrine.input.weights": "weights",
        "vitrine.input.joints": "joints",
        **{
            f"vitrine.output.{name}": f"gaussian.{name}"
            for name in ("position", "covariance", "opacity", "color")
        },
        "expressions": json.dumps(given.expressions),
        "joints": json.dumps(given.joints),
    }


def _joint_transforms(g: _Graph, given: Head) -> tuple[str, str]:
    """Each joint's own turn about its pivot (Rodrigues): (j, 3, 3) and (j, 3, 1)."""
    j = len(given.joints)
    skew = np.zeros((3, 3, 3))
    for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        skew[a, c, b], skew[a, b, c] = 1, -1
    squared = g("ReduceSum", g("Mul", "joints", "joints"), g.ints([1]), keepdims=1)
    angle = g("Sqrt", g("Add", squared, g.floats(LEAST_ANGLE**2)))
    flat = g("MatMul", g("Div", "joints", angle), g.floats(skew.reshape(3, 9)))
    cross = g("Reshape", flat, g.ints([j, 3, 3]))
    angle = g("Unsqueeze", angle, g.ints([2]))
    versed = g("Mul", g("Sub", g.floats(1.0), g("Cos", angle)), g("MatMul", cross, cross))
    turn = g("Add", g("Add", g("Mul", g("Sin", angle), cross), versed), g.floats(np.eye(3)))
    pivot = g.floats(given.pivots[:, :, None])
    return turn, g("Sub", pivot, g("MatMul", turn, pivot))


LEAST_ANGLE = 1e-3
"""Added in squares to a turn's angle, so that no turn has an axis: off by 1e-6 of the turn."""


def _rotation(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    angle = float(np.linalg.norm(vector))
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn: NDArray[np.float64] = (
        np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    )
    return turn


def _ancestors(parents: Sequence[int]) -> list[list[int]]:
    """For each doubling, whose transform is joined; -1 for none."""
    above, rounds = list(parents), []
    while any(a >= 0 for a in above):
        rounds.append(above)
        above = [above[a] if a >= 0 else -1 for a in above]
    return rounds


class _Graph:
    """Nodes and constants as they are asked for; a call gives the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        made = name or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [made], **attributes))
        return made

    def many(self, operator: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """A node with several results."""
        made = [f"v{len(self.nodes)}_{k}" for k in range(count)]
        self.nodes.append(helper.make_node(operator, inputs, made, **attributes))
        return made

    def floats(self, values: ArrayLike) -> str:
        return self._constant(np.asarray(values, np.float32))

    def ints(self, values: Sequence[int]) -> str:
        return self._constant(np.asarray(values, np.int64))

    def bools(self, values: NDArray[np.bool_]) -> str:
        return self._constant(values)

    def half(self, values: Floats, shape: tuple[int, ...]) -> str:
        name = self._constant(values.reshape(shape).astype(np.float16))
        return self("Cast", name, to=TensorProto.FLOAT)

    def _constant(self, values: NDArray[np.generic]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name
