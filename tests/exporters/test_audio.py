"""The pond: its file, how sound runs over it by onnxruntime, and the same steps on the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pybuild.generators.bundle import Made, make_generator
from tests.exporters.oracle import FOLDER, contract_of, relative_error
from tests.exporters.stepped import RELATIVE, Stepped, as_stored, assert_follows, drawn, view_of

PATH = FOLDER / "audio.onnx"
RATE = 45.0
BANDS, RINGS, ANGLES = 32, 72, 144
SILENCE = np.zeros(BANDS, np.float32)
MOST_DISPATCHES = 3


def pond() -> Stepped:
    """Silent."""
    return Stepped(PATH, {"waves": "waves_next"}, RATE)


def tone(band: int) -> np.ndarray[Any, Any]:
    """One loud band and its neighbours."""
    return np.exp(-0.5 * ((np.arange(BANDS) - band) / 1.5) ** 2).astype(np.float32)


@pytest.fixture(scope="module")
def made() -> Made:
    """Compiled once."""
    return make_generator(PATH)


def test_its_contract() -> None:
    """Sound in, a state, a slider."""
    contract = contract_of(PATH)
    roles = {feed.name: feed.role for feed in contract.inputs}
    assert roles == {"waves": "state", "mel": "audio.mel", "time": "time", "gain": "control"}
    assert contract.rate_hz == RATE
    assert contract.capacity == 96 * ANGLES


def test_a_beat_runs_outwards_and_fades() -> None:
    """One loud frame: the highest ring of the pond is as many rings out as steps were done."""
    model = pond()
    heights, rings = [], []
    for step in range(60):
        made = model.step(mel=tone(3) if step == 0 else SILENCE, gain=1.0)
        if step % 20 == 19:
            up = -made["packed"][: RINGS * ANGLES, 1].reshape(RINGS, ANGLES)
            front = up[:, ANGLES * 3 // 4]  # bass is towards -z
            rings.append(int(front.argmax()))
            heights.append(float(front.max()))
    assert rings == [19, 39, 59]
    assert heights[0] > 1.2 * heights[1] > 1.4 * heights[2]


def test_bass_is_in_front_and_treble_behind() -> None:
    """And both sides are the same."""
    for band, toward in ((0, -1.0), (BANDS - 1, 1.0)):
        made = pond().step(mel=tone(band), gain=1.0)
        rows = made["packed"][: 4 * ANGLES]
        highest = rows[np.argmin(rows[:, 1])]
        assert np.sign(highest[2]) == toward
        assert highest[0] == pytest.approx(0, abs=1e-3)


def test_louder_is_higher_brighter_and_the_ball_grows() -> None:
    """With the gain too."""
    sizes, lights = [], []
    for mel, gain in ((SILENCE, 1.0), (0.5 * tone(8), 1.0), (0.5 * tone(8), 2.0)):
        made = pond().after(3, mel=mel, gain=gain)
        ball = made["packed"][RINGS * ANGLES :, :3]
        sizes.append(float(np.ptp(ball[:, 0])))
        lights.append(float(made["color"][: RINGS * ANGLES].max()))
    assert sizes[0] < sizes[1] < sizes[2]
    assert lights[0] < lights[1] < lights[2]


def test_the_file_is_what_the_module_computes() -> None:
    """A file that was made before the module was last changed would differ."""
    torch = pytest.importorskip("torch", reason="torch is in the extra export")
    from exporters.audio import Pond

    model = pond()
    model.after(5, mel=tone(9), gain=1.5)
    given = (model.states["waves"], tone(11), [model.steps / RATE], [1.5])
    with torch.no_grad():
        wanted = as_stored(Pond())(*(torch.tensor(np.asarray(each, np.float32)) for each in given))
    made = model.step(mel=tone(11), gain=1.5)
    for name, expected in zip(("waves_next", "packed", "color"), wanted, strict=True):
        assert relative_error(made[name], expected.numpy()) < RELATIVE, name


def test_it_takes_few_dispatches(made: Made) -> None:
    """The waves with their heights, and the Gaussians."""
    assert len(made.network.program.dispatches) <= MOST_DISPATCHES


@pytest.mark.gpu
def test_the_gpu_hears_like_onnxruntime(adapter: Any, made: Made) -> None:
    """20 steps, each fed with the one before; and frames of three sounds."""
    with drawn(made, adapter) as renderer:
        for band, steps in ((2, 1), (14, 9), (27, 20)):
            renderer.set_input("mel", tone(band))
            image = renderer.draw(view_of(made), steps / RATE)
            wanted = pond().after(steps, mel=tone(band), gain=1.0)
            assert_follows(renderer, made, image, wanted, steps)
