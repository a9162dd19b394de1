"""Each bench runs on a tiny scene, prints its tables and writes JSON that says the same."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import chromium
from bench.frame import RIVALS, json_orbit
from bench.measured import BenchScene, scenes
from bench.native import variants_of
from bench.start import KINDS, kind_of
from bench.tables import cell, print_table, ratio, summary
from pyengine.bundle import Pose
from pyengine.errors import InputError
from pyengine.plan import DEFAULT_LIMITS, Adapter

ROOT = Path(__file__).resolve().parents[2]
BENCHES = ("frame", "start", "native", "objects", "build", "filters", "filters_page")
TIMEOUT_S = 150
"""For a start of Pyodide in software on busy cores; seconds otherwise."""

Run = Callable[..., tuple[str, dict[str, Any]]]


def start(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a bench as a user does."""
    return subprocess.run(
        [sys.executable, str(ROOT / "bench" / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env=os.environ | environment,
    )


@pytest.fixture
def run(scene_file: Path, tmp_path: Path) -> Run:
    """Runs a bench on the small cloud; gives what it printed and the JSON."""

    def run(name: str, *arguments: str) -> tuple[str, dict[str, Any]]:
        out = tmp_path / "out.json"
        done = start(name, str(scene_file), "--json", str(out), *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "load" in done.stdout
        return done.stdout, json.loads(out.read_text(encoding="utf-8"))

    return run


def numbers(line: str) -> list[float]:
    """The numbers of a table's row."""
    found = []
    for word in line.replace(",", "").split():
        try:
            found.append(float(word.removesuffix("x")))
        except ValueError:
            continue
    return found


def row(text: str, name: str) -> list[float]:
    """Numbers of the row that begins with a name."""
    return next(numbers(line) for line in text.splitlines() if line.strip().startswith(name + " "))


@pytest.mark.parametrize("name", BENCHES)
def test_help_teaches(name: str) -> None:
    done = start(name, "--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout
    assert "--json" in done.stdout


@pytest.mark.parametrize("name", BENCHES)
def test_a_missing_scene_is_one_line(name: str) -> None:
    done = start(name, "no-such-scene.ply")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "bench: no-such-scene.ply: no such file"
    assert "Traceback" not in done.stderr


def test_build(run: Run) -> None:
    text, data = run("build", "--runs", "1")
    found = data["scenes"]["cloud"]
    assert found["count"] == 700
    assert set(found["stages"]) == {"read", "pack", "bundle"}
    speed = found["stages"]["pack"]["splats_per_second"]
    assert row(text, "pack")[-1] == pytest.approx(speed, abs=1)
    sizes = found["gpu_bytes_a_splat"]
    assert sizes["geometry"] == pytest.approx(16 * 768 / 700)
    assert row(text, "geometry") == [pytest.approx(sizes["geometry"], abs=0.01)]


@pytest.mark.gpu
def test_native(run: Run, adapter: Any) -> None:
    text, data = run("native", "--frames", "2", "--bits", "10:11", "--runs", "1")
    assert data["adapter"]["device"]
    variants = data["scenes"]["cloud"]
    assert len(variants) >= 2
    own = next(name for name in variants if name.endswith(" *"))
    assert set(variants[own]) >= {"project", "sort", "splat", "composite", "all passes"}
    assert row(text, "splat")[0] > 0
    assert set(data["sort"]) == {"1024", "2048"}
    assert row(text, "2^11 keys, 16 bits")


@pytest.mark.gpu
def test_objects(run: Run, adapter: Any) -> None:
    text, data = run("objects", "--frames", "1", "--pieces", "3", "--size", "64x36")
    found = data["scenes"]["cloud"]
    assert list(found["ms"]) == ["one file", "3 objects", "one of them moving"]
    assert len(set(found["dispatches"].values())) == 1
    assert row(text, "project")[0] > 0


@pytest.mark.page
def test_frame(run: Run, browser_type_launch_args: dict[str, Any], tmp_path: Path) -> None:
    shots = tmp_path / "shots"
    arguments = ("--rounds", "1", "--views", "2", "--rivals", "none", "--shots", str(shots))
    text, data = run("frame", *arguments)
    ours = data["scenes"]["cloud"]["engines"]["vitrine"]
    assert ours["frame_ms"]["n"] == 2
    assert 0 < ours["frame_ms"]["min"] <= ours["settled_ms"]["min"] < 60_000
    assert set(ours["passes_ms"]) >= {"project", "sort", "splat", "composite", "all passes"}
    assert 0 < ours["drawn"]["median"] <= 700
    assert row(text, "vitrine")[1] == pytest.approx(ours["frame_ms"]["min"], rel=0.1)
    assert (shots / "cloud-vitrine.png").is_file()


@pytest.mark.page
def test_start(run: Run, browser_type_launch_args: dict[str, Any]) -> None:
    text, data = run("start", "--runs", "1")
    found = data["scenes"]["cloud"]
    for state in ("cold", "warm"):
        stages = found["stages_ms"][state]
        order = ["worker started", "Pyodide and engine ready", "plan made", "shaders compiled"]
        order += ["first frame submitted", "first frame drawn", "first frame settled"]
        times = [stages[name]["median"] for name in order]
        assert times == sorted(times)
        assert stages["poster shown"]["median"] < stages["first frame settled"]["median"]
    cold, warm = found["wire"]["cold"], found["wire"]["warm"]
    assert cold["Pyodide"]["bytes"] > 1e6
    assert warm["Pyodide"]["bytes"] == 0
    assert cold["scene"]["bytes"] > warm["scene"]["bytes"]
    assert cold["other"]["bytes"] == 0, "a file of no known kind"
    assert row(text, "= first frame settled")[0] > 0


@pytest.mark.page
@pytest.mark.parametrize("name", ["frame", "start"])
def test_without_a_browser(name: str, scene_file: Path) -> None:
    done = start(name, str(scene_file), "--chromium", "/no/such/chromium")
    assert done.returncode == 2
    assert "Chromium is missing (/no/such/chromium); apt-get install chromium" in done.stderr


def test_a_rival_without_npm_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(chromium, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    for rival in RIVALS.values():
        with pytest.raises(chromium.PackageMissing, match="npm is not installed"):
            chromium.npm_package(*rival.npm)


def test_an_orbit_keeps_its_distance_and_never_repeats_a_view() -> None:
    pose = Pose((1.0, -2.0, -3.0), (0.5, 0.0, 0.0), 40.0)
    views = json_orbit(pose, 5)
    eyes = []
    for view in views:
        m = np.array(view["view"]).reshape(4, 4).T
        eyes.append(-m[:3, :3].T @ m[:3, 3])
        assert math.dist(eyes[-1], pose.target) == pytest.approx(math.dist(pose.eye, pose.target))
        assert (view["width"], view["height"]) == chromium.SIZE
    assert np.allclose(eyes[2], pose.eye)
    assert all(math.dist(a, b) > 0.01 for a, b in pairwise(eyes))


def test_the_variants_of_an_adapter_begin_with_its_own() -> None:
    plain = variants_of(Adapter(DEFAULT_LIMITS))
    assert list(plain) == ["portable *", "serial"]
    hardware = variants_of(Adapter(DEFAULT_LIMITS, subgroup_size=32))
    assert list(hardware) == ["subgroups of 32 *", "serial", "portable"]
    software = variants_of(Adapter(DEFAULT_LIMITS, subgroup_size=4, software=True))
    assert list(software) == ["serial *", "portable", "subgroups of 4"]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("vitrine/pyodide-314.0.7/pyodide.asm.wasm", "Pyodide"),
        ("vitrine/engine.zip", "engine"),
        ("vitrine/worker.mjs", "page code"),
        ("vitrine/config.json", "page code"),
        ("", "page code"),
        ("scene/scene.json", "scene"),
        ("scene/poster.webp", "poster"),
        ("favicon.ico", "other"),
    ],
)
def test_kinds_of_files(url: str, kind: str) -> None:
    assert kind_of(f"http://127.0.0.1:1/{url}") == kind
    assert kind in KINDS


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert summary([3.0, 1.0, 2.0]) == {"min": 1.0, "median": 2.0, "n": 3}
    assert [cell(v) for v in (1.234, 12.34, 123.4, float("nan"))] == ["1.23", "12.3", "123", "-"]
    assert ratio(3.0, 2.0) == "1.50x"
    print_table("title", ["", "ms"], [["a", "1"], ["long", "22"]])
    assert capsys.readouterr().out == "\ntitle\n        ms\n  a      1\n  long  22\n"


def test_named_scenes(scene_file: Path) -> None:
    (found,) = scenes([scene_file])
    assert isinstance(found, BenchScene)
    assert found.name == "cloud"
    with pytest.raises(InputError, match="no such file"):
        scenes([scene_file.with_name("gone.ply")])
