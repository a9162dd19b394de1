"""Models that are broken, or want to break something."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pybuild.onnx.front import GraphError, load_graph
from pybuild.onnx.front.intake import tensor_array
from pyengine.errors import VitrineError

MODEL = """<ir_version: 8, opset_import: ["" : 13, "my" : 1]>
small (float[1,2,6,6] x, int64[1] k) => (float[1,4] y) {
    w = Constant <value = float[2,2,1,1] {1, 2, 3, 4}> ()
    c = Conv <kernel_shape: ints = [1,1], strides: ints = [2,2]> (x, w)
    r = my.act <alpha: float = 0.1> (c)
    p = MaxPool <kernel_shape: ints = [2,2]> (r)
    s = Shape (p)
    z = Constant <value = int64 {0}> ()
    n = Gather (s, z)
    q = Constant <value = int64[1] {0}> ()
    m = Unsqueeze (n, q)
    i = Constant <value = int64[1] {-1}> ()
    t = Concat <axis: int = 0> (m, i)
    f = Reshape (p, t)
    b = Constant <value = bool {1}> ()
    e = If (b) <
        then_branch = a () => (float[1,8] o) { o = Softmax <axis: int = 1> (f) },
        else_branch = d () => (float[1,8] o) { o = Neg (f) }
    >
    y, u = Split <axis: int = 1> (e)
}
<domain: "my", opset_import: ["" : 13]>
act <alpha> (v) => (h) { h = LeakyRelu <alpha: float = @alpha> (v) }
"""


def small() -> onnx.ModelProto:
    return onnx.parser.parse_model(MODEL)


def refused(model: onnx.ModelProto | bytes | Path) -> str:
    with pytest.raises(GraphError) as caught:
        load_graph(model)
    return str(caught.value)


def relu(*initialisers: TensorProto, source: str = "w") -> onnx.ModelProto:
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        [helper.make_node("Relu", [source], ["y"], "act")], "g", [], [out], list(initialisers)
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def test_the_small_model_loads() -> None:
    graph = load_graph(small())
    assert [node.op for node in graph.nodes] == [
        "Conv",
        "LeakyRelu",
        "MaxPool",
        "Reshape",
        "Softmax",
        "Split",
    ]


# Fuzz. A crash of the process would fail the run itself; ten seconds stand for a hang.

FUZZ = settings(
    max_examples=300, deadline=10_000, suppress_health_check=list(HealthCheck), database=None
)


def read(data: bytes) -> None:
    """Take it or refuse it in our own words."""
    with suppress(VitrineError):
        graph = load_graph(data, supported={("", "Conv"), ("", "Where"), ("", "Less")})
        assert all(min(info.shape, default=0) >= 0 for info in graph.infos.values())


@FUZZ
@given(st.integers(min_value=0))
def test_any_cut_is_refused_or_read(place: int) -> None:
    data = small().SerializeToString()
    read(data[: place % len(data)])


@FUZZ
@given(st.lists(st.tuples(st.integers(min_value=0), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_bytes_are_refused_or_read(changes: list[tuple[int, int]]) -> None:
    data = bytearray(small().SerializeToString())
    for place, byte in changes:
        data[place % len(data)] = byte
    read(bytes(data))


@FUZZ
@given(st.binary(max_size=64))
def test_noise_is_refused_or_read(data: bytes) -> None:
    read(data)


ODD = st.sampled_from([0, 1, -1, 2, 3, 7, 64, 10**6, 2**31 - 1, 2**31, -(2**31), 2**62, -(2**63)])


@FUZZ
@given(st.integers(min_value=0), st.integers(min_value=0), ODD)
def test_any_attribute_is_refused_or_read(node: int, place: int, value: int) -> None:
    model = small()
    target = model.graph.node[node % len(model.graph.node)]
    for attribute in target.attribute:
        if attribute.type == onnx.AttributeProto.INTS and attribute.ints:
            attribute.ints[place % len(attribute.ints)] = value
        elif attribute.type == onnx.AttributeProto.INT:
            attribute.i = value
        elif attribute.type == onnx.AttributeProto.TENSOR and attribute.t.int64_data:
            attribute.t.int64_data[place % len(attribute.t.int64_data)] = value
    read(model.SerializeToString())


# By hand.


def test_not_a_model(tmp_path: Path) -> None:
    text = tmp_path / "a.onnx"
    text.write_bytes(b"ply\nformat ascii 1.0\n")
    assert refused(text) == (
        f"{text}: the file is not an ONNX model, or is cut short. Export it again."
    )
    assert refused(b"") == "model: the model has no graph with outputs. Is it an ONNX model?"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    place = tmp_path / "no.onnx"
    assert refused(place) == f"{place}: the file cannot be read (No such file or directory)."
    assert refused(tmp_path) == f"{tmp_path}: the file cannot be read (Is a directory)."


def test_a_file_beyond_what_protobuf_holds(tmp_path: Path) -> None:
    place = tmp_path / "large.onnx"
    with place.open("wb") as file:
        file.truncate(2**31)  # sparse
    assert refused(place) == (
        f"{place}: the file has 2147483648 bytes; wanted at most 2147483647."
        " Keep the weights in external data."
    )


def test_graphs_nested_too_deep() -> None:
    """Protobuf itself stops at a hundred messages in each other."""

    def field(number: int, payload: bytes) -> bytes:
        size, digits = len(payload), bytearray()
        while size > 127:
            digits.append(size & 127 | 128)
            size >>= 7
        return bytes([number << 3 | 2, *digits, size]) + payload

    graph = b""
    for _ in range(1000):
        graph = field(1, field(5, field(6, graph)))  # node, attribute, graph
    assert "not an ONNX model" in refused(field(7, graph))


def cyclic(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "f"


def twice(model: onnx.ModelProto) -> None:
    model.graph.node[3].output[0] = "c"


def undefined(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "nowhere"


def no_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "nowhere"


def two_outputs(model: onnx.ModelProto) -> None:
    model.graph.output.append(model.graph.output[0])


def input_as_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(model.graph.input[0])


def other_type(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT32


def two_inputs(model: onnx.ModelProto) -> None:
    model.graph.input.append(model.graph.input[0])


def no_opset(model: onnx.ModelProto) -> None:
    del model.opset_import[:]


def no_domain(model: onnx.ModelProto) -> None:
    del model.functions[:]
    del model.opset_import[1:]


def sparse(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, numpy_helper.from_array(np.zeros(1, np.int64)), [1 << 40])
    )


def inner_cycle(model: onnx.ModelProto) -> None:
    model.functions[0].node[0].input[0] = "h"


def inner_undefined(model: onnx.ModelProto) -> None:
    model.functions[0].node[0].input[0] = "x"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cyclic, "it waits for its own result (a cycle)"),
        (twice, "its output 'c' is written a second time"),
        (undefined, "Conv 'c' (ai.onnx): its input 'nowhere' is written by no node"),
        (no_output, "output 'nowhere' is written by no node. Export it again."),
        (two_outputs, "output 'y' is declared twice"),
        (input_as_output, "output 'x' is an input of that name. Put an Identity between them."),
        (other_type, "output 'y' is declared int32, but computed as float32"),
        (two_inputs, "input 'x' is declared twice"),
        (no_opset, "the model does not say which opset it follows"),
        (no_domain, "the model does not say which opset of 'my' it follows"),
        (sparse, "initialiser 's' is sparse; Vitrine reads dense ones. Store it dense."),
        (inner_cycle, "it waits for its own result (a cycle)"),
        (inner_undefined, "its input 'x' is written by no node"),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_a_graph_that_is_none(damage: Callable[[onnx.ModelProto], None], reason: str) -> None:
    model = small()
    damage(model)
    assert reason in refused(model)


def test_every_node_of_a_cycle_is_named() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18]>'
        " g (float[2] x) => (float[2] y) { a = Add (x, b) b = Neg (a) y = Relu (b) }"
    )
    assert refused(model).splitlines() == [
        "g: 3 problems.",
        "  Add 'a' (ai.onnx): it waits for its own result (a cycle). Export the model again.",
        "  Neg 'b' (ai.onnx): it waits for its own result (a cycle). Export the model again.",
        "  Relu 'y' (ai.onnx): it waits for its own result (a cycle). Export the model again.",
    ]


# Initialisers.


def tensor(
    kind: int = TensorProto.FLOAT, dims: tuple[int, ...] = (2,), data: bytes = b""
) -> TensorProto:
    return TensorProto(name="w", data_type=kind, dims=dims, raw_data=data)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (tensor(data=b"\0" * 7), "shape [2] of float32 needs 8 bytes; got 7"),
        (tensor(data=b"\0" * 9), "shape [2] of float32 needs 8 bytes; got 9"),
        (tensor(dims=(1 << 20, 1 << 20)), "has more than 2147483647 elements"),
        (tensor(dims=(1 << 62, 1 << 62)), "has more than 2147483647 elements"),
        (tensor(dims=(1 << 30,)), "shape [1073741824] of float32 needs 4294967296 bytes; got 0"),
        (tensor(dims=(-1,)), "shape [-1] has a negative size"),
        (tensor(kind=0), "element type 0 is unknown"),
        (tensor(kind=77), "element type 77 is unknown"),
        (tensor(kind=TensorProto.STRING), "it holds strings; Vitrine works on numbers"),
        (
            tensor(kind=TensorProto.INT4, dims=(3,), data=b"\0"),
            "shape [3] of int4 needs 2 bytes; got 1",
        ),
        (
            TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], float_data=[1, 2]),
            "shape [3] of float32 needs 3 elements in float_data; got 2",
        ),
        (
            TensorProto(name="w", data_type=TensorProto.INT4, dims=[3], int32_data=[1, 2, 3]),
            "shape [3] of int4 needs 2 elements in int32_data; got 3",
        ),
        (
            TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 30]),
            "shape [1073741824] of float32 needs 1073741824 elements in float_data; got 0",
        ),
    ],
)
def test_an_initialiser_whose_claims_are_false(broken: TensorProto, reason: str) -> None:
    text = refused(relu(broken))
    assert text.startswith("g: initialiser 'w': ")
    assert reason in text


def test_two_initialisers_of_one_name() -> None:
    good = numpy_helper.from_array(np.ones(2, np.float32), "w")
    assert refused(relu(good, good)) == (
        "g: initialiser 'w': there are two of this name. Export the model again."
    )


@pytest.mark.parametrize(
    "kind", [kind for kind in TensorProto.DataType.values() if kind not in (0, TensorProto.STRING)]
)
@pytest.mark.parametrize("raw", [True, False])
def test_every_element_type_is_read(kind: int, raw: bool) -> None:
    """As onnx's own reader does, from bytes and from typed fields."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    array = np.array([1, 0, 1, 1, 0, 1], np.float32).astype(dtype).reshape(2, 3)
    if raw:
        message = numpy_helper.from_array(array)
    else:
        message = helper.make_tensor("w", kind, [2, 3], array.astype(np.complex64).real.ravel())
    got = tensor_array(message, None)
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got.astype(np.complex64), array.astype(np.complex64))


# External data.


def outside(folder: Path, location: str, **entries: int) -> Path:
    message = tensor()
    message.ClearField("raw_data")
    message.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        message.external_data.add(key=key, value=str(value))
    place = folder / "m.onnx"
    place.write_bytes(relu(message).SerializeToString())
    return place


def test_external_data_is_read(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    np.array([9, 1, 2], np.float32).tofile(tmp_path / "data/w.bin")
    graph = load_graph(outside(tmp_path, "data/w.bin", offset=4, length=8))
    (constant,) = graph.constants.values()
    np.testing.assert_array_equal(constant, [1, 2])


@pytest.mark.parametrize(
    ("location", "entries", "reason"),
    [
        ("../secret.bin", {}, "external data '../secret.bin' is no file inside the model's folder"),
        ("link.bin", {}, "external data 'link.bin' is no file inside the model's folder"),
        ("/etc/hostname", {}, "external data '/etc/hostname' is no file inside"),
        ("no.bin", {}, "external data 'no.bin' cannot be read (No such file or directory)"),
        ("", {}, "external data '' is no file inside the model's folder"),
        ("ring", {}, "external data 'ring' cannot be read"),
        ("pipe", {}, "external data 'pipe' is no file inside the model's folder"),
        ("w\0.bin", {}, "null"),
        ("w.bin", {"offset": 8}, "external data 'w.bin' has 8 bytes; wanted 16"),
        ("w.bin", {"offset": -4}, "needs 8 bytes of external data; got 8 at offset -4"),
        ("w.bin", {"length": 4}, "needs 8 bytes of external data; got 4 at offset 0"),
        ("w.bin", {"length": 1 << 62}, "got 4611686018427387904 at offset 0"),
    ],
)
def test_external_data_that_is_refused(
    tmp_path: Path, location: str, entries: dict[str, int], reason: str
) -> None:
    (tmp_path / "secret.bin").write_bytes(b"\0" * 8)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.bin").write_bytes(b"\0" * 8)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "ring").symlink_to("ring")
    os.mkfifo(folder / "pipe")
    text = refused(outside(folder, location, **entries))
    assert "initialiser 'w': " in text
    assert reason in text


def test_bytes_have_no_folder(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"\0" * 8)
    data = outside(tmp_path, "w.bin").read_bytes()
    assert refused(data) == (
        "model: initialiser 'w': its data lies in the file 'w.bin', but the model has no folder."
        " Export the model again."
    )
