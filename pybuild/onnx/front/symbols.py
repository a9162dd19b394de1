"""Which axes keep a symbol, as far as ONNX's own inference follows it through the whole model."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import helper, shape_inference

from pybuild.onnx.front.inputs import Bindings, declared_dims
from pybuild.onnx.front.intake import element_type
from pybuild.onnx.graph import TensorInfo

__all__ = ["symbolic_axes"]

_KEPT_BYTES = 1 << 12
"""An initialiser beyond this carries no shape, and inference need not see its elements."""


def symbolic_axes(
    model: onnx.ModelProto, inputs: Sequence[TensorInfo], bindings: Bindings
) -> dict[str, tuple[str | None, ...]]:
    """Symbols of the axes of the root's values, where the symbol is one that has a capacity.

    The walk computes shapes with capacities, where a Shape is a constant and the symbol is lost;
    this run keeps it symbolic and propagates shapes as data.

    Parameters
    ----------
    model : ModelProto
        Not changed.
    inputs : sequence of TensorInfo
        With the capacities' symbols.
    bindings : Bindings
        From outside.
    """
    light = onnx.ModelProto()
    light.ir_version = model.ir_version
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    graph = light.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.output.extend(model.graph.output)
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    for tensor in model.graph.initializer:
        if tensor.ByteSize() <= _KEPT_BYTES and not tensor.external_data:
            graph.initializer.append(tensor)
        else:
            graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            )
    for info in inputs:
        dims = [s or n for s, n in zip(info.dynamic, info.shape, strict=True)]
        graph.input.append(helper.make_tensor_value_info(info.name, element_type(info.dtype), dims))
    for name, array in bindings.specialise.items():
        graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    try:
        inferred = shape_inference.infer_shapes(light, data_prop=True).graph
    except (RuntimeError, ValueError, shape_inference.InferenceError):
        return {}
    found: dict[str, tuple[str | None, ...]] = {}
    for value in (*inferred.value_info, *inferred.output):
        dims_of = declared_dims(value) or ()
        symbols = tuple(
            dim if isinstance(dim, str) and dim in bindings.capacities else None for dim in dims_of
        )
        if any(symbols):
            found[value.name] = symbols
    # Not empty even when nothing else is known: the walk then follows symbols node by node.
    found.update((info.name, info.dynamic) for info in inputs)
    return found
