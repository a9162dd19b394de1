"""What ONNX's schemas say of a node: types, shapes of its results, what must be constant.

Source: the schemas and inference functions of the onnx package (onnx.defs, onnx.shape_inference).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, TypeProto, defs, helper, numpy_helper, shape_inference
from onnx.checker import ValidationError

from pybuild.onnx.front_intake import MAX_ELEMENTS, dtype_name, element_type
from pybuild.onnx.front_values import Array, Step, Value

__all__ = [
    "SHAPE_INPUTS",
    "Dims",
    "Inferred",
    "Unfit",
    "check_numbers",
    "check_types",
    "infer",
    "schema_of",
]

Dims: TypeAlias = tuple[int | str | None, ...]

SHAPE_INPUTS: Mapping[str, tuple[int, ...]] = {
    "AffineGrid": (1,),
    "BlackmanWindow": (0,),
    "CenterCropPad": (1,),
    "Col2Im": (1, 2),
    "Compress": (1,),
    "ConstantOfShape": (0,),
    "CumProd": (1,),
    "CumSum": (1,),
    "DFT": (1, 2),
    "Expand": (1,),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "MaxUnpool": (2,),
    "MelWeightMatrix": (0, 1, 2, 3, 4),
    "OneHot": (1,),
    "Pad": (1, 3),
    "Range": (0, 1, 2),
    "ReduceL1": (1,),
    "ReduceL2": (1,),
    "ReduceLogSum": (1,),
    "ReduceLogSumExp": (1,),
    "ReduceMax": (1,),
    "ReduceMean": (1,),
    "ReduceMin": (1,),
    "ReduceProd": (1,),
    "ReduceSum": (1,),
    "ReduceSumSquare": (1,),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "STFT": (1, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
}
"""Inputs that carry a shape, an axis or a size: the build must know them."""

_UNBOUNDED = ("Slice",)
"""Their shape-carrying inputs are clamped, and often as large as an int64 can be."""

_SIZES = (
    "block_size",
    "blocksize",
    "dilations",
    "group",
    "hidden_size",
    "kernel_shape",
    "num_outputs",
    "output_height",
    "output_padding",
    "output_shape",
    "output_width",
    "pads",
    "pooled_shape",
    "shape",
    "strides",
)
"""Attributes that enter a shape's arithmetic, which C++ does in 64 bits without a check."""

_DATA_ELEMENTS = 4096
"""A shape-carrying constant beyond this is a mistake, or CumSum's data."""


class Unfit(Exception):
    """A node that breaks its operator's schema; the text is the reason of a `Problem`."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """What inference says of one result; None where it does not know."""

    dtype: str | None
    dims: Dims | None

    def static(self) -> tuple[int, ...] | None:
        """Its shape, when all of it is known."""
        if self.dims is None or not all(isinstance(dim, int) for dim in self.dims):
            return None
        return tuple(dim for dim in self.dims if isinstance(dim, int))


@dataclass(frozen=True, slots=True)
class _Formal:
    """A formal input: what it may be, the variable it binds, whether it stands for the rest."""

    types: frozenset[str]
    variable: str | None
    rest: bool


@lru_cache(maxsize=4096)
def schema_of(op: str, opset: int, domain: str) -> defs.OpSchema | None:
    """The schema that an opset means by an operator's name; None when it has none."""
    try:
        return defs.get_schema(op, max_inclusive_version=opset, domain=domain)
    except defs.SchemaError:
        return None


@lru_cache(maxsize=4096)
def _formals(op: str, since: int, domain: str) -> tuple[_Formal, ...]:
    schema = schema_of(op, since, domain)
    assert schema is not None
    constraints = {
        constraint.type_param_str: frozenset(constraint.allowed_type_strs)
        for constraint in schema.type_constraints
    }
    variadic = defs.OpSchema.FormalParameterOption.Variadic
    return tuple(
        _Formal(
            constraints.get(formal.type_str, frozenset([formal.type_str])),
            formal.type_str if formal.is_homogeneous else None,
            formal.option == variadic,
        )
        for formal in schema.inputs
    )


@lru_cache(maxsize=4096)
def _type_string(dtype: str) -> str:
    return f"tensor({TensorProto.DataType.Name(element_type(dtype)).lower()})"


def check_types(schema: defs.OpSchema, inputs: Sequence[Value | None]) -> None:
    """Hold the dtypes of a node's inputs against its schema.

    Raises
    ------
    Unfit
        An input is of a type that the operator does not take.
    """
    formals = _formals(schema.name, schema.since_version, schema.domain)
    bound: dict[str, str] = {}
    for index, value in enumerate(inputs):
        if value is None or not formals:
            continue
        formal = formals[min(index, len(formals) - 1)]
        if index >= len(formals) and not formal.rest:
            raise Unfit(f"takes {len(formals)} inputs; got {len(inputs)}")
        dtype = value.known().dtype
        kind = _type_string(dtype)
        if kind not in formal.types:
            takes = ", ".join(sorted(formal.types))
            raise Unfit(f"input {index} {value.name!r} is {kind}; wanted one of {takes}")
        if formal.variable is not None and bound.setdefault(formal.variable, dtype) != dtype:
            first = bound[formal.variable]
            raise Unfit(f"input {index} {value.name!r} is {dtype}; wanted {first} like the first")


def check_numbers(step: Step, inputs: Sequence[Value | None]) -> None:
    """Refuse sizes that no shape can have, before arithmetic in 64 bits wraps around.

    Raises
    ------
    Unfit
        An attribute or a shape-carrying constant is beyond 31 bits.
    """
    for name in _SIZES:
        if name in step.attributes:
            proto = step.attributes[name]
            for number in (*proto.ints, proto.i):
                if abs(number) > MAX_ELEMENTS:
                    raise Unfit(f"{name} holds {number}; wanted at most {MAX_ELEMENTS}")
    if step.op in _UNBOUNDED:
        return
    for index in SHAPE_INPUTS.get(step.op, ()):
        value = inputs[index] if index < len(inputs) else None
        if value is None or value.constant is None or value.constant.size > _DATA_ELEMENTS:
            continue
        if value.constant.dtype.kind in "iu" and value.constant.size:
            low, high = int(value.constant.min()), int(value.constant.max())
            if max(-low, high) > MAX_ELEMENTS:
                raise Unfit(
                    f"input {index} {value.name!r} holds {high if high > -low else low};"
                    f" wanted at most {MAX_ELEMENTS}"
                )


@lru_cache(maxsize=4096)
def _type_proto(dtype: str, dims: Dims) -> TypeProto:
    return helper.make_tensor_type_proto(element_type(dtype), dims)


@lru_cache(maxsize=64)
def _opsets(domain: str, opset: int) -> list[onnx.OperatorSetIdProto]:
    return [helper.make_opsetid(domain, opset)]


def _data(name: str, array: Array) -> TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


def infer(
    schema: defs.OpSchema, step: Step, inputs: Sequence[Value | None], symbolic: bool = False
) -> list[Inferred]:
    """Types and shapes of a node's results.

    Parameters
    ----------
    schema : OpSchema
        Of the node's operator in its opset.
    step : Step
        The node.
    inputs : sequence of (Value or None)
        Its inputs, all with an info; None for an omitted one.
    symbolic : bool
        Let dynamic axes be symbols, not capacities.

    Returns
    -------
    list of Inferred
        One for each output.

    Raises
    ------
    Unfit
        The node breaks its schema, or the shapes do not fit each other.
    """
    own = _OWN_RULES.get(step.op) if not schema.domain else None
    if own is not None:
        result = own(step, inputs)
        if result is not None:
            return [result, *[Inferred(None, None)] * (len(step.outputs) - 1)]
    types: dict[str, TypeProto] = {}
    data: dict[str, TensorProto] = {}
    shaping = SHAPE_INPUTS.get(step.op, ())
    for index, (name, value) in enumerate(zip(step.inputs, inputs, strict=True)):
        if value is None:
            continue
        info = value.known()
        dims: Dims = info.shape
        if symbolic:
            dims = tuple(s or n for s, n in zip(info.dynamic, info.shape, strict=True))
        types[name] = _type_proto(info.dtype, dims)
        constant = value.constant
        if constant is not None and index in shaping and constant.size <= _DATA_ELEMENTS:
            data[name] = _data(name, constant)
    try:
        results = shape_inference.infer_node_outputs(
            schema, step.proto, types, data, opset_imports=_opsets(schema.domain, step.opset)
        )
    except (ValidationError, shape_inference.InferenceError, RuntimeError, ValueError) as error:
        raise Unfit(_first_line(error)) from error
    return [_inferred(results.get(name)) for name in step.outputs]


def _first_line(error: Exception) -> str:
    """What ONNX's own checks say, without their markers."""
    text = str(error).strip().split("\n")[0].rstrip(".")
    return text.removeprefix("[ShapeInferenceError] ").removeprefix("[TypeInferenceError] ")


def _inferred(result: TypeProto | None) -> Inferred:
    if result is None or result.WhichOneof("value") is None:
        return Inferred(None, None)
    if not result.HasField("tensor_type"):
        kind = str(result.WhichOneof("value")).removesuffix("_type")
        raise Unfit(f"it yields a {kind}; Vitrine works on tensors")
    tensor = result.tensor_type
    dims: Dims | None = None
    if tensor.HasField("shape"):
        dims = tuple(
            dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or None)
            for dim in tensor.shape.dim
        )
    return Inferred(dtype_name(tensor.elem_type), dims)


def _like_first(step: Step, inputs: Sequence[Value | None]) -> Inferred | None:
    first = inputs[0] if inputs else None
    return None if first is None else Inferred(first.known().dtype, first.known().shape)


def _range(step: Step, inputs: Sequence[Value | None]) -> Inferred | None:
    """How many elements: max(ceil((limit - start) / delta), 0)."""
    values = [value.constant for value in inputs if value is not None]
    if len(values) != 3 or any(value is None or value.size != 1 for value in values):
        return None
    start, limit, delta = (value.reshape(())[()] for value in values if value is not None)
    dtype = np.dtype(start.dtype)
    if dtype.kind in "iu":
        if delta == 0:
            raise Unfit("delta is 0")
        count = -((int(start) - int(limit)) // int(delta))
    else:
        with np.errstate(all="ignore"):
            exact = math.nan if delta == 0 else (float(limit) - float(start)) / float(delta)
        if not math.isfinite(exact):
            raise Unfit(f"a range from {start} to {limit} by {delta} has no end")
        count = math.ceil(exact)
    return Inferred(dtype.name, (max(count, 0),))


def _max_unpool(step: Step, inputs: Sequence[Value | None]) -> Inferred | None:
    sizes = inputs[2] if len(inputs) > 2 else None
    if sizes is None or sizes.constant is None or inputs[0] is None:
        return None
    return Inferred(inputs[0].known().dtype, tuple(int(n) for n in sizes.constant.ravel()))


def _stft(step: Step, inputs: Sequence[Value | None]) -> Inferred | None:
    """Batch, frames, bins, 2: half of the bins unless onesided is 0, which ONNX's rule forgets."""
    signal, hop, window, length = (*inputs, None, None)[:4]
    if signal is None or hop is None or hop.constant is None or len(signal.known().shape) < 2:
        return None
    if length is not None and length.constant is not None and length.constant.size == 1:
        size = int(length.constant.ravel()[0])
    elif window is not None and len(window.known().shape) == 1:
        size = window.known().shape[0]
    else:
        return None
    batch, samples = signal.known().shape[:2]
    step_size = int(hop.constant.ravel()[0]) if hop.constant.size == 1 else 0
    if step_size < 1 or not 1 <= size <= samples:
        raise Unfit(f"frames of {size} every {step_size} do not fit {samples} samples")
    bins = size // 2 + 1 if step.attribute("onesided", 1) else size
    return Inferred(signal.known().dtype, (batch, (samples - size) // step_size + 1, bins, 2))


_OWN_RULES: Mapping[str, Callable[[Step, Sequence[Value | None]], Inferred | None]] = {
    "GroupNormalization": _like_first,
    "MaxUnpool": _max_unpool,
    "MeanVarianceNormalization": _like_first,
    "Range": _range,
    "STFT": _stft,
}
"""Where the package's inference does not know, or is wrong."""
