"""What ONNX's schemas say of a node: types, shapes of its results, what must be constant.

Source: the schemas and inference functions of the onnx package (onnx.defs, onnx.shape_inference).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import onnx
from onnx import TensorProto, TypeProto, defs, helper, numpy_helper, shape_inference
from onnx.checker import ValidationError

from pybuild.onnx.front.guard import SHAPE_INPUTS
from pybuild.onnx.front.intake import MAX_ELEMENTS, dtype_name, element_type
from pybuild.onnx.front.rules import OWN_RULES
from pybuild.onnx.front.values import Array, Dims, Inferred, Step, Unfit, Value

__all__ = ["check_types", "infer", "schema_of"]

_DATA_ELEMENTS = 4096
"""A shape-carrying constant beyond this is a mistake, or CumSum's data."""


@dataclass(frozen=True, slots=True)
class _Formal:
    """A formal input: what it may be, the variable it binds, whether it stands for the rest."""

    types: frozenset[str]
    variable: str | None
    rest: bool


@lru_cache(maxsize=4096)
def schema_of(op: str, opset: int, domain: str) -> defs.OpSchema | None:
    """The schema that an opset means by an operator's name; None when it has none."""
    if not 0 < opset <= MAX_ELEMENTS:
        return None
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
    own = OWN_RULES.get(step.op) if not schema.domain else None
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
