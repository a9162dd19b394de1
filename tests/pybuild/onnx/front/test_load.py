"""What the front makes of a model: its nodes and outputs, before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper

from pybuild.onnx.front import OPSET, load_graph
from pybuild.onnx.graph import TensorInfo
from pybuild.onnx.rebuild import to_model
from tests.pybuild.onnx.front.written import loaded, operators, parsed


def test_a_node_as_it_is() -> None:
    graph = loaded("g (float[2,3] x) => (float[2,3] y) { y = LeakyRelu <alpha: float = 0.5> (x) }")
    (node,) = graph.nodes
    assert (node.op, node.name, node.inputs, node.outputs) == (
        "LeakyRelu",
        "LeakyRelu_0",
        ("x",),
        ("y",),
    )
    assert dict(node.attributes) == {"alpha": 0.5}
    assert (node.opset, graph.opset, node.domain, graph.name) == (OPSET, OPSET, "", "g")
    info = TensorInfo("x", "float32", (2, 3), (None, None))
    assert graph.inputs == (info,)
    assert graph.infos == {"x": info, "y": graph.outputs[0]}
    assert graph.constants == {}


def test_metadata_is_handed_on() -> None:
    model = parsed("g (float[2] x) => (float[2] y) { y = Relu (x) }")
    helper.set_model_props(model, {"vitrine.kind": "filter"})
    assert load_graph(model).metadata == {"vitrine.kind": "filter"}


def test_the_model_is_not_changed() -> None:
    model = parsed("g (float[2] x) => (float[2] y) { a = Identity (x) y = Relu (a) }", 7)
    before = model.SerializeToString()
    load_graph(model)
    assert model.SerializeToString() == before


def test_bytes_and_path(tmp_path: Path) -> None:
    model = parsed("g (float[2] x) => (float[2] y) { y = Relu (x) }")
    onnx.save(model, tmp_path / "m.onnx")
    assert load_graph(tmp_path / "m.onnx") == load_graph(model.SerializeToString())


def test_nodes_are_put_in_order_and_dead_ones_go() -> None:
    graph = loaded(
        "g (float[2] x, float[2] u) => (float[2] y)"
        " { y = Neg (b) dead = Exp (u) b = Add (a, x) a = Relu (x) }"
    )
    assert operators(graph) == ["Relu", "Add", "Neg"]
    assert [info.name for info in graph.inputs] == ["x", "u"]
    assert set(graph.infos) == {"x", "u", "a", "b", "y"}


def test_nodes_of_one_name_get_their_own() -> None:
    model = parsed("g (float[2] x) => (float[2] y) { a = Relu (x) y = Neg (a) }")
    for node in model.graph.node:
        node.name = "same"
    assert [node.name for node in load_graph(model).nodes] == ["same", "same.1"]


def test_a_result_that_nobody_reads_is_omitted() -> None:
    graph = loaded(
        "g (float[1,1,4,4] x) => (float[1,1,2,2] y)"
        " { y, i = MaxPool <kernel_shape: ints = [2,2], strides: ints = [2,2]> (x) }"
    )
    assert graph.nodes[0].outputs == ("y", "")
    assert "i" not in graph.infos


def test_attributes_are_python_values() -> None:
    table = numpy_helper.from_array(np.array([1.5], np.float32))
    model = parsed(
        "g (float[1,1,4,4] x, float[1,1,3,3] w) => (float[1,1,4,4] y)"
        ' { y = Conv <auto_pad: string = "SAME_UPPER", group: int = 1, strides: ints = [1,1]>'
        " (x, w) }"
    )
    attributes = load_graph(model).nodes[0].attributes
    assert attributes == {"auto_pad": "SAME_UPPER", "group": 1, "strides": [1, 1]}
    constant = helper.make_node("ConstantOfShape", ["s"], ["y"], value=table)
    sizes = numpy_helper.from_array(np.array([300, 300], np.int64), "s")
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [300, 300])
    graph = load_graph(
        helper.make_model(
            helper.make_graph([constant], "g", [], [out], [sizes]),
            opset_imports=[helper.make_opsetid("", 18)],
        )
    )
    np.testing.assert_array_equal(graph.nodes[0].attributes["value"], [1.5])


def test_identities_and_dropout_go() -> None:
    graph = loaded(
        "g (float[2] x) => (float[2] y)"
        " { a = Identity (x) b = Relu (a) c = Dropout (b) d = Identity (c) y = Identity (d) }"
    )
    (node,) = graph.nodes
    assert (node.op, node.inputs, node.outputs) == ("Relu", ("x",), ("y",))


@pytest.mark.parametrize("shape", ["2", "300,300"])
def test_the_mask_of_a_dropout_is_all_true(shape: str) -> None:
    graph = loaded(
        f"g (float[{shape}] x) => (float[{shape}] y, bool[{shape}] m)"
        " { a = Relu (x) y, m = Dropout (a) }"
    )
    assert graph.nodes[0].outputs == ("y",)
    assert graph.nodes[1].op == ("Identity" if shape == "2" else "ConstantOfShape")


def test_compress_by_a_known_condition_gathers() -> None:
    graph = loaded(
        "g (float[3,2] x) => (float[2,2] y) {"
        " c = Constant <value = bool[3] {1, 0, 1}> () y = Compress <axis: int = 0> (x, c) }"
    )
    assert operators(graph) == ["Gather"]
    np.testing.assert_array_equal(graph.constants[graph.nodes[0].inputs[1]], [0, 2])


def test_castlike_casts() -> None:
    graph = loaded("g (float[3] x, int32[1] i) => (int32[3] y) { y = CastLike (x, i) }")
    assert operators(graph) == ["Cast"]
    assert graph.nodes[0].attributes == {"to": TensorProto.INT32}


@pytest.mark.parametrize("equation", ["ij, jk-> ik", " ij,jk ->ik ", "i j , j k -> i k"])
def test_spaces_of_an_equation_mean_nothing(equation: str) -> None:
    """Found by fuzzing: ONNX's inference never ends on a space behind the arrow."""
    graph = loaded(
        "g (float[2,3] x, float[3,4] w) => (float[2,4] y)"
        f' {{ y = Einsum <equation: string = "{equation}"> (x, w) }}'
    )
    assert graph.nodes[0].attributes == {"equation": "ij,jk->ik"}


def test_empty_inputs_of_resize_are_omitted() -> None:
    graph = loaded(
        "g (float[1,1,4,4] x) => (float[1,1,8,8] y) {"
        " r = Constant <value = float[0] {}> () s = Constant <value = float[0] {}> ()"
        " z = Constant <value = int64[4] {1, 1, 8, 8}> () y = Resize (x, r, s, z) }"
    )
    assert graph.nodes[0].inputs == ("x", "", "", "z")


def test_every_output_is_written_by_a_node() -> None:
    graph = loaded(
        "g (float[2] x) => (float[2] a, float[2] b, float[1] c, float[2] d) {"
        " a = Identity (x) b = Relu (x) c = Constant <value = float[1] {7}> () d = Identity (b) }"
    )
    written = {name: node for node in graph.nodes for name in node.outputs}
    assert {"a", "b", "c", "d"} == set(written)
    assert [written[name].op for name in "abcd"] == ["Identity", "Relu", "Identity", "Identity"]
    np.testing.assert_array_equal(graph.constants[written["c"].inputs[0]], [7])
    assert written["d"].inputs == ("b",)
    onnx.checker.check_model(to_model(graph, 18), full_check=True)


def test_an_output_that_is_an_initialiser() -> None:
    model = parsed("g (float[2] x) => (float[2] w) { y = Relu (x) }")
    model.graph.initializer.append(numpy_helper.from_array(np.ones(2, np.float32), "w"))
    graph = load_graph(model)
    assert graph.nodes[0].outputs == ("w",)
    np.testing.assert_array_equal(graph.constants[graph.nodes[0].inputs[0]], [1, 1])
