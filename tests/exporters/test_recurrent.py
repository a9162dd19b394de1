"""The cloth: its file, its motion by onnxruntime, and the same steps on the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pybuild.generators.bundle import Made, make_generator
from tests.exporters.oracle import FOLDER, contract_of, relative_error
from tests.exporters.stepped import (
    RELATIVE,
    Stepped,
    as_stored,
    assert_follows,
    drawn,
    output,
    view_of,
)

PATH = FOLDER / "recurrent.onnx"
STATES = {"moved": "moved_next", "velocity": "velocity_next"}
RATE = 60.0
CALM = (9.0, 0.0, 0.0)
"""A pointer that leaves the cloth alone."""
MOST_DISPATCHES = 8
RELAXED = 0.07
"""A hanging cloth is so much longer than it was cut, at most: five sweeps a step."""
FARTHEST, FASTEST = 2.9, 6.0
"""The cloth's diagonal; what velocities are limited to. Units, units a second."""


def cloth() -> Stepped:
    """At rest."""
    return Stepped(PATH, STATES, RATE)


@pytest.fixture(scope="module")
def made() -> Made:
    """Compiled once."""
    return make_generator(PATH)


def test_its_contract() -> None:
    """Two states, wind as a slider, a pointer; steps at 60 a second."""
    contract = contract_of(PATH)
    roles = {feed.name: feed.role for feed in contract.inputs}
    assert roles == {
        "moved": "state",
        "velocity": "state",
        "time": "time",
        "wind": "control",
        "pointer": "pointer",
    }
    assert contract.rate_hz == RATE
    assert contract.capacity == 15_300


def test_without_wind_it_hangs_at_rest() -> None:
    """Gravity stretches it little, nothing moves after a while; the pegs hold."""
    model = cloth()
    model.after(300, wind=0.0, pointer=CALM)
    moved, velocity = model.states["moved"], model.states["velocity"]
    assert np.abs(velocity).max() < 0.1
    assert 0 < moved[-1, :, 1].max() < 2 * RELAXED
    assert (moved[0, [0, -1]] == 0).all()


def test_storms_and_a_ball_that_jumps_do_not_tear_it() -> None:
    """300 steps here; ``python -m exporters.make_cloth --steps N`` does as many as are asked."""
    model, random = cloth(), np.random.default_rng(1)
    for _ in range(12):
        pointer = (*random.uniform(-1, 1, 2), float(random.integers(2)))
        for _ in range(25):
            model.step([], wind=1.0, pointer=pointer)
        assert np.abs(model.states["moved"]).max() < FARTHEST
        assert np.abs(model.states["velocity"]).max() <= FASTEST


def test_wind_blows_and_the_ball_pushes() -> None:
    """More wind, farther from the plane; a pressed ball reaches through where the cloth was."""
    depths = []
    for wind, pointer in ((0.0, CALM), (1.0, CALM), (0.0, (0.0, 0.0, 1.0))):
        model = cloth()
        model.after(60, wind=wind, pointer=pointer)
        depths.append(np.abs(model.states["moved"][..., 2]).max())
    assert depths[0] < 0.05
    assert depths[1] > 0.4
    assert depths[2] > 0.2


def test_the_file_is_what_the_module_computes() -> None:
    """A file that was made before the module was last changed would differ."""
    torch = pytest.importorskip("torch", reason="torch is in the extra export")
    from exporters.cloth import Cloth

    model = cloth()
    model.after(5, wind=0.7, pointer=(0.1, 0.2, 1.0))
    states = [torch.from_numpy(state) for state in model.states.values()]
    numbers = [[model.steps / RATE], [0.7], [0.1, 0.2, 1.0]]
    with torch.no_grad():
        wanted = as_stored(Cloth())(*states, *(torch.tensor(each) for each in numbers))
    made = model.step(wind=0.7, pointer=(0.1, 0.2, 1.0))
    for name, expected in zip(
        ("moved_next", "velocity_next", "packed", "color"), wanted, strict=True
    ):
        assert relative_error(made[name], expected.numpy()) < RELATIVE, name


def test_it_takes_few_dispatches(made: Made) -> None:
    """Forces, five sweeps, the spline and its Gaussians."""
    assert len(made.network.program.dispatches) <= MOST_DISPATCHES


@pytest.mark.gpu
def test_the_gpu_steps_like_onnxruntime(adapter: Any, made: Made) -> None:
    """20 steps, each fed with the one before; and frames at three moments of two winds."""
    with drawn(made, adapter) as renderer:
        for wind, pointer, steps in (
            (0.45, (0.0, 0.0, 0.0), 1),
            (1.0, (0.2, 0.1, 1.0), 8),
            (0.45, (-0.3, 0.4, 1.0), 20),
        ):
            renderer.set_input("wind", [wind])
            renderer.set_input("pointer", pointer)
            image = renderer.draw(view_of(made), steps / RATE)
            wanted = cloth().after(steps, wind=wind, pointer=pointer)
            assert_follows(renderer, made, image, wanted, steps)


@pytest.mark.gpu
def test_the_gpu_keeps_it_together(adapter: Any, made: Made) -> None:
    """Four seconds of full wind."""
    with drawn(made, adapter) as renderer:
        renderer.set_input("wind", [1.0])
        renderer.draw(view_of(made), 240 / RATE)
        moved = output(renderer, made, "state.moved_next")
    assert np.isfinite(moved).all()
    assert 0.3 < np.abs(moved).max() < FARTHEST
