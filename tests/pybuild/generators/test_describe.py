"""A model's file to its contract, the commands that tell it, and the example of the docs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import helper

from pybuild.generators.describe import contract_lines, describe, makes_gaussians
from pyengine.contract import ContractError
from tests.pybuild.command import Run
from tests.pybuild.generators.small_generators import DOTS, foreign, row, stepping
from tests.pybuild.onnx.small_models import model, network, saved

ASSETS = Path(__file__).resolve().parents[3] / "assets" / "generators"
DOCS = Path(__file__).resolve().parents[3] / "docs" / "contract.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MOST_LINES = 40
SYNTH = Path(__file__).resolve().parents[4] / "shared" / "models" / "synth"


def test_a_model_is_described_with_the_sizes_that_the_front_finds() -> None:
    """The outputs of these models state no shape at all."""
    contract = describe(row())
    assert contract.capacity == DOTS
    assert [feed.role for feed in contract.inputs] == ["time", "control", "latent"]
    assert contract.clip is not None
    assert describe(stepping()).inputs[0].state == "moves"


def test_a_table_for_people() -> None:
    """Every tensor, what it is, and why."""
    text = "\n".join(contract_lines(describe(foreign())))
    assert re.search(r"input +time +float32 1 +time +its name is 'time'", text)
    assert re.search(r"output +gaussians +float32 20x10 +gaussian\.packed", text)
    assert "20 Gaussians, RGB" in text


def test_operators_and_roles_at_fault_come_together() -> None:
    """What the compiler lacks, and what the metadata lack."""
    bad = row(pase=1)
    bad.graph.node.append(helper.make_node("Nonsense", ["rgb"], ["rgb2"]))
    bad.graph.output.append(onnx.ValueInfoProto(name="rgb2"))
    with pytest.raises(ContractError) as error:
        describe(bad)
    assert any("Nonsense" in problem for problem in error.value.problems)
    assert any("did you mean 'vitrine.pose'?" in problem for problem in error.value.problems)


def test_open_inputs_are_told_without_compiling() -> None:
    """With all else that is wrong."""
    made = model([helper.make_node("Relu", ["x"], ["y"])], {"x": ["batch", 3]}, ["y"])
    with pytest.raises(ContractError, match="its size batch is open"):
        describe(made)


def test_which_models_are_generators(tmp_path: Path) -> None:
    """By metadata or by names."""
    assert makes_gaussians(row())
    assert makes_gaussians(saved(foreign(), tmp_path))
    assert not makes_gaussians(network())


def test_check_tells_the_mapping(run: Run, tmp_path: Path) -> None:
    """For people and for programs; status 0."""
    path = saved(row(), tmp_path)
    status, out, err = run("check", path)
    assert (status, err) == (0, "")
    assert "a generator; 1 dispatch\n" in out
    assert "control, 'Lift' 0 to 2" in out
    assert "clip of 2 s, looping" in out
    status, out, _ = run("check", path, "--json")
    facts = json.loads(out)
    assert status == 0
    assert (facts["problems"], facts["generator"]["capacity"]) == ([], DOTS)
    assert facts["generator"]["inputs"][1]["control"]["label"] == "Lift"


def test_check_tells_all_that_is_wrong(run: Run, tmp_path: Path) -> None:
    """A line each; status 2 with --json too."""
    made = row(**{"bound": 1, "output.rgb": "color", "input.time": "tme"})
    path = saved(made, tmp_path)
    status, out, err = run("check", path)
    assert (status, out) == (2, "")
    lines = err.splitlines()
    assert re.match(r"vitrine: .*: \d+ problems\.", lines[0])
    assert any("did you mean 'time'?" in line for line in lines)
    assert any("did you mean 'gaussian.color'?" in line for line in lines)
    status, out, _ = run("check", path, "--json")
    assert status == 2
    assert len(json.loads(out)["problems"]) == len(lines) - 1


def test_check_of_no_generator(run: Run, tmp_path: Path) -> None:
    """It says what is missing, and what to write."""
    status, _, err = run("check", saved(network(1), tmp_path))
    assert status == 2
    assert "no output makes Gaussians" in err
    assert "add vitrine.input.image" in err or "input 'image'" not in err
    assert run("check", "nothing.onnx")[0] == 2
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    assert run("check", "junk.onnx")[0] == 2


def test_inspect_tells_generators_too(run: Run, tmp_path: Path) -> None:
    """Beside what it tells of any model; a bad one gets its reasons, and status 0."""
    status, out, _ = run("inspect", saved(foreign(), tmp_path))
    assert status == 0
    assert "\nGenerator\n" in out
    assert "its name begins with 'gauss'" in out
    facts = json.loads(run("inspect", saved(row(), tmp_path), "--json")[1])
    assert facts["generator"]["capacity"] == DOTS
    status, out, _ = run("inspect", saved(row(bound=1), tmp_path))
    assert status == 0
    assert "did you mean 'vitrine.bounds'?" in out
    assert json.loads(run("inspect", saved(network(1), tmp_path), "--json")[1])["generator"] is None


@pytest.mark.skipif(not SYNTH.is_dir(), reason="needs the shared models")
@pytest.mark.parametrize(
    ("name", "capacity", "degree"),
    [("scaffold_gs", 20480, 0), ("hexplane_4dgs_f32", 4096, 3), ("avatar_lbs", 4096, 0)],
)
def test_models_of_other_tools(name: str, capacity: int, degree: int) -> None:
    """They need no metadata."""
    contract = describe(SYNTH / f"synth_{name}.onnx")
    assert (contract.capacity, contract.sh_degree) == (capacity, degree)
    assert contract.output("gaussian.count") is not None
    assert {feed.role for feed in contract.inputs} <= {"time", "camera.view", "camera.projection"}


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.onnx")), ids=lambda path: path.stem)
def test_models_of_the_tree(path: Path) -> None:
    """Each says where its camera starts or how far it reaches, and every input has a role."""
    contract = describe(path)
    assert contract.capacity > 0
    assert contract.bounds is not None or contract.pose is not None


def test_the_example_of_the_docs_is_short() -> None:
    """Under forty lines."""
    text, *_ = EXAMPLE.findall(DOCS.read_text(encoding="utf-8"))
    assert len(text.splitlines()) < MOST_LINES


def test_the_example_of_the_docs_works(run: Run, tmp_path: Path) -> None:
    """PyTorch runs it, and its model is a generator."""
    for package in ("torch", "onnxscript"):
        pytest.importorskip(package, reason="exporting needs PyTorch and onnxscript")
    text, *_ = EXAMPLE.findall(DOCS.read_text(encoding="utf-8"))
    (tmp_path / "ring.py").write_text(f"import torch\ntorch.set_num_threads(1)\n{text}")
    subprocess.run(
        [sys.executable, "ring.py"], cwd=tmp_path, check=True, capture_output=True, timeout=300
    )
    status, out, err = run("check", "ring.onnx")
    assert (status, err) == (0, "")
    assert "256 Gaussians, RGB; clip of 4 s, looping" in out
