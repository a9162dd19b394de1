"""Heads with expressions: numpy against plain sums, the model against numpy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pybuild.formats.glb import read_skinned
from pybuild.gaussians import Gaussians
from pybuild.generators.describe import describe
from pybuild.generators.head import Head, head, to_model
from pyengine.errors import InputError
from tests.skinned_models import COUNT, Glb, deltas, positions

NEAR = 2e-4
"""Morph targets are kept in 16 bits, turns are off by 1e-6."""


@pytest.fixture(scope="module")
def small() -> Head:
    """Seven Gaussians on a strip."""
    return head(read_skinned(Glb().bytes(), "strip.glb"), offsets(), "strip")


def offsets() -> Gaussians:
    """One a vertex, none like another."""
    rng = np.random.default_rng(2)
    quaternions = rng.normal(size=(COUNT, 4)).astype(np.float32)
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    return Gaussians(
        rng.normal(0, 0.01, (COUNT, 3)).astype(np.float32),
        rng.normal(-3, 0.5, (COUNT, 3)).astype(np.float32),
        quaternions,
        rng.normal(size=COUNT).astype(np.float32),
        rng.uniform(0, 1, (COUNT, 1, 3)).astype(np.float32),
    )


def test_at_rest_in_ply_axes(small: Head) -> None:
    """Half a turn about x from glTF's axes; colours as they are in the file."""
    given = offsets()
    flip = np.array([1.0, -1.0, -1.0])
    position, covariance = small.at(np.zeros(3), np.zeros((2, 3)))
    assert np.abs(position - (positions() + given.positions) * flip).max() < NEAR
    scales = np.exp(2 * given.log_scales.astype(np.float64))
    trace = covariance[:, [0, 3, 5]].sum(axis=1)
    assert np.abs(trace / scales.sum(axis=1) - 1).max() < NEAR
    w, x, y, z = given.quaternions[0].astype(np.float64)
    first = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)]) * flip
    full = small.covariance[0].astype(np.float64)
    assert np.abs(full @ first - scales[0, 0] * first).max() < NEAR * scales[0].max()
    assert np.abs(small.color - given.sh[:, 0]).max() == 0


def test_expressions_add(small: Head) -> None:
    """By name, whatever their order in the file."""
    rest, _ = small.at(np.zeros(3), np.zeros((2, 3)))
    weights = {"browUp": 0.5, "cheekPuff": 1.0, "jawOpen": 0.25}
    made, _ = small.at([weights[name] for name in small.expressions], np.zeros((2, 3)))
    wanted = sum(weights[name] * delta for name, delta in deltas().items())
    assert np.abs(made - rest - wanted * [1, -1, -1]).max() < NEAR


def test_joints_turn_what_they_carry(small: Head) -> None:
    """The upper joint leaves the lowest vertex and carries the highest around its pivot."""
    joints = np.zeros((2, 3))
    joints[small.joints.index("upper")] = (0, 0, np.pi / 2)
    rest, before = small.at(np.zeros(3), np.zeros((2, 3)))
    made, after = small.at(np.zeros(3), joints)
    assert np.abs(made[0] - rest[0]).max() < NEAR
    pivot = np.array([0, -0.5, 0])
    turned = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]) @ (rest[-1] - pivot) + pivot
    assert np.abs(made[-1] - turned).max() < NEAR
    assert np.abs(after[-1, [3, 0, 5]] - before[-1, [0, 3, 5]]).max() < NEAR * before.max()
    assert np.abs(after[0] - before[0]).max() < NEAR * before.max()


def _run(model: Any, weights: Any, joints: Any) -> dict[str, Any]:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra dev")
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    fed = {"weights": np.float32(weights), "joints": np.float32(joints)}
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, fed), strict=True))


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_model_says_the_same(small: Head, depth: int) -> None:
    """Chains of one, two and five joints: no doubling, one, three."""
    rng = np.random.default_rng(depth)
    shares = rng.uniform(size=(COUNT, depth)).astype(np.float32)
    given = replace(
        small,
        joints=tuple(f"joint {k}" for k in range(depth)),
        parents=tuple(range(-1, depth - 1)),
        pivots=rng.normal(size=(depth, 3)).astype(np.float32),
        weights=shares / shares.sum(axis=1, keepdims=True),
    )
    weights, joints = rng.uniform(0, 1, 3), rng.normal(0, 0.8, (depth, 3))
    joints[0] = 0
    position, covariance = given.at(weights, joints)
    made = _run(to_model(given), weights, joints)
    assert np.abs(made["position"] - position).max() < NEAR
    assert np.abs(made["covariance"] - covariance).max() < NEAR * np.abs(covariance).max()
    assert np.array_equal(made["color"], given.color)
    assert np.array_equal(made["opacity"], given.opacity)


def test_the_model_keeps_the_contract(small: Head) -> None:
    """Weights and joints come in; every output has its role."""
    contract = describe(to_model(small))
    assert [(f.name, f.role, f.shape) for f in contract.inputs] == [
        ("weights", "weights", (3,)),
        ("joints", "joints", (2, 3)),
    ]
    assert contract.capacity == COUNT
    assert contract.bounds is not None
    assert contract.pose is not None


def test_tracks_go_by_name(small: Head) -> None:
    """What the head lacks is left out; what the frames lack is 0."""
    made = small.track(("tongueOut", "jawOpen"), [[1, 0.5], [0, 0.25]])
    column = small.expressions.index("jawOpen")
    assert made.shape == (2, 3)
    assert np.array_equal(made[:, column], np.float32([0.5, 0.25]))
    assert np.array_equal(made.sum(axis=1), made[:, column])


@pytest.mark.parametrize(
    ("names", "frames"),
    [(("jawOpen",), [[1, 2]]), (("jawOpen",), [[np.nan]]), (("a", "b"), [[1, 2]])],
    ids=["too wide", "nan", "unknown names"],
)
def test_frames_that_do_not_fit(small: Head, names: Any, frames: Any) -> None:
    """Are refused with what was wanted."""
    with pytest.raises(InputError, match="expressions: "):
        small.track(names, frames)


def test_one_gaussian_a_vertex() -> None:
    """Another number is refused."""
    mesh = read_skinned(Glb().bytes(), "strip.glb")
    with pytest.raises(InputError, match="wanted a Gaussian for each of 7 vertices, got 6"):
        head(mesh, offsets().take(np.arange(6)), "strip")
