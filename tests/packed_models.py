"""Small networks whose weights are large enough to be packed, and what packing makes of those.

Each case is a way in which a kernel reads weights: tiles, rows, literals, windows, lookups, with
sizes that fill words and sizes that do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from pybuild.onnx.packing import quantise
from pybuild.onnx.words import Packing

__all__ = ["CASES", "PackedCase", "graph_of", "packed_model"]

Array = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PackedCase:
    """A network.

    Attributes
    ----------
    model : ModelProto
    weights : mapping of str to tuple of int
        Initialisers that are packed, and the axes that have scales of their own; None where only
        16-bit floats will do.
    inputs : dict of str to array
    """

    model: onnx.ModelProto
    weights: dict[str, Shape | None]
    inputs: dict[str, Array]


def _case(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Array],
    weights: dict[str, tuple[Array, Shape | None]],
    small: dict[str, Array] | None = None,
) -> PackedCase:
    given = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in inputs.items()
    ]
    fixed = {name: array for name, (array, _) in weights.items()} | (small or {})
    graph = helper.make_graph(
        nodes,
        "packed",
        given,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in fixed.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return PackedCase(model, {name: axes for name, (_, axes) in weights.items()}, inputs)


def _numbers(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _matmul(m: int, k: int, n: int) -> PackedCase:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    return _case(nodes, {"x": _numbers(0, m, k)}, {"w": (_numbers(1, k, n), (1,))})


def _gemm(m: int, k: int, n: int) -> PackedCase:
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)]
    weights: dict[str, tuple[Array, Shape | None]] = {"w": (_numbers(1, n, k), (0,))}
    return _case(nodes, {"x": _numbers(0, m, k)}, weights, {"b": _numbers(2, n)})


def _batched() -> PackedCase:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    return _case(nodes, {"x": _numbers(0, 3, 9, 20)}, {"w": (_numbers(1, 3, 20, 12), (0, 2))})


def _conv(x: Shape, w: Shape, **attributes: Any) -> PackedCase:
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["h"], **attributes),
        helper.make_node("Relu", ["h"], ["y"]),
    ]
    weights: dict[str, tuple[Array, Shape | None]] = {"w": (_numbers(1, *w), (0,))}
    return _case(nodes, {"x": _numbers(0, *x)}, weights, {"b": _numbers(2, w[0])})


def _conv_transpose() -> PackedCase:
    nodes = [helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])]
    return _case(
        nodes, {"x": _numbers(0, 1, 16, 7, 6)}, {"w": (_numbers(1, 16, 12, 2, 2), (1, 2, 3))}
    )


def _rows(count: int, hidden: int) -> PackedCase:
    """A small network over rows: one kernel; few terms stand in its text."""
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w2"], ["c"]),
        helper.make_node("Tanh", ["c"], ["y"]),
    ]
    weights: dict[str, tuple[Array, Shape | None]] = {
        "w1": (_numbers(1, 20, hidden) / 4, (1,)),
        "w2": (_numbers(2, hidden, 21) / 20, (1,)),
    }
    return _case(nodes, {"x": _numbers(0, count, 20)}, weights)


def _long_rows() -> PackedCase:
    """A product and a softmax over it: a workgroup a row."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Softmax", ["a"], ["y"]),
    ]
    return _case(nodes, {"x": _numbers(0, 1, 40)}, {"w": (_numbers(1, 40, 33), (1,))})


def _lookup() -> PackedCase:
    """A table of embeddings is multiplied by nothing: 16-bit floats at most."""
    nodes = [
        helper.make_node("Gather", ["table", "i"], ["a"]),
        helper.make_node("Add", ["a", "big"], ["y"]),
    ]
    ids = np.array([0, 7, 36, 5, 36], np.int64)
    weights: dict[str, tuple[Array, Shape | None]] = {
        "table": (_numbers(1, 37, 9), None),
        "big": (_numbers(2, 31, 5, 9), None),
    }
    return _case(nodes, {"i": ids}, weights)


CASES: dict[str, Callable[[], PackedCase]] = {
    "matmul": lambda: _matmul(33, 64, 48),
    "matmul_odd": lambda: _matmul(7, 37, 23),
    "matmul_one_row": lambda: _matmul(1, 96, 10),
    "matmul_tile_plus_one": lambda: _matmul(65, 65, 65),
    "matmul_large": lambda: _matmul(128, 256, 192),
    "gemm_transposed": lambda: _gemm(16, 64, 32),
    "gemm_transposed_odd": lambda: _gemm(5, 33, 31),
    "matmul_batched": _batched,
    "conv_3x3": lambda: _conv((1, 16, 12, 12), (32, 16, 3, 3), pads=[1, 1, 1, 1]),
    "conv_odd": lambda: _conv((1, 5, 9, 8), (7, 5, 3, 3), strides=[2, 2]),
    "conv_1x1": lambda: _conv((1, 24, 8, 8), (40, 24, 1, 1)),
    "conv_grouped": lambda: _conv((1, 16, 8, 8), (32, 4, 3, 3), group=4),
    "conv_depthwise": lambda: _conv((1, 48, 8, 8), (48, 1, 3, 3), group=48, pads=[1, 1, 1, 1]),
    "conv_1d": lambda: _conv((1, 8, 30), (12, 8, 5), dilations=[2]),
    "conv_transpose": _conv_transpose,
    "rows_literal": lambda: _rows(2000, 24),
    "rows_loaded": lambda: _rows(1024, 240),
    "rows_literal_odd": lambda: _rows(300, 33),
    "rows_long": _long_rows,
    "lookup": _lookup,
}
"""By name; each makes its arrays anew."""


@cache
def made(name: str) -> PackedCase:
    """A case, once."""
    return CASES[name]()


def graph_of(model: onnx.ModelProto) -> Graph:
    """The model, ready to be compiled."""
    return load_graph(model, supported=LOWERINGS.keys())


def packed_model(case: PackedCase, packing: Packing) -> onnx.ModelProto:
    """The model with the weights that a packing leaves."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for tensor in model.graph.initializer:
        axes = case.weights.get(tensor.name)
        if tensor.name not in case.weights or packing == "f32":
            continue
        array = numpy_helper.to_array(tensor)
        if packing == "f16" or axes is None:
            array = array.astype(np.float16).astype(np.float32)
        else:
            parts = quantise(array, axes, packing)
            array = restored(array.shape, parts.whole, parts.scale, axes, parts.inner, packing)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return model


def restored(
    shape: Shape, whole: Array, scale: Array, channels: Shape, inner: Shape, packing: Packing
) -> Array:
    """Whole numbers times their scales, element by element."""
    out = np.empty(shape, np.float32)
    for index in np.ndindex(*shape):
        place = tuple(index[axis] for axis in channels)
        if packing == "i4":
            flat = 0
            for axis in inner:
                flat = flat * shape[axis] + index[axis]
            place = (*place, flat // 32)
        out[index] = whole[index] * scale[place]
    return out
