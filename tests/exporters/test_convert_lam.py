"""LAM's head: archives that are not one, and the real one through all frames of its expressions."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from exporters.convert_lam import main, read_expressions, read_head
from pybuild.formats import ply
from pybuild.generators.bundle import make_generator
from pybuild.generators.compile import compile_generator
from pybuild.generators.describe import describe
from pybuild.generators.head import Head, to_model
from pybuild.reference import Ellipsoids, render, to_uint8
from pybuild.render import Renderer
from pybuild.runner import NativeRunner
from pyengine.errors import FormatError, InputError
from pyengine.view import View
from tests.exporters.oracle import Array, psnr, relative_error
from tests.pybuild.generators.test_head import offsets
from tests.skinned_models import Glb

CLOSE = 1e-3
FRAME_DB = 40
MOST_DISPATCHES = 3
FRAMES = 973
THINNED = 32
"""All frames are played on every so manieth Gaussian, some frames on all of them."""
WHOLE = (0, 333, 700)
SPEAKING = 120
"""A frame with its mouth open."""
WIDTH_PX, HEIGHT_PX = 140, 170


def archive(folder: str = "p1/", **replaced: bytes) -> bytes:
    """A zip as LAM packs them, of the small strip."""
    text = io.BytesIO()
    with zipfile.ZipFile(text, "w") as target:
        target.writestr("__MACOSX/p1/._skin.glb", b"resource fork")
        target.writestr(f"{folder}skin.glb", replaced.get("skin", Glb().bytes()))
        if "missing" not in replaced:
            target.writestr(f"{folder}offset.ply", replaced.get("offset", _ply()))
    return text.getvalue()


@cache
def _ply() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "offset.ply"
        ply.write(path, offsets())
        return path.read_bytes()


@pytest.mark.parametrize("folder", ["", "p1/", "a/b/"])
def test_a_small_archive(tmp_path: Path, folder: str) -> None:
    """Wherever the files lie in it."""
    path = tmp_path / "head.zip"
    path.write_bytes(archive(folder))
    made = read_head(path)
    assert made.joints == ("lower", "upper")
    assert np.abs(made.color - offsets().sh[:, 0]).max() < CLOSE


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"PK", "zip archive is damaged"),
        (archive()[:-30], "zip archive is damaged"),
        (archive(skin=b"glTF"), r"skin\.glb: is no binary glTF"),
        (archive(offset=b"ply\n"), r"offset\.ply"),
        (archive(missing=b""), r"no 'p1/offset\.ply'"),
    ],
    ids=["no zip", "truncated", "no mesh", "no ply", "no offsets"],
)
def test_archives_that_are_none(tmp_path: Path, data: bytes, told: str) -> None:
    """Named with the file in it that is at fault."""
    path = tmp_path / "head.zip"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=told):
        read_head(path)


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes the model and the track; a fault of the input is a line and status 2."""
    (tmp_path / "head.zip").write_bytes(archive())
    frames = {"names": ["jawOpen"], "frames": [{"weights": [0.5]}, {"weights": [0.25]}]}
    (tmp_path / "said.json").write_text(json.dumps(frames))
    given = [str(tmp_path / "head.zip"), "-o", str(tmp_path / "head.onnx")]
    monkeypatch.setattr("sys.argv", ["", *given, "--expressions", str(tmp_path / "said.json")])
    assert main() == 0
    assert describe(tmp_path / "head.onnx").capacity == 7
    assert np.load(tmp_path / "head.weights.npy").shape == (2, 3)
    monkeypatch.setattr("sys.argv", ["", str(tmp_path / "none.zip")])
    assert main() == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"names": ["a"]}', '{"names": [], "frames": [{"weights": ["x"]}]}']
)
def test_expressions_that_are_none(tmp_path: Path, text: str) -> None:
    """Named with what is wanted."""
    (tmp_path / "head.zip").write_bytes(archive())
    path = tmp_path / "said.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"said\.json: wanted 'names' and 'frames'"):
        read_expressions(path, read_head(tmp_path / "head.zip"))


@pytest.fixture(scope="module")
def real(shared: Path) -> Head:
    """LAM's sample head."""
    path = shared / "assets" / "avatar" / "p2-1.zip"
    if not path.is_file():
        pytest.skip(f"no sample head at {path}")
    return read_head(path)


@pytest.fixture(scope="module")
def said(real: Head, shared: Path) -> Array:
    """Its expressions, (973, 51)."""
    return read_expressions(shared / "assets" / "avatar" / "test_expression_1s.json", real)


def test_the_real_head(real: Head, said: Array) -> None:
    """51 of ARKit's 52 expressions: it has no tongue. Six joints carry it."""
    assert real.position.shape == (20_018, 3)
    assert len(real.expressions) == 51
    assert "tongueOut" not in real.expressions
    assert said.shape == (FRAMES, 51)
    assert real.joints[-1] == "head"
    assert real.parents[0] == -1
    assert real.position[:, 1].max() < -1.4  # stands upright, a head's height above the ground


def thinned(whole: Head, step: int) -> Head:
    """Every so manieth Gaussian."""
    rows = slice(0, None, step)
    return replace(
        whole,
        position=whole.position[rows],
        covariance=whole.covariance[rows],
        opacity=whole.opacity[rows],
        color=whole.color[rows],
        deltas=np.ascontiguousarray(whole.deltas[:, rows]),
        weights=whole.weights[rows],
    )


def run_all(runner: NativeRunner, given: Head, weights: Array, joints: Array) -> Array:
    """What the GPU makes of frames, each an instance: (F, n, 10)."""
    model = to_model(given)
    made = compile_generator(model, describe(model), len(weights), ("weights", "joints"))
    assert len(made.compiled.program.dispatches) <= MOST_DISPATCHES
    fed = {"weights": weights, "joints": joints}
    got = runner.run(made.compiled.program, made.compiled.files, fed)
    return got["gaussian.packed"].reshape(len(weights), -1, 10)


def nods(count: int) -> Array:
    """Joints of each frame: the head and the neck turn."""
    joints = np.zeros((count, 6, 3), np.float32)
    at = np.linspace(0, 20, count)
    joints[:, 5] = np.stack([0.2 * np.sin(at), 0.3 * np.cos(at), 0.1 * np.sin(2 * at)], axis=1)
    joints[:, 3, 1] = 0.2 * np.sin(at)
    return joints


@pytest.mark.gpu
def test_all_frames_play(adapter: Any, real: Head, said: Array) -> None:
    """All 973 on a share of the Gaussians, then some on all: as numpy has them."""
    joints = nods(FRAMES)
    few = thinned(real, THINNED)
    with NativeRunner(adapter) as runner:
        for given, frames in ((few, np.arange(FRAMES)), (real, np.array(WHOLE))):
            got = run_all(runner, given, said[frames], joints[frames])
            rest = given.at(np.zeros(51), np.zeros((6, 3)))[0]
            moved = []
            for k, frame in enumerate(frames):
                position, covariance = given.at(said[frame], joints[frame])
                assert np.abs(got[k, :, :3] - position).max() < 2e-5
                assert relative_error(got[k, :, 4:], covariance) < CLOSE
                moved.append(np.abs(position - rest).max())
            assert np.ptp(moved) > 0.01  # a centimetre: it does move


def test_onnxruntime_agrees(real: Head, said: Array) -> None:
    """The model itself, on some frames."""
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra dev")
    session = runtime.InferenceSession(
        to_model(real).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    joints = nods(FRAMES)
    for frame in WHOLE:
        fed = {"weights": said[frame], "joints": joints[frame]}
        got = session.run(["position", "covariance"], fed)
        position, covariance = real.at(said[frame], joints[frame])
        assert np.abs(got[0] - position).max() < 2e-5
        assert relative_error(got[1], covariance) < CLOSE


@pytest.mark.gpu
def test_its_pictures(adapter: Any, real: Head, said: Array, tmp_path: Path) -> None:
    """At three frames; two expressions do not look the same."""
    path = tmp_path / "head.onnx"
    onnx.save(to_model(real), path)
    made = make_generator(path)
    view = View.look_at((0.1, -1.68, -0.6), (0, -1.66, 0), (0, -1, 0), 40, WIDTH_PX, HEIGHT_PX)
    pictures = []
    with Renderer(
        made.scene, lambda _: b"", WIDTH_PX, HEIGHT_PX, made.network, adapter
    ) as renderer:
        for frame in (0, SPEAKING, WHOLE[-1]):
            renderer.set_input("weights", said[frame])
            picture = renderer.draw(view, 0.0)
            position, covariance = real.at(said[frame], np.zeros((6, 3)))
            cloud = Ellipsoids(position, covariance, real.opacity, real.color)
            assert psnr(picture, to_uint8(render(cloud, view, (1, 1, 1)))) > FRAME_DB
            pictures.append(picture)
    assert psnr(pictures[0], pictures[1]) < FRAME_DB
