"""Packed weights: what packing leaves, that kernels read exactly that, and its bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pybuild.cli import main
from pybuild.onnx.compile import compile_graph
from pybuild.onnx.ir import Packing
from pybuild.onnx.oracle import difference, reference
from pybuild.onnx.packing import quantise
from pybuild.onnx.weight_error import with_weight_error
from pybuild.onnx.words import PER_WORD, words_of
from pybuild.programs import read_program
from pybuild.runner import NativeRunner
from tests.packed_models import CASES, graph_of, made, packed_model, restored

SUMS = 2e-5
"""Sums of products in another order, of a result's largest magnitude."""
PACKINGS: tuple[Packing, ...] = ("f16", "i8", "i4")


def random(*shape: int) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng(5).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 64])
@pytest.mark.parametrize("packing", PACKINGS)
def test_words_hold_elements_lowest_bits_first(packing: Packing, size: int) -> None:
    """Read back bit by bit."""
    per = PER_WORD[packing]
    values = np.random.default_rng(size).integers(-8, 8, size).astype(np.float32)
    words = words_of(values, packing)
    assert len(words) == -(-size // per)
    bits = 32 // per
    for place, value in enumerate(values):
        field = int(words[place // per]) >> (place % per * bits) & ((1 << bits) - 1)
        if packing == "f16":
            assert np.uint16(field).view(np.float16) == value
        else:
            assert (field ^ 1 << bits - 1) - (1 << bits - 1) == value


@pytest.mark.parametrize("shape", [(1, 1), (3, 31), (5, 32), (2, 33), (4, 100)])
def test_bytes_are_half_a_step_off_at_most(shape: tuple[int, int]) -> None:
    """A step is a 127th of the channel's largest."""
    array = random(*shape)
    parts = quantise(array, (0,), "i8")
    found = restored(shape, parts.whole, parts.scale, (0,), parts.inner, "i8")
    step = np.abs(array).max(1, keepdims=True) / 127
    assert np.all(np.abs(found - array) <= step * 0.5001)
    assert parts.scale.shape == (shape[0],)


@pytest.mark.parametrize("shape", [(1, 1), (3, 31), (5, 32), (2, 33), (4, 100)])
def test_nibbles_are_a_step_off_at_most(shape: tuple[int, int]) -> None:
    """A step is an eighth of the block's largest; the largest of the other sign is clipped."""
    array = random(*shape)
    parts = quantise(array, (0,), "i4")
    blocks = -(-shape[1] // 32)
    assert parts.scale.shape == (shape[0], blocks)
    found = restored(shape, parts.whole, parts.scale, (0,), parts.inner, "i4")
    for block in range(blocks):
        part = slice(32 * block, 32 * block + 32)
        step = np.abs(array[:, part]).max(1, keepdims=True) / 8
        # a smaller scale is taken where its clipping costs less than it gains
        assert np.all(np.abs(found[:, part] - array[:, part]) <= step * 2.3)
        rms = np.sqrt(((found[:, part] - array[:, part]) ** 2).mean())
        assert rms <= 0.5 * step.max()


def test_zeros_stay_zeros() -> None:
    """A channel of zeros has no step to divide by."""
    for packing in ("i8", "i4"):
        parts = quantise(np.zeros((2, 40), np.float32), (0,), packing)
        assert not parts.whole.any()
        assert np.isfinite(parts.scale).all()


@pytest.mark.gpu
@pytest.mark.parametrize("packing", ["f32", *PACKINGS])
@pytest.mark.parametrize("name", CASES)
def test_kernels_compute_with_what_packing_leaves(
    name: str, packing: Packing, runner: NativeRunner
) -> None:
    """The same as onnxruntime on weights that were rounded before."""
    case = made(name)
    compiled = compile_graph(graph_of(case.model), weights=packing)
    wanted = reference(packed_model(case, packing), case.inputs, ["y"])["y"]
    for chosen in ({}, dict.fromkeys(range(9), 0)):  # as processors and as GPUs prefer
        with runner.prepare(compiled.program, compiled.files, chosen=chosen) as prepared:
            found = prepared.run(case.inputs)["y"]
        assert difference(found, wanted).max_rel < SUMS
    if "literal" not in name and name != "lookup":  # these stand in the text; a table has no sum
        assert packing in compiled.program.report["packed_bytes"]


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["matmul_odd", "conv_3x3", "rows_loaded"])
def test_weights_of_16_bits_lose_nothing(name: str, runner: NativeRunner) -> None:
    """They are stored so without being asked to, and change no result."""
    case = made(name)
    rounded = packed_model(case, "f16")
    compiled = compile_graph(graph_of(rounded))
    assert compiled.program.report["packed_bytes"].get("f16", 0) > 0
    found = runner.run(compiled.program, compiled.files, case.inputs)["y"]
    assert difference(found, reference(rounded, case.inputs, ["y"])["y"]).max_rel < SUMS
    again = compile_graph(graph_of(rounded), weights="f16")
    assert again.files == compiled.files


def test_initialisers_of_16_bits_are_stored_so() -> None:
    """Half the bytes of the same network in 32 bits."""
    weight = random(64, 64).astype(np.float16)
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT16, [8, 64]) for name in ("x", "y")
    ]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "half",
        values[:1],
        values[1:],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    report = compile_graph(graph_of(model)).program.report
    assert report["packed_bytes"] == {"f16": 2 * weight.size}


@pytest.mark.parametrize(
    ("packing", "wanted"),
    [
        ("f32", {"f32": 4 * 256 * 192}),
        ("f16", {"f16": 2 * 256 * 192}),
        ("i8", {"i8": 256 * 192, "f32": 4 * 192}),
        ("i4", {"i4": 256 * 192 // 2, "f16": 2 * 192 * 256 // 32}),
    ],
)
def test_bytes(packing: Packing, wanted: dict[str, int]) -> None:
    """A half, a quarter and a scale a column, an eighth and a scale a block."""
    compiled = compile_graph(graph_of(made("matmul_large").model), weights=packing)
    assert compiled.program.report["packed_bytes"] == wanted
    assert compiled.program.report["weight_bytes"] == sum(wanted.values())


@pytest.mark.parametrize(
    ("kind", "weight"),
    [
        ("beyond 16 bits", np.full((40, 40), 1e5, np.float32)),
        ("infinite", np.where(np.eye(40), -np.inf, 0).astype(np.float32)),
    ],
)
def test_weights_that_do_not_fit_stay_as_they_are(kind: str, weight: np.ndarray) -> None:
    """Rather than become infinite, or not a number."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [40, 40])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [40, 40])
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        kind,
        [x],
        [y],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    for packing in PACKINGS:
        report = compile_graph(graph_of(model), weights=packing).program.report
        assert set(report["packed_bytes"]) <= {"f32"}


@pytest.mark.gpu
def test_a_matrix_used_both_ways_keeps_its_meaning(runner: NativeRunner) -> None:
    """A product with w and one with its transpose: one scale serves the whole matrix."""
    weight = random(24, 24)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Gemm", ["x", "w"], ["b"], transB=1),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [6, 24]) for n in ("x", "y")]
    graph = helper.make_graph(
        nodes, "tied", value[:1], value[1:], [numpy_helper.from_array(weight, "w")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    inputs = {"x": random(6, 24)}
    compiled = compile_graph(graph_of(model), weights="i8")
    found = runner.run(compiled.program, compiled.files, inputs)["y"]
    parts = quantise(weight, (), "i8")
    rounded = parts.whole * parts.scale
    wanted = inputs["x"] @ rounded + inputs["x"] @ rounded.T
    assert difference(found, wanted).max_rel < SUMS


@pytest.mark.gpu
def test_the_report_says_what_packing_costs(runner: NativeRunner) -> None:
    """More with fewer bits; nothing where nothing is lost."""
    graph = graph_of(made("rows_loaded").model)
    errors = {}
    for packing in ("f32", *PACKINGS):
        compiled = with_weight_error(graph, compile_graph(graph, weights=packing), runner)
        errors[packing] = compiled.program.report["weight_error"]["y"]
    assert errors["f32"] == 0
    assert 0 < errors["f16"] < 2e-3 < errors["i8"] < 3e-2 < errors["i4"] < 0.5


@pytest.mark.gpu
def test_the_command_packs_and_tells_what_it_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``vitrine compile --weights i8 --half``."""
    model, out = tmp_path / "model.onnx", tmp_path / "program"
    onnx.save(made("matmul").model, model)
    options = ["--weights", "i8", "--half"]
    assert main(["compile", str(model), "-o", str(out), *options]) == 0
    assert "packed weights change it by 0.0" in capsys.readouterr().out
    program, _ = read_program(out)
    assert program.features == ("shader-f16",)
    assert program.report["packed_bytes"]["i8"] == 64 * 48
    assert 0 < program.report["weight_error"]["y"] < 0.03
