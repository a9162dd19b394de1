"""What `bench.generators` measures: models, their inputs, cameras, and the papers' own figures."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bench.chromium import SIZE
from bench.frame import json_orbit
from bench.generator_models import GROUP, avatar, hexplane, scaffold
from exporters.figure import PARENTS
from pyengine.bundle import Pose
from pyengine.program import Program, ProgramBuffer, Tensor
from pyengine.view import WORLD_UP, View

__all__ = [
    "CASES",
    "LARGE",
    "Case",
    "Kind",
    "case_of",
    "gaussians",
    "messages",
    "stand_in",
    "turned_away",
]

Array = NDArray[Any]

BODY_GAUSSIANS = 13_000
"""Of an avatar: as many as GauHuman says that it needs."""
STEPS = 6
"""Frames before one is drawn again."""
SHARE = 1 / 3
"""Of the Gaussians that the second camera sees."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A family at a size.

    Attributes
    ----------
    rows : int
        Gaussians of an instance.
    instances : int
    published : str
        What its paper measured on an RTX 4090: the whole frame.
    """

    family: str
    rows: int
    instances: int = 1
    published: str = ""


CASES = {
    "hexplane-30k": Kind("hexplane", 30_000, published="4DGS 0.03 M: 4.76 ms"),
    "hexplane-60k": Kind("hexplane", 60_000, published="4DGS 0.06 M: 7.93 ms"),
    "scaffold-250k": Kind("scaffold", 250_000),
    "avatar-1": Kind("avatar", BODY_GAUSSIANS, 1, "GauHuman, 1: 7.97 ms"),
    "avatar-5": Kind("avatar", BODY_GAUSSIANS, 5, "GauHuman, 5: 28.60 ms"),
    "avatar-10": Kind("avatar", BODY_GAUSSIANS, 10, "GauHuman, 10: 55.63 ms"),
}
LARGE = {"scaffold-2.5m": Kind("scaffold", 2_500_000, published="Scaffold-GS 2.49 M: 9.29 ms")}


@dataclass(frozen=True, slots=True)
class Case:
    """A generator, and what it is run on.

    Attributes
    ----------
    model : ModelProto
        Of one instance, as Vitrine compiles it.
    rival : ModelProto
        What onnxruntime runs: the same, or the same with an axis of instances.
    inputs : dict of str to ndarray
        The rival's.
    """

    name: str
    kind: Kind
    model: onnx.ModelProto
    rival: onnx.ModelProto
    inputs: dict[str, Array]

    @property
    def anchors(self) -> Array:
        """Where the Gaussians of a Scaffold are, about: (n, 3)."""
        return onnx.numpy_helper.to_array(self.model.graph.initializer[0])


def case_of(name: str, kind: Kind, shrink: int = 1) -> Case:
    """The models of a kind, with fewer Gaussians by the factor ``shrink``."""
    rows = max(kind.rows // shrink, GROUP)
    if kind.family == "scaffold":
        rows -= rows % GROUP
    kind = Kind(kind.family, rows, kind.instances, kind.published)
    if kind.family == "avatar":
        model = avatar(rows)
        several = kind.instances > 1
        rival = avatar(rows, kind.instances) if several else model
        found = poses(kind.instances, 1)[0]
        return Case(name, kind, model, rival, {"joints": found if several else found[0]})
    if kind.family == "hexplane":
        model = hexplane(rows)
        return Case(name, kind, model, model, {"time": np.array([0.7], np.float32)})
    model = scaffold(rows // GROUP)
    pose = json.loads({p.key: p.value for p in model.metadata_props}["vitrine.pose"])
    return Case(name, kind, model, model, {"eye": np.array(pose["eye"], np.float32)})


def poses(instances: int, count: int) -> list[NDArray[np.float32]]:
    """Poses of all instances, (instances, 24, 3) axis-angle each; no two alike."""
    random = np.random.default_rng(5)
    shape = (count, instances, len(PARENTS), 3)
    return list((0.25 * random.standard_normal(shape)).astype(np.float32))


def messages(kind: Kind, pose: Pose) -> list[dict[str, Any]]:
    """What the page's worker is told before each frame, so that the generator runs anew."""
    if kind.family == "hexplane":
        return [{"type": "seek", "time": 0.3 * step} for step in range(STEPS)]
    if kind.family == "avatar":
        return [
            {"type": "set", "name": "joints", "values": values.ravel().tolist()}
            for values in poses(kind.instances, STEPS)
        ]
    return [{"type": "view", "view": view} for view in json_orbit(pose, STEPS)]


def turned_away(pose: Pose, places: Array, share: float = SHARE) -> Pose:
    """A camera at the same place, turned aside until it sees so much of what it saw.

    Parameters
    ----------
    places : (n, 3)
        Centres, world units.
    share : float
        0 to 1.
    """
    low, high = 0.0, math.pi
    offset = np.subtract(pose.target, pose.eye)
    turned = pose
    for _ in range(30):
        angle = (low + high) / 2
        c, s = math.cos(angle), math.sin(angle)
        aside = (c * offset[0] + s * offset[2], offset[1], c * offset[2] - s * offset[0])
        target = np.add(pose.eye, aside)
        turned = Pose(
            pose.eye, (float(target[0]), float(target[1]), float(target[2])), pose.fov_deg
        )
        if _seen(turned, places) > share:
            low = angle
        else:
            high = angle
    return turned


def _seen(pose: Pose, places: Array) -> float:
    """Share of places that are in the picture."""
    view = View.look_at(pose.eye, pose.target, WORLD_UP, pose.fov_deg, *SIZE)
    matrix = np.array(view.view).reshape(4, 4).T
    x, y, z = (places @ matrix[:3, :3].T + matrix[:3, 3]).T
    inside = z > 0
    inside &= np.abs(x) * view.fx < z * view.width / 2
    inside &= np.abs(y) * view.fy < z * view.height / 2
    return float(inside.mean())


def stand_in(model: onnx.ModelProto) -> Program:
    """A program with a model's inputs and outputs and nothing else, for the rivals' engines."""

    def tensors(ports: Sequence[onnx.ValueInfoProto]) -> tuple[Tensor, ...]:
        shapes = {p.name: [d.dim_value for d in p.type.tensor_type.shape.dim] for p in ports}
        return tuple(Tensor(n, tuple(s), "float32", "f32", n) for n, s in shapes.items())

    inputs, outputs = tensors(model.graph.input), tensors(model.graph.output)
    buffers = tuple(ProgramBuffer(t.name, t.size_bytes) for t in (*inputs, *outputs))
    return Program("rival", inputs, outputs, buffers, {}, (), ())


def gaussians(model: onnx.ModelProto, outputs: Sequence[Array]) -> list[Array]:
    """Centres (n, 3) and covariances (n, 6) of what onnxruntime made of a model."""
    names = [port.name for port in model.graph.output]
    found = {n: np.asarray(a, np.float64) for n, a in zip(names, outputs, strict=True)}
    places = found["position"].reshape(-1, 3)
    if "covariance" in found:
        return [places, found["covariance"].reshape(-1, 6)]
    logarithms = any(p.key == "vitrine.activation.scale" for p in model.metadata_props)
    sigma = np.exp(found["scale"]) if logarithms else found["scale"]
    q = found["rotation"].reshape(-1, 4)
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    columns = [
        [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
        [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
        [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
    ]
    factor = np.array(columns).transpose(2, 1, 0) * sigma.reshape(-1, 1, 3)
    full = factor @ factor.transpose(0, 2, 1)
    return [places, full[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]]
