"""One operator, lowered and run by the interpreter, against what the reference runtime gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import pybuild.onnx.ops  # noqa: F401 - fills the registry
from pybuild.onnx import interpret
from pybuild.onnx.graph import Graph, Node, TensorInfo
from pybuild.onnx.ir import input_tensor
from pybuild.onnx.lower import LOWERINGS, Context, ir_type

Array = NDArray[Any]
Given = Sequence[Array | None]


def info(name: str, array: Array) -> TensorInfo:
    """What the compiler knows of an array."""
    return TensorInfo(name, str(array.dtype), array.shape, (None,) * array.ndim)


def run_lowered(
    op: str,
    inputs: Given,
    outputs: int = 1,
    static: Sequence[int] = (),
    opset: int = 21,
    domain: str = "",
    like: Sequence[Array] | None = None,
    **attributes: Any,
) -> list[Array]:
    """Values of an operator's outputs by lowering and interpretation.

    Parameters
    ----------
    static : sequence of int
        Inputs that are known at build.
    like : sequence of array, optional
        Their dtypes and shapes are what the front infers; float32 without.
    """
    names = ["" if array is None else f"in{k}" for k, array in enumerate(inputs)]
    arrays = {n: a for n, a in zip(names, inputs, strict=True) if a is not None}
    infos = {name: info(name, array) for name, array in arrays.items()}
    made = tuple(f"out{k}" for k in range(outputs))
    constants = {names[k]: arrays[names[k]] for k in static}
    given = [name for name in arrays if name not in constants]
    # lowerings that look at an output's dtype or shape find what the reference makes
    node = Node(op, op, tuple(names), made, attributes, opset, domain)
    if like is None:
        results = tuple(TensorInfo(name, "float32", (), ()) for name in made)
    else:
        results = tuple(info(name, array) for name, array in zip(made, like, strict=True))
    infos.update({r.name: r for r in results})
    graph = Graph(op, opset, tuple(infos[n] for n in given), results, (node,), constants, infos, {})
    # not by `lower`, which compares shapes and gathers the errors of many nodes into one
    context = Context(graph)
    for name in given:
        kind = ir_type(str(arrays[name].dtype))
        context.tensors[name] = input_tensor(name, arrays[name].shape, kind)
    lowering = LOWERINGS[domain, op].function(context, node)
    tensors = (lowering if isinstance(lowering, tuple) else (lowering,))[:outputs]
    values = interpret.run(tensors, {name: arrays[name] for name in given})
    for tensor, value in zip(tensors, values, strict=True):
        assert tensor.shape == value.shape
    return values


def run_reference(
    op: str,
    inputs: Given,
    outputs: int = 1,
    opset: int = 21,
    domain: str = "",
    oracle: str = "onnxruntime",
    **attributes: Any,
) -> list[Array]:
    """Values of an operator's outputs by onnxruntime, or by ONNX's own reference in numpy."""
    names = ["" if array is None else f"in{k}" for k, array in enumerate(inputs)]
    made = [f"out{k}" for k in range(outputs)]
    given = {
        key: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for key, value in attributes.items()
    }
    node = helper.make_node(op, names, made, domain=domain, **given)
    arrays = {n: a for n, a in zip(names, inputs, strict=True) if a is not None}
    values = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in arrays.items()
    ]
    ends = [helper.make_empty_tensor_value_info(name) for name in made]
    graph = helper.make_graph([node], op, values, ends)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(domain, opset)])
    if oracle == "onnx":
        return [np.asarray(v) for v in ReferenceEvaluator(model).run(None, arrays)]
    runtime = pytest.importorskip("onnxruntime")
    model.ir_version = min(model.ir_version, onnx.IR_VERSION, 10)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, arrays))


def assert_same(got: Sequence[Array], wanted: Sequence[Array]) -> None:
    """Equal integers, floats as near as the backend node suite asks."""
    for value, expected in zip(got, wanted, strict=True):
        assert value.shape == expected.shape
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-5)
        else:
            np.testing.assert_array_equal(value, expected)


@pytest.fixture(scope="session")
def lowered() -> Callable[..., list[Array]]:
    """The function `run_lowered`."""
    return run_lowered


@pytest.fixture(scope="session")
def agrees() -> Callable[..., None]:
    """Asserts that lowering an operator gives what the oracle gives."""

    def check(op: str, inputs: Given, static: Sequence[int] = (), **rest: Any) -> None:
        wanted = run_reference(op, inputs, **rest)
        given = {key: value for key, value in rest.items() if key != "oracle"}
        assert_same(run_lowered(op, inputs, static=static, like=wanted, **given), wanted)

    return check
