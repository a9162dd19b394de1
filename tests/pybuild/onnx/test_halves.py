"""16-bit products: near enough, only where an adapter can, and only where they were asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from pybuild.onnx.compile import compile_graph
from pybuild.onnx.expr import const
from pybuild.onnx.halves import halved
from pybuild.onnx.ir import Packing, constant, input_tensor, reduce_tensor
from pybuild.onnx.nest import nest_of
from pybuild.onnx.oracle import difference, reference
from pybuild.runner import NativeRunner, shader_texts
from pyengine.plan import Adapter
from pyengine.program import defaults
from tests.packed_models import CASES, graph_of, made, packed_model

HALF = 1e-2
"""A product has three digits, a sum of eight of them hardly fewer."""
CONTRACTIONS = [name for name in CASES if name.startswith(("matmul", "gemm", "conv"))]


@pytest.fixture(scope="module")
def runner() -> Iterator[NativeRunner]:
    """One device for all."""
    with NativeRunner() as runner:
        if not runner.adapter.shader_f16:
            pytest.skip(f"{runner.name} has no shader-f16")
        yield runner


@pytest.mark.gpu
@pytest.mark.parametrize("packing", ["f32", "f16", "i8", "i4"])
@pytest.mark.parametrize("name", CONTRACTIONS)
def test_products_of_16_bits_are_near_enough(
    name: str, packing: Packing, runner: NativeRunner
) -> None:
    """Every contraction has such a kernel; it differs from the f32 one, and by little."""
    case = made(name)
    compiled = compile_graph(graph_of(case.model), weights=packing, half=True)
    assert compiled.kernels[0].variants[0].half
    assert compiled.program.features == ("shader-f16",)
    with runner.prepare(compiled.program, compiled.files, chosen={0: 0}) as prepared:
        found = prepared.run(case.inputs)["y"]
    wanted = reference(packed_model(case, packing), case.inputs, ["y"])["y"]
    assert 1e-6 < difference(found, wanted).max_rel < HALF


@pytest.mark.gpu
def test_large_products_of_bytes_do_not_overflow(runner: NativeRunner) -> None:
    """A whole number of 127 times 1000 would: weights are divided by 128 before."""
    case = made("matmul")
    inputs = {"x": case.inputs["x"] * 300}
    compiled = compile_graph(graph_of(case.model), weights="i8", half=True)
    with runner.prepare(compiled.program, compiled.files, chosen={0: 0}) as prepared:
        found = prepared.run(inputs)["y"]
    wanted = reference(packed_model(case, "i8"), inputs, ["y"])["y"]
    assert difference(found, wanted).max_rel < HALF


def test_off_unless_asked_for() -> None:
    """It changes results."""
    compiled = compile_graph(graph_of(made("matmul").model))
    assert not any(variant.half for kernel in compiled.kernels for variant in kernel.variants)
    assert compiled.program.features == ()
    assert not any(b"f16" in data for data in compiled.files.values())


def test_only_gpus_with_the_feature_choose_it() -> None:
    """A software adapter computes 16-bit floats no faster; without the feature it cannot."""
    compiled = compile_graph(graph_of(made("matmul").model), half=True)
    texts = shader_texts(compiled.program, compiled.files)
    able = Adapter({}, 0, software=False, shader_f16=True)
    variants = compiled.kernels[0].variants
    for adapter, wanted in [
        (able, True),
        (replace(able, shader_f16=False), False),
        (replace(able, software=True), False),
    ]:
        (chosen,) = defaults(compiled.program, texts, adapter)
        assert variants[chosen].half is wanted


def test_other_sums_have_no_such_kernel() -> None:
    """A sum of one tensor's elements, a maximum of products, a sum with something added."""
    x, w = input_tensor("x", (4, 9), "f32"), constant("w", np.ones(9), "f32")
    for combine, body in [
        ("sum", lambda o, r: x[o[0], r[0]]),
        ("max", lambda o, r: x[o[0], r[0]] * w[r[0]]),
        ("sum", lambda o, r: x[o[0], r[0]] * w[r[0]] + const(1, "f32")),
        ("sum", lambda o, r: x[o[0], r[0]] * const(2, "f32")),
    ]:
        assert halved(nest_of(reduce_tensor("y", (4,), (9,), combine, body))) is None
    product = reduce_tensor("y", (4,), (9,), "sum", lambda o, r: x[o[0], r[0]] * w[r[0]])
    assert halved(nest_of(product)) is not None
