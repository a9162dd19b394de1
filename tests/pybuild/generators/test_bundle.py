"""A generator's bundle: what is written is read and drawn, and every option ends up in it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from pybuild.bundle import read_bundle
from pybuild.generators.bundle import GAP, Made, make_generator, write_generator
from pybuild.generators.extent import MARGIN
from pybuild.networks import Network, read_network
from pybuild.options import BuildOptions, GeneratorOptions
from pybuild.poster import start_view
from pybuild.render import Renderer
from pyengine.bundle import Scene
from pyengine.contract import Clip
from pyengine.errors import ContractError, InputError
from pyengine.generator_spec import GeneratorSpec
from pyengine.passes.network import PREFIX
from tests.pybuild.generators.small_generators import DOTS, SPEED, base, foreign, row, stepping
from tests.pybuild.onnx.small_models import saved

SIZE_PX = 64
BOUNDS = [[-1, -2, -1], [2, 0, 1]]
NEAR = 1e-5
"""Positions are sums of a few float32."""


def options(**given: object) -> BuildOptions:
    """Options of a generator."""
    return BuildOptions(generator=GeneratorOptions(**given))  # type: ignore[arg-type]


def generator(made: Made | Scene) -> GeneratorSpec:
    """What scene.json says of it."""
    scene = made if isinstance(made, Scene) else made.scene
    assert scene.generator is not None
    return scene.generator


def centers(
    scene: Scene, network: Network, time_s: float = 0.0, **inputs: object
) -> NDArray[np.float32]:
    """Positions that the generator makes: (B, N, 3)."""
    with Renderer(scene, lambda _: b"", SIZE_PX, SIZE_PX, network) as renderer:
        for name, values in inputs.items():
            renderer.set_input(name, values)
        renderer.draw(start_view(scene, SIZE_PX, SIZE_PX), time_s)
        outputs = {tensor.name: tensor for tensor in network.program.outputs}
        packed = renderer.read(PREFIX + outputs["gaussian.packed"].buffer)
    spec = generator(scene)
    rows = packed[: 10 * scene.count].reshape(spec.instances, spec.capacity, 10)
    return rows[:, :, :3]


@pytest.mark.gpu
def test_what_is_written_is_read_and_runs(adapter: object, tmp_path: Path) -> None:
    """The folder alone makes the same Gaussians."""
    made = write_generator(saved(row(bounds=BOUNDS), tmp_path), tmp_path / "out")
    scene, _ = read_bundle(tmp_path / "out")
    assert scene == made.scene
    network = read_network(tmp_path / "out", scene)
    assert network is not None
    assert network == made.network
    found = centers(scene, network, 1.0, lift=np.array([0.5]))
    expected = base() + np.array(SPEED) + (0, -0.5, 0)
    np.testing.assert_allclose(found[0], expected, atol=NEAR)


def test_metadata_rule_the_scene(tmp_path: Path) -> None:
    """Bounds, pose, background, filter and clip; nothing has to run for them."""
    pose = {"eye": [0, -1, -6], "target": [0, 0, 0], "fov": 40}
    path = saved(row(bounds=BOUNDS, pose=pose, background=[1, 0, 0], antialiased=1), tmp_path)
    scene = make_generator(path).scene
    assert scene.bounds == ((-1, -2, -1), (2, 0, 1))
    assert (scene.pose.eye, scene.pose.fov_deg) == ((0, -1, -6), 40)
    assert scene.background == (1, 0, 0)
    assert scene.antialiased
    assert (scene.count, scene.sh_degree) == (DOTS, 0)
    assert generator(scene).clip == Clip(2.0, True)
    scene = make_generator(path, BuildOptions(fov_deg=60, background=(0, 0, 1))).scene
    assert (scene.pose.fov_deg, scene.background) == (60, (0, 0, 1))


@pytest.mark.gpu
def test_bounds_are_found_by_running_it(adapter: object, tmp_path: Path) -> None:
    """At nine times of the clip, sliders at their ends: the row goes right by 8/9, up by 2."""
    scene = make_generator(saved(row(), tmp_path)).scene
    low, high = np.array(scene.bounds)
    expected = np.array([[-1, -2, 0], [1 + 0.5 * 2 * 8 / 9, 0, 0]])
    margin = MARGIN * (expected[1] - expected[0]).max()
    np.testing.assert_allclose(low, expected[0] - margin, atol=NEAR)
    np.testing.assert_allclose(high, expected[1] + margin, atol=NEAR)
    x, _, z = scene.pose.eye
    assert x == pytest.approx((low + high)[0] / 2, abs=0.01)
    assert z < low[2]


@pytest.mark.gpu
def test_a_state_is_run_for_its_bounds(adapter: object, tmp_path: Path) -> None:
    """Two seconds of steps; and to the moment that a picture is asked for."""
    made = make_generator(saved(stepping(), tmp_path))
    assert generator(made).rate_hz == 60
    assert made.scene.bounds[1][0] > 1.9
    found = centers(made.scene, made.network, 1.0)
    np.testing.assert_allclose(found[0, :, 0] - base()[:, 0], SPEED[0], atol=NEAR)


@pytest.mark.gpu
def test_nothing_to_see_is_told(adapter: object, tmp_path: Path) -> None:
    """With what to do about it."""
    made = row()
    for tensor in made.graph.initializer:
        if tensor.name == "alphas":
            tensor.raw_data = np.full(DOTS, -50, np.float32).tobytes()
    with pytest.raises(InputError, match=r"no Gaussians that can be seen.*vitrine\.bounds"):
        make_generator(saved(made, tmp_path))


def test_values_become_the_defaults(tmp_path: Path) -> None:
    """Of sliders and of other inputs; the page starts with them."""
    np.save(tmp_path / "shift.npy", np.array([1, 2, 3], np.float32))
    given = options(inputs=(f"shift={tmp_path / 'shift.npy'}",), settings=("lift=1.5",))
    made = make_generator(saved(row(bounds=BOUNDS), tmp_path), given)
    feeds = {feed.name: feed for feed in generator(made).feeds}
    assert feeds["shift"].default == (1, 2, 3)
    assert feeds["lift"].control is not None
    assert feeds["lift"].control.default == 1.5


@pytest.mark.gpu
def test_a_track_moves_instances_one_after_the_other(adapter: object, tmp_path: Path) -> None:
    """Two instances, half a track apart, beside one another; without a clip the track is it."""
    frames = np.zeros((4, 1, 3), np.float32)
    frames[:, 0, 1] = [0, 1, 2, 3]
    np.save(tmp_path / "shift.npy", frames)
    given = options(tracks=(f"shift={tmp_path / 'shift.npy'}@2",), instances="2")
    path = saved(row(bounds=BOUNDS), tmp_path)
    made = write_generator(path, tmp_path / "out", given)
    spec = generator(made)
    feed = next(feed for feed in spec.feeds if feed.name == "shift")
    assert feed.track is not None
    assert (feed.track.frames, feed.track.fps, feed.offsets_s) == (4, 2.0, (0.0, 1.0))
    assert (tmp_path / "out" / feed.track.file).read_bytes() == frames.tobytes()
    network = read_network(tmp_path / "out", made.scene)
    assert network is not None
    found = centers(made.scene, network, 0.5)
    np.testing.assert_allclose(found[:, 0, 1], [1, 3], atol=NEAR)
    apart = spec.transforms[1][12] - spec.transforms[0][12]
    assert apart == pytest.approx(3 * GAP)
    assert made.scene.bounds[1][0] == pytest.approx(2 + apart / 2)


def test_instances_stand_where_their_matrices_say(tmp_path: Path) -> None:
    """Row-major in the file as numpy has them, column-major in the scene; bounds go around."""
    matrices = np.tile(np.eye(4), (2, 1, 1))
    matrices[0, :3, 3] = 10, 0, 0
    matrices[1, :3, :3] *= 2
    np.save(tmp_path / "stand.npy", matrices)
    path = saved(row(bounds=BOUNDS), tmp_path)
    made = make_generator(path, options(instances=str(tmp_path / "stand.npy")))
    assert generator(made).transforms[0][12:15] == (10, 0, 0)
    assert generator(made).transforms[1][0] == 2
    assert made.scene.bounds == ((-2, -4, -2), (12, 0, 2))
    assert made.scene.count == 2 * DOTS


def test_a_folder_is_made_anew(tmp_path: Path) -> None:
    """What only the old generator needs goes; nothing else does."""
    out = tmp_path / "out"
    np.save(tmp_path / "shift.npy", np.zeros((2, 3)))
    track = (f"shift={tmp_path / 'shift.npy'}",)
    path = saved(row(bounds=BOUNDS), tmp_path)
    first = write_generator(path, out, options(tracks=track))
    (out / "mine.txt").write_text("")
    second = write_generator(path, out, options(instances="2"))
    assert generator(first).program != generator(second).program
    found = {item.name for item in out.iterdir()}
    assert found == {"scene.json", "mine.txt", generator(second).program}
    assert read_bundle(out)[0] == second.scene


@pytest.mark.gpu
def test_types_shapes_and_order_of_outputs(adapter: object, tmp_path: Path) -> None:
    """Bytes with a scale, 16-bit floats, flat rows, leading ones, and colours before all else."""
    made = row(bounds=BOUNDS, **{"quantization.rgb": {"scale": 1 / 200, "zero_point": 3}})
    arrays = {tensor.name: tensor for tensor in made.graph.initializer}
    bytes_ = np.arange(3 * DOTS, dtype=np.uint8).reshape(1, DOTS, 3)
    arrays["colors"].CopyFrom(numpy_helper.from_array(bytes_, "colors"))
    arrays["alphas"].CopyFrom(numpy_helper.from_array(np.zeros(DOTS, np.float16), "alphas"))
    flat = np.full(3 * DOTS, np.log(0.5), np.float16)
    arrays["sizes"].CopyFrom(numpy_helper.from_array(flat, "sizes"))
    made.graph.output.insert(0, made.graph.output.pop())
    written = make_generator(saved(made, tmp_path))
    outputs = {tensor.name: tensor for tensor in written.network.program.outputs}
    with Renderer(written.scene, lambda _: b"", SIZE_PX, SIZE_PX, written.network) as renderer:
        renderer.draw(start_view(written.scene, SIZE_PX, SIZE_PX), 0.0)
        packed, color = (
            renderer.read(PREFIX + outputs[name].buffer)
            for name in ("gaussian.packed", "gaussian.color")
        )
    rows = packed[: 10 * DOTS].reshape(DOTS, 10)
    expected = np.tile([0.5, 0.25, 0, 0, 0.25, 0, 0.25], (DOTS, 1))
    np.testing.assert_allclose(rows[:, :3], base(), atol=NEAR)
    np.testing.assert_allclose(rows[:, 3:], expected, atol=1e-3)  # of a 16-bit logarithm
    wanted = (bytes_.reshape(DOTS, 3).astype(np.float64) - 3) / 200
    np.testing.assert_allclose(color[: 3 * DOTS].reshape(DOTS, 3), wanted, atol=NEAR)


def test_models_of_other_tools(tmp_path: Path) -> None:
    """Their names are enough; without a clip there is none."""
    made = make_generator(saved(foreign(), tmp_path), BuildOptions())
    assert generator(made).clip is None
    assert made.contract.output("gaussian.packed") is not None


FAULTS: dict[str, tuple[dict[str, object], str]] = {
    "no such input": ({"inputs": ("pose=p.npy",)}, "--input wants NAME=FILE with a NAME of: "),
    "time is no input": ({"inputs": ("time=p.npy",)}, "a NAME of: lift (control), shift (latent)"),
    "no file": ({"inputs": ("shift=no.npy",)}, "no.npy: No such file or directory (--input shift)"),
    "no array": ({"inputs": ("shift=JUNK",)}, "is no .npy file"),
    "another shape": (
        {"inputs": ("shift=FOUR",)},
        "--input shift wants the shape (1, 3), got (4,)",
    ),
    "not finite": ({"inputs": ("shift=NAN",)}, "has numbers that are not finite"),
    "text": ({"inputs": ("shift=TEXT",)}, "wants numbers, got <U1"),
    "a picture": ({"inputs": ("shift=p.png",)}, "--input shift is no image (latent)"),
    "twice": ({"inputs": ("shift=THREE", "shift=THREE")}, "--input 'shift' is given twice"),
    "no slider": ({"settings": ("shift=1",)}, "--set wants NAME=NUMBER with a NAME of: lift"),
    "beyond the slider": ({"settings": ("lift=3",)}, "--set lift wants a number from 0 to 2"),
    "no number": ({"settings": ("lift=high",)}, "--set lift wants a number from 0 to 2"),
    "slider twice": (
        {"settings": ("lift=1",), "inputs": ("lift=ONE",)},
        "is given as --input too",
    ),
    "no frames": ({"tracks": ("shift=FOUR",)}, "--track shift wants the shape (frames, 1, 3)"),
    "no rate": ({"tracks": ("shift=THREE@fast",)}, "FILE.npy@FRAMES_A_SECOND"),
    "track and value": (
        {"tracks": ("shift=FRAMES@10",), "inputs": ("shift=THREE",)},
        "--track 'shift': has a value of its own",
    ),
    "no instances": ({"instances": "0"}, "--instances wants a number from 1 to 1024"),
    "many instances": ({"instances": "1025"}, "--instances wants a number from 1 to 1024"),
    "no matrices": ({"instances": "FOUR"}, "--instances wants the shape (B, 4, 4)"),
    "flat matrices": ({"instances": "FLAT"}, "matrix 0 is no map from model to world"),
    "before the start": ({"time_s": -1.0}, "--time wants seconds from 0 to 86400, got -1"),
    "of all instances": (
        {"inputs": ("shift=BOTH",), "instances": "2"},
        "a built scene keeps the values of one instance (3 numbers), got 6",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str, tmp_path: Path) -> None:
    """Each names its option and its file, and nothing is written."""
    arrays: dict[str, NDArray[np.generic]] = {
        "FOUR": np.zeros(4),
        "THREE": np.zeros(3),
        "ONE": np.zeros(1),
        "NAN": np.array([0, 0, np.nan]),
        "TEXT": np.array(["a", "b", "c"]),
        "FRAMES": np.zeros((5, 3)),
        "FLAT": np.zeros((1, 4, 4)),
        "BOTH": np.zeros((2, 3)),
    }
    places = {key: tmp_path / f"{key.lower()}.npy" for key in (*arrays, "JUNK")}
    for key, array in arrays.items():
        np.save(places[key], array)
    places["JUNK"].write_bytes(b"junk")

    def placed(text: str) -> str:
        for key, path in places.items():
            text = text.replace(key, str(path))
        return text

    given, message = FAULTS[name]
    values = {
        key: tuple(map(placed, value)) if isinstance(value, tuple) else value
        for key, value in given.items()
    }
    if isinstance(values.get("instances"), str):
        values["instances"] = placed(str(values["instances"]))
    path = saved(row(bounds=BOUNDS), tmp_path)
    with pytest.raises(InputError) as error:
        write_generator(path, tmp_path / "out", options(**values))
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


def test_what_is_no_generator(tmp_path: Path) -> None:
    """The contract's reader says why; axes are not for generators."""
    path = saved(row(**{"output.rgb": "nothing"}), tmp_path)
    with pytest.raises(ContractError):
        write_generator(path, tmp_path / "out")
    with pytest.raises(InputError, match="--up is for scene files"):
        make_generator(saved(row(bounds=BOUNDS), tmp_path), BuildOptions(up="y"))


def test_options_are_recorded() -> None:
    """To and from JSON, and as the flags of a command line."""
    given = GeneratorOptions(0.5, ("a=b",), ("c=1",), ("d=e@3",), "4")
    recorded = json.loads(json.dumps(BuildOptions(fov_deg=40, generator=given).to_dict()))
    assert BuildOptions.from_dict(recorded, "record") == BuildOptions(fov_deg=40, generator=given)
    flags = ["--time=0.5", "--input=a=b", "--set=c=1", "--track=d=e@3", "--instances=4"]
    assert given.flags() == flags
    assert given.given() == "--time"
    assert GeneratorOptions().given() is None
    for bad in ({"time_s": "now"}, {"inputs": [1]}, {"tracks": "x"}, 3):
        with pytest.raises(InputError, match="build the site again"):
            BuildOptions.from_dict({"generator": bad}, "record")
