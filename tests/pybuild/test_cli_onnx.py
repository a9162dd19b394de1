"""``vitrine compile``, ``inspect`` and ``verify`` on ONNX models and programs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from pybuild.onnx.lower import LOWERINGS, Lowering
from pybuild.programs import read_program
from tests.pybuild.command import Run
from tests.pybuild.onnx.small_models import branches, model, network, saved, unsupported

ROOT = Path(__file__).resolve().parent.parent.parent


# ---------------------------------------------------------------------------------------- compile


def test_compile_writes_a_program_and_says_what_it_costs(run: Run, tmp_path: Path) -> None:
    """The folder reads back; a second time it is replaced by the new one."""
    path = saved(network(), tmp_path)
    status, out, err = run("compile", path, "-o", "made/program", "--shape", "image=2x3x8x8")
    assert (status, err) == (0, "")
    assert re.match(r"made/program: \d+ dispatch(es)? from \d+ nodes in [\d.]+ s\n", out)
    for word in ("arena", "at least", "weights", "FLOP", "vitrine run made/program"):
        assert word in out
    first, _ = read_program(Path("made/program"))
    assert first.inputs[0].shape == (2, 3, 8, 8)
    assert first.metadata == {"author": "tests"}
    assert first.report["operators"]["Conv"] == 1
    assert len(first.report["dispatch_flops"]) == len(first.dispatches)
    assert run("compile", path, "-o", "made/program", "--shape", "n=1")[0] == 0
    second, files = read_program(Path("made/program"))
    assert second.inputs[0].shape == (1, 3, 8, 8)
    found = {p.relative_to("made/program").as_posix() for p in Path("made").rglob("*.*")}
    assert found == {"program.json", *files}


@pytest.mark.gpu
def test_a_compiled_program_runs(run: Run, adapter: object, tmp_path: Path) -> None:
    """What compile writes, run reads."""
    assert run("compile", saved(network(1), tmp_path), "-o", "program")[0] == 0
    status, out, err = run("run", "program", "--seed", "0", "--no-tune")
    assert (status, err) == (0, "")
    assert "scores" in out


@pytest.mark.gpu
def test_an_open_axis_follows_a_count(run: Run, adapter: object, tmp_path: Path) -> None:
    """Up to its capacity; what is beyond the count is not computed."""
    path = saved(network(), tmp_path)
    assert run("compile", path, "-o", "program", "--capacity", "n=100")[0] == 0
    program, _ = read_program(Path("program"))
    assert list(program.counts) == ["n"]
    assert program.inputs[0].shape == (100, 3, 8, 8)
    assert json.loads(run("inspect", "program", "--json")[1])["counts"] == ["n"]
    assert "dispatches, which follow n\n" in run("inspect", "program")[1]
    assert json.loads(run("inspect", path, "--capacity=n=100", "--json")[1])["counts"] == ["n"]
    status, _, err = run("run", "program", "--seed=0", "--count=n=7", "--no-tune", "-o", "out")
    assert (status, err) == (0, "")
    scores = np.load("out/scores.npy")
    assert scores[:7].all()
    assert not scores[7:].any()


FAULTS: dict[str, tuple[list[str], str]] = {
    "no output": (["compile", "MODEL"], "--out"),
    "no model": (["compile", "nothing.onnx", "-o", "x"], "nothing.onnx: no such file"),
    "a folder": (["compile", "FULL", "-o", "x"], "FULL: is a folder; wanted an ONNX file"),
    "no ONNX": (["compile", "JUNK", "-o", "x"], "junk: the file is not an ONNX model"),
    "open shape": (["compile", "MODEL", "-o", "x"], "such as --shape image=1x3x8x8"),
    "bad shape": (["compile", "MODEL", "-o", "x", "--shape", "image=0x3"], "--shape 'image=0x3'"),
    "other shape": (["compile", "MODEL", "-o", "x", "--shape", "image=1x4x8x8"], "is declared"),
    "no such input": (
        ["compile", "MODEL", "-o", "x", "--shape=n=1", "--shape=img=1"],
        "shape of 'img': no input or symbol has that name",
    ),
    "shape twice": (["compile", "MODEL", "-o", "x", "--shape=n=1", "--shape=n=2"], "given twice"),
    "bad capacity": (["compile", "MODEL", "-o", "x", "--capacity", "n"], "--capacity 'n'"),
    "no capacity": (["compile", "MODEL", "-o", "x", "--capacity", "n=0"], "a positive number"),
    "full folder": (["compile", "MODEL", "-o", "FULL", "--shape=n=1"], "is not empty"),
    "out is a file": (["compile", "MODEL", "-o", "JUNK", "--shape=n=1"], "is a file"),
    "verify nothing": (["verify", "nothing.onnx"], "nothing.onnx: no such file"),
    "verify junk": (["verify", "JUNK"], "the file is not an ONNX model"),
    "verify open": (["verify", "MODEL"], "Give its shape"),
    "tolerance": (["verify", "MODEL", "--tolerance", "-1", "--shape=n=1"], "--tolerance wants"),
    "tolerance nan": (["verify", "MODEL", "--tolerance=nan", "--shape=n=1"], "--tolerance wants"),
    "inspect nothing": (["inspect", "nothing.onnx"], "nothing.onnx: no such file"),
    "inspect up": (["inspect", "MODEL", "--up", "y"], "--up is for scenes"),
    "inspect shape": (["inspect", "FULL", "--shape", "n=1"], "is no ONNX model"),
    "inspect cut": (["inspect", "CUT"], "is not an ONNX model, or is cut short"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_and_status_2(run: Run, name: str, tmp_path: Path) -> None:
    """And nothing is written, not even a part."""
    path = saved(network(), tmp_path)
    (tmp_path / "FULL").mkdir()
    (tmp_path / "FULL" / "mine.txt").write_text("")
    (tmp_path / "junk").write_bytes(b"\x01\x02 no model")
    (tmp_path / "cut.onnx").write_bytes(path.read_bytes()[:-100])
    before = sorted(tmp_path.rglob("*"))
    places = {"MODEL": "model.onnx", "JUNK": "junk", "CUT": "cut.onnx"}
    argv, message = FAULTS[name]
    status, out, err = run(*(places.get(item, item) for item in argv))
    assert status == 2
    assert out == ""
    assert err.startswith("vitrine: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


def test_every_node_at_fault_is_named(run: Run, tmp_path: Path) -> None:
    """A line each: its operator, name, domain, opset and reason; nothing is written."""
    path = saved(unsupported(), tmp_path)
    for argv in (["compile", path, "-o", "program"], ["verify", path]):
        status, out, err = run(*argv)
        assert (status, out) == (2, "")
        lines = err.splitlines()
        assert lines[0] == f"vitrine: {path}: 2 problems."
        assert lines[1].startswith("  Foo 'foreign' (com.example, opset 1): ")
        assert lines[2].startswith("  NonZero 'where' (ai.onnx, opset 17): ")
        assert len(lines) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_force_writes_beside_other_files(run: Run, tmp_path: Path) -> None:
    """They stay."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    path = saved(network(1), tmp_path)
    assert run("compile", path, "-o", "mine")[0] == 2
    assert run("compile", path, "-o", "mine", "--force")[0] == 0
    read_program(Path("mine"))
    assert Path("mine/notes.txt").read_text() == "mine"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing(tmp_path: Path, number: int) -> None:
    """Status 130 (143), no traceback, no half of a program, at the worst of moments."""
    slow = (
        "import sys, time\nfrom pybuild import programs\nfrom pathlib import Path\n"
        "def wait(*_):\n    print('here', flush=True)\n    time.sleep(30)\n"
        "Path.rename = wait\nfrom pybuild.cli import main\nsys.exit(main(sys.argv[1:]))\n"
    )
    path = saved(network(1), tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", slow, "compile", str(path), "-o", str(tmp_path / "program")],
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
    assert list(tmp_path.iterdir()) == [path]


# ---------------------------------------------------------------------------------------- inspect


def test_inspect_a_model(run: Run, tmp_path: Path) -> None:
    """Operators, inputs, and what a program of it would cost, in text and in JSON."""
    path = saved(network(), tmp_path)
    status, out, err = run("inspect", path, "--shape", "n=2", "--json")
    assert (status, err) == (0, "")
    facts = json.loads(out)
    assert facts["operators"] == {"Conv": 1, "Relu": 1, "Flatten": 1, "Gemm": 1}
    assert facts["unsupported"] == []
    assert facts["inputs"] == [{"name": "image", "dtype": "float32", "shape": ["n", 3, 8, 8]}]
    assert [port["name"] for port in facts["outputs"]] == ["scores"]
    assert facts["metadata"] == {"author": "tests"}
    assert facts["opsets"] == {"ai.onnx": 17, "com.example": 1}
    assert facts["dispatches"] == len(facts["kernels"]) > 0
    # it is one kernel, between which nothing lives
    assert 0 <= facts["arena_bound_bytes"] <= facts["arena_bytes"] <= facts["arena_total_bytes"]
    assert facts["weight_bytes"] >= 4 * (4 * 27 + 256 * 5)
    assert facts["flops"] == sum(kernel["flops"] for kernel in facts["kernels"])
    # 2 images, 4 x 8 x 8 sums of 27 products; 2 x 5 sums of 256
    assert facts["flops"] >= 2 * (2 * 256 * 27 + 2 * 5 * 256)
    status, out, _ = run("inspect", path, "--shape", "n=2")
    for word in ("image: float32 nx3x8x8", "Conv 1", "dispatches", "arena", "weights", "FLOP"):
        assert word in out
    assert "author = tests" in out


def test_inspect_a_program(run: Run, tmp_path: Path) -> None:
    """The same numbers as of its model."""
    path = saved(network(2), tmp_path)
    assert run("compile", path, "-o", "program")[0] == 0
    of_model = json.loads(run("inspect", path, "--json")[1])
    status, out, err = run("inspect", "program", "--json")
    assert (status, err) == (0, "")
    facts = json.loads(out)
    for name in ("dispatches", "kernels", "arena_bytes", "weight_bytes", "flops", "metadata"):
        assert facts[name] == of_model[name]
    assert facts["format"] == "Vitrine program"
    assert facts["inputs"] == [{"name": "image", "dtype": "float32", "shape": [2, 3, 8, 8]}]
    assert facts["disk_bytes"] == sum(
        p.stat().st_size for p in Path("program").rglob("*") if p.is_file()
    )
    assert "dispatches" in run("inspect", "program")[1]
    assert run("inspect", "program", "--shape", "n=1")[0] == 2
    Path("program/program.json").write_text("{")
    status, _, err = run("inspect", "program")
    assert status == 2
    assert "program.json" in err


def test_inspect_tells_what_stands_against_compiling(run: Run, tmp_path: Path) -> None:
    """A report, not a fault: status 0, the reasons, no costs."""
    path = saved(unsupported(), tmp_path)
    status, out, err = run("inspect", path, "--json")
    assert (status, err) == (0, "")
    facts = json.loads(out)
    assert facts["operators"] == {"com.example.Foo": 1, "NonZero": 1, "Relu": 1}
    assert [(item["node"], item["operator"]) for item in facts["unsupported"]] == [
        ("foreign", "com.example.Foo"),
        ("where", "NonZero"),
    ]
    assert all(item["reason"] for item in facts["unsupported"])
    assert facts["dispatches"] is None
    assert facts["kernels"] == []
    status, out, _ = run("inspect", path)
    assert status == 0
    assert "NonZero 'where' (opset 17): " in out


def test_inspect_counts_what_is_in_bodies(run: Run, tmp_path: Path) -> None:
    """Operators of branches stand in the file too."""
    body = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "b", [], [])
    body.output.extend(model([], {}, ["y"]).graph.output)
    node = helper.make_node("If", ["always"], ["z"], name="if", then_branch=body, else_branch=body)
    path = saved(model([node], {"x": [3]}, ["z"], {"always": True}), tmp_path)
    facts = json.loads(run("inspect", path, "--json")[1])
    assert facts["operators"] == {"Neg": 2, "If": 1}
    assert facts["dispatches"] == 1


# ----------------------------------------------------------------------------------------- verify


@pytest.mark.gpu
def test_verify_a_right_model(run: Run, adapter: object, tmp_path: Path) -> None:
    """One JSON object; the same seed gives the same numbers."""
    pytest.importorskip("onnxruntime")
    path = saved(network(), tmp_path)
    status, out, err = run("verify", path, "--shape", "image=2x3x8x8", "--json")
    assert (status, err) == (0, "")
    facts = json.loads(out)
    assert facts["model"] == str(path)
    assert facts["adapter"]
    assert facts["dispatches"] >= 1
    assert facts["first_divergent_node"] is None
    assert facts["passed"] is True
    (output,) = facts["outputs"]
    assert (output["name"], output["shape"], output["dtype"]) == ("scores", [2, 5], "float32")
    assert output["max_rel_error"] == facts["max_rel_error"] < 1e-5
    assert facts["tolerance"] == 1e-3
    assert json.loads(run("verify", path, "--shape", "n=2", "--json")[1]) == facts
    status, out, _ = run("verify", path, "--shape", "n=2", "--seed", "3")
    assert status == 0
    assert "passed" in out
    assert run("verify", path, "--shape", "n=2", "--tolerance", "0")[0] in (0, 1)


def wrong(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an operator a lowering that is off by 1 %."""
    from pybuild.onnx.ir import map_tensor

    right = LOWERINGS["", op]

    def lowered(context: Any, node: Any) -> Any:
        made = right.function(context, node)
        return map_tensor(f"{made.name} wrong", made.shape, lambda *i: made[i] * 1.01 + 0.01)

    changed = Lowering(right.domain, op, lowered, right.since, right.limits, right.family)
    monkeypatch.setitem(LOWERINGS, ("", op), changed)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("op", "node"),
    [
        ("Tanh", "a1"),
        ("Exp", "a3"),
        ("Sin", "b1"),
        ("Relu", "b2"),
        ("Add", "sum"),
        ("Mul", "square"),
    ],
)
def test_verify_finds_the_first_node_that_diverges(
    run: Run, adapter: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, op: str, node: str
) -> None:
    """On either branch, first or last: status 1, its name, and by how much."""
    pytest.importorskip("onnxruntime")
    wrong(op, monkeypatch)
    path = saved(branches(), tmp_path)
    status, out, err = run("verify", path, "--json")
    assert (status, err) == (1, "")
    facts = json.loads(out)
    assert facts["passed"] is False
    assert facts["max_rel_error"] > 1e-3
    first = facts["first_divergent_node"]
    assert (first["name"], first["operator"]) == (node, op)
    assert 0.005 < first["max_rel_error"] < 0.05
    status, out, _ = run("verify", path)
    assert status == 1
    assert f"first node that diverges: {op} {node!r}" in out
    assert run("verify", path, "--tolerance", "0.5")[0] == 0


@pytest.mark.gpu
def test_verify_a_model_whose_weights_lie_beside_it(
    run: Run, adapter: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """External data, right and wrong."""
    pytest.importorskip("onnxruntime")
    import onnx

    path = tmp_path / "big.onnx"
    onnx.save(network(1), path, save_as_external_data=True, size_threshold=0, location="big.bin")
    assert run("verify", path)[0] == 0
    wrong("Relu", monkeypatch)
    status, out, _ = run("verify", path, "--json")
    assert status == 1
    assert json.loads(out)["first_divergent_node"]["name"] == "relu"


@pytest.mark.gpu
def test_half_floats_have_more_room(run: Run, adapter: object, tmp_path: Path) -> None:
    """1e-2 where a model has them anywhere."""
    pytest.importorskip("onnxruntime")
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=10),
        helper.make_node("Mul", ["h", "k"], ["y"]),
    ]
    path = saved(model(nodes, {"x": [4, 5]}, ["y"], {"k": np.float16(3)}), tmp_path)
    facts = json.loads(run("verify", path, "--json")[1])
    assert (facts["tolerance"], facts["outputs"][0]["dtype"]) == (1e-2, "float16")
    assert facts["passed"]


def test_verify_without_onnxruntime(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not among Vitrine's requirements."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    status, out, err = run("verify", saved(network(1), tmp_path))
    assert (status, out) == (2, "")
    assert err == (
        "vitrine: vitrine verify compares with onnxruntime, which is not installed; "
        "install it with: pip install onnxruntime\n"
    )


@pytest.mark.gpu
def test_verify_what_onnxruntime_cannot_run(run: Run, adapter: object, tmp_path: Path) -> None:
    """Its own words, in one line."""
    pytest.importorskip("onnxruntime")
    made = network(1)
    made.ir_version = 99
    status, out, err = run("verify", saved(made, tmp_path))
    assert (status, out) == (2, "")
    assert re.fullmatch(r"vitrine: .*model\.onnx: onnxruntime cannot run it: \S.*\n", err)


@pytest.mark.parametrize("verb", ["compile", "verify", "inspect", "run"])
def test_help_ends_with_an_example(run: Run, verb: str) -> None:
    """As every verb's."""
    status, out, _ = run(verb, "--help")
    assert status == 0
    assert f"Example: vitrine {verb}" in out


@pytest.mark.parametrize(
    ("dtype", "number", "fits"),
    [
        ("int64", 2**31 - 1, True),
        ("int64", -(2**31), True),
        ("int64", 2**63 - 1, True),
        ("int64", -(2**63), True),
        ("int64", 2**31, False),
        ("int64", -(2**40), False),
        ("uint64", 2**32 - 1, True),
        ("uint64", 2**64 - 1, True),
        ("uint64", 2**32, False),
    ],
)
def test_constants_beyond_32_bits(
    run: Run, tmp_path: Path, dtype: str, number: int, fits: bool
) -> None:
    """Refused by name; the two ends of 64 bits mean that there is no limit."""
    kind = {"int64": 7, "uint64": 13}[dtype]
    nodes = [
        helper.make_node("Cast", ["x"], ["i"], to=kind),
        helper.make_node("Min", ["i", "most"], ["y"], name="least"),
    ]
    most = np.array([number], dtype)
    path = saved(model(nodes, {"x": [3]}, ["y"], {"most": most}), tmp_path)
    status, _, err = run("compile", path, "-o", "program")
    assert status == (0 if fits else 2)
    if not fits:
        assert f"Min 'least' (ai.onnx, opset 28): constant 'most' holds {number}; " in err


@pytest.mark.parametrize(
    ("op", "indices", "told"),
    [
        ("Gather", [0, 3], "index 3 is outside an axis of 3"),
        ("Gather", [-4], "index -4 is outside an axis of 3"),
        ("GatherElements", [[2, 7, 0, 0]], "index 7 is outside an axis of 3"),
        ("GatherND", [[2, 4]], "index 4 is outside an axis of 4"),
        ("ScatterND", [[1], [5]], "index 5 is outside an axis of 3"),
        ("Gather", [-3, 2], ""),
        ("GatherND", [[-3, 3]], ""),
    ],
)
def test_constant_indices_outside(
    run: Run, tmp_path: Path, op: str, indices: list[Any], told: str
) -> None:
    """Refused when the model is compiled; only indices from data are clamped."""
    inputs = {"x": [3, 4], "u": [2, 4]}
    names = ["x", "i", "u"] if op == "ScatterND" else ["x", "i"]
    node = helper.make_node(op, names, ["y"], name="pick")
    path = saved(model([node], inputs, ["y"], {"i": np.array(indices)}), tmp_path)
    status, _, err = run("compile", path, "-o", "program")
    assert status == (2 if told else 0)
    assert not told or f"{op} 'pick' (ai.onnx, opset 28): {told}" in err
