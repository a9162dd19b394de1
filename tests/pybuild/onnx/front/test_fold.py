"""What is known when a model is read becomes a constant: shapes, small weights, conditions."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from pybuild.onnx.front import load_graph
from tests.pybuild.onnx.front.written import loaded, operators, parsed


def test_shapes_fold() -> None:
    graph = loaded(
        "g (float[2,3,4] x) => (float[6,4] y) {"
        " s = Shape (x) n = Constant <value = int64[1] {2}> () l = Gather (s, n)"
        " m = Constant <value = int64[1] {-1}> () t = Concat <axis: int = 0> (m, l)"
        " y = Reshape (x, t) }"
    )
    assert operators(graph) == ["Reshape"]
    assert graph.nodes[0].inputs == ("x", "t")
    np.testing.assert_array_equal(graph.constants["t"], [-1, 4])
    assert set(graph.constants) == {"t"}
    assert graph.outputs[0].shape == (6, 4)


@pytest.mark.parametrize(
    ("start", "end", "wanted"), [(0, 9, [2, 3, 4]), (-2, -1, [3]), (2, 1, []), (-9, 2, [2, 3])]
)
def test_a_part_of_a_shape(start: int, end: int, wanted: list[int]) -> None:
    graph = loaded(
        "g (float[2,3,4] x) => (int64[m] y)"
        f" {{ y = Shape <start: int = {start}, end: int = {end}> (x) }}"
    )
    (node,) = graph.nodes
    np.testing.assert_array_equal(graph.constants[node.inputs[0]], wanted)


def test_scattered_shapes_fold() -> None:
    graph = loaded(
        "g (float[2,6] x) => (float[4,3] y) {"
        " s = Shape (x) i = Constant <value = int64[2,1] {0, 1}> ()"
        " u = Constant <value = int64[2] {4, 3}> () t = ScatterND (s, i, u) y = Reshape (x, t) }"
    )
    assert operators(graph) == ["Reshape"]


def test_weights_fold_but_never_grow() -> None:
    weight = numpy_helper.from_array(np.ones((256, 128), np.float32), "w")
    model = parsed(
        "g (float[1,256] x) => (float[256,256] y, float[1,128] z) {"
        " t = Transpose (w) u = Transpose (t) z = MatMul (x, u)"
        " a = Constant <value = float[1,1] {3}> () s = Constant <value = int64[2] {256, 256}> ()"
        " y = Expand (a, s) }"
    )
    model.graph.initializer.append(weight)
    graph = load_graph(model)
    assert sorted(operators(graph)) == ["Expand", "MatMul"]
    assert graph.constants["u"].shape == (256, 128)


def test_quantised_weights_stay_quantised() -> None:
    model = parsed(
        "g (float[1,256] x) => (float[1,256] y) {"
        " s = Constant <value = float {0.5}> () f = DequantizeLinear (w, s) y = MatMul (x, f) }"
    )
    model.graph.initializer.append(numpy_helper.from_array(np.ones((256, 256), np.int8), "w"))
    assert operators(load_graph(model)) == ["DequantizeLinear", "MatMul"]


def test_what_is_random_does_not_fold() -> None:
    graph = loaded("g () => (float[3] y) { y = RandomNormal <shape: ints = [3]> () }")
    assert operators(graph) == ["RandomNormal"]


@pytest.mark.parametrize("wrong", [1 << 62, -(1 << 63)])
def test_slow_references_are_not_asked_for_nonsense(wrong: int) -> None:
    """Found by fuzzing: the reference of GatherElements never ends on a place far outside."""
    model = parsed("g () => (int64[2,2] y) { y = GatherElements <axis: int = 1> (i, i) }")
    places = np.array([[0, 1], [wrong, 0]], np.int64)
    model.graph.initializer.append(numpy_helper.from_array(places, "i"))
    assert operators(load_graph(model)) == ["GatherElements"]


@pytest.mark.parametrize(("given", "wanted"), [("x", True), ("", False)])
def test_an_optional_is_there_or_not(given: str, wanted: bool) -> None:
    graph = loaded(
        f"g (float[3] x) => (bool y, float[3] z)"
        f" {{ y = OptionalHasElement ({given}) z = OptionalGetElement (x) }}",
        supported={("", "Identity")},
    )
    assert operators(graph) == ["Identity", "Identity"]
    assert graph.constants[graph.nodes[0].inputs[0]] == wanted


def test_an_initialiser_that_is_an_input_is_a_constant() -> None:
    model = parsed("g (float[2] x, float[2] w) => (float[2] y) { y = Add (x, w) }")
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(2, np.float32), "w"))
    graph = load_graph(model)
    assert [info.name for info in graph.inputs] == ["x"]
    assert set(graph.constants) == {"w"}
