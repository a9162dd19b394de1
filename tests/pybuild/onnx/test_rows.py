"""Row groups: what may share a kernel."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from pybuild.onnx.expr import Expr, logical_and, select
from pybuild.onnx.ir import Tensor, input_tensor, map_tensor, reduce_tensor
from pybuild.onnx.models import compile_model
from pybuild.onnx.nest import nest_of
from pybuild.onnx.rows import Group, Stage, group_rows, strangers
from pybuild.runner import NativeRunner
from tests.pybuild.onnx.small_models import model

SIDE = 160
"""Large enough that a thread a pixel is wanted, not a workgroup for everything."""


def pooled_and_compared() -> list[Tensor]:
    """A map, the maximum around each of its pixels, and where both are equal."""
    x = input_tensor("x", (SIDE, SIDE), "f32")
    y = map_tensor("y", x.shape, lambda i, j: x[i, j] * x[i, j])

    def around(at: tuple[Expr, ...], by: tuple[Expr, ...]) -> Expr:
        i, j = (a + b - 1 for a, b in zip(at, by, strict=True))
        inside = logical_and(i >= 0, i < SIDE, j >= 0, j < SIDE)
        return select(inside, y[i, j], -1.0)

    most = reduce_tensor("most", x.shape, (3, 3), "max", around)
    kept = map_tensor("kept", x.shape, lambda i, j: y[i, j] * most[i, j])
    return [y, most, kept]


def test_what_reads_neighbours_stays_apart() -> None:
    """A pooling reads other rows than its own; what reads both its ends must not join them.

    A detector keeps the pixels that equal the maximum around them. The product shared its rows
    with the map and with the pooling, and all three became one kernel, in which the pooling saw
    its own pixel nine times.
    """
    y, most, kept = pooled_and_compared()
    groups = group_rows({t: nest_of(t) for t in (y, most, kept)}, [y, most, kept])
    assert [sorted(t.name for t in group.tensors) for group in groups] == [["y"], ["kept", "most"]]


def test_strangers_are_named() -> None:
    """The stage that reads where it should not."""
    y, most, _ = pooled_and_compared()
    first, second = nest_of(y), nest_of(most)
    stages = [Stage(first, first.axes), Stage(second, second.axes)]
    assert strangers(Group(stages, (SIDE, SIDE), {y, most})) == [most]
    alone = [Stage(first, ()), Stage(second, ())]
    assert strangers(Group(alone, (), {y, most})) == []


@pytest.mark.gpu
def test_maxima_are_kept(adapter: object) -> None:
    """The same as a model, on the GPU."""
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["s"]),
        helper.make_node("MaxPool", ["s"], ["m"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Equal", ["s", "m"], ["e"]),
        helper.make_node("Cast", ["e"], ["c"], to=1),
        helper.make_node("Mul", ["s", "c"], ["y"]),
    ]
    made = model(nodes, {"x": [1, 1, SIDE, SIDE]}, ["y", "s"])
    x = np.random.default_rng(0).normal(size=(1, 1, SIDE, SIDE)).astype(np.float32)
    compiled = compile_model(made)
    with NativeRunner() as runner:
        found = runner.run(compiled.program, compiled.files, {"x": x})
    s = found["s"][0, 0]
    padded = np.pad(s, 1, constant_values=-1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    np.testing.assert_array_equal(found["y"][0, 0], s * (s == windows.max(axis=(2, 3))))
