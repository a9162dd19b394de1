"""Branches and functions: which nodes take their place, and how many may."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest

from pybuild.onnx.front import OPSET, GraphError, NotConstant, load_graph
from tests.pybuild.onnx.front.written import PRIMITIVES, loaded, operators

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
