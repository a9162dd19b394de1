"""A committed model with a state, run by onnxruntime and drawn on the native GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pybuild.generators.bundle import Made
from pybuild.networks import Network
from pybuild.poster import start_view
from pybuild.reference import Ellipsoids, to_uint8
from pybuild.reference import render as oracle
from pybuild.render import Renderer
from pyengine.passes.network import PREFIX
from pyengine.view import View
from tests.exporters.oracle import psnr, relative_error

ORACLE_DB = 40.0
"""The bar of a generated frame, drawn of onnxruntime's Gaussians by the oracle."""
RELATIVE = 1e-3
"""Of an output's largest magnitude: other orders of sums, and what steps make of them."""
WIDTH_PX, HEIGHT_PX = 160, 120
LARGE = 1024
"""Elements from which on a constant is stored as float16."""

Arrays = dict[str, NDArray[Any]]


class Stepped:
    """A model in onnxruntime whose states are fed back.

    Parameters
    ----------
    path : Path
    states : mapping
        Input to the output that it is fed by.
    rate : float
        Steps a second: the input ``time`` goes on by itself.
    """

    def __init__(self, path: Path, states: Mapping[str, str], rate: float) -> None:
        runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra dev")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.rate, self.fed = rate, dict(states)
        self.steps = 0
        self.states: Arrays = {
            value.name: np.zeros(value.shape, np.float32)
            for value in self.session.get_inputs()
            if value.name in states
        }

    def step(self, outputs: list[str] | None = None, **inputs: Any) -> Arrays:
        """One step; states that are not among ``outputs`` are computed too."""
        names = [value.name for value in self.session.get_outputs()]
        wanted = names if outputs is None else [*self.fed.values(), *outputs]
        given = {name: np.atleast_1d(np.asarray(v, np.float32)) for name, v in inputs.items()}
        given["time"] = np.array([self.steps / self.rate], np.float32)
        values = self.session.run(wanted, given | self.states)
        made = dict(zip(wanted, values, strict=True))
        self.states = {name: made[output] for name, output in self.fed.items()}
        self.steps += 1
        return made

    def after(self, steps: int, **inputs: Any) -> Arrays:
        """What the last of some more steps gives."""
        for _ in range(steps - 1):
            self.step([], **inputs)
        return self.step(**inputs)


def as_stored(module: Any) -> Any:
    """A PyTorch module with its large constants rounded as ``half=True`` of the export does."""
    for tensor in module.buffers():
        if tensor.numel() >= LARGE:
            tensor.copy_(tensor.half().float())
    return module


@contextmanager
def drawn(made: Made, adapter: Any) -> Iterator[Renderer]:
    """The generator on the adapter."""
    network = Network(made.network.program, made.network.files)
    with Renderer(made.scene, lambda _: b"", WIDTH_PX, HEIGHT_PX, network, adapter) as renderer:
        yield renderer


def view_of(made: Made) -> View:
    """The first view of the test's size."""
    return start_view(made.scene, WIDTH_PX, HEIGHT_PX)


def output(renderer: Renderer, made: Made, name: str) -> NDArray[np.float32]:
    """What the program last wrote, flat; of a state, wherever it lies after so many steps."""
    program = made.network.program
    tensor = next(t for t in program.outputs if t.name == name)
    buffer, size = tensor.buffer, int(np.prod(tensor.shape))
    generator = renderer.engine.generator
    assert generator is not None
    if name.startswith("state.") and generator.steps % 2 == 0:  # the second run writes the input's
        assert made.scene.generator is not None
        feed = next(f for f in made.scene.generator.feeds if f.state == name[6:])
        buffer = next(t for t in program.inputs if t.name == feed.name).buffer
    return renderer.read(PREFIX + buffer)[:size]


def assert_follows(
    renderer: Renderer, made: Made, image: NDArray[Any], wanted: Arrays, steps: int
) -> None:
    """States, Gaussians and frame after some steps, against what `Stepped.after` gave."""
    for name, expected in wanted.items():
        role = "gaussian" if name in ("packed", "color") else "state"
        found = output(renderer, made, f"{role}.{name}").reshape(expected.shape)
        assert relative_error(found, expected) < RELATIVE, (name, steps)
    assert picture_db(made, image, wanted) >= ORACLE_DB, steps


def picture_db(made: Made, image: NDArray[Any], wanted: Arrays) -> float:
    """A frame against the oracle's, drawn of the Gaussians that onnxruntime made."""
    cloud = Ellipsoids.of_packed(wanted["packed"], wanted["color"])
    background = made.scene.background or (0, 0, 0)
    return psnr(image, to_uint8(oracle(cloud, view_of(made), background)))
