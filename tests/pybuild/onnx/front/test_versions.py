"""Nodes of old opsets compute the same after they were brought to the newest one."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.parser
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import defs

from pybuild.onnx.front import OPSET, load_graph
from pybuild.onnx.front.versions import _ADAPTERS, STAYS, _widens, versions
from pybuild.onnx.rebuild import to_model

RUNTIME_OPSET = 26
"""The newest that onnxruntime 1.31 runs."""

OLDER_OPSET = {"RoiAlign": 16}
"""Where it has no kernel for the newest version of an operator; that one only takes more types."""

TOLERANCE = 1e-5
"""Both sides run the same kernels but for the order of a few additions."""

NO_TENSORS = {"If", "Loop", "Scan", "Optional", "OptionalGetElement", "OptionalHasElement"}


def model(text: str, opset: int) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 7, opset_import: ["" : {opset}]> {text}')


def ran(proto: onnx.ModelProto, feeds: dict[str, Any]) -> list[NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    results: list[NDArray[Any]] = session.run(None, feeds)
    return results


SAME = {
    "argmax": (11, "g (float[3,4] x) => (int64[3,1] y) { y = ArgMax <axis: int = 1> (x) }"),
    "average pool": (
        7,
        "g (float[1,2,7,7] x) => (float[1,2,3,3] y)"
        " { y = AveragePool <kernel_shape: ints = [3,3], strides: ints = [2,2]> (x) }",
    ),
    "batch normalisation": (
        7,
        "g (float[2,3,4] x, float[3] s) => (float[2,3,4] y)"
        " { v = Abs (s) y = BatchNormalization <epsilon: float = 0.1> (x, s, s, s, v) }",
    ),
    "clip": (
        6,
        "g (float[9] x) => (float[9] y) { y = Clip <min: float = -0.3, max: float = 0.2> (x) }",
    ),
    "clip below": (6, "g (float[9] x) => (float[9] y) { y = Clip <min: float = -0.3> (x) }"),
    "dft": (17, "g (float[1,8,4,1] x) => (float[1,8,4,2] y) { y = DFT <axis: int = 2> (x) }"),
    "gemm": (
        7,
        "g (float[3,4] x, float[4,5] w, float[5] b) => (float[3,5] y)"
        " { y = Gemm <alpha: float = 0.5> (x, w, b) }",
    ),
    "grid sample": (
        16,
        "g (float[1,1,4,4] x, float[1,3,3,2] w) => (float[1,1,3,3] y)"
        " { y = GridSample <mode: string = \"bicubic\"> (x, w) }",
    ),
    "grid sample by default": (
        16,
        "g (float[1,1,4,4] x, float[1,3,3,2] w) => (float[1,1,3,3] y) { y = GridSample (x, w) }",
    ),
    "hardmax": (11, "g (float[2,3,4] x) => (float[2,3,4] y) { y = Hardmax (x) }"),
    "log softmax": (11, "g (float[2,3,4] x) => (float[2,3,4] y) { y = LogSoftmax (x) }"),
    # a last window that begins behind the image is none, as inference knows from 22 on
    "max pool over the end": (
        21,
        "g (float[1,1,6] x) => (float[1,1,3] y)"
        " { y = MaxPool <kernel_shape: ints = [1], strides: ints = [2], ceil_mode: int = 1> (x) }",
    ),
    "max pool": (
        7,
        "g (float[1,2,7,7] x) => (float[1,2,3,3] y)"
        " { y = MaxPool <kernel_shape: ints = [3,3], strides: ints = [2,2]> (x) }",
    ),
    "one axis": (9, "g (float[3,4] x) => (float[4] y) { y = ReduceMean"
                 " <axes: ints = [0], keepdims: int = 0> (x) }"),
    "all axes": (9, "g (float[3,4] x) => (float[1,1] y) { y = ReduceL2 (x) }"),
    "sum of axes": (11, "g (float[3,4] x) => (float[3,1] y) { y = ReduceSum"
                    " <axes: ints = [-1]> (x) }"),
    "pad": (
        2,
        "g (float[2,3] x) => (float[3,6] y)"
        " { y = Pad <pads: ints = [1,0,0,3], value: float = 0.5> (x) }",
    ),
    "pad by reflection": (
        2,
        'g (float[2,3] x) => (float[3,5] y)'
        ' { y = Pad <mode: string = "reflect", pads: ints = [1,0,0,2]> (x) }',
    ),
    "prelu": (7, "g (float[2,3,4] x, float[3,1] w) => (float[2,3,4] y) { y = PRelu (x, w) }"),
    "resize up": (
        10,
        "g (float[1,1,3,4] x) => (float[1,1,6,12] y)"
        " { s = Constant <value = float[4] {1, 1, 2, 3}> () y = Resize (x, s) }",
    ),
    "resize down": (
        10,
        "g (float[1,1,5,4] x) => (float[1,1,3,2] y)"
        " { s = Constant <value = float[4] {1, 1, 0.6, 0.6}> () y = Resize (x, s) }",
    ),
    "resize linear": (
        10,
        "g (float[1,1,3,4] x) => (float[1,1,6,6] y)"
        " { s = Constant <value = float[4] {1, 1, 2, 1.5}> ()"
        '   y = Resize <mode: string = "linear"> (x, s) }',
    ),
    "roi align": (
        10,
        "g (float[1,1,8,8] x) => (float[1,1,2,2] y) {"
        " r = Constant <value = float[1,4] {0.5, 1, 6, 7}> ()"
        " i = Constant <value = int64[1] {0}> ()"
        " y = RoiAlign <output_height: int = 2, output_width: int = 2> (x, r, i) }",
    ),
    "scatter": (
        9,
        "g (float[3,4] x, float[1,4] w) => (float[3,4] y) {"
        " i = Constant <value = int64[1,4] {2, 0, 1, 2}> () y = Scatter (x, i, w) }",
    ),
    "slice": (
        9,
        "g (float[5,6] x) => (float[5,3] y)"
        " { y = Slice <axes: ints = [1], starts: ints = [-4], ends: ints = [-1]> (x) }",
    ),
    "softmax from axis 1": (7, "g (float[2,3,4] x) => (float[2,3,4] y) { y = Softmax (x) }"),
    "softmax of the last": (11, "g (float[2,3,4] x) => (float[2,3,4] y)"
                            " { y = Softmax <axis: int = -1> (x) }"),
    "softmax of channels": (7, "g (float[1,5,1,1] x) => (float[1,5,1,1] y) { y = Softmax (x) }"),
    "split": (11, "g (float[5,2] x) => (float[2,2] y, float[3,2] z)"
              " { y, z = Split <split: ints = [2,3]> (x) }"),
    "split in halves": (13, "g (float[2,6] x) => (float[2,3] y, float[2,3] z)"
                        " { y, z = Split <axis: int = 1> (x) }"),
    "squeeze": (11, "g (float[1,3,1] x) => (float[3,1] y) { y = Squeeze <axes: ints = [0]> (x) }"),
    "squeeze all": (11, "g (float[1,3,1] x) => (float[3] y) { y = Squeeze (x) }"),
    "top k": (9, "g (float[3,5] x) => (float[3,2] y, int64[3,2] i)"
              " { y, i = TopK <k: int = 2> (x) }"),
    "unsqueeze": (11, "g (float[3] x) => (float[1,3,1] y)"
                  " { y = Unsqueeze <axes: ints = [0,2]> (x) }"),
    "upsample": (
        7,
        "g (float[1,1,3,2] x) => (float[1,1,6,6] y)"
        " { y = Upsample <scales: floats = [1.0, 1.0, 2.0, 3.0]> (x) }",
    ),
    "upsample linear": (
        9,
        "g (float[1,1,3,2] x) => (float[1,1,6,6] y)"
        " { s = Constant <value = float[4] {1, 1, 2, 3}> ()"
        '   y = Upsample <mode: string = "linear"> (x, s) }',
    ),
    "recurrent": (
        7,
        "g (float[3,2,4] x, float[1,12,4] w, float[1,12,3] r) => (float[3,1,2,3] y)"
        " { y = LSTM <hidden_size: int = 3> (x, w, r) }",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("opset", "text"), SAME.values(), ids=SAME.keys())
def test_the_same_is_computed(opset: int, text: str) -> None:
    old = model(text, opset)
    random = np.random.default_rng(5)
    feeds = {
        value.name: random.normal(
            size=[dim.dim_value for dim in value.type.tensor_type.shape.dim]
        ).astype(np.float32)
        for value in old.graph.input
    }
    graph = load_graph(old)
    assert {node.opset for node in graph.nodes} == {OPSET}
    stamp = min(OLDER_OPSET.get(node.op, RUNTIME_OPSET) for node in graph.nodes)
    for wanted, got in zip(ran(old, feeds), ran(to_model(graph, stamp), feeds), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=TOLERANCE, atol=TOLERANCE)


# Opsets that no runtime runs any more: what the operators' documents say, in numpy.

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7 - 1
W = np.array([0.5, -2, 3], np.float32)

ANCIENT = {
    "broadcasting along an axis": (
        6,
        "g (float[2,3,4] x, float[3] w) => (float[2,3,4] y)"
        " { y = Mul <broadcast: int = 1, axis: int = 1> (x, w) }",
        X * W[:, None],
    ),
    "broadcasting along a last axis": (
        6,
        "g (float[2,3,4] x, float[3] w) => (float[2,3,4] y)"
        " { y = Sub <broadcast: int = 1, axis: int = -2> (x, w) }",
        X - W[:, None],
    ),
    "a slope a channel": (
        6,
        "g (float[2,3,4] x, float[3] w) => (float[2,3,4] y) { y = PRelu (x, w) }",
        np.where(X < 0, X * W[:, None], X),
    ),
    "shape as an attribute": (
        1,
        "g (float[2,3,4] x, float[3] w) => (float[4,6] y)"
        " { y = Reshape <shape: ints = [4,6]> (x) }",
        X.reshape(4, 6),
    ),
    "a type by name": (
        1,
        "g (float[2,3,4] x, float[3] w) => (int32[2,3,4] y)"
        ' { y = Cast <to: string = "INT32"> (x) }',
        X.astype(np.int32),
    ),
    "consumed inputs": (
        1,
        "g (float[2,3,4] x, float[3] w) => (float[2,3,4] y)"
        " { y = Relu <consumed_inputs: ints = [0]> (x) }",
        np.maximum(X, 0),
    ),
    "an axis by default": (
        1,
        "g (float[2,3,4] x, float[3] w) => (float[2,6,4] y) { y = Concat (x, x) }",
        np.concatenate([X, X], 1),
    ),
    "paddings": (
        1,
        "g (float[2,3,4] x, float[3] w) => (float[2,4,4] y)"
        " { y = Pad <paddings: ints = [0,1,0,0,0,0]> (x) }",
        np.pad(X, [(0, 0), (1, 0), (0, 0)]),
    ),
    "older constants of selu": (
        1,
        "g (float[2,3,4] x, float[3] w) => (float[2,3,4] y) { y = Selu (x) }",
        np.float32(1.0507) * np.where(X > 0, X, np.float32(1.6732) * np.expm1(X)),
    ),
    "normalisation for inference": (
        6,
        "g (float[2,3,4] x, float[3] w) => (float[2,3,4] y)"
        " { v = Abs (w) y = BatchNormalization <is_test: int = 1> (x, w, w, w, v) }",
        (X - W[:, None]) / np.sqrt(np.abs(W[:, None]) + np.float32(1e-5)) * W[:, None] + W[:, None],
    ),
    "a coarser norm of groups": (
        18,
        "g (float[2,4,6] x, float[2] w) => (float[2,4,6] y)"
        " { y = GroupNormalization <num_groups: int = 2> (x, w, w) }",
        None,
    ),
}


@pytest.mark.parametrize(("opset", "text", "wanted"), ANCIENT.values(), ids=ANCIENT.keys())
def test_ancient_semantics(opset: int, text: str, wanted: NDArray[Any] | None) -> None:
    graph = load_graph(model(text, opset))
    assert {node.opset for node in graph.nodes} == {OPSET}
    x, w = X, W
    if wanted is None:
        x, w = np.arange(48, dtype=np.float32).reshape(2, 4, 6) ** 1.5, W[:2]
        groups = x.reshape(2, 2, 12)
        spread = groups.std(-1, keepdims=True)
        wanted = ((groups - groups.mean(-1, keepdims=True)) / spread).reshape(2, 4, 6)
        wanted = wanted * w.repeat(2)[:, None] + w.repeat(2)[:, None]
    feeds = {"x": x, "w": w}
    feeds = {info.name: feeds[info.name] for info in graph.inputs}
    (got,) = ran(to_model(graph, RUNTIME_OPSET), feeds)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


KEPT = {
    "the odd pixel changed sides": (
        10,
        "g (float[1,1,3,3] x, float[1,1,3,3] w) => (float[1,1,6,6] y) { y = ConvTranspose"
        ' <strides: ints = [2,2], auto_pad: string = "SAME_UPPER"> (x, w) }',
        ("ConvTranspose", 10),
    ),
    "negative indices": (
        9,
        "g (int64[3] x, float[2] w) => (float[3,4] y)"
        " { d = Constant <value = int64 {4}> () y = OneHot (x, d, w) }",
        ("OneHot", 9),
    ),
    "up and down at once": (
        10,
        "g (float[1,1,5,5] x, float[1] w) => (float[1,1,7,3] y)"
        " { s = Constant <value = float[4] {1, 1, 1.5, 0.6}> () y = Resize (x, s) }",
        ("Resize", 10),
    ),
    "TensorFlow's nearest": (
        11,
        "g (float[1,1,5,5] x, float[1] w) => (float[1,1,10,10] y)"
        " { r = Constant <value = float[0] {}> () s = Constant <value = float[4] {1, 1, 2, 2}> ()"
        "   y = Resize <coordinate_transformation_mode: string ="
        ' "tf_half_pixel_for_nn"> (x, r, s) }',
        ("Resize", 11),
    ),
    "training": (
        6,
        "g (float[2,3,4] x, float[3] w) => (float[2,3,4] y)"
        " { y = BatchNormalization (x, w, w, w, w) }",
        ("BatchNormalization", 6),
    ),
}


@pytest.mark.parametrize(("opset", "text", "wanted"), KEPT.values(), ids=KEPT.keys())
def test_a_node_stays_where_no_way_leads_on(opset: int, text: str, wanted: tuple[str, int]) -> None:
    graph = load_graph(model(text, opset))
    kept = {(node.op, node.opset) for node in graph.nodes if node.opset != OPSET}
    assert kept == {wanted}


def test_a_type_that_was_dropped_keeps_its_opset() -> None:
    """ReduceLogSum of integers went with opset 28."""
    text = "g (int32[3,4] x) => (int32[1,1] y) { y = ReduceLogSum (x) }"
    (node,) = load_graph(model(text, 18)).nodes
    assert node.opset == 18


def test_every_change_of_an_operator_is_decided() -> None:
    """A newer onnx package must not bring a change that nobody looked at."""
    assert defs.onnx_opset_version() == OPSET
    operators = {
        schema.name
        for schema in defs.get_all_schemas_with_history()
        if not schema.domain and schema.name not in NO_TENSORS
    }
    undecided = {
        (op, new)
        for op in operators
        for new in versions(op)[1:]
        if not _widens(op, new) and (op, new) not in _ADAPTERS
    }
    left = {("Constant", 11), ("Dropout", 7), ("Dropout", 12)}  # gone before they get there
    assert undecided - left == set()
    assert set(_ADAPTERS) >= STAYS
