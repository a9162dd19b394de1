"""Runs tensors as programs, with every candidate of each dispatch, against the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from pybuild.onnx import interpret
from pybuild.onnx.compile import Compiled, compile_tensors
from pybuild.onnx.ir import Input, Tensor, topological
from pybuild.programs import NativeRunner
from tests.pybuild.onnx.kernels.tensors import Array, Check, example

TOLERANCE = 2e-5
"""Of an output's largest magnitude: sums of up to a hundred thousand products in another order."""


def assert_near(got: Array, wanted: Array, label: str) -> None:
    """Equal integers; floats within `TOLERANCE` of the largest; the same infinities and nans."""
    assert got.shape == wanted.shape, label
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(got, wanted, label)
        return
    finite = np.isfinite(wanted)
    largest = np.abs(wanted[finite]).max(initial=0)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE * largest, err_msg=label)


@pytest.fixture
def check(runner: NativeRunner) -> Check:
    """Compiles tensors, runs every candidate, compares with the interpreter."""

    def check_(*outputs: Tensor, dispatches: int | None = None, **given: Array) -> Compiled:
        rng = np.random.default_rng(3)
        inputs = [t for t in topological(outputs) if isinstance(t.source, Input)]
        feeds = {t.name: given.get(t.name, example(t, rng)) for t in inputs}
        wanted = interpret.run(outputs, feeds)
        compiled = compile_tensors("kernels", inputs, outputs)
        if dispatches is not None:
            assert len(compiled.program.dispatches) == dispatches, [
                d.label for d in compiled.program.dispatches
            ]
        ways = [len(d.candidates) for d in compiled.program.dispatches]
        for way in range(max(ways, default=1)):
            chosen = {k: min(way, count - 1) for k, count in enumerate(ways)}
            with runner.prepare(compiled.program, compiled.files, chosen, timed=False) as prepared:
                results = prepared.run(feeds)
            for tensor, value in zip(outputs, wanted, strict=True):
                assert_near(results[tensor.name], value, f"{tensor} by candidate {way}")
        return compiled

    return check_
