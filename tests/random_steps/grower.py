"""A random network as it grows: each node is run by onnxruntime as it is added.

So its shape and its values are known: what is not finite, too large or too long is left out again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

__all__ = ["MOST_ELEMENTS", "Array", "Grower", "Unfit", "model_of", "reference_values"]

Array = NDArray[Any]
OPSET = 21
IR_VERSION = 10
MOST_ELEMENTS = 40_000
LARGEST = 1e4
"""Beyond it a value is left out: products of products would overflow."""


class Unfit(Exception):
    """A node that is left out."""


def reference_values(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """A model's outputs by onnxruntime, which is kept from rewriting it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Array],
    constants: Mapping[str, Array],
    outputs: Mapping[str, Array] | Sequence[str],
) -> onnx.ModelProto:
    def info(name: str, array: Array | None) -> onnx.ValueInfoProto:
        if array is None:
            return onnx.ValueInfoProto(name=name)
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        return helper.make_tensor_value_info(name, kind, array.shape)

    results = outputs if isinstance(outputs, Mapping) else dict.fromkeys(outputs)
    graph = helper.make_graph(
        nodes,
        "random",
        [info(name, array) for name, array in inputs.items()],
        [info(name, array) for name, array in results.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


class Grower:
    """The model so far.

    Attributes
    ----------
    values : dict of str to ndarray
        Inputs and what nodes make, in order.
    exact : dict of str to None
        Values that no runtime rounds in another way; in order, since steps choose among them.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.rng = np.random.default_rng(random.randint(0, 1 << 20))
        self.inputs: dict[str, Array] = {}
        self.constants: dict[str, Array] = {}
        self.values: dict[str, Array] = {}
        self.exact: dict[str, None] = {}
        self.nodes: list[onnx.NodeProto] = []
        self._count = 0

    def fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def input(self, shape: tuple[int, ...]) -> str:
        """A new input; no element, and no sum of a few, lies where a step is."""
        name = self.fresh("x")
        eighths = self.rng.integers(-16, 17, shape)
        self.inputs[name] = self.values[name] = (eighths / 8).astype(np.float32)
        self.exact[name] = None
        return name

    def constant(self, array: Array) -> str:
        name = self.fresh("c")
        self.constants[name] = array
        return name

    def weights(self, *shape: int) -> str:
        """Random floats around 0, smaller where many are summed."""
        scale = 1 / max(1.0, np.sqrt(np.prod(shape[1:])))
        return self.constant((self.rng.standard_normal(shape) * scale).astype(np.float32))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def array(self, name: str) -> Array:
        return self.constants[name] if name in self.constants else self.values[name]

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.array(name).shape)

    def pick(self, test: Callable[[Array], bool] = lambda a: a.dtype == np.float32) -> str:
        """A value, more often one of the latest."""
        fitting = [name for name, array in self.values.items() if test(array)]
        if not fitting:
            raise Unfit
        recent = fitting[-3:] if self.random.randint(0, 2) else fitting
        return self.random.choice(recent)

    def add(self, op: str, *inputs: str, count: int = 1, exact: bool = False, **given: Any) -> Any:
        """A node; its output's name, or a list of them where ``count`` is not 1."""
        outputs = [self.fresh(f"{op.lower()}_") for _ in range(count)]
        node = helper.make_node(op, inputs, outputs, name=outputs[0], **given)
        arrays = {name: self.array(name) for name in inputs if name}
        fed = {n: a for n, a in arrays.items() if n in self.values}
        fixed = {n: a for n, a in arrays.items() if n not in self.values}
        try:
            results = reference_values(model_of([node], fed, fixed, outputs), fed)
        except Exception as error:  # onnxruntime's own tree of exceptions is not public
            raise Unfit(str(error)) from error
        for result in results.values():
            large = result.dtype.kind in "fi" and np.abs(result.astype(np.float64)) > LARGEST
            fits = 0 < result.size <= MOST_ELEMENTS
            if not fits or not np.isfinite(result).all() or np.any(large):
                raise Unfit
        self.nodes.append(node)
        self.values.update((name, results[name]) for name in outputs)
        whole = all(results[name].dtype.kind in "iub" for name in outputs)
        given = all(name in self.exact or name in self.constants for name in arrays)
        if whole or (exact and given):
            self.exact.update(dict.fromkeys(outputs))
        return outputs if count != 1 else outputs[0]
