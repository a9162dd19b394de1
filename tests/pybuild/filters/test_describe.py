"""A filter's file to its contract, the commands that tell it, and the example of the docs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper

from pybuild.filters.describe import (
    describe_filter,
    filter_facts,
    filter_lines,
    filter_title,
    filters_images,
)
from pybuild.generators.describe import describe
from pyengine.contract import ContractError
from tests.pybuild.command import Run
from tests.pybuild.generators.small_generators import row
from tests.pybuild.onnx.small_models import model, network, saved

DOCS = Path(__file__).resolve().parents[3] / "docs" / "contract.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHARED = Path(__file__).resolve().parents[4] / "shared" / "models"
OPEN = ("n", 3, "h", "w")


def enlarging(shape: Sequence[int | str] = OPEN, times: float = 2, **metadata: str) -> ModelProto:
    """An image that is resized, ``x`` to ``y``; the output states no shape."""
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")
    scales = np.array([1, 1, times, times], np.float32)
    return model([node], {"x": shape}, ["y"], {"scales": scales}, **metadata)


def remembering(before: Sequence[int | str]) -> ModelProto:
    """Twice as large, and half of the image before."""
    nodes = [
        helper.make_node("Resize", ["x", "", "scales"], ["big"], mode="nearest"),
        helper.make_node("Add", ["big", "before"], ["y"]),
    ]
    scales = {"scales": np.array([1, 1, 2, 2], np.float32)}
    made = model(nodes, {"x": OPEN, "before": before}, ["y"], scales)
    entries = {"contract": "1", "kind": "filter", "input.x": "image", "input.before": "previous"}
    entries["output.y"] = "image"
    helper.set_model_props(made, {f"vitrine.{key}": value for key, value in entries.items()})
    return made


def said(made: ModelProto, **entries: str) -> ModelProto:
    """With metadata; the first ``_`` of a key is its point."""
    keys = {"contract": "1", "kind": "filter", **entries}
    props = {f"vitrine.{key.replace('_', '.', 1)}": text for key, text in keys.items()}
    helper.set_model_props(made, props)
    return made


def test_outputs_without_shapes_are_found() -> None:
    """By the compiler's front."""
    contract = describe_filter(enlarging((1, 3, 8, 10)))
    assert (contract.image.height, contract.image.width) == (16, 20)
    assert (contract.ratio, contract.open) == (2, False)
    assert contract.product.shape == (1, 3, 16, 20)


@pytest.mark.parametrize("times", [0.5, 1, 3])
def test_open_sizes_are_tried(times: float) -> None:
    """The ratio comes from what the model does at two sizes."""
    contract = describe_filter(enlarging(times=times))
    assert contract.ratio == Fraction(times)
    assert contract.open
    assert (contract.source.shape, contract.product.shape) == ((1, 3, 0, 0), (1, 3, 0, 0))
    assert filter_title(contract) == f"any size -> {Fraction(times)}x; reads image"


@pytest.mark.parametrize("before", [("n", 3, "h2", "w2"), ("n", 3, "a", None)])
def test_an_image_before_of_sizes_of_its_own(before: tuple[int | str, ...]) -> None:
    """It is as large as the output, whatever its symbols are called."""
    contract = describe_filter(remembering(before))
    assert contract.ratio == 2
    assert contract.inputs[1].shape == (1, 3, 0, 0)
    assert contract.inputs[1].image == contract.image


def test_an_output_that_does_not_follow() -> None:
    """An image of any size that always becomes one size."""
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="nearest")
    made = model([node], {"x": OPEN}, ["y"], {"sizes": np.array([1, 3, 64, 64])})
    with pytest.raises(ContractError, match=r"is of any size, output 'y' .* always 64 x 64"):
        describe_filter(made)


def test_an_output_that_is_stretched() -> None:
    """Each axis by another ratio, found at the sizes that were tried."""
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")
    scales = np.array([1, 1, 1, 2], np.float32)
    with pytest.raises(ContractError, match="1 times as high and 2 times as wide"):
        describe_filter(model([node], {"x": OPEN}, ["y"], {"scales": scales}))


def test_operators_and_roles_at_fault_come_together() -> None:
    """What the compiler lacks, and what the metadata lack."""
    bad = said(enlarging((1, 3, 8, 8)), input_x="imag", output_y="image")
    bad.graph.node.append(helper.make_node("Nonsense", ["y"], ["z"]))
    del bad.graph.output[:]
    bad.graph.output.append(helper.make_tensor_value_info("z", 1, (1, 3, 16, 16)))
    with pytest.raises(ContractError) as error:
        describe_filter(bad)
    assert any("Nonsense" in problem for problem in error.value.problems)
    assert any("did you mean 'image'?" in problem for problem in error.value.problems)


def test_which_models_are_filters() -> None:
    """By metadata, or by shapes that need not be declared."""
    assert filters_images(enlarging())
    assert filters_images(enlarging((1, 3, 8, 8)))
    assert filters_images(said(network(1)))
    assert not filters_images(network(1))
    assert not filters_images(row())


def test_a_filter_is_no_generator() -> None:
    """With metadata and without; and what to do with it."""
    declared = enlarging((1, 3, 8, 8))
    del declared.graph.output[:]
    declared.graph.output.append(helper.make_tensor_value_info("y", 1, (1, 3, 16, 16)))
    for made in (declared, said(enlarging((1, 3, 8, 8)))):
        with pytest.raises(ContractError, match=r"vitrine build scene.ply --filter"):
            describe(made)
    with pytest.raises(ContractError, match="generator of Gaussians"):
        describe_filter(row())


def test_facts_and_lines() -> None:
    """As JSON, and as a table."""
    contract = describe_filter(enlarging((1, 3, 8, 8)), {"range": "0..255", "mean": "1/2/3"})
    facts = json.loads(json.dumps(filter_facts(contract)))
    assert (facts["ratio"], facts["open"]) == ("2", False)
    assert facts["inputs"][0]["image"]["offset"] == [-1, -2, -3]
    text = "\n".join(filter_lines(contract))
    assert "image, rgb, nchw, -1/-2/-3 to 254/253/252" in text
    assert re.search(r"output +y +float32 1x3x16x16 +image, rgb, nchw, 0 to 255", text)


def test_check_tells_the_mapping(run: Run, tmp_path: Path) -> None:
    """For people and for programs; status 0."""
    path = saved(enlarging(), tmp_path)
    status, out, err = run("check", path)
    assert (status, err) == (0, "")
    assert "a filter: any size -> 2x; reads image; 1 dispatch\n" in out
    assert "float32 1x3x?x?" in out
    status, out, _ = run("check", path, "--json")
    facts = json.loads(out)
    assert (status, facts["problems"], facts["filter"]["ratio"]) == (0, [], "2")


def test_check_tells_all_that_is_wrong(run: Run, tmp_path: Path) -> None:
    """A line each; status 2 with --json too."""
    bad = said(enlarging((1, 3, 8, 8)), input_x="imge", output_y="imagee", rate="fast")
    path = saved(bad, tmp_path)
    status, out, err = run("check", path)
    assert (status, out) == (2, "")
    lines = err.splitlines()
    assert "did you mean 'image'?" in err
    assert "vitrine.rate" in err
    status, out, _ = run("check", path, "--json")
    assert status == 2
    assert len(json.loads(out)["problems"]) == len(lines) - 1 > 2


def test_check_takes_what_the_command_line_says(run: Run, tmp_path: Path) -> None:
    """As --filter does: the pairs that a build would be given can be tried before."""
    nodes = [helper.make_node("Relu", ["x"], ["first"]), helper.make_node("Neg", ["x"], ["second"])]
    path = saved(model(nodes, {"x": (1, 3, 8, 8)}, ["first", "second"]), tmp_path)
    assert re.search(r"output +first +float32 1x3x8x8 +image, rgb", run("check", path)[1])
    status, out, err = run("check", f"{path}@range=0..255,channels=bgr,output=second")
    assert (status, err) == (0, "")
    assert out.startswith(f"{path}: a filter: 8x8 -> 8x8, 1x; reads image; 1 dispatch\n")
    assert re.search(r"output +second +float32 1x3x8x8 +image, bgr, nchw, 0 to 255", out)
    facts = json.loads(run("check", f"{path}@range=0..255", "--json")[1])
    assert facts["source"] == str(path)
    assert facts["filter"]["image"]["scale"] == [255.0] * 3


def test_check_tells_whether_sizes_and_tiles_can_be(run: Run, tmp_path: Path) -> None:
    """A size in a Reshape: no other size, but tiles."""
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    made = model(nodes, {"x": (1, 3, 16, 16)}, ["y"], {"shape": np.array([1, 3, 16, 16])})
    path = saved(made, tmp_path)
    assert run("check", f"{path}@size=16x16")[0] == 0
    status, out, err = run("check", f"{path}@size=16x16/40x24")
    assert (status, out) == (2, "")
    assert "is made for 16x16 and cannot be made for 40x24" in err
    assert run("check", f"{path}@size=40x24,tiles=4")[0] == 0


def test_check_takes_a_size_that_the_model_takes(run: Run, tmp_path: Path) -> None:
    """Patches of 14 x 14: what it is compiled for, to see that it can be, is a multiple of them."""
    nodes = [
        helper.make_node("SpaceToDepth", ["x"], ["a"], blocksize=14),
        helper.make_node("DepthToSpace", ["a"], ["y"], blocksize=14),
    ]
    path = saved(model(nodes, {"x": OPEN}, ["y"]), tmp_path)
    status, out, err = run("check", path)
    assert (status, err) == (0, "")
    assert "a filter: any size -> 1x; reads image; 1 dispatch\n" in out
    status, _, err = run("check", f"{path}@size=640x360")
    assert (status, "write size=630x350/644x364" in err) == (2, True)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("@chanels=bgr", "'chanels' is no option; did you mean 'channels'?"),
        ("@channels=brg", "@channels='brg': wanted one of gray, y, rgb"),
        ("@output=z", "@output='z': wanted one of 'y'"),
        ("+MODEL", "2 networks; check one after the other"),
        ("+missing.onnx", "missing.onnx: there is no such file (check "),
    ],
)
def test_check_tells_options_that_say_nothing(
    run: Run, tmp_path: Path, more: str, told: str
) -> None:
    path = saved(enlarging((1, 3, 8, 8)), tmp_path)
    status, out, err = run("check", f"{path}{more.replace('MODEL', str(path))}")
    assert (status, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert "--filter" not in err


def test_the_help_of_check_teaches_them(run: Run) -> None:
    text = " ".join(run("check", "--help")[1].split())
    assert "MODEL.onnx[@KEY=VALUE,...]" in text
    assert "range, mean, std, channels, layout, output, input" in text
    assert "check candy.onnx@range=0..255,channels=bgr,output=styled" in text


def test_inspect_tells_filters_too(run: Run, tmp_path: Path) -> None:
    """Beside what it tells of any model; a bad one gets its reasons, and status 0."""
    path = saved(enlarging((1, 3, 8, 8)), tmp_path)
    status, out, _ = run("inspect", path)
    assert status == 0
    assert "\nFilter\n" in out
    facts = json.loads(run("inspect", path, "--json")[1])
    assert (facts["filter"]["ratio"], facts["generator"]) == ("2", None)
    bad = saved(said(enlarging((1, 3, 8, 8)), input_x="imge"), tmp_path)
    status, out, _ = run("inspect", bad)
    assert status == 0
    assert "Not the filter that it means to be:\n" in out
    other = json.loads(run("inspect", saved(network(1), tmp_path), "--json")[1])
    assert other["filter"] is None


@pytest.mark.parametrize(
    ("name", "override", "source", "product", "ratio"),
    [
        ("candy_256_op17", {"range": "0..255"}, "rgb", "rgb", "1"),
        ("espcn_x3_224", {"channels": "y"}, "y", "y", "3"),
        ("synth/synth_unet_post_f32", {}, "rgb", "rgb", "1"),
        ("mlsd_320x320_tiny", {}, "rgba", "gray", "1/2"),
    ],
)
def test_models_of_others(
    name: str, override: dict[str, str], source: str, product: str, ratio: str
) -> None:
    """They need no metadata."""
    path = SHARED / f"{name}.onnx"
    if not path.is_file():
        pytest.skip("needs the shared models")
    contract = describe_filter(path, override)
    assert contract.source.image is not None
    assert (contract.source.image.channels, contract.image.channels) == (source, product)
    assert contract.ratio == Fraction(ratio)
    assert filters_images(path)
    if "range" in override:
        assert contract.source.image.scale == contract.image.scale == (255, 255, 255)
    if name.startswith("mlsd"):
        assert (contract.product.name, contract.image.layout) == ("scores", "nhwc")


def test_the_example_of_the_docs_works(run: Run, tmp_path: Path) -> None:
    """PyTorch runs it, and its model is a filter of any size; it is short."""
    for package in ("torch", "onnxscript"):
        pytest.importorskip(package, reason="exporting needs PyTorch and onnxscript")
    _, text = EXAMPLE.findall(DOCS.read_text(encoding="utf-8"))
    assert len(text.splitlines()) < 40
    (tmp_path / "fog.py").write_text(f"import torch\ntorch.set_num_threads(1)\n{text}")
    subprocess.run(
        [sys.executable, "fog.py"], cwd=tmp_path, check=True, capture_output=True, timeout=300
    )
    status, out, err = run("check", "fog.onnx")
    assert (status, err) == (0, "")
    assert "a filter: any size -> 1x; reads image, depth, control; 1 dispatch\n" in out
    assert onnx.load("fog.onnx").graph.output[0].name == "foggy"
