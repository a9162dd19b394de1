"""Shapes, capacities and values from outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.parser
import pytest
from onnx import TensorProto, helper

from pybuild.onnx.front import GraphError, load_graph, parse_shape_option
from pybuild.onnx.graph import Graph
from pyengine.errors import InputError

POINTS = """<ir_version: 8, opset_import: ["" : 18]>
g (float[N,3] x, float[N,1] w, float[batch,3,8] z) => (float[N,3] y, float[a,b,c] v) {
    y = Mul (x, w)
    v = Relu (z)
}"""


def points(**options: Any) -> Graph:
    return load_graph(onnx.parser.parse_model(POINTS), **options)


def refused(**options: Any) -> str:
    with pytest.raises(GraphError) as caught:
        points(**options)
    return str(caught.value)


def test_symbols_get_their_sizes() -> None:
    graph = points(shapes={"N": (10,), "batch": (2,)})
    assert [info.shape for info in graph.inputs] == [(10, 3), (10, 1), (2, 3, 8)]
    assert [info.dynamic for info in graph.inputs] == [(None,) * 2, (None,) * 2, (None,) * 3]
    assert [info.shape for info in graph.outputs] == [(10, 3), (2, 3, 8)]


def test_an_inputs_shape_gives_its_symbols_sizes() -> None:
    graph = points(shapes={"x": (10, 3), "z": (1, 3, 8)})
    assert graph.infos["w"].shape == (10, 1)


def test_a_capacity_keeps_the_symbol() -> None:
    graph = points(capacities={"N": 64}, shapes={"batch": (1,)})
    assert graph.infos["x"].shape == (64, 3)
    assert graph.infos["x"].dynamic == ("N", None)
    assert graph.outputs[0].shape == (64, 3)
    assert graph.outputs[0].dynamic == ("N", None)
    assert graph.outputs[1].dynamic == (None, None, None)


def test_a_symbol_is_followed_through_shapes_as_data() -> None:
    graph = load_graph(
        onnx.parser.parse_model(
            '<ir_version: 8, opset_import: ["" : 18]>'
            " g (float[N,3] x) => (float[N,7] y, float[m] z) {"
            " s = Shape <end: int = 1> (x) k = Constant <value = int64[1] {7}> ()"
            " t = Concat <axis: int = 0> (s, k) o = ConstantOfShape (t)"
            " d = Identity (x) r = ReduceSum (d, a) a = Constant <value = int64[1] {1}> ()"
            " y = Add (o, r) f = Constant <value = int64[1] {-1}> () z = Reshape (x, f) }"
        ),
        capacities={"N": 5000},
    )
    assert graph.infos["o"].shape == (5000, 7)
    assert graph.infos["o"].dynamic == ("N", None)
    assert graph.infos["r"].dynamic == ("N", None)
    assert graph.outputs[0].dynamic == ("N", None)
    assert graph.outputs[1].shape == (15000,)
    assert graph.outputs[1].dynamic == (None,)


def test_a_fixed_input_is_no_input_any_more() -> None:
    graph = points(specialise={"x": np.ones((4, 3), np.float32)}, shapes={"batch": (1,)})
    assert [info.name for info in graph.inputs] == ["w", "z"]
    assert graph.infos["w"].shape == (4, 1)
    assert graph.constants["x"].shape == (4, 3)


def test_sizes_that_are_missing() -> None:
    assert refused().splitlines() == [
        "g: 3 problems.",
        "  input 'x' [N, 3] has no size for N. Give its shape, such as --shape x=1x3 or"
        " --shape N=1.",
        "  input 'w' [N, 1] has no size for N. Give its shape, such as --shape w=1x1 or"
        " --shape N=1.",
        "  input 'z' [batch, 3, 8] has no size for batch. Give its shape, such as"
        " --shape z=1x3x8 or --shape batch=1.",
    ]


def test_an_image_without_sizes() -> None:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, None, "w"])
    bare = onnx.ValueInfoProto()
    bare.name = "any"
    bare.type.tensor_type.elem_type = TensorProto.FLOAT
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    nodes = [helper.make_node("Add", ["image", "any"], ["y"])]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [image, bare], [out]),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    with pytest.raises(GraphError) as caught:
        load_graph(model)
    assert str(caught.value).splitlines() == [
        "g: 2 problems.",
        "  input 'image' [n, 3, ?, w] has no size for n, axis 2, w. Give its shape, such as"
        " --shape image=1x3x256x256 or --shape n=1.",
        "  input 'any' has no shape. Give it, such as --shape any=1x3x256x256.",
    ]
    graph = load_graph(model, shapes={"image": (1, 3, 5, 4), "any": (4,)})
    assert graph.outputs[0].shape == (1, 3, 5, 4)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"shapes": {"x": (4, 2), "batch": (1,)}},
            "input 'x' is declared [N, 3]; got the shape [4, 2]."
            " Sizes that are declared cannot be changed.",
        ),
        (
            {"shapes": {"x": (4,), "N": (4,), "batch": (1,)}},
            "input 'x' is declared [N, 3]; got the shape [4].",
        ),
        (
            {"shapes": {"x": (4, 3), "w": (5, 1), "batch": (1,)}},
            "symbol 'N' is 4 elsewhere, but 5 in input 'w'. Give it one size.",
        ),
        (
            {"shapes": {"q": (4,), "N": (1,), "batch": (1,)}},
            "shape of 'q': no input or symbol has that name."
            " Inputs: 'x', 'w', 'z'; symbols: 'N', 'batch'.",
        ),
        (
            {"shapes": {"N": (4, 4), "batch": (1,)}},
            "symbol 'N' stands for one size; got [4, 4].",
        ),
        (
            {"shapes": {"N": (1 << 30,), "batch": (1,)}},
            "of shape [1073741824, 3] has a negative size or too many elements;"
            " wanted at most 2147483647.",
        ),
        (
            {"capacities": {"M": 4}, "shapes": {"N": (1,), "batch": (1,)}},
            "capacity of 'M': no input has that symbol.",
        ),
        (
            {"capacities": {"N": 0}, "shapes": {"batch": (1,)}},
            "capacity of 'N' is 0; wanted at least 1.",
        ),
        (
            {"capacities": {"N": 4}, "shapes": {"N": (3,), "batch": (1,)}},
            "symbol 'N' is 3 by its shape and 4 by its capacity. Give one of them.",
        ),
        (
            {"specialise": {"q": np.zeros(1)}, "shapes": {"N": (3,), "batch": (1,)}},
            "value of 'q': no input has that name.",
        ),
        (
            {"specialise": {"x": np.zeros((4, 3))}, "shapes": {"batch": (1,)}},
            "value of 'x' is float64; wanted float32.",
        ),
        (
            {
                "specialise": {"x": np.zeros((4, 2), np.float32)},
                "shapes": {"N": (4,), "batch": (1,)},
            },
            "value of 'x' has shape [4, 2]; wanted [N, 3].",
        ),
    ],
)
def test_what_does_not_fit_the_model(options: dict[str, Any], reason: str) -> None:
    assert reason in refused(**options)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None),
            "input 'x' is no tensor, but of the type sequence. Feed tensors.",
        ),
        (
            helper.make_tensor_value_info("x", TensorProto.STRING, [1]),
            "input 'x' holds strings; Vitrine works on numbers. Feed numbers.",
        ),
        (
            helper.make_tensor_value_info("x", 99, [1]),
            "input 'x' is of an unknown element type 99. Export it again.",
        ),
        (
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [-1]),
            "input 'x' of shape [-1] has a negative size or too many elements;"
            " wanted at most 2147483647.",
        ),
        (
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1 << 62, 4]),
            "has a negative size or too many elements",
        ),
        (onnx.ValueInfoProto(name="x"), "input 'x' is no tensor, but of the type undeclared type"),
    ],
)
def test_inputs_that_are_no_tensors_of_numbers(value: onnx.ValueInfoProto, reason: str) -> None:
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    model = helper.make_model(
        helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out]),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    with pytest.raises(GraphError) as caught:
        load_graph(model)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name=1x3x256x256", ("name", (1, 3, 256, 256))),
        ("input:0=7", ("input:0", (7,))),
        ("a=b=1,2", ("a=b", (1, 2))),
    ],
)
def test_a_shape_option(text: str, wanted: tuple[str, tuple[int, ...]]) -> None:
    assert parse_shape_option(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "x", "x=", "=1x2", "x=1xx2", "x=0x2", "x=-1", "x=1x2x", "x=a", "x=1 x 2", "x=１"]
)
def test_a_shape_option_of_another_form(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_shape_option(text)
    assert str(caught.value) == (
        f"--shape {text!r}: wanted NAME=SIZES with positive sizes, such as image=1x3x256x256 for"
        " an input or batch=1 for a symbol."
    )


def test_a_shape_option_beyond_32_bits() -> None:
    with pytest.raises(InputError, match="more than 2147483647 elements"):
        parse_shape_option("x=65536x65536")
