"""``vitrine build``, ``render``, ``serve`` and ``inspect`` on generators."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from pybuild import poster
from pybuild.generators import extent
from pyengine.errors import DeviceError
from tests.pybuild.command import Run
from tests.pybuild.generators.small_generators import (
    DOTS,
    PICTURE,
    foreign,
    pictured,
    row,
    stepping,
)
from tests.pybuild.onnx.small_models import network, saved
from tests.pybuild.small_pyodide import stand_in

ROOT = Path(__file__).resolve().parent.parent.parent
BOUNDS = [[-1, -2, -1], [2, 0, 1]]
POSE = {"eye": [0, 0, -4], "target": [0, 0, 0], "fov": 60}
SIZE = ("--size", "96x64")


@pytest.fixture(autouse=True)
def pyodide_core(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Stands in for the cache, so that these tests need no network."""
    stand_in(monkeypatch, tmp_path_factory.mktemp("core"))


def pixels(path: str | Path) -> np.ndarray:
    """An image's pixels."""
    return np.asarray(Image.open(path).convert("RGB"), np.int32)


def middle(path: str | Path) -> tuple[float, float]:
    """Where the light of an image is, in pixels: x, y."""
    light = pixels(path).sum(axis=2)
    y, x = np.mgrid[: light.shape[0], : light.shape[1]]
    return float((x * light).sum() / light.sum()), float((y * light).sum() / light.sum())


@pytest.mark.gpu
def test_a_site_of_a_generator(adapter: object, run: Run, tmp_path: Path) -> None:
    """It holds the program and a poster, tells its mapping, and draws what the model draws."""
    model = saved(row(bounds=BOUNDS, pose=POSE), tmp_path)
    status, out, err = run("build", model, "-o", "site", "--time", "1", "--set", "lift=1")
    assert (status, err) == (0, "")
    assert "control, 'Lift' 0 to 2" in out
    assert "site: 20 Gaussians in " in out
    scene = json.loads(Path("site/scene/scene.json").read_text())
    folder = Path("site/scene") / scene["generator"]["program"]
    assert (folder / "program.json").is_file()
    page = Path("site/index.html").read_text()
    for path in (folder / "program.json", *folder.glob("kernels/*.wgsl"), *folder.glob("*.bin")):
        assert f'"{path.relative_to("site").as_posix()}"' in page
    assert pixels("site/scene/poster.webp").max() > 100
    moment = ("--time", "0.5", "--set", "lift=0.25", *SIZE)
    assert run("render", model, "-o", "a.png", *moment)[0] == 0
    assert run("render", "site", "-o", "b.png", *moment)[0] == 0
    np.testing.assert_array_equal(pixels("a.png"), pixels("b.png"))
    assert run("render", "site", "-o", "c.png", "--time", "0.5", *SIZE)[0] == 0
    assert middle("c.png")[1] < middle("b.png")[1]  # the slider's start is higher up
    status, out, _ = run("inspect", "site")
    assert status == 0
    assert "Vitrine bundle of a generator" in out
    assert "inputs      time (time), lift (control), shift (latent)" in out
    facts = json.loads(run("inspect", "site", "--json")[1])
    assert facts["generator"]["capacity"] == DOTS
    recorded = json.loads(Path("site/vitrine/files.json").read_text())["options"]
    assert recorded["generator"] == {"time_s": 1.0, "settings": ["lift=1"]}
    assert run("build", model, "-o", "site", "--instances", "3")[0] == 0
    programs = list(Path("site/scene").glob("generator-*"))
    assert len(programs) == 1
    assert programs[0] != folder


@pytest.mark.gpu
def test_time_and_inputs_move_the_picture(adapter: object, run: Run, tmp_path: Path) -> None:
    """Right with time, up with the slider, and where an array says."""
    model = saved(row(bounds=BOUNDS, pose=POSE), tmp_path)
    np.save("shift.npy", np.array([[0, 1, 0]], np.float32))
    found = {}
    for name, given in {
        "still": (),
        "later": ("--time", "1.5"),
        "again": ("--time", "2.0"),
        "lifted": ("--set", "lift=1"),
        "shifted": ("--input", "shift=shift.npy"),
    }.items():
        assert run("render", model, "-o", f"{name}.png", *given, *SIZE)[0] == 0
        found[name] = middle(f"{name}.png")
    px_a_unit = 64 / 2 / np.tan(np.radians(30)) / 4
    x, y = found["still"]
    assert found["later"][0] - x == pytest.approx(0.75 * px_a_unit, abs=0.3)
    assert found["again"] == pytest.approx((x, y), abs=0.01)  # the clip begins anew
    assert y - found["lifted"][1] == pytest.approx(px_a_unit, abs=0.3)
    assert found["shifted"][1] - y == pytest.approx(px_a_unit, abs=0.3)


@pytest.mark.gpu
def test_a_state_steps_to_the_time(adapter: object, run: Run, tmp_path: Path) -> None:
    """A second of steps, natively from the model and from its site."""
    made = stepping()
    for key, value in (("bounds", BOUNDS), ("pose", POSE)):
        made.metadata_props.add(key=f"vitrine.{key}", value=json.dumps(value))
    model = saved(made, tmp_path)
    px_a_unit = 64 / 2 / np.tan(np.radians(30)) / 4
    assert run("render", model, "-o", "a.png", *SIZE)[0] == 0
    assert run("render", model, "-o", "b.png", "--time", "1", *SIZE)[0] == 0
    moved = middle("b.png")[0] - middle("a.png")[0]
    assert moved == pytest.approx(0.5 * px_a_unit * 59 / 60, abs=0.3)


@pytest.mark.gpu
def test_a_picture_fills_an_image(adapter: object, run: Run, tmp_path: Path) -> None:
    """Dots take the picture's colours, from left to right; a wide one is cut at its sides."""
    model = saved(pictured(), tmp_path)
    height, width = PICTURE
    colors = np.zeros((height, width + 2, 3), np.uint8)
    colors[..., 0] = 255
    colors[:, 0] = colors[:, -1] = 0, 255, 0
    colors[2:, :, 2] = 255
    Image.fromarray(colors).save("wide.png")
    assert run("render", model, "-o", "out.png", "--input", "picture=wide.png", *SIZE)[0] == 0
    image = pixels("out.png")
    assert image[..., 1].max() < 40
    left, right = image[:, :48], image[:, 48:]
    assert left[..., 2].sum() * 5 < left[..., 0].sum()
    assert right[..., 2].sum() > 0.9 * right[..., 0].sum()
    np.save("cut.npy", colors[:, 1:-1])
    assert run("render", model, "-o", "cut.png", "--input", "picture=cut.npy", *SIZE)[0] == 0
    np.testing.assert_array_equal(image, pixels("cut.png"))
    assert run("build", model, "-o", "site", "--input", "picture=wide.png")[0] == 0
    assert run("render", "site", "-o", "built.png", *SIZE)[0] == 0
    np.testing.assert_array_equal(image, pixels("built.png"))


@pytest.mark.gpu
def test_instances_draw_as_often(adapter: object, run: Run, tmp_path: Path) -> None:
    """Each from the array of all: one far up, one far down."""
    model = saved(row(bounds=BOUNDS, pose=POSE), tmp_path)
    np.save("both.npy", np.array([[[0, -1, 0]], [[0, 1, 0]]], np.float32))
    given = ("--instances", "2", "--input", "shift=both.npy", "--eye=0,0,-9", "--target=0,0,0")
    status, out, _ = run("render", model, "-o", "two.png", *given, *SIZE)
    assert status == 0
    assert "40 Gaussians" in out
    light = pixels("two.png").sum(axis=2)
    assert light[:32, :48].sum() > 20 * light[:32, 48:].sum()
    assert light[32:, 48:].sum() > 20 * light[32:, :48].sum()


@pytest.mark.gpu
def test_names_of_other_tools_are_told(adapter: object, run: Run, tmp_path: Path) -> None:
    """A model without metadata is drawn as it is, and what it was taken for is printed."""
    status, out, _ = run("render", saved(foreign(), tmp_path), "-o", "x.png", *SIZE)
    assert status == 0
    assert "understood by its names" in out
    assert "gaussian.packed" in out


def test_without_a_gpu(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The poster is the background; bounds that are not in the metadata are asked for."""

    def no_adapter(*_: object, **__: object) -> None:
        raise DeviceError("no WebGPU adapter")

    monkeypatch.setattr(poster, "render", no_adapter)
    monkeypatch.setattr(extent, "open_adapter", no_adapter)
    model = saved(row(bounds=BOUNDS, background=[1, 0, 0]), tmp_path)
    status, _, err = run("build", model, "-o", "site")
    assert status == 0
    assert "the poster shows the background alone: no WebGPU adapter" in err
    np.testing.assert_allclose(
        pixels("site/scene/poster.webp").mean(axis=(0, 1)), [255, 0, 0], atol=4
    )
    status, _, err = run("build", saved(row(), tmp_path), "-o", "other")
    assert status == 2
    assert "add vitrine.bounds = [[x, y, z], [x, y, z]] to the model's metadata" in err
    assert not Path("other").exists()


FAULTS: dict[str, tuple[list[str], str]] = {
    "time of a scene": (["render", "CLOUD", "-o", "x.png", "--time", "1"], "leave out --time"),
    "slider of a scene": (
        ["build", "CLOUD", "-o", "x", "--set", "a=1"],
        "--set is for generators",
    ),
    "axes of a generator": (["build", "MODEL", "-o", "x", "--up", "y"], "--up is for scene files"),
    "no such slider": (["build", "MODEL", "-o", "x", "--set", "up=1"], "a NAME of: lift (control)"),
    "no time": (["render", "MODEL", "-o", "x.png", "--time", "nan"], "--time wants seconds"),
    "no such file": (
        ["render", "MODEL", "-o", "x.png", "--input", "shift=a.npy"],
        "a.npy: No such file",
    ),
    "no picture": (
        ["render", "PICTURED", "-o", "x.png", "--input", "picture=JUNK"],
        "no picture that can be read (--input picture)",
    ),
    "no generator": (["build", "NETWORK", "-o", "x"], "no output makes Gaussians"),
    "no model": (["render", "BROKEN", "-o", "x.png"], "is not an ONNX model"),
    "serve with a watched scene": (
        ["serve", "MODEL", "--watch", "MODEL"],
        "--watch wants the folder of a site",
    ),
    "options for a site": (["serve", "FULL", "--set", "lift=1"], "is no scene file"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_and_status_2(
    run: Run, name: str, scene_file: Path, tmp_path: Path
) -> None:
    """And nothing is written, not even a part."""
    places = {"CLOUD": scene_file, "FULL": "full", "JUNK": "junk.png", "BROKEN": "broken.onnx"}
    Path("full").mkdir()
    for file in ("junk.png", "broken.onnx"):
        Path(file).write_bytes(b"junk")
    models = {"MODEL": row(bounds=BOUNDS), "PICTURED": pictured(), "NETWORK": network(1)}
    for key, model in models.items():
        Path(key).mkdir()
        places[key] = saved(model, Path(key))
    before = sorted(tmp_path.rglob("*"))
    argv, message = FAULTS[name]
    given = []
    for item in argv:
        start, equals, end = item.rpartition("=")
        given.append(f"{start}{equals}{places.get(end, end)}")
    status, out, err = run(*given)
    assert status == 2
    assert out == ""
    assert err.startswith("vitrine: ")
    assert "Traceback" not in err
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["generator", "scene"])
def test_serve_builds_what_it_serves(
    adapter: object, kind: str, scene_file: Path, tmp_path: Path
) -> None:
    """Into a folder that is gone with the server."""
    (tmp_path / "temporary").mkdir()
    source = scene_file if kind == "scene" else saved(row(bounds=BOUNDS), tmp_path)
    given = ["--set", "lift=1"] if kind == "generator" else ["--up", "-y"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pybuild.cli", "serve", str(source), "--port", "0", *given],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path / "temporary")},
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        url = next(line for line in lines if line.startswith("http://")).strip()
        with urlopen(f"{url}scene/scene.json", timeout=10) as answer:
            scene = json.loads(answer.read())
        assert ("generator" in scene) == (kind == "generator")
        with urlopen(url, timeout=10) as answer:
            assert b"<vitrine-view" in answer.read()
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    assert [path.name for path in (tmp_path / "temporary").glob("vitrine-*")] == []
