"""Generators made by hand, whose Gaussians a test gives as inputs: for the engine without a model.

Every output copies an input, so that what the renderer gets is known; ``time`` moves the Gaussians
along x, and a state counts its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.compile import Compiled, compile_tensors
from pybuild.onnx.ir import Tensor, input_tensor, map_tensor
from pybuild.runner import shader_texts
from pyengine.bundle import Pose, Scene
from pyengine.camera_inputs import IDENTITY
from pyengine.feeds import FeedSpec
from pyengine.generator_spec import GeneratorSpec
from pyengine.plan import Adapter, Plan
from pyengine.scene_plan import scene_plan

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Made:
    """A scene, and the program that makes its Gaussians."""

    scene: Scene
    compiled: Compiled

    @property
    def spec(self) -> GeneratorSpec:
        assert self.scene.generator is not None
        return self.scene.generator

    def plan(self, adapter: Adapter) -> Plan:
        """What a host takes."""
        program, files = self.compiled.program, self.compiled.files
        return scene_plan(self.scene, adapter, program, shader_texts(program, files))


@cache
def generator(
    capacity: int,
    instances: int = 1,
    sh_degree: int | None = None,
    counted: bool = False,
    stateful: bool = False,
    timed: bool = False,
    antialiased: bool = False,
    is_shared: bool = False,
    transforms: tuple[tuple[float, ...], ...] = (),
) -> Made:
    """A generator of at most ``capacity`` Gaussians an instance.

    Inputs: ``packed`` and ``shade``, the Gaussians of all instances (or the shade of one, which all
    share); ``count`` where counted;
    ``time`` where timed; ``drive`` (4) and the state ``memory`` (4) where stateful: the memory
    halves and the drive is added, and its first element is added to all x.
    """
    rows = instances * capacity
    columns = 3 if sh_degree is None else 3 * (sh_degree + 1) ** 2
    shades = capacity if is_shared else rows
    packed, shade = _input("packed", rows, 10), _input("shade", shades, columns)
    feeds = [_latent(packed), _latent(shade)]
    inputs, x = [packed, shade], []
    outputs: list[Tensor] = []
    if timed:
        time = _input("time", 1)
        inputs.append(time)
        x.append(time[0])
        feeds.append(FeedSpec("time", "time", (1,), "float32"))
    if stateful:
        drive, memory = _input("drive", 4), _input("memory", 4)
        inputs += [drive, memory]
        feeds += [_latent(drive), replace(_latent(memory), role="state", state="memory")]
        after = map_tensor("state.memory", (4,), lambda i: memory[i] * 0.5 + drive[i])
        outputs.append(after)
        x.append(memory[0] * 0.5 + drive[0])

    def moved(i, j):  # type: ignore[no-untyped-def]
        from pybuild.onnx.expr import compare, const, select

        value = packed[i, j]
        for shift in x:
            value = value + select(compare("eq", j, const(0, "i32")), shift, 0.0)
        return value

    outputs.append(map_tensor("gaussian.packed", (rows, 10), moved))
    name = "gaussian.color" if sh_degree is None else "gaussian.sh"
    outputs.append(map_tensor(name, (shades, columns), lambda i, j: shade[i, j]))
    if counted:
        count = input_tensor("count", (instances,), "i32")
        inputs.append(count)
        feeds.append(FeedSpec("count", "latent", (instances,), "int32"))
        outputs.append(map_tensor("gaussian.count", (instances,), lambda i: count[i]))
    spec = GeneratorSpec(
        program="generator",
        instances=instances,
        capacity=capacity,
        counted=counted,
        transforms=transforms or (IDENTITY,) * instances,
        feeds=tuple(feeds),
    )
    scene = Scene(
        count=rows,
        sh_degree=sh_degree or 0,
        antialiased=antialiased,
        bounds=((-3.0, -3.0, -3.0), (3.0, 3.0, 3.0)),
        pose=Pose((0.0, 0.0, -4.0), (0.0, 0.0, 0.0), 50.0),
        background=(0.0, 0.0, 0.0),
        buffers={},
        generator=spec,
    )
    return Made(scene, compile_tensors("made", inputs, outputs))


def _input(name: str, *shape: int) -> Tensor:
    return input_tensor(name, shape, "f32")


def _latent(tensor: Tensor) -> FeedSpec:
    return FeedSpec(tensor.name, "latent", tensor.shape, "float32")


def gaussians(rows: int, columns: int = 3, seed: int = 0) -> tuple[Array, Array]:
    """Random packed rows and their colours or SH."""
    rng = np.random.default_rng(seed)
    packed = np.zeros((rows, 10), np.float32)
    packed[:, :3] = rng.uniform(-1, 1, (rows, 3))
    packed[:, 3] = rng.uniform(0.05, 1, rows)
    half = rng.normal(size=(rows, 3, 3)) * rng.uniform(0.01, 0.06, (rows, 1, 3))
    full = half @ half.transpose(0, 2, 1)
    packed[:, 4:] = full[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
    shade = rng.uniform(0, 1, (rows, columns)).astype(np.float32)
    if columns > 3:
        shade = (rng.normal(size=(rows, columns)) * 0.3).astype(np.float32)
    return packed, shade


def placed(*offsets: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """Moved copies."""
    return tuple((*IDENTITY[:12], *(float(v) for v in offset), 1.0) for offset in offsets)
