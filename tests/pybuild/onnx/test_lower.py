"""Lowering a graph: one error that lists every node at fault."""

from __future__ import annotations

import onnx.parser
import pytest

import pybuild.onnx.ops  # noqa: F401 - fills the registry
from pybuild.onnx.front import load_graph
from pybuild.onnx.graph import Graph
from pybuild.onnx.ir import Tensor, map_tensor
from pybuild.onnx.lower import LOWERINGS, Context, Lowering, Unsupported, lower
from pybuild.onnx.problems import GraphError, NotConstant


def graph_of(body: str, inputs: str = "float[4] x, int64[1] i, float[4] z") -> Graph:
    text = f'<ir_version: 8, opset_import: ["" : 18]> g ({inputs}) => (float[4] y) {{ {body} }}'
    return load_graph(onnx.parser.parse_model(text))


@pytest.fixture
def lowering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neg is refused, Abs wants its input as a constant, Exp gives a wrong shape."""

    def refuse(*_: object) -> Tensor:
        raise Unsupported("nothing is negative here")

    def constant(context: Context, node: object) -> Tensor:
        context.array(node, 0)  # type: ignore[arg-type]
        raise AssertionError

    def flat(context: Context, node: object) -> Tensor:
        x = context.tensor(node, 0)  # type: ignore[arg-type]
        return map_tensor("flat", (1, 4), lambda _, i: x[i])

    for op, function in (("Neg", refuse), ("Abs", constant), ("Exp", flat)):
        monkeypatch.setitem(LOWERINGS, ("", op), Lowering("", op, function, 1, "", "test"))
    monkeypatch.delitem(LOWERINGS, ("", "Cos"))


@pytest.mark.usefixtures("lowering")
def test_every_node_at_fault_is_listed() -> None:
    graph = graph_of("a = Neg (x) b = Add (a, x) c = Abs (b) d = Exp (c) e = Cos (d) y = Neg (e)")
    with pytest.raises(GraphError) as caught:
        lower(graph)
    assert not isinstance(caught.value, NotConstant)
    assert str(caught.value).splitlines() == [
        "g: 5 problems.",
        "  Neg 'Neg_0' (ai.onnx, opset 28): nothing is negative here.",
        "  Abs 'Abs_2' (ai.onnx, opset 28): 'b' is computed at run time and must be known at build."
        " Make it a constant, or fix the graph inputs that it depends on.",
        "  Exp 'Exp_3' (ai.onnx, opset 28): 'd' is lowered to (1, 4), ONNX infers (4,).",
        "  Cos 'Cos_4' (ai.onnx, opset 28): Vitrine does not know this operator.",
        "  Neg 'Neg_5' (ai.onnx, opset 28): nothing is negative here.",
    ]
    assert caught.value.problems[1].values == ("x",)


@pytest.mark.usefixtures("lowering")
def test_values_are_traced_to_the_inputs() -> None:
    graph = graph_of("c = Cast <to: int = 1> (i) a = Add (z, c) b = Abs (a) y = Add (b, x)")
    with pytest.raises(NotConstant) as caught:
        lower(graph)
    assert caught.value.values == ("i", "z")


def test_an_input_of_a_type_that_has_no_counterpart() -> None:
    graph = graph_of("y = Identity (z)", "complex64[2] c, float[4] z")
    with pytest.raises(GraphError, match="input 'c': complex64 has no counterpart on the GPU"):
        lower(graph)
