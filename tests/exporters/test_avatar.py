"""The committed walker: its kinematics against plain numpy, its walk, its instances, the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from exporters.figure import JOINTS, PARENTS, SOLES, rest_joints
from pybuild.generators.bundle import make_generator
from pybuild.generators.compile import compile_generator
from pybuild.render import Renderer
from pybuild.runner import NativeRunner
from pyengine.view import View
from tests.exporters.oracle import (
    CLOSE,
    FOLDER,
    FRAME_DB,
    Array,
    Oracle,
    assert_same_rows,
    contract_of,
    drawn,
    psnr,
    relative_error,
)

MODEL = FOLDER / "avatar.onnx"
MOST_DISPATCHES = 3
STANDING = {"arms": 0.0, "legs": 1.0, "spine": 0.0, "head": 0.0}
POSES: tuple[tuple[int, dict[str, float]], ...] = (
    (0, {}),
    (9, {"arms": 0.8, "head": -0.7}),
    (22, {"spine": 0.9, "legs": 1.5}),
)
"""A frame of the walk, and sliders."""
WIDTH_PX, HEIGHT_PX = 130, 180
VIEW = View.look_at((0.9, -1.25, -3.6), (0, -0.93, 0), (0, -1, 0), 36, WIDTH_PX, HEIGHT_PX)


@pytest.fixture(scope="module")
def walk() -> Array:
    """The track, (F, 24, 3)."""
    return np.load(FOLDER / "walk.npy")


@pytest.fixture(scope="module")
def constants() -> dict[str, Array]:
    """What the model stores, by name."""
    model = onnx.load(MODEL)
    return {
        tensor.name.removesuffix(".half"): onnx.numpy_helper.to_array(tensor).astype(np.float64)
        for tensor in model.graph.initializer
    }


def inputs(joints: Array, sliders: dict[str, float]) -> dict[str, Array]:
    """All inputs of a pose."""
    values = {name: np.array([v], np.float32) for name, v in {**STANDING, **sliders}.items()}
    return {"joints": joints.astype(np.float32), **values}


def rotation(vector: Array) -> Array:
    """Rodrigues, for one joint."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-9:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def chain(joints: Array) -> tuple[Array, Array]:
    """Turns and places of all joints, one after the other, on the ground."""
    rest = rest_joints()
    turns, places = np.empty((24, 3, 3)), np.empty((24, 3))
    for j, parent in enumerate(PARENTS):
        turns[j], places[j] = rotation(joints[j]), rest[j]
        if parent >= 0:
            turns[j] = turns[parent] @ turns[j]
            places[j] = places[parent] + turns[parent] @ (rest[j] - rest[parent])
    soles = [places[j] + turns[j] @ (np.array([x, -y, -z]) - rest[j]) for j, (x, y, z) in SOLES]
    places[:, 1] -= np.max(soles, axis=0)[1]
    return turns, places


def test_the_contract() -> None:
    """Joints, four sliders, a rest pose; degree 1."""
    contract = contract_of(MODEL)
    assert {feed.name: feed.role for feed in contract.inputs} == {
        "joints": "joints",
        **dict.fromkeys(STANDING, "control"),
    }
    for feed in contract.inputs:
        assert feed.shape == ((24, 3) if feed.name == "joints" else (1,))
        if feed.control is not None:
            assert feed.control.default == STANDING[feed.name]
    assert contract.inputs[0].default is not None
    assert contract.sh_degree == 1
    assert 6000 <= contract.capacity <= 10_000


def test_zero_is_the_rest_pose(oracle: Oracle, constants: dict[str, Array]) -> None:
    """Nothing moves, and the covariances are those of the factors."""
    rows = oracle(**inputs(np.zeros((24, 3)), {}))
    assert np.abs(rows["position"] - constants["rest_position"]).max() < 1e-4
    factor = constants["rest_factor"]
    full = (factor @ factor.transpose(0, 2, 1)).reshape(-1, 9)[:, [0, 1, 2, 4, 5, 8]]
    assert relative_error(rows["covariance"], full) < CLOSE


def test_kinematics_joint_by_joint(
    oracle: Oracle, walk: Array, constants: dict[str, Array]
) -> None:
    """Doubling gives what one joint after the other gives; skinning is the weighted sum."""
    rng = np.random.default_rng(5)
    rest, rows = rest_joints(), slice(0, None, 7)
    carriers = constants["rest_carriers"].astype(int).reshape(-1, 4)[rows]
    weights = constants["rest_weights"].reshape(-1, 4)[rows]
    weights /= weights.sum(axis=1, keepdims=True)
    position, factor = constants["rest_position"][rows], constants["rest_factor"][rows]
    for joints in (walk[3], rng.normal(0, 0.4, (24, 3))):
        turns, places = chain(joints)
        moves = places - np.einsum("jab,jb->ja", turns, rest)
        matrix = np.einsum("nk,nkab->nab", weights, turns[carriers])
        moved = np.einsum("nab,nb->na", matrix, position)
        moved += np.einsum("nk,nka->na", weights, moves[carriers])
        axes = matrix @ factor
        full = (axes @ axes.transpose(0, 2, 1)).reshape(-1, 9)[:, [0, 1, 2, 4, 5, 8]]
        made = oracle(**inputs(joints, {}))
        assert np.abs(made["position"][rows] - moved).max() < CLOSE
        assert relative_error(made["covariance"][rows], full) < CLOSE


def test_colours_turn_with_the_body(oracle: Oracle, constants: dict[str, Array]) -> None:
    """Under a half turn of everything, degree 1 is turned by it and keeps its length."""
    still = oracle(**inputs(np.zeros((24, 3)), {}))["sh"]
    joints = np.zeros((24, 3))
    joints[0] = (0.3, 1.9, -0.4)
    turned = oracle(**inputs(joints, {}))["sh"]

    def lobes(sh: Array) -> Array:
        return np.stack([-sh[:, 3], -sh[:, 1], sh[:, 2]], axis=1)

    wanted = np.einsum("ab,nbc->nac", rotation(joints[0]), lobes(still))
    assert relative_error(lobes(turned), wanted) < CLOSE


def test_the_walk_loops_on_the_ground(oracle: Oracle, walk: Array) -> None:
    """32 frames; the last leads to the first; the two sides mirror each other; a sole is down."""
    assert walk.shape == (32, 24, 3)
    steps = np.abs(np.diff(walk, axis=0, append=walk[:1])).max(axis=(1, 2))
    assert steps[-1] <= steps[:-1].max()
    half = np.roll(walk, 16, axis=0)
    swap = [JOINTS.index(_other(name)) for name in JOINTS]
    assert np.abs(half[:, swap] * np.array([1, -1, -1]) - walk).max() < CLOSE
    for frame in range(0, 32, 5):
        lowest = oracle(**inputs(walk[frame], {}))["position"][:, 1].max()
        assert abs(lowest) < 0.02


def _other(name: str) -> str:
    side, _, joint = name.partition("_")
    return {"left": "right_", "right": "left_"}.get(side, name) + joint


def test_sliders(oracle: Oracle, walk: Array) -> None:
    """Each moves what it is for and leaves the rest."""
    still = oracle(**inputs(walk[4], {}))["position"]
    top = still[:, 1].min()

    def moved(name: str, value: float) -> Array:
        return np.linalg.norm(oracle(**inputs(walk[4], {name: value}))["position"] - still, axis=1)

    feet, crown = still[:, 1] > -0.1, still[:, 1] < top + 0.1
    assert moved("arms", 1.0).max() > 0.8
    assert moved("arms", 1.0)[feet | crown].max() < CLOSE
    assert moved("head", 1.0)[crown].max() > 0.05
    assert moved("head", 1.0)[feet].max() < CLOSE
    assert moved("spine", 1.0)[crown].min() > 0.3
    assert moved("spine", 1.0)[feet].max() < CLOSE
    assert moved("legs", 0.0)[feet].max() > 0.2
    reached = oracle(**inputs(walk[4], {"arms": 1.0}))["position"]
    assert reached[:, 1].min() < top


@pytest.mark.gpu
def test_the_gpu_and_onnxruntime_make_the_same(adapter: Any, oracle: Oracle, walk: Array) -> None:
    """Three instances in their poses at once, in as many dispatches as one and ten."""
    many = compile_generator(MODEL, oracle.contract, 3, ("joints", *STANDING))
    needed = {len(many.compiled.program.dispatches)}
    for count in (1, 10):
        program = compile_generator(MODEL, oracle.contract, count, ("joints",)).compiled.program
        needed.add(len(program.dispatches))
    assert len(needed) == 1
    assert max(needed) <= MOST_DISPATCHES
    each = [inputs(walk[frame], sliders) for frame, sliders in POSES]
    stacked = {name: np.stack([one[name] for one in each]) for name in each[0]}
    with NativeRunner(adapter) as runner:
        got = runner.run(many.compiled.program, many.compiled.files, stacked)
    packs = got["gaussian.packed"].reshape(3, -1, 10)
    colours = got["gaussian.sh"].reshape(3, -1, 4, 3)
    for one, pack, colour in zip(each, packs, colours, strict=True):
        assert_same_rows(pack, colour, oracle(**one))


@pytest.mark.gpu
def test_frames_are_those_of_onnxruntimes_gaussians(
    adapter: Any, oracle: Oracle, walk: Array
) -> None:
    """In three poses; each picture differs from the others."""
    made = make_generator(MODEL)
    pictures = []
    with Renderer(
        made.scene, lambda _: b"", WIDTH_PX, HEIGHT_PX, made.network, adapter
    ) as renderer:
        for frame, sliders in POSES:
            fed = inputs(walk[frame], sliders)
            for name, value in fed.items():
                renderer.set_input(name, value)
            picture = renderer.draw(VIEW, 0.0)
            assert psnr(picture, drawn(oracle(**fed), VIEW, made.contract.background)) > FRAME_DB
            pictures.append(picture)
    assert psnr(pictures[0], pictures[1]) < 0.8 * FRAME_DB
    assert psnr(pictures[0], pictures[2]) < 0.8 * FRAME_DB


def test_the_walk_is_what_its_script_makes(walk: Array) -> None:
    """The script needs PyTorch to be loaded."""
    pytest.importorskip("torch", reason="PyTorch is in the extra export")
    from exporters.make_avatar import walk as made

    assert np.abs(made() - walk).max() < CLOSE
