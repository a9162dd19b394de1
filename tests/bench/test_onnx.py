"""The bench of networks: it runs on a tiny one, and its tables and JSON say the same."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bench import chromium, net_engines
from bench.net_report import markdown, overview, report, short_of_goals
from bench.net_server import NetServer, brotli_bytes
from bench.nets import find_nets, tile_anchors, with_shapes
from bench.onnx import Contender, largest_error, measure, reference
from pyengine.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 240
"""For pipelines that SwiftShader compiles on busy cores; seconds otherwise."""
ANCHORS, GAUSSIANS = 4, 2


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the bench as a user does."""
    return subprocess.run(
        [sys.executable, str(ROOT / "bench" / "onnx.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env=os.environ | environment,
    )


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A Gemm and a Relu of 3 rows."""
    weights = np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["s"]),
            helper.make_node("Relu", ["s"], ["y"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 5])],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.full(5, 0.5, np.float32), "b"),
        ],
    )
    path = tmp_path / "tiny.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def test_help_teaches() -> None:
    done = start("--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout
    assert "native-webgpu" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--models", "gone.onnx"], "gone.onnx: no such file"),
        (["--models", "no-such-net"], "--models no-such-net: none of candy_256_op17"),
        (["--rivals", "tensorflow"], "'tensorflow' is none of web-webgpu"),
    ],
)
def test_faults_are_one_line(arguments: list[str], fault: str) -> None:
    done = start(*arguments)
    assert done.returncode == 2
    assert fault in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.page
@pytest.mark.gpu
def test_vitrine_alone(
    model_file: Path, tmp_path: Path, browser_type_launch_args: dict[str, Any], adapter: Any
) -> None:
    """In the page and natively; the numbers in the table are those in the JSON."""
    out = tmp_path / "out.json"
    options = ("--rivals", "none", "--rounds", "2", "--opens", "1", "--turn", "0.01")
    done = start("--models", str(model_file), "--json", str(out), *options)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())["models"]["tiny"]["engines"]
    assert set(found) == {"vitrine", "vitrine-native"}
    for name, item in found.items():
        assert item["dispatches"] == 1
        assert item["max_rel_error"] < 1e-6
        assert item["ms"]["n"] >= 2
        assert 0 < item["ms"]["min"] <= item["ms"]["median"] < item["first_ms"]["min"]
        line = next(text for text in done.stdout.splitlines() if text.startswith(f"  {name} "))
        assert line.split()[1] == str(item["ms"]["n"])
    assert 0 < found["vitrine"]["model_bytes"] < 20_000
    assert 0 < found["vitrine"]["code_bytes"] < 100_000


def test_a_rival_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    """Without npm, and with a requirement that pip refuses."""
    script = (
        "import sys; from pathlib import Path; from bench import chromium, net_engines, onnx; "
        f"chromium.CACHE = net_engines.CACHE = Path({str(tmp_path)!r}); "
        "chromium.shutil.which = lambda name: None; "
        "net_engines.PACKAGE = 'no such requirement'; "
        "kit = onnx.Kit(['web-wasm', 'native-cpu'], False, None); print(sorted(kit.missing))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
        cwd=ROOT,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "web-wasm: skipped: npm is not installed"
    assert lines[1].startswith("native-cpu: skipped: pip could not install no such requirement (")
    assert lines[2] == "['native-cpu', 'web-wasm']"


class Fake:
    """An engine of fixed times."""

    def __init__(self, name: str, first_ms: float, ms: float, fault: str | None = None) -> None:
        self.name = name
        self.first_ms, self.ms, self.fault = first_ms, ms, fault
        self.asked: list[str] = []

    def open(self) -> net_engines.Opened:
        """Noted; fails if it shall."""
        self.asked.append("open")
        if self.fault:
            raise net_engines.Unavailable(self.fault)
        return net_engines.Opened(self.first_ms, "fake", dispatches=7)

    def turn(self, seconds: float) -> list[float]:
        """One run."""
        self.asked.append("turn")
        return [self.ms]

    def outputs(self) -> list[np.ndarray]:
        """Near one."""
        self.asked.append("outputs")
        return [np.full(3, 1.0 if self.name == "native-cpu" else 1.01, np.float32)]

    def close(self) -> None:
        """Nothing."""


class Given:
    """Arguments of a command line."""

    rounds, opens, turn, budget = 3, 2, 0.1, 1.0


def test_turns_are_interleaved_and_slow_rivals_sit_out(capsys: pytest.CaptureFixture[str]) -> None:
    fakes = [
        Fake("vitrine", 20.0, 2.0),
        Fake("vitrine-native", 10.0, 1.0),
        Fake("web-wasm", 1000.0, 6.0),
        Fake("native-webgpu", 10.0, 1.0, "no adapter"),
        Fake("native-cpu", 5.0, 4.0),
    ]
    contenders = [Contender(fake) for fake in fakes]
    measure(contenders, Given())  # type: ignore[arg-type]
    assert fakes[0].asked == ["open", "open", "outputs", "turn", "turn", "turn"]
    assert fakes[2].asked == ["open", "outputs", "turn", "turn", "turn"]
    assert fakes[3].asked == ["open"]
    told = {one.engine.name: one.told() for one in contenders}
    report("tiny", [(3, 4)], {"family": "other", "build_s": 0.5, "engines": told})
    assert told["native-webgpu"] == {"skipped": "no adapter"}
    assert told["vitrine"]["max_rel_error"] == pytest.approx(0.01)
    text = capsys.readouterr().out
    assert "native-webgpu: skipped: no adapter" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line[:2] == "  "}
    assert rows["web-wasm"][3] == "3.00x", "beside Vitrine in the page"
    assert rows["native-cpu"][3] == "4.00x", "beside Vitrine natively"
    assert rows["native-webgpu"] == ["-"] * 9


def test_without_our_times_there_are_no_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    contenders = [Contender(Fake("vitrine", 1.0, 1.0, "broken")), Contender(Fake("web-wasm", 2, 3))]
    measure(contenders, Given())  # type: ignore[arg-type]
    told = {one.engine.name: one.told() for one in contenders}
    found = {"family": "conv", "build_s": 0.5, "engines": told}
    report("tiny", [(3, 4)], found)
    overview({"tiny": found}, ["vitrine", "web-wasm"])
    text = capsys.readouterr().out
    assert "vitrine: skipped: broken" in text
    assert text.splitlines()[-1].split() == ["tiny", "-", "-"]
    assert list(short_of_goals({"tiny": found})) == []
    assert "| tiny | - | - | - | - | - | - | - | 0.0 | - | - |" in markdown({"tiny": found})


def test_goals_and_tables_of_the_docs() -> None:
    ms = {"vitrine": 2.0, "web-webgpu": 30.0, "web-wasm": 1.0, "vitrine-native": 1.5}
    engines = {
        name: {
            "ms": {"min": value},
            "first_ms": {"min": 1000 * value},
            "dispatches": 6,
            "model_bytes": 12_345,
        }
        for name, value in ms.items()
    }
    found = {"family": "generator", "build_s": 1.0, "engines": engines}
    assert list(short_of_goals({"net": found})) == [
        "net: 15.0x faster than web-webgpu; the goal is 20x"
    ]
    assert list(short_of_goals({"net": {**found, "family": "conv"}})) == []
    lines = markdown({"net": found}).splitlines()
    assert "| net | 2.00 | 15 | 0.50 | 6 | 6 | 2.0 | 30.0 | 1.0 | 12 | 12 |" in lines
    assert "| net | 1.50 | - | - | 1.5 | - |" in lines


def test_errors_are_relative_to_an_outputs_largest_value() -> None:
    wanted = [np.array([0.0, -4.0]), np.array([1, 2], np.int32)]
    assert largest_error([np.array([[1.0, -4.0]]), np.array([1, 2])], wanted) == 0.25
    assert math.isnan(largest_error([np.array([np.nan, 1.0]), np.array([1, 2])], wanted))
    assert largest_error([np.zeros(2)], [np.zeros(2)]) == 0.0
    found = {"vitrine": wanted, "native-cpu": wanted[:1]}
    assert reference(found) == wanted[:1]
    assert reference({"vitrine": wanted}) == wanted


def test_anchors_are_tiled() -> None:
    """Rows of anchors and of Gaussians are repeated; weights are left alone; counts are scaled."""
    rows = np.arange(ANCHORS * 3, dtype=np.float32).reshape(ANCHORS, 3)
    count = helper.make_tensor("v", TensorProto.INT32, [1], [ANCHORS * GAUSSIANS])
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["num"], value=count)],
        "anchors",
        [],
        [helper.make_tensor_value_info("num", TensorProto.INT32, [1])],
        [
            numpy_helper.from_array(rows, "anchor"),
            numpy_helper.from_array(np.zeros((ANCHORS * GAUSSIANS, 1), np.float32), "each"),
            numpy_helper.from_array(np.ones((5, ANCHORS), np.float32), "weight"),
        ],
    )
    model = onnx.load_from_string(
        tile_anchors(helper.make_model(graph).SerializeToString(), 10, GAUSSIANS)
    )
    arrays = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    assert np.array_equal(arrays["anchor"], np.tile(rows, (3, 1))[:10])
    assert arrays["each"].shape == (20, 1)
    assert arrays["weight"].shape == (5, ANCHORS)
    assert numpy_helper.to_array(model.graph.node[0].attribute[0].t).tolist() == [20]


def test_named_nets(model_file: Path) -> None:
    (net,) = find_nets([str(model_file)])
    assert (net.name, net.family) == ("tiny", "other")
    assert net.inputs["x"].shape == (3, 4)
    assert net.inputs["x"].dtype == np.float32
    with pytest.raises(InputError, match="none of candy_256_op17"):
        find_nets(["resnet"])


def test_open_sizes_are_given(tmp_path: Path) -> None:
    """The same symbol has the same size in the output; what is no shape of the input is told."""
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "height", width])
        for name, width in (("x", "width"), ("y", "2*width"))
    ]
    node = helper.make_node("Concat", ["x", "x"], ["y"], axis=2)
    path = tmp_path / "open.onnx"
    graph = helper.make_graph([node], "open", ports[:1], ports[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    (net,) = find_nets([str(path)], {"x": (1, 4, 6)})
    assert net.inputs["x"].shape == (1, 4, 6)
    model = onnx.load_from_string(net.model)
    dims = [d.dim_value or d.dim_param for d in model.graph.output[0].type.tensor_type.shape.dim]
    assert dims == [1, 4, "2*width"]
    with pytest.raises(InputError, match=r"open.onnx: there is no input 'z'; there are: x"):
        find_nets([str(path)], {"z": (1, 4, 6)})
    for shape in ((2, 4, 6), (1, 4)):
        with pytest.raises(InputError, match=r"input 'x' is declared \[1, 'height', 'width'\]"):
            with_shapes(path.read_bytes(), {"x": shape})


def test_what_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.net_server._SIZES", tmp_path / "sizes.json")
    (tmp_path / "a.mjs").write_text("export {};")
    server = NetServer({"ort": tmp_path}, chromium.PAGES)
    server.files = {"net/model.onnx": b"\0" * 1000}
    assert server.find("ort/a.mjs") == b"export {};"
    assert server.find("ort/../a.mjs") is None
    assert server.find("net/model.onnx") == b"\0" * 1000
    assert b"net.mjs" in (server.find("net.html") or b"")
    assert brotli_bytes(server.files) < 50
    assert brotli_bytes({"a": b"x"}) == 1, "never more than without"
    assert len(json.loads((tmp_path / "sizes.json").read_text())) == 2
