"""Long scans in two steps: the same numbers, by fewer steps of any thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pybuild.onnx.expr import Expr
from pybuild.onnx.interpret import run
from pybuild.onnx.ir import Scan, input_tensor, map_tensor, scan_tensor, topological
from pybuild.onnx.scans import LEAST_LENGTH, split_scans

LENGTH = LEAST_LENGTH + 77


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize(
    ("combine", "ufunc", "nothing"), [("sum", np.add, 0), ("max", np.maximum, -(2**31))]
)
@pytest.mark.parametrize("axis", [0, 1])
def test_the_same_numbers(
    combine: Any, ufunc: Any, nothing: int, exclusive: bool, axis: int
) -> None:
    shape = (LENGTH, 3) if axis == 0 else (3, LENGTH)
    values = np.random.default_rng(0).integers(-9, 9, shape).astype(np.int32)
    x = input_tensor("x", shape, "i32")
    scan = scan_tensor("y", shape, axis, combine, lambda *i: x[i], exclusive)

    def shown(*i: Expr) -> Expr:
        return scan[i] + 1

    before = [map_tensor("z", shape, shown)]
    after = split_scans(before)
    lengths = [t.shape[t.source.axis] for t in topological(after) if isinstance(t.source, Scan)]
    assert len(lengths) == 2
    assert max(lengths) < LENGTH / 16
    wanted = ufunc.accumulate(values, axis=axis)
    if exclusive:
        wanted = np.roll(wanted, 1, axis)
        wanted[(0,) if axis == 0 else (slice(None), 0)] = nothing
    for outputs in (before, after):
        np.testing.assert_array_equal(run(outputs, {"x": values})[0], wanted + 1)


@pytest.mark.parametrize("shape", [(LEAST_LENGTH - 1,), (LENGTH, 300)])
def test_short_ones_and_many_lines_stay(shape: tuple[int, ...]) -> None:
    x = input_tensor("x", shape, "f32")
    scan = scan_tensor("y", shape, 0, "sum", lambda *i: x[i])
    assert split_scans([scan]) == [scan]
