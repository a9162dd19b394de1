"""Generators compiled for the renderer, on the adapter, against onnxruntime and numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from pybuild.generators.compile import FRUSTUM, VIEW, GeneratorProgram, compile_generator
from pybuild.generators.describe import describe
from pybuild.runner import NativeRunner
from pyengine.camera_inputs import camera_values
from pyengine.errors import InputError
from pyengine.plan import Indirect
from pyengine.view import View
from tests.generator_models import figure, scaffold

Array = NDArray[Any]
Arrays = dict[str, Array]
CLOSE = 1e-4

pytestmark = pytest.mark.gpu


def compiled(model: Any, **options: Any) -> GeneratorProgram:
    """By its own contract."""
    return compile_generator(model, describe(model), **options)


def run(runner: NativeRunner, made: GeneratorProgram, inputs: Arrays) -> Arrays:
    return runner.run(made.compiled.program, made.compiled.files, inputs)


def expected(model: Any, inputs: Arrays) -> Arrays:
    """What onnxruntime computes, by output's name."""
    import onnxruntime

    data = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def packed_of(outputs: Arrays) -> Array:
    """Position, opacity and covariance as the project pass reads them, in float64."""
    rows = {name: value.astype(np.float64) for name, value in outputs.items()}
    if "covariance" not in rows:
        w, x, y, z = (rows["rotation"] / np.linalg.norm(rows["rotation"], axis=1)[:, None]).T
        turn = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        ).transpose(2, 0, 1)
        axes = turn * rows["scale"][:, None, :]
        full = axes @ axes.transpose(0, 2, 1)
        rows["covariance"] = full.reshape(-1, 9)[:, [0, 1, 2, 4, 5, 8]]
        rows["opacity"] = 1 / (1 + np.exp(-rows["opacity"]))
    return np.concatenate([rows["position"], rows["opacity"], rows["covariance"]], axis=1)


def near(got: Array, wanted: Array) -> bool:
    return bool(np.abs(got - wanted).max() <= CLOSE * max(np.abs(wanted).max(), 1e-9))


EYE = np.array([0.3, -0.2, -4.0], np.float32)


def test_activations_and_covariance_cost_no_kernel(runner: NativeRunner) -> None:
    """Separate outputs with activations come out packed, by the network's one kernel."""
    model = scaffold()
    made = compiled(model, visible_first=False)
    assert made.compiled.program.report["dispatches"] == 1
    got, wanted = run(runner, made, {"eye": EYE}), expected(model, {"eye": EYE})
    assert near(got["gaussian.packed"], packed_of(wanted))
    assert near(got["gaussian.color"], wanted["color"])


@pytest.mark.parametrize("model", [figure()], ids=["figure"])
def test_instances_take_as_many_dispatches_as_one(runner: NativeRunner, model: Any) -> None:
    """Each with its own pose; colours, which no pose changes, are there once."""
    poses = np.random.default_rng(1).uniform(-1, 1, (10, 5)).astype(np.float32)
    one, ten = compiled(model), compiled(model, instances=10, batched=["pose"])
    assert len(one.compiled.program.dispatches) == len(ten.compiled.program.dispatches) <= 3
    sway = np.array([0.4], np.float32)
    got = run(runner, ten, {"pose": poses, "sway": sway})
    rows = got["gaussian.packed"].reshape(10, -1, 10)
    for pose, row in zip(poses, rows, strict=True):
        assert near(row, packed_of(expected(model, {"pose": pose, "sway": sway})))
    assert got["gaussian.color"].shape == (200, 3)


def test_an_input_that_is_not_there(runner: NativeRunner) -> None:
    with pytest.raises(InputError, match=r"no input 'poses'.*it has 'pose', 'sway'"):
        compiled(figure(), instances=2, batched=["poses"])


def view_of(eye: Array) -> View:
    return View.look_at(tuple(map(float, eye)), (0.5, 0.0, 0.0), (0.0, -1.0, 0.0), 40, 320, 200)


@pytest.mark.parametrize("anchors", [300, 2500])
def test_only_rows_in_sight_are_decoded(runner: NativeRunner, anchors: int) -> None:
    """Every row that a pixel could show, in order, each as it would be without the test."""
    model = scaffold(anchors)
    made, whole = compiled(model), compiled(model, visible_first=False)
    assert made.left_out == ""
    view = view_of(EYE)
    camera = {
        VIEW: np.array(camera_values("camera.view", view), np.float32).reshape(4, 4),
        FRUSTUM: np.array(camera_values("camera.frustum", view), np.float32),
    }
    got, all_rows = run(runner, made, {"eye": EYE} | camera), run(runner, whole, {"eye": EYE})
    count = int(got["gaussian.count"][0])
    seen = in_view(all_rows["gaussian.packed"], view).reshape(anchors, 4).any(axis=1)
    live = got["gaussian.packed"][:count]
    places = {row.tobytes(): k for k, row in enumerate(all_rows["gaussian.packed"][::4, :3])}
    rows = [places[row.tobytes()] for row in np.ascontiguousarray(live[::4, :3])]
    assert rows == sorted(set(rows))
    assert set(np.flatnonzero(seen)) <= set(rows)
    assert seen.sum() <= len(rows) < anchors
    picked = (np.array(rows)[:, None] * 4 + np.arange(4)).ravel()
    assert near(live, all_rows["gaussian.packed"][picked])
    assert near(got["gaussian.color"][:count], all_rows["gaussian.color"][picked])


def in_view(packed: Array, view: View) -> Array:
    """Whether a Gaussian's footprint, at 1/255 of an opacity of 1, meets the canvas: float64."""
    matrix = np.array(view.view, np.float64).reshape(4, 4).T
    position = packed[:, :3].astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    xx, xy, xz, yy, yz, zz = packed[:, 4:].astype(np.float64).T
    full = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]).transpose(2, 0, 1)
    full = matrix[:3, :3] @ full @ matrix[:3, :3].T
    z = np.maximum(position[:, 2], 1e-6)
    seen = position[:, 2] > 0.2
    for axis, (focal, middle, size) in enumerate(
        ((view.fx, view.cx, view.width), (view.fy, view.cy, view.height))
    ):
        slope = position[:, axis] / z
        clamped = np.clip(slope, -1.3 * size / 2 / focal, 1.3 * size / 2 / focal)
        row = np.zeros((len(packed), 3))
        row[:, axis], row[:, 2] = focal / z, -focal / z * clamped
        variance = np.einsum("ni,nij,nj->n", row, full, row) + 0.3
        reach = np.sqrt(2 * np.log(255) * variance)
        place = focal * slope + middle
        seen &= (place + reach >= 0) & (place - reach <= size)
    return seen


def test_work_follows_the_rows_in_sight(runner: NativeRunner) -> None:
    """The network's dispatch is indirect; facing away there is nothing to do."""
    made = compiled(scaffold())
    view = View.look_at((0, 0, -9), (0, 0, -20), (0.0, -1.0, 0.0), 40, 320, 200)
    camera = {
        VIEW: np.array(camera_values("camera.view", view), np.float32).reshape(4, 4),
        FRUSTUM: np.array(camera_values("camera.frustum", view), np.float32),
    }
    program = made.compiled.program
    assert program.dispatches[-1].candidates[0].workgroups == Indirect("then.arguments", 0)
    with runner.prepare(program, made.compiled.files) as prepared:
        got = prepared.run({"eye": EYE} | camera)
        assert got["gaussian.count"][0] == 0
        arguments = np.frombuffer(prepared.host.read("then.arguments"), np.uint32)
        assert arguments[0] == 0


def test_why_all_rows_are_computed() -> None:
    """A figure's joints place its Gaussians, and nothing costs more than that."""
    assert "where its Gaussians lie" in compiled(figure(joints=24)).left_out
    assert "no network" in compiled(figure()).left_out


@pytest.mark.parametrize(
    ("name", "most"),
    [("scaffold_gs", 2), ("hexplane_4dgs", 3), ("avatar_lbs", 3), ("ffsplat_vit", 34)],
)
def test_models_of_other_tools(runner: NativeRunner, shared: Path, name: str, most: int) -> None:
    """Unmodified, by their names alone; ten at once take no dispatch more."""
    path = shared / "models" / "synth" / f"synth_{name}_f32.onnx"
    random = np.random.default_rng(2)
    one = compiled(path)
    assert one.compiled.program.report["dispatches"] <= most
    inputs: Arrays = {}
    for tensor in one.compiled.program.inputs:
        if tensor.dtype == "uint32":
            inputs[tensor.name] = random.integers(0, 2**32, tensor.shape, dtype=np.uint32)
        else:
            inputs[tensor.name] = random.standard_normal(tensor.shape).astype(np.float32)
    got = run(runner, one, inputs)
    given = dict(inputs)
    if "image" in given:
        bytes_ = given["image"][..., None] >> np.array([0, 8, 16], np.uint32) & 255
        given["image"] = (bytes_.transpose(2, 0, 1)[None] / 255).astype(np.float32)
    wanted = expected(path, given)
    contract = one.contract
    for product in contract.outputs:
        if product.role == "gaussian.packed":
            assert near(got[product.role], wanted[product.name])
        if product.role in ("gaussian.color", "gaussian.sh"):
            have = got[product.role].reshape(contract.capacity, -1)
            assert near(have, wanted[product.name][:, : have.shape[1]])
    if name in ("hexplane_4dgs", "avatar_lbs"):
        ten = compiled(path, instances=10, batched=["time"])
        assert len(ten.compiled.program.dispatches) == len(one.compiled.program.dispatches)


def test_a_walker_takes_as_many_dispatches_as_ten() -> None:
    """Its sliders turn joints for all instances; with them each has one chain of its own."""
    path = Path(__file__).parents[3] / "assets" / "generators" / "avatar.onnx"
    counts = [
        len(compiled(path, instances=n, batched=batch).compiled.program.dispatches)
        for n, batch in ((1, ()), (10, ["joints"]))
    ]
    assert counts == [2, 2]
