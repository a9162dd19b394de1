"""Sequences are taken apart by the build: what is left are tensors, or an error that says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.parser
import pytest

from pybuild.onnx.front import GraphError, NotConstant, load_graph
from pybuild.onnx.graph import Graph

HEAD = '<ir_version: 8, opset_import: ["" : 18]>'
INTS = (
    "int64 first = {0}, int64 second = {1}, int64 third = {2}, int64 last = {-1},"
    " int64[2] sizes = {1, 3}"
)


def loaded(body: str, outputs: str = "float[r, c] y", **options: Any) -> Graph:
    text = f"{HEAD} g (float[2,4] a, float[3,4] b, int64 i) => ({outputs}) <{INTS}> {{ {body} }}"
    return load_graph(onnx.parser.parse_model(text), **options)


def made_of(graph: Graph) -> list[str]:
    """Inputs that the one node of a graph reads."""
    (node,) = graph.nodes
    return [node.op, *node.inputs]


TWO = "s = SequenceConstruct (a, b)"
SAME = "s = SequenceConstruct (a, a)"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (f"{TWO} y = SequenceAt (s, second)", ["Identity", "b"]),
        (f"{TWO} y = SequenceAt (s, last)", ["Identity", "b"]),
        (
            "e = SequenceEmpty () s = SequenceInsert (e, a) y = SequenceAt (s, last)",
            ["Identity", "a"],
        ),
        (f"{SAME} t = SequenceInsert (s, b, last) y = SequenceAt (t, second)", ["Identity", "b"]),
        (f"{SAME} t = SequenceInsert (s, b, third) y = SequenceAt (t, last)", ["Identity", "b"]),
        (f"{TWO} t = SequenceErase (s, first) y = SequenceAt (t, first)", ["Identity", "b"]),
        (f"{TWO} t = SequenceErase (s) y = SequenceAt (t, last)", ["Identity", "a"]),
        (
            f"{TWO} t = Identity (s) y = ConcatFromSequence <axis: int = 0> (t)",
            ["Concat", "a", "b"],
        ),
    ],
)
def test_elements_are_found(body: str, wanted: list[str]) -> None:
    assert made_of(loaded(body)) == wanted


def test_the_length_is_known() -> None:
    graph = loaded("s = SequenceConstruct (a, b, a) y = SequenceLength (s)", "int64 y")
    (node,) = graph.nodes
    assert graph.constants[node.inputs[0]] == 3


@pytest.mark.parametrize(
    ("split", "sizes"),
    [
        ("SplitToSequence <axis: int = 1> (a)", [1, 1, 1, 1]),
        ("SplitToSequence <axis: int = -1> (a, third)", [2, 2]),
        ("SplitToSequence <axis: int = 1> (a, sizes)", [1, 3]),
        ("SplitToSequence (b, third)", [2, 1]),
    ],
)
def test_splits(split: str, sizes: list[int]) -> None:
    for index, size in enumerate(sizes):
        number = ("first", "second", "third")[index] if index < 3 else "last"
        graph = loaded(f"s = {split} y = SequenceAt (s, {number})")
        axis = 0 if "(b" in split else 1
        assert graph.outputs[0].shape[axis] == size
    assert loaded(f"s = {split} y = SequenceLength (s)", "int64 y").nodes[0].op == "Identity"


def test_an_axis_goes_or_comes() -> None:
    gone = loaded(
        "s = SplitToSequence <keepdims: int = 0> (a) y = SequenceAt (s, last)", "float[n] y"
    )
    assert gone.outputs[0].shape == (4,)
    joined = "y = ConcatFromSequence <axis: int = -1, new_axis: int = 1> (s)"
    come = loaded(f"{SAME} {joined}", "float[n, m, k] y")
    assert come.outputs[0].shape == (2, 4, 2)


def test_a_position_may_be_specialised() -> None:
    body = "s = SequenceConstruct (a, b) y = SequenceAt (s, i)"
    with pytest.raises(NotConstant, match="its position 'i' must be known") as caught:
        loaded(body)
    assert caught.value.values == ("i",)
    graph = loaded(body, specialise={"i": np.array(1)})
    assert made_of(graph) == ["Identity", "b"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("s = SequenceConstruct (a) y = SequenceAt (s, second)", "position 1 is outside"),
        ("s = SequenceConstruct (a, i) y = SequenceAt (s, first)", "holds float32 and int64"),
        ("e = SequenceEmpty () y = ConcatFromSequence <axis: int = 0> (e)", "is empty"),
        ("y = SequenceAt (a, first)", "wanted a sequence"),
        ("s = SequenceConstruct (a, b) y = SequenceAt (s, sizes)", "has 2 elements"),
        ("s = SequenceConstruct (a, b) y = Add (a, s)", "wanted tensors"),
        ("s = SplitToSequence (b, sizes) y = SequenceAt (s, first)", r"sizes \[1, 3\] of an axis"),
        ("y = SequenceConstruct (a)", "output 'y' is a sequence"),
        ("s = SplitToSequence <axis: int = 5> (b) y = SequenceAt (s, first)", "axis 5 of 2 axes"),
    ],
)
def test_what_is_wrong_is_told(body: str, reason: str) -> None:
    with pytest.raises(GraphError, match=reason):
        loaded(body)
