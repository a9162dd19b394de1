"""What is refused, with every reason at once; and sizes that only the run would tell."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper

from pybuild.onnx.front import OPSET, GraphError, NotConstant, load_graph
from tests.pybuild.onnx.front.written import PRIMITIVES, error, loaded, parsed


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


def test_training_is_refused() -> None:
    text = error(
        "g (float[2] x) => (float[2] y) { r = Constant <value = float {0.5}> ()"
        " t = Constant <value = bool {1}> () y = Dropout (x, r, t) }"
    )
    assert text == (
        "g: Dropout 'Dropout_2' (ai.onnx, opset 18): training_mode is on; a page only infers."
        " Mend the model, and export it again."
    )


@pytest.mark.parametrize("supported", [None, PRIMITIVES])
def test_an_unknown_opset_is_refused(supported: Collection[tuple[str, str]] | None) -> None:
    model = parsed("g (float[2] x) => (float[2] y) { y = Relu (x) }")
    model.opset_import[0].version = OPSET + 1
    with pytest.raises(GraphError, match=rf"opset {OPSET + 1} is not known; wanted 1 to {OPSET}"):
        load_graph(model, supported=supported)


def test_one_other_problem_makes_it_a_plain_error() -> None:
    with pytest.raises(GraphError) as caught:
        loaded(
            "g (float[4] x, int64[1] s) => (float[m] y)"
            " { a = Expand (x, s) b = NonZero (x) c = Cast <to: int = 1> (b) y = Add (a, c) }"
        )
    assert not isinstance(caught.value, NotConstant)
    assert [problem.values for problem in caught.value.problems] == [("s",), None]


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
