"""Small networks with an axis that follows a count, and what onnxruntime makes of each size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import pybuild.onnx.ops  # noqa: F401 - fills the registry
from pybuild.onnx.front import load_graph
from pybuild.onnx.graph import Graph
from pybuild.onnx.lower import LOWERINGS
from pybuild.onnx.oracle import reference

__all__ = ["MODELS", "REFUSED", "assert_live", "counted_graph", "generator", "padded", "wanted"]

Array = NDArray[Any]
Value = tuple[str, int, Sequence[int | str]]
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
NODE = helper.make_node


def _model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Value],
    outputs: Mapping[str, int],
    fixed: Mapping[str, Array | Sequence[int]],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "counted",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        [
            numpy_helper.from_array(
                a if isinstance(a, np.ndarray) else np.array(list(a), np.int64), name
            )
            for name, a in fixed.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def _numbers(*shape: int) -> Array:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


def _one(*nodes: onnx.NodeProto, shape: Sequence[int | str], **fixed: Any) -> onnx.ModelProto:
    return _model(nodes, [("x", FLOAT, shape)], {"y": FLOAT}, fixed)


def generator(hidden: int = 24) -> onnx.ModelProto:
    """Rows to rows through two layers, and the mean over all rows."""
    nodes = [
        NODE("MatMul", ["x", "w1"], ["a"]),
        NODE("Relu", ["a"], ["b"]),
        NODE("MatMul", ["b", "w2"], ["y"]),
        NODE("ReduceMean", ["y", "first"], ["mean"], keepdims=0),
    ]
    fixed = {"w1": _numbers(20, hidden), "w2": _numbers(hidden, 5), "first": [0]}
    return _model(nodes, [("x", FLOAT, ["n", 20])], {"y": FLOAT, "mean": FLOAT}, fixed)


def _variance() -> onnx.ModelProto:
    nodes = [
        NODE("ReduceMean", ["x", "first"], ["m"], keepdims=1),
        NODE("Sub", ["x", "m"], ["d"]),
        NODE("Mul", ["d", "d"], ["e"]),
        NODE("ReduceMean", ["e", "first"], ["v"], keepdims=1),
        NODE("Sqrt", ["v"], ["s"]),
        NODE("Add", ["s", "one"], ["t"]),
        NODE("Div", ["d", "t"], ["y"]),
    ]
    return _one(*nodes, shape=["n", 8], first=[0], one=np.ones(1, np.float32))


def _attention() -> onnx.ModelProto:
    nodes = [
        NODE("MatMul", ["x", "w"], ["q"]),
        NODE("Transpose", ["x"], ["t"], perm=[1, 0]),
        NODE("MatMul", ["q", "t"], ["s"]),
        NODE("Softmax", ["s"], ["p"]),
        NODE("MatMul", ["p", "x"], ["y"]),
    ]
    return _one(*nodes, shape=["n", 6], w=_numbers(6, 6) / 4)


def _size_as_data() -> onnx.ModelProto:
    """The size becomes a shape, a divisor and the elements of a Range."""
    nodes = [
        NODE("Shape", ["x"], ["size"], end=1),
        NODE("Concat", ["size", "six"], ["target"], axis=0),
        NODE("Reshape", ["x", "target"], ["a"]),
        NODE("Squeeze", ["size", "six0"], ["count"]),
        NODE("Range", ["zero", "count", "one"], ["r"]),
        NODE("Cast", ["r"], ["rf"], to=FLOAT),
        NODE("Cast", ["size"], ["cf"], to=FLOAT),
        NODE("Div", ["rf", "cf"], ["share"]),
        NODE("Unsqueeze", ["share", "one1"], ["column"]),
        NODE("Mul", ["a", "column"], ["y"]),
    ]
    fixed = {
        "six": [6],
        "six0": [0],
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "one1": [1],
    }
    return _one(*nodes, shape=["n", 2, 3], **fixed)


def _ramps() -> onnx.ModelProto:
    """Ramps up and down that the front folds into constants, one of them divided by n - 1."""
    nodes = [
        NODE("Shape", ["x"], ["size"], end=1),
        NODE("Squeeze", ["size", "first"], ["count"]),
        NODE("Sub", ["count", "one"], ["last"]),
        NODE("Range", ["last", "minus", "minus"], ["down"]),
        NODE("Range", ["zero", "count", "one"], ["up"]),
        NODE("Cast", ["down"], ["downf"], to=FLOAT),
        NODE("Cast", ["up"], ["upf"], to=FLOAT),
        NODE("Cast", ["last"], ["lastf"], to=FLOAT),
        NODE("Div", ["upf", "lastf"], ["share"]),
        NODE("Mul", ["x", "share"], ["a"]),
        NODE("Add", ["a", "downf"], ["b"]),
        NODE("Gather", ["x", "down"], ["back"]),
        NODE("Add", ["b", "back"], ["y"]),
    ]
    fixed = {
        "first": [0],
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "minus": np.array(-1, np.int64),
    }
    return _one(*nodes, shape=["n"], **fixed)


def _scatter() -> onnx.ModelProto:
    nodes = [NODE("ScatterND", ["table", "i", "u"], ["y"], reduction="add")]
    inputs: list[Value] = [("i", INT64, ["n", 1]), ("u", FLOAT, ["n", 3])]
    return _model(nodes, inputs, {"y": FLOAT}, {"table": _numbers(7, 3)})


def _two() -> onnx.ModelProto:
    nodes = [
        NODE("MatMul", ["x", "w"], ["y"]),
        NODE("ReduceMean", ["y"], ["mean"], keepdims=0),
    ]
    inputs: list[Value] = [("x", FLOAT, ["n", 4]), ("w", FLOAT, [4, "m"])]
    return _model(nodes, inputs, {"y": FLOAT, "mean": FLOAT}, {})


def _images() -> onnx.ModelProto:
    """A batch of images: convolution, norm, pooling, a dense layer and a softmax."""
    nodes = [
        NODE("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        NODE("InstanceNormalization", ["a", "g", "b"], ["c"]),
        NODE("Relu", ["c"], ["d"]),
        NODE("MaxPool", ["d"], ["e"], kernel_shape=[2, 2], strides=[2, 2]),
        NODE("Flatten", ["e"], ["f"]),
        NODE("Gemm", ["f", "v"], ["h"], transB=1),
        NODE("Softmax", ["h"], ["y"]),
    ]
    fixed = {
        "w": _numbers(8, 3, 3, 3),
        "g": _numbers(8),
        "b": np.zeros(8, np.float32),
        "v": _numbers(5, 72) / 8,
    }
    return _one(*nodes, shape=["n", 3, 12, 12], **fixed)


MODELS: dict[str, onnx.ModelProto] = {
    "images": _images(),
    "generator": generator(),
    "wide_generator": generator(400),
    "attention": _attention(),
    "variance": _variance(),
    "size_as_data": _size_as_data(),
    "ramps": _ramps(),
    "scatter": _scatter(),
    "two_counts": _two(),
    "softmax_over_rows": _one(NODE("Softmax", ["x"], ["y"], axis=0), shape=["n", 4]),
    "layer_norm": _one(
        NODE("LayerNormalization", ["x", "g"], ["y"]), shape=["n", 8], g=_numbers(8)
    ),
    "running_sum": _one(NODE("CumSum", ["x", "a"], ["y"]), shape=["n", 3], a=np.array(0, np.int64)),
    "running_sum_back": _one(
        NODE("CumSum", ["x", "a"], ["y"], reverse=1), shape=["n", 3], a=np.array(0, np.int64)
    ),
    "rows_split": _one(
        NODE("Reshape", ["x", "s"], ["a"]), NODE("Relu", ["a"], ["y"]), shape=["n", 6], s=[-1, 3]
    ),
    "rows_appended": _one(
        NODE("Concat", ["x", "c"], ["y"], axis=0), shape=["n", 3], c=_numbers(2, 3)
    ),
    "rows_before": _one(
        NODE("Concat", ["c", "x"], ["y"], axis=0), shape=["n", 3], c=_numbers(2, 3)
    ),
    "last_row": _one(
        NODE("Gather", ["x", "i"], ["y"], axis=0), shape=["n", 3], i=np.array(-1, np.int64)
    ),
    "rows_backwards": _one(
        NODE("Slice", ["x", "a", "b", "first", "a"], ["y"]),
        shape=["n", 3],
        a=[-1],
        b=[-(2**62)],
        first=[0],
    ),
    "differences": _one(
        NODE("Slice", ["x", "one", "end", "zero"], ["p"]),
        NODE("Slice", ["x", "zero", "back", "zero"], ["q"]),
        NODE("Sub", ["p", "q"], ["y"]),
        shape=["n", 3],
        one=[1],
        end=[2**62],
        zero=[0],
        back=[-1],
    ),
    "convolution": _one(
        NODE("Conv", ["x", "w"], ["y"], pads=[1, 1]), shape=[1, 3, "n"], w=_numbers(4, 3, 3)
    ),
    "average_pool": _one(
        NODE("AveragePool", ["x"], ["y"], kernel_shape=[3], pads=[1, 1]), shape=[1, 3, "n"]
    ),
    "behind_a_batch": _one(
        NODE("MatMul", ["x", "w"], ["a"]),
        NODE("Relu", ["a"], ["y"]),
        shape=[2, "n", 4],
        w=_numbers(4, 5),
    ),
    "expanded": _one(
        NODE("Shape", ["x"], ["s"]),
        NODE("Expand", ["c", "s"], ["e"]),
        NODE("Add", ["x", "e"], ["y"]),
        shape=["n", 3],
        c=_numbers(1, 3),
    ),
    "largest_row": _model(
        [NODE("ArgMax", ["x"], ["y"], axis=0)], [("x", FLOAT, ["n", 3])], {"y": INT64}, {}
    ),
    "two_largest": _model(
        [NODE("TopK", ["x", "k"], ["y", "i"], axis=0)],
        [("x", FLOAT, ["n", 3])],
        {"y": FLOAT, "i": INT64},
        {"k": [2]},
    ),
    "lookup": _model(
        [NODE("Gather", ["t", "i"], ["y"])],
        [("i", INT64, ["n"])],
        {"y": FLOAT},
        {"t": _numbers(40, 9)},
    ),
}
"""By name. All have a symbol n, one m too."""

REFUSED: dict[str, tuple[onnx.ModelProto, str]] = {
    "pairs of rows": (
        _one(NODE("Reshape", ["x", "s"], ["y"]), shape=["n", 3], s=[-1, 6]),
        "Reshape 'Reshape_0'",
    ),
    "rows behind a batch joined": (
        _one(
            NODE("Reshape", ["x", "s"], ["a"]),
            NODE("CumSum", ["a", "first"], ["y"]),
            shape=[2, "n", 4],
            s=[-1, 4],
            first=np.array(0, np.int64),
        ),
        "joins or splits an axis that follows a count",
    ),
    "the first ten rows": (
        _one(NODE("Slice", ["x", "a", "b", "a"], ["y"]), shape=["n", 3], a=[0], b=[10]),
        "axis 0 of 'y' is 2 where n is 2, but 10",
    ),
    "every other row": (
        _one(
            NODE("Slice", ["x", "a", "b", "a", "two"], ["y"]),
            shape=["n", 3],
            a=[0],
            b=[2**62],
            two=[2],
        ),
        "but 1.5 by the rule of larger sizes",
    ),
    "a recurrence": (
        _one(
            NODE("GRU", ["x", "w", "r"], ["y"], hidden_size=2),
            shape=["n", 1, 3],
            w=_numbers(1, 6, 3),
            r=_numbers(1, 6, 2),
        ),
        "GRU 'GRU_0'",
    ),
    "a fixed number of rows beside": (
        _one(NODE("Add", ["x", "c"], ["y"]), shape=["n", 3], c=_numbers(12, 3)),
        "cannot follow a count",
    ),
}
"""What cannot follow a count, and a part of what is said."""


@cache
def counted_graph(name: str, **capacities: int) -> Graph:
    """A model of `MODELS` with capacities."""
    return load_graph(MODELS[name], capacities=capacities, supported=LOWERINGS.keys())


def padded(
    model: onnx.ModelProto, capacities: Mapping[str, int], counts: Mapping[str, int], seed: int = 0
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs of the counts' sizes, and the same within the capacities.

    What lies beyond is not a number, or an index that nothing has.
    """
    small, large = {}, {}
    rng = np.random.default_rng(seed)
    for value in model.graph.input:
        tensor = value.type.tensor_type
        dims = [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]
        shape = [capacities.get(d, d) if isinstance(d, str) else d for d in dims]
        part = tuple(slice(0, counts[d] if isinstance(d, str) else d) for d in dims)
        if tensor.elem_type == INT64:
            array = rng.integers(0, 7, shape)
            beyond = np.full(shape, 1 << 20)
        else:
            array = rng.normal(size=shape).astype(np.float32)
            beyond = np.full(shape, np.nan, np.float32)
        beyond[part] = array[part]
        small[value.name], large[value.name] = array[part], beyond
    return small, large


def wanted(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by onnxruntime."""
    return reference(model, inputs, [output.name for output in model.graph.output])


def assert_live(found: Mapping[str, Array], expected: Mapping[str, Array], told: str) -> None:
    """The elements that there are are right; the mean of no rows may be anything."""
    for name, array in expected.items():
        part = found[name][tuple(slice(0, size) for size in array.shape)]
        assert part.shape == array.shape, f"{told}: {name} is {part.shape}"
        if np.isnan(part).all() and not array.any():
            continue
        near = 1e-5 * max(1, np.abs(array).max(initial=0))
        np.testing.assert_allclose(part, array, rtol=1e-4, atol=near, err_msg=f"{told}: {name}")
