"""What the front makes of a model: before and after each step."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper

from pybuild.onnx.front import OPSET, GraphError, NotConstant, load_graph
from pybuild.onnx.graph import Graph, TensorInfo
from pybuild.onnx.rebuild import to_model


def parsed(text: str, opset: int = 18) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {text}')


def loaded(text: str, opset: int = 18, **options: Any) -> Graph:
    return load_graph(parsed(text, opset), **options)


def operators(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


def error(text: str, opset: int = 18, **options: Any) -> str:
    with pytest.raises(GraphError) as caught:
        loaded(text, opset, **options)
    return str(caught.value)


# A graph.


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


# Constants.


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


def test_compress_by_a_known_condition_gathers() -> None:
    graph = loaded(
        "g (float[3,2] x) => (float[2,2] y) {"
        " c = Constant <value = bool[3] {1, 0, 1}> () y = Compress <axis: int = 0> (x, c) }"
    )
    assert operators(graph) == ["Gather"]
    np.testing.assert_array_equal(graph.constants[graph.nodes[0].inputs[1]], [0, 2])


@pytest.mark.parametrize(("given", "wanted"), [("x", True), ("", False)])
def test_an_optional_is_there_or_not(given: str, wanted: bool) -> None:
    graph = loaded(
        f"g (float[3] x) => (bool y, float[3] z)"
        f" {{ y = OptionalHasElement ({given}) z = OptionalGetElement (x) }}",
        supported={("", "Identity")},
    )
    assert operators(graph) == ["Identity", "Identity"]
    assert graph.constants[graph.nodes[0].inputs[0]] == wanted


@pytest.mark.parametrize("wrong", [1 << 62, -(1 << 63)])
def test_slow_references_are_not_asked_for_nonsense(wrong: int) -> None:
    """Found by fuzzing: the reference of GatherElements never ends on a place far outside."""
    model = parsed("g () => (int64[2,2] y) { y = GatherElements <axis: int = 1> (i, i) }")
    places = np.array([[0, 1], [wrong, 0]], np.int64)
    model.graph.initializer.append(numpy_helper.from_array(places, "i"))
    assert operators(load_graph(model)) == ["GatherElements"]


def test_scattered_shapes_fold() -> None:
    graph = loaded(
        "g (float[2,6] x) => (float[4,3] y) {"
        " s = Shape (x) i = Constant <value = int64[2,1] {0, 1}> ()"
        " u = Constant <value = int64[2] {4, 3}> () t = ScatterND (s, i, u) y = Reshape (x, t) }"
    )
    assert operators(graph) == ["Reshape"]


@pytest.mark.parametrize("equation", ["ij, jk-> ik", " ij,jk ->ik ", "i j , j k -> i k"])
def test_spaces_of_an_equation_mean_nothing(equation: str) -> None:
    """Found by fuzzing: ONNX's inference never ends on a space behind the arrow."""
    graph = loaded(
        "g (float[2,3] x, float[3,4] w) => (float[2,4] y)"
        f' {{ y = Einsum <equation: string = "{equation}"> (x, w) }}'
    )
    assert graph.nodes[0].attributes == {"equation": "ij,jk->ik"}


def test_castlike_casts() -> None:
    graph = loaded("g (float[3] x, int32[1] i) => (int32[3] y) { y = CastLike (x, i) }")
    assert operators(graph) == ["Cast"]
    assert graph.nodes[0].attributes == {"to": TensorProto.INT32}


def test_empty_inputs_of_resize_are_omitted() -> None:
    graph = loaded(
        "g (float[1,1,4,4] x) => (float[1,1,8,8] y) {"
        " r = Constant <value = float[0] {}> () s = Constant <value = float[0] {}> ()"
        " z = Constant <value = int64[4] {1, 1, 8, 8}> () y = Resize (x, r, s, z) }"
    )
    assert graph.nodes[0].inputs == ("x", "", "", "z")


def test_an_initialiser_that_is_an_input_is_a_constant() -> None:
    model = parsed("g (float[2] x, float[2] w) => (float[2] y) { y = Add (x, w) }")
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(2, np.float32), "w"))
    graph = load_graph(model)
    assert [info.name for info in graph.inputs] == ["x"]
    assert set(graph.constants) == {"w"}


# Identity, Dropout, outputs.


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


def test_training_is_refused() -> None:
    text = error(
        "g (float[2] x) => (float[2] y) { r = Constant <value = float {0.5}> ()"
        " t = Constant <value = bool {1}> () y = Dropout (x, r, t) }"
    )
    assert text == (
        "g: Dropout 'Dropout_2' (ai.onnx, opset 18): training_mode is on; a page only infers."
        " Mend the model, and export it again."
    )


# Branches.

BRANCHES = """g (float[2] x, bool c) => (float[2] y) {
    a = Exp (x)
    y = If (c) <
        then_branch = t () => (float[2] r) { b = Neg (a) r = Relu (b) },
        else_branch = e () => (float[2] r) { r = Identity (x) }
    >
}"""


@pytest.mark.parametrize(
    ("taken", "wanted"), [(True, ["Exp", "Neg", "Relu"]), (False, ["Identity"])]
)
def test_a_branch_with_a_known_condition_is_taken(taken: bool, wanted: list[str]) -> None:
    graph = loaded(BRANCHES, specialise={"c": np.array(taken)})
    assert operators(graph) == wanted
    assert [info.name for info in graph.inputs] == ["x"]
    if taken:
        assert [node.name for node in graph.nodes] == ["Exp_0", "If_1/Neg_0", "If_1/Relu_1"]
        assert graph.nodes[1].outputs == ("If_1/b",)
        assert graph.nodes[-1].outputs == ("y",)


def test_a_branch_with_an_unknown_condition_is_refused() -> None:
    with pytest.raises(NotConstant) as caught:
        loaded(BRANCHES)
    assert caught.value.values == ("c",)
    assert str(caught.value) == (
        "g: If 'If_1' (ai.onnx, opset 18): its condition 'c' must be known to the build, but is"
        " computed at run time. Make it a constant, or fix the graph inputs that it depends on:"
        " 'c'."
    )


# Functions.

PRIMITIVES = {
    ("", op)
    for op in ("Add", "Cast", "Div", "Erf", "Exp", "Max", "Mul", "Sqrt", "Sub", "Tanh", "Where")
} | {("", op) for op in ("Greater", "Equal", "Or", "Less", "Log", "ReduceSum", "ReduceMax", "Sum")}


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ("Gelu (x)", ["Div", "Mul", "Erf", "Sum", "Mul"]),
        ("GreaterOrEqual (x, z)", ["Greater", "Equal", "Or"]),
        ("Softmax (x)", ["ReduceMax", "Sub", "Exp", "ReduceSum", "Div"]),
        ("Relu (x)", ["Max"]),
        ("Mish (x)", ["Exp", "Add", "Log", "Tanh", "Mul"]),
    ],
)
def test_definitions_take_the_place_of_what_is_not_supported(call: str, wanted: list[str]) -> None:
    kind = "bool" if "Equal" in call else "float"
    graph = loaded(
        f"g (float[2,3] x, float[3] z) => ({kind}[2,3] y) {{ y = {call} }}",
        20,
        supported=PRIMITIVES,
    )
    assert sorted(operators(graph)) == sorted(wanted)
    assert all(node.name.startswith(call.split()[0] + "_0/") for node in graph.nodes)
    assert {node.opset for node in graph.nodes} == {OPSET}
    assert graph.nodes[-1].outputs == ("y",)


def test_nothing_is_expanded_unasked() -> None:
    assert operators(loaded("g (float[2] x) => (float[2] y) { y = Mish (x) }")) == ["Mish"]


LOCAL = """<ir_version: 8, opset_import: ["" : 18, "my" : 1]>
g (float[2] x) => (float[2] y) {
    a = my.twice <factor: float = 3.0> (x)
    y = my.twice (a)
}
<domain: "my", opset_import: ["" : 13, "my" : 1]>
twice <factor: float = 2.0> (u, v) => (r) {
    f = Constant <value_float: float = @factor> ()
    s = my.scale (u, f)
    r = Softmax (s)
}
<domain: "my", opset_import: ["" : 18]>
scale (u, f) => (r) { r = Mul (u, f) }
"""


def test_the_models_own_functions_are_inlined() -> None:
    graph = load_graph(onnx.parser.parse_model(LOCAL))
    assert operators(graph) == ["Mul", "Softmax", "Mul", "Softmax"]
    factors = [float(graph.constants[node.inputs[1]]) for node in graph.nodes if node.op == "Mul"]
    assert factors == [3.0, 2.0]
    names = [node.name for node in graph.nodes]
    assert names == [
        "twice_0/scale_1/Mul_0",
        "twice_0/Softmax_2",
        "twice_1/scale_1/Mul_0",
        "twice_1/Softmax_2",
    ]


def test_a_function_that_calls_itself_is_refused() -> None:
    text = LOCAL.replace("r = Mul (u, f)", "r = my.scale (u, f)").replace(
        '<domain: "my", opset_import: ["" : 18]>',
        '<domain: "my", opset_import: ["" : 18, "my" : 1]>',
    )
    with pytest.raises(GraphError, match="functions and branches lie more than 24 deep"):
        load_graph(onnx.parser.parse_model(text))


def test_functions_that_double_are_bounded() -> None:
    """Twenty functions, each calling the next one four times: 10^12 nodes."""
    chain = "".join(
        f'<domain: "my", opset_import: ["" : 18, "my" : 1]> f{i} (u) => (r) {{'
        f" a = my.f{i + 1} (u) b = my.f{i + 1} (a) c = my.f{i + 1} (b) r = my.f{i + 1} (c) }}\n"
        for i in range(20)
    )
    text = (
        '<ir_version: 8, opset_import: ["" : 18, "my" : 1]>'
        f" g (float[2] x) => (float[2] y) {{ y = my.f0 (x) }}\n{chain}"
        '<domain: "my", opset_import: ["" : 18]> f20 (u) => (r) { r = Neg (u) }'
    )
    with pytest.raises(GraphError, match="expand to more than 100000 nodes"):
        load_graph(onnx.parser.parse_model(text))


# Problems.


def test_every_problem_is_listed() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18, "com.acme" : 1]>'
        " g (float[4] x, float[3] z) => (float[4] y) {"
        " n = NonZero (x) a = com.acme.Blur (x) b = Sparkle (x) s = SequenceLength (x)"
        " e = Add (x, z) h = Hardmax (x) l = Length (a)"
        " y = Sum (h, a, b, e, n, l, s) }"
    )
    with pytest.raises(GraphError) as caught:
        load_graph(model, supported={("", "Sum"), ("", "Add")})
    lines = str(caught.value).splitlines()
    assert lines[0] == "g: 7 problems."
    assert [line.strip() for line in lines[1:]] == [
        "NonZero 'NonZero_0' (ai.onnx, opset 18): Vitrine does not compile this operator."
        " Replace it before the export.",
        "Blur 'Blur_1' (com.acme, opset 1): the operator is not one of ONNX's own."
        " Export the model with ONNX's own operators.",
        "Sparkle 'Sparkle_2' (ai.onnx, opset 18): opset 18 has no operator of this name."
        " Export the model with ONNX's own operators.",
        "SequenceLength 'SequenceLength_3' (ai.onnx, opset 18): its first input is a tensor;"
        " wanted a sequence. Mend the model, and export it again.",
        "Add 'Add_4' (ai.onnx, opset 18): Incompatible dimensions."
        " Mend the model, and export it again.",
        "Hardmax 'Hardmax_5' (ai.onnx, opset 18): Vitrine does not compile this operator."
        " Replace it before the export.",
        "Length 'Length_6' (ai.onnx, opset 18): opset 18 has no operator of this name."
        " Export the model with ONNX's own operators.",
    ]
    problem = caught.value.problems[1]
    assert (problem.op, problem.node, problem.domain, problem.opset) == (
        "Blur",
        "Blur_1",
        "com.acme",
        1,
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("y = NonZero (x)", "the shape of its output 'y' depends on the data, not on shapes alone"),
        ("y = SequenceConstruct (x)", "output 'y' is a sequence; Vitrine yields tensors"),
        ("y = Optional (x)", "it yields a optional; Vitrine works on tensors"),
        ("s = SequenceConstruct (x) y = Relu (s)", "inputs is a sequence; wanted tensors"),
        ("y = Relu (x, x)", "takes 1 inputs; got 2"),
        ("y = Conv (x)", "Node with schema(::Conv:11) has input size 1"),
        ("y = Not (x)", "input 0 'x' is tensor(float); wanted one of tensor(bool)"),
        ("i = Cast <to: int = 6> (x) y = Add (x, i)", "is int32; wanted float32 like the first"),
        ("y = Softmax <axis: int = 7> (x)", "axis is 7; its input has 1 axes"),
        ('y = Einsum <equation: string = "i+">(x)', "the equation 'i+' does not fit 1 inputs"),
        ("y, z = Split <num_outputs: int = 3> (x)", "num_outputs is 3; it has 2 outputs"),
        (
            "r = Constant <value = int64[1] {1099511627776}> () y = Tile (x, r)",
            "holds 1099511627776; wanted at most 2147483647",
        ),
        (
            "r = Constant <value = int64[1] {1073741824}> () y = Tile (x, r)",
            "of shape [4294967296] has too many elements",
        ),
        ('y = Constant <value_string: string = "a"> ()', "its value_string is no tensor"),
    ],
)
def test_what_a_node_is_refused_for(body: str, reason: str) -> None:
    assert reason in error(f"g (float[4] x) => (y) {{ {body} }}", 18)


@pytest.mark.parametrize("op", ["Loop", "Scan"])
def test_loops_are_refused(op: str) -> None:
    """A Loop of 2^62 turns costs no more than its name."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["c"], ["c_out"]),
            helper.make_node("Neg", ["v"], ["v_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [2]),
        ],
        [
            helper.make_tensor_value_info("c_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v_out", TensorProto.FLOAT, [2]),
        ],
    )
    model = parsed("g (float[2] x) => (float[2] y) { y = Relu (x) }")
    turns = numpy_helper.from_array(np.array(1 << 62, np.int64), "turns")
    model.graph.initializer.append(turns)
    del model.graph.node[:]
    model.graph.node.append(helper.make_node(op, ["turns", "", "x"], ["y"], "spin", body=body))
    with pytest.raises(GraphError) as caught:
        load_graph(model)
    assert str(caught.value) == (
        f"g: {op} 'spin' (ai.onnx, opset 18): Vitrine has no loops of its own on the GPU."
        " Unroll it before the export, or move it out of the model."
    )


NEEDS = {
    "Reshape (x, s)": "int64[1] s",
    "Expand (x, s)": "int64[2] s",
    "Tile (x, s)": "int64[1] s",
    "TopK (x, s)": "int64[1] s",
    "Slice (x, s, s)": "int64[1] s",
    "Pad (x, s)": "int64[2] s",
    "ReduceSum (x, s)": "int64[1] s",
    "Squeeze (x, s)": "int64[1] s",
    "Unsqueeze (x, s)": "int64[1] s",
    "Split (x, s)": "int64[1] s",
    "Resize (x, , s)": "float[1] s",
    "ConstantOfShape (s)": "int64[2] s",
    "CumSum (x, s)": "int64 s",
    "Range (s, s, s)": "float s",
    "Compress (x, s)": "bool[4] s",
}


@pytest.mark.parametrize(("call", "declared"), NEEDS.items(), ids=lambda text: text.split()[0])
def test_a_shape_that_only_the_run_would_tell(call: str, declared: str) -> None:
    results = "y, z" if call.startswith("TopK") else "y"
    text = f"g (float[4] x, {declared}) => (y) {{ {results} = {call} }}"
    with pytest.raises(NotConstant) as caught:
        loaded(text, 17 if "Split" in call else 18)
    assert caught.value.values == ("s",)


def test_a_shape_of_a_billion_axes() -> None:
    """Found by fuzzing: ONNX's inference would make an axis for each element of the shape."""
    with pytest.raises(NotConstant):
        loaded("g (float[4] x, int64[1000000000] s) => (float[m] y) { y = Expand (x, s) }")


def test_values_name_the_inputs_behind_a_shape() -> None:
    with pytest.raises(NotConstant) as caught:
        loaded(
            "g (float[4] x, int64[1] s, int64[1] t) => (float[m,n] y) {"
            " u = Concat <axis: int = 0> (s, t) v = Neg (u) y = Reshape (x, v) }"
        )
    assert caught.value.values == ("s", "t")
    assert str(caught.value) == (
        "g: Reshape 'Reshape_2' (ai.onnx, opset 18): a shape, axis or size 'v' must be known to"
        " the build, but is computed at run time. Make it a constant, or fix the graph inputs"
        " that it depends on: 's', 't'."
    )
    given = {"s": np.array([-2]), "t": np.array([-2])}
    graph = loaded(
        "g (float[4] x, int64[1] s, int64[1] t) => (float[m,n] y) {"
        " u = Concat <axis: int = 0> (s, t) v = Neg (u) y = Reshape (x, v) }",
        specialise=given,
    )
    assert graph.outputs[0].shape == (2, 2)


def test_a_shape_out_of_random_numbers_has_no_values() -> None:
    with pytest.raises(NotConstant) as caught:
        loaded(
            "g (float[4] x) => (float[m] y) { r = RandomUniform <shape: ints = [1]> ()"
            " s = Cast <to: int = 7> (r) y = Expand (x, s) }"
        )
    assert caught.value.values == ()


def test_one_other_problem_makes_it_a_plain_error() -> None:
    with pytest.raises(GraphError) as caught:
        loaded(
            "g (float[4] x, int64[1] s) => (float[m] y)"
            " { a = Expand (x, s) b = NonZero (x) c = Cast <to: int = 1> (b) y = Add (a, c) }"
        )
    assert not isinstance(caught.value, NotConstant)
    assert [problem.values for problem in caught.value.problems] == [("s",), None]


@pytest.mark.parametrize("supported", [None, PRIMITIVES])
def test_an_unknown_opset_is_refused(supported: Collection[tuple[str, str]] | None) -> None:
    model = parsed("g (float[2] x) => (float[2] y) { y = Relu (x) }")
    model.opset_import[0].version = OPSET + 1
    with pytest.raises(GraphError, match=rf"opset {OPSET + 1} is not known; wanted 1 to {OPSET}"):
        load_graph(model, supported=supported)
