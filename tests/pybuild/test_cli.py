"""The command line: every verb does its work; every fault is one line and status 2."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import Empty, Queue
from typing import IO

import numpy as np
import pytest
from PIL import Image

from pybuild import arguments, rendering
from pybuild.options import BuildOptions
from pyengine.errors import InputError
from pyengine.view import View
from tests.pybuild.command import Run

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-m", "pybuild.cli"]


@pytest.fixture
def view_file(tmp_path: Path) -> Path:
    """A camera in front of the cloud."""
    path = tmp_path / "view.json"
    path.write_text(View.look_at((0, 0, -4), (0, 0, 0), (0, -1, 0), 45, 64, 48).to_json())
    return path


FAULTS: dict[str, tuple[list[str], str]] = {
    "no such verb": (["rendr"], "No such command 'rendr'"),
    "no scene": (["build", "-o", "x"], "SCENE"),
    "no output": (["build", "SCENE"], "--out"),
    "missing file": (["build", "nothing.ply", "-o", "x"], "nothing.ply: no such file"),
    "missing file, render": (["render", "nothing.ply", "-o", "x.png"], "nothing.ply: no such file"),
    "missing file, inspect": (["inspect", "nothing.ply"], "nothing.ply: no such file"),
    "no scene format": (["inspect", "JUNK"], "junk"),
    "full folder": (["build", "SCENE", "-o", "FULL"], "is not empty and no Vitrine site"),
    "bad eye": (["build", "SCENE", "-o", "x", "--eye", "1,2"], "--eye wants three numbers"),
    "eye not finite": (["build", "SCENE", "-o", "x", "--eye", "1,2,nan"], "--eye wants"),
    "bad fov": (["render", "SCENE", "-o", "x.png", "--fov", "0.5"], "--fov must be 1 to 170"),
    "fov no number": (["render", "SCENE", "-o", "x.png", "--fov", "wide"], "--fov"),
    "eye is target": (
        ["render", "SCENE", "-o", "x.png", "--eye", "1,1,1", "--target", "1,1,1"],
        "the same point",
    ),
    "bad background": (["render", "SCENE", "-o", "x.png", "--background", "0,0,2"], "from 0 to 1"),
    "bad size": (["render", "SCENE", "-o", "x.png", "--size", "99999x1"], "--size wants"),
    "bad up": (["inspect", "SCENE", "--up", "w"], "--up"),
    "no poster": (["build", "SCENE", "-o", "new", "--poster", "no.png"], "no.png: no such file"),
    "poster no picture": (["build", "SCENE", "-o", "new", "--poster", "JUNK"], "is no picture"),
    "exported poster": (["export", "SCENE", "-o", "x.html", "--poster", "JUNK"], "is no picture"),
    "bad url": (["build", "SCENE", "-o", "new", "--url", "example.org"], "--url wants the address"),
    "no png": (["render", "SCENE", "-o", "x.gif"], "the image is a PNG"),
    "no folder for the png": (["render", "SCENE", "-o", "no/x.png"], "the folder no is missing"),
    "view and eye": (
        ["render", "SCENE", "-o", "x.png", "--view", "VIEW", "--eye", "1,2,3"],
        "leave out --eye",
    ),
    "no view": (["render", "SCENE", "-o", "x.png", "--view", "no.json"], "no.json"),
    "view no JSON": (["render", "SCENE", "-o", "x.png", "--view", "JUNK"], "not JSON"),
    "folder without a bundle": (["inspect", "FULL"], "no Vitrine bundle"),
    "serve nothing": (["serve", "nothing"], "no such folder"),
    "serve no site": (["serve", "FULL"], "has no index.html"),
    "serve bad port": (["serve", "FULL", "--port", "99999"], "--port"),
    "watch nothing": (["serve", "x", "--watch", "nothing.ply"], "nothing.ply: no such file"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_and_status_2(
    run: Run,
    name: str,
    scene_file: Path,
    view_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And nothing is written, not even a part."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    (tmp_path / "junk").write_bytes(b"\x01\x02 no scene, no JSON")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    places = {"SCENE": scene_file, "VIEW": view_file, "FULL": "full", "JUNK": "junk"}
    argv, message = FAULTS[name]
    status, out, err = run(*(places.get(item, item) for item in argv))
    assert status == 2
    assert out == ""
    assert err.startswith("vitrine: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


def test_version_and_help(run: Run) -> None:
    """Every verb's help ends with an example."""
    assert re.fullmatch(r"vitrine \d.*\n|vitrine \(not installed\)\n", run("--version")[1])
    for verb in ("build", "serve", "render", "inspect"):
        status, out, _ = run(verb, "--help")
        assert status == 0
        assert f"Example: vitrine {verb}" in out


def test_inspect_of_a_file(run: Run, scene_file: Path) -> None:
    """The numbers that issue 2 asks for, as text and as JSON."""
    status, out, _ = run("inspect", scene_file)
    assert status == 0
    assert "700" in out
    status, out, _ = run("inspect", scene_file, "--json", "--up", "-y")
    facts = json.loads(out)
    assert (facts["count"], facts["sh_degree"], facts["format"]) == (700, 1, "PLY")
    assert facts["disk_bytes"] == {"cloud.ply": scene_file.stat().st_size}
    sizes = {buffer["name"]: buffer for buffer in facts["gpu_buffers"]}
    assert sizes["geometry"] == {"name": "geometry", "size_bytes": 768 * 16, "stored": True}
    assert not sizes["splats"]["stored"]
    errors = {(error["quantity"], error["unit"]): error for error in facts["packing_errors"]}
    assert errors["position", "of the chunk's box"]["largest"] <= 1 / 65536
    assert errors["rotation", "degrees"]["largest"] < 0.3
    assert errors["opacity", "0 to 1"]["largest"] <= 0.5 / 255 + 1e-6
    assert 0 < errors["spherical harmonics", "coefficient"]["rms"] < 0.01


@pytest.mark.gpu
def test_build_inspect_render(run: Run, adapter: object, scene_file: Path, tmp_path: Path) -> None:
    """A site from a file, its sizes, and the same picture from both."""
    site = tmp_path / "site"
    status, out, err = run("build", scene_file, "-o", site, "--eye", "-1,0.5,-4", "--fov=40")
    assert (status, err) == (0, "")
    assert "700 Gaussians" in out
    facts = json.loads(run("inspect", site, "--json")[1])
    assert facts["pose"]["eye"] == [-1, 0.5, -4]
    assert "packing_errors" not in facts
    engines = [name for name in facts["disk_bytes"] if name.endswith("/engine.zip")]
    assert len(engines) == 1
    images = []
    for source in (site, scene_file):
        out_file = tmp_path / "image.png"
        camera = ("--eye", "-1,0,-4", "--target", "-0.5,0,0", "--fov", "50", "--size", "80x60")
        status, _, err = run("render", source, "-o", out_file, *camera, "--background", "0,0,1")
        assert (status, err) == (0, "")
        with Image.open(out_file) as image:
            assert (image.size, image.mode) == ((80, 60), "RGB")
            images.append(np.asarray(image))
    np.testing.assert_array_equal(images[0], images[1])
    assert tuple(images[0][0, 0]) == (0, 0, 255)
    assert images[0][..., :2].max() > 50
    assert run("render", site, "-o", tmp_path / "x.png", "--up", "y")[0] == 2


@pytest.mark.gpu
def test_render_a_view_file(
    run: Run, adapter: object, scene_file: Path, view_file: Path, tmp_path: Path
) -> None:
    """At its own size, or scaled to --size with the vertical field of view kept."""
    out_file = tmp_path / "image.png"
    for size, expected in (([], (64, 48)), (["--size", "128x48"], (128, 48))):
        assert run("render", scene_file, "-o", out_file, "--view", view_file, *size)[0] == 0
        with Image.open(out_file) as image:
            assert image.size == expected
    assert {path.name for path in tmp_path.iterdir()} == {"view.json", "image.png"}


def test_render_modes(run: Run, adapter: object, scene_file: Path, tmp_path: Path) -> None:
    """Each is another picture; a filter or an unknown name is refused before anything is drawn."""
    out_file = tmp_path / "image.png"
    seen = set()
    for mode in ("colour", "depth", "normals", "outlines", "overdraw"):
        options = ("--size", "40x30", "--mode", mode)
        assert run("render", scene_file, "-o", out_file, *options)[0] == 0
        seen.add(out_file.read_bytes())
    assert len(seen) == 5
    out_file.unlink()
    status, _, err = run("render", scene_file, "-o", out_file, "--mode", "dept")
    assert (status, "mode: wanted one of colour, depth" in err) == (2, True)
    options = ("--mode", "depth", "--filter", "x.onnx")
    status, _, err = run("render", scene_file, "-o", out_file, *options)
    assert (status, "leave out --filter or --mode" in err) == (2, True)
    assert not out_file.exists()


def test_the_camera_of_render() -> None:
    """A target alone moves the eye with it; --view stands alone."""
    from pyengine.bundle import Pose, Scene

    pose = Pose((0, 0, -2), (0, 0, 0), 50)
    scene = Scene(0, 0, False, ((0, 0, 0), (0, 0, 0)), pose, (0, 0, 0), {})
    view = rendering.Camera(target=(1, 0, 0)).for_scene(scene)
    assert view.position == pytest.approx((1, 0, -2))
    assert (view.width, view.height) == rendering.DEFAULT_SIZE


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://example.org/garden", "https://example.org/garden/"),
        ("http://example.org/", "http://example.org/"),
        ("https://example.org/garden.html", "https://example.org/garden.html"),
        ("example.org/garden/", None),
        ("https://", None),
        ("https://example.org/?a=1", None),
        ("https://[/", None),
        ("ftp://example.org/", None),
    ],
)
def test_the_address_of_a_page(text: str, address: str | None) -> None:
    """A folder ends with a slash, so that the poster's address is right."""
    if address is not None:
        assert arguments.address(text) == address
        return
    with pytest.raises(InputError, match="--url wants the address of the page"):
        arguments.address(text)


def test_flags_give_the_options_back() -> None:
    """The rebuild of --watch is a command line."""
    options = BuildOptions("-y", (-1.0, 0.0, 2.0), None, 35.0, (0.0, 0.0, 1.0), "-title")
    flags = replace(options, description="A -b", poster="p.png", offline=False).flags()
    assert "--eye=-1.0,0.0,2.0" in flags
    assert "--up=-y" in flags
    assert "--fov=35.0" in flags
    assert "--title=-title" in flags
    assert {"--description=A -b", "--poster=p.png", "--no-offline"} <= set(flags)
    assert not any("offline" in flag for flag in options.flags())


def test_dropped_splats_are_told_and_drawn_around(
    run: Run, scene_file: Path, tmp_path: Path
) -> None:
    """A notice is no fault."""
    data = bytearray(scene_file.read_bytes())
    start = data.index(b"end_header\n") + len(b"end_header\n")
    data[start : start + 4] = np.float32(np.nan).tobytes()
    path = tmp_path / "nan.ply"
    path.write_bytes(data)
    status, _, err = run("inspect", path)
    assert status == 0
    assert re.fullmatch(r"vitrine: .*1 of 700 splats dropped.*\n", err)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing(tmp_path: Path, scene_file: Path, number: int) -> None:
    """Status 130 (143), no traceback, no half of a site."""
    slow = (
        "import sys, time\nfrom pybuild import site\n"
        "def wait():\n    print('here', flush=True)\n    time.sleep(30)\n"
        "site.engine_archive = wait\nfrom pybuild.cli import main\nsys.exit(main(sys.argv[1:]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", slow, "build", str(scene_file), "-o", str(tmp_path / "site")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_serve_until_ctrl_c(tmp_path: Path) -> None:
    """Prints the URL, says a taken port in one line, stops with status 0."""
    (tmp_path / "index.html").write_text("hello")
    command = [*COMMAND, "serve", str(tmp_path), "--port"]
    first = subprocess.Popen([*command, "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        url = first.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        port = url.rstrip("/").rsplit(":")[-1]
        second = subprocess.run(
            [*command, port], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
        )
        assert second.returncode == 2
        assert second.stderr == f"vitrine: port {port} is in use; choose another with --port\n"
    finally:
        first.send_signal(signal.SIGINT)
    assert first.wait(timeout=10) == 0


def _told(stream: IO[str]) -> Queue[str]:
    """The lines of a stream as they come."""
    lines: Queue[str] = Queue()

    def read() -> None:
        for line in stream:
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _wait_for(
    lines: Queue[str], text: str, again: Callable[[], object] = lambda: None, most_s: float = 120
) -> str:
    """The next line that holds a text; ``again`` is done now, and when none came for three seconds.

    A watcher that is still starting takes a change for what was there, and a busy machine takes
    its time: a fixed sleep was once too short.
    """
    until = time.monotonic() + most_s
    while time.monotonic() < until:
        again()
        with contextlib.suppress(Empty):
            while True:
                line = lines.get(timeout=3)
                if text in line:
                    return line
    raise AssertionError(f"no line with {text!r} in {most_s} s")


@pytest.mark.gpu
def test_watch_rebuilds_and_reloads(adapter: object, tmp_path: Path, scene_file: Path) -> None:
    """A change of the scene reaches the page; a broken scene is told and the old one stays."""
    from urllib.request import urlopen

    scene = tmp_path / "scene.ply"
    scene.write_bytes(scene_file.read_bytes())
    site = tmp_path / "site"
    process = subprocess.Popen(
        [*COMMAND, "serve", str(site), "--watch", str(scene), "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        told = _told(process.stdout)
        _wait_for(told, "700 Gaussians")
        url = _wait_for(told, "http://").strip()
        with urlopen(url, timeout=10) as page:
            assert b"new EventSource" in page.read()
        before = (site / "scene" / "scene.json").read_bytes()
        with urlopen(f"{url}.vitrine/reload", timeout=60) as events:
            assert events.readline() == b": listening\n"
            _wait_for(told, "changed: building", lambda: scene.write_bytes(b"ply broken"))
            _wait_for(told, "scene.ply:")
            assert (site / "scene" / "scene.json").read_bytes() == before
            half = scene_file.read_bytes()
            head, _, rows = half.partition(b"end_header\n")
            head = head.replace(b"element vertex 700", b"element vertex 350")
            scene.write_bytes(head + b"end_header\n" + rows[: len(rows) // 2])
            while events.readline() != b"data: reload\n":
                pass  # heartbeats, and empty lines between events
        assert json.loads((site / "scene" / "scene.json").read_text())["count"] == 350
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scene.ply", "site"]
