"""Reads a model that nobody vouches for: sizes are checked before memory is spent.

Source: onnx.proto (TensorProto: raw_data, typed fields, external_data; packed 4- and 2-bit types).
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pybuild.onnx.problems import GraphError, Problem

__all__ = ["MAX_ELEMENTS", "dtype_name", "element_type", "read_model", "tensor_array"]

MAX_ELEMENTS = 2**31 - 1
"""Of one value: a shader counts in 32 bits."""

_MAX_PROTOBUF_BYTES = 2**31 - 1

_DTYPES = {
    int(number): np.dtype(helper.tensor_dtype_to_np_dtype(number)).name
    for name, number in TensorProto.DataType.items()
    if name not in ("UNDEFINED", "STRING")
} | {int(TensorProto.STRING): "string"}

_ELEMENT_TYPES = {name: number for number, name in _DTYPES.items()}

_FIELDS = {
    **dict.fromkeys(["FLOAT", "COMPLEX64"], "float_data"),
    **dict.fromkeys(["DOUBLE", "COMPLEX128"], "double_data"),
    **dict.fromkeys(["UINT32", "UINT64"], "uint64_data"),
    "INT64": "int64_data",
}
"""Where a tensor without raw_data keeps its elements; int32_data for all others."""


def dtype_name(element_type: int) -> str | None:
    """Numpy's name for a TensorProto.DataType; None for an unknown one."""
    return _DTYPES.get(element_type)


def element_type(dtype: str) -> int:
    """The TensorProto.DataType of a dtype's name."""
    return _ELEMENT_TYPES[dtype]


def read_model(
    model: Path | bytes | onnx.ModelProto,
) -> tuple[str, onnx.ModelProto, Path | None]:
    """Take a model from where it is.

    Parameters
    ----------
    model : Path, bytes or ModelProto
        The file, its bytes, or the message itself, which is not changed.

    Returns
    -------
    tuple of (str, ModelProto, Path or None)
        What to call it in messages, the message, the folder of its external data.

    Raises
    ------
    GraphError
        It cannot be read or is no ONNX model.
    """
    folder = None
    if isinstance(model, onnx.ModelProto):
        name, proto = model.graph.name or "model", model
    else:
        if isinstance(model, bytes):
            name, data = "model", model
        else:
            name, folder = os.fspath(model), Path(model).parent
            data = _file_bytes(Path(model), name)
        try:
            proto = onnx.ModelProto.FromString(data)
        except (DecodeError, ValueError) as error:
            raise _refused(
                name, "the file is not an ONNX model, or is cut short", "Export it again."
            ) from error
    if not proto.HasField("graph") or not proto.graph.output:
        raise _refused(name, "the model has no graph with outputs", "Is it an ONNX model?")
    _check_text(name, proto)
    if not proto.opset_import:
        raise _refused(name, "the model does not say which opset it follows", "Export it again.")
    return name, proto, folder


def _check_text(name: str, model: onnx.ModelProto) -> None:
    """Refuse names that are not UTF-8: they would be bytes, not text."""
    bodies: list[onnx.GraphProto | onnx.FunctionProto] = [model.graph, *model.functions]
    texts: list[Any] = [entry.domain for entry in model.opset_import]
    texts += [text for entry in model.metadata_props for text in (entry.key, entry.value)]
    while bodies:
        body = bodies.pop()
        texts.append(body.name)
        if isinstance(body, onnx.FunctionProto):
            texts += [body.domain, body.overload, *body.input, *body.output, *body.attribute]
            texts += [entry.domain for entry in body.opset_import]
            texts += [attribute.name for attribute in body.attribute_proto]
        else:
            texts += [tensor.name for tensor in body.initializer]
            texts += [tensor.values.name for tensor in body.sparse_initializer]
            for value in (*body.input, *body.output):
                texts.append(value.name)
                texts += [dim.dim_param for dim in value.type.tensor_type.shape.dim]
        for node in body.node:
            texts += [node.op_type, node.domain, node.name, node.overload]
            texts += [*node.input, *node.output]
            for attribute in node.attribute:
                texts += [attribute.name, attribute.ref_attr_name]
                if attribute.HasField("g"):
                    bodies.append(attribute.g)
                bodies.extend(attribute.graphs)
    if not all(isinstance(text, str) for text in texts):
        raise _refused(name, "a name in it is not UTF-8", "Export it again.")


def _file_bytes(path: Path, name: str) -> bytes:
    try:
        size = path.stat().st_size
        if size > _MAX_PROTOBUF_BYTES:
            raise _refused(
                name,
                f"the file has {size} bytes; wanted at most {_MAX_PROTOBUF_BYTES}",
                "Keep the weights in external data.",
            )
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise _refused(name, f"the file cannot be read ({reason})") from error


def _refused(name: str, reason: str, hint: str = "") -> GraphError:
    return GraphError(name, [Problem(reason, hint)])


def tensor_array(tensor: TensorProto, folder: Path | None) -> NDArray[Any]:
    """The elements of a tensor, after its claims were held against the bytes there are.

    Parameters
    ----------
    tensor : TensorProto
        An initialiser or an attribute.
    folder : Path or None
        Of the model; external data must lie inside.

    Returns
    -------
    ndarray
        Of the tensor's shape; float8, bfloat16, int4, ... are ml_dtypes'.

    Raises
    ------
    ValueError
        What is wrong, as the reason of a `Problem`.
    """
    dtype = _DTYPES.get(tensor.data_type)
    if dtype is None:
        raise ValueError(f"element type {tensor.data_type} is unknown")
    if dtype == "string":
        raise ValueError("it holds strings; Vitrine works on numbers")
    if tensor.HasField("segment"):
        raise ValueError("it is a segment of a tensor, which ONNX readers do not put together")
    shape = tuple(tensor.dims)
    if any(dim < 0 for dim in shape):
        raise ValueError(f"shape {list(shape)} has a negative size")
    count = math.prod(shape)
    if count > MAX_ELEMENTS:
        raise ValueError(f"shape {list(shape)} has more than {MAX_ELEMENTS} elements")
    bits = _bits(dtype)
    if tensor.data_location == TensorProto.EXTERNAL:
        raw = _external_bytes(tensor, folder, _packed_bytes(count, bits))
    elif tensor.HasField("raw_data"):
        raw = tensor.raw_data
    else:
        return _typed_array(tensor, dtype, shape, count, bits)
    if len(raw) != _packed_bytes(count, bits):
        raise ValueError(
            f"shape {list(shape)} of {dtype} needs {_packed_bytes(count, bits)} bytes;"
            f" got {len(raw)}"
        )
    if bits < 8:
        packed = TensorProto(data_type=tensor.data_type, dims=shape, raw_data=raw)
        return numpy_helper.to_array(packed)
    kind = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    return np.frombuffer(raw, kind.newbyteorder("<")).astype(kind, copy=False).reshape(shape)


def _bits(dtype: str) -> int:
    """Bits of an element as stored."""
    for kind, bits in (("int4", 4), ("float4", 4), ("int2", 2), ("float6_", 6)):
        if kind in dtype:
            return bits
    return 8 * np.dtype(helper.tensor_dtype_to_np_dtype(_ELEMENT_TYPES[dtype])).itemsize


def _packed_bytes(count: int, bits: int) -> int:
    return (count * bits + 7) // 8


def _typed_array(
    tensor: TensorProto, dtype: str, shape: tuple[int, ...], count: int, bits: int
) -> NDArray[Any]:
    """An array out of float_data, int32_data, ..."""
    field = _FIELDS.get(TensorProto.DataType.Name(tensor.data_type), "int32_data")
    wanted = count * 2 if dtype.startswith("complex") else count
    if bits < 6:  # int32_data packs these, but not the 6-bit floats
        wanted = _packed_bytes(count, bits)
    got = len(getattr(tensor, field))
    if got != wanted:
        raise ValueError(
            f"shape {list(shape)} of {dtype} needs {wanted} elements in {field}; got {got}"
        )
    try:
        with np.errstate(all="ignore"):
            return numpy_helper.to_array(tensor)
    except (OverflowError, ValueError, TypeError) as error:
        raise ValueError(f"an element does not fit {dtype}") from error


def _external_bytes(tensor: TensorProto, folder: Path | None, wanted: int) -> bytes:
    """The bytes of a tensor that lies beside the model, once they are known to be there."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise ValueError(f"its data lies in the file {location!r}, but the model has no folder")
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", wanted))
    except ValueError as error:
        raise ValueError("offset or length of its external data is not a number") from error
    if offset < 0 or length != wanted:
        raise ValueError(
            f"shape {list(tensor.dims)} needs {wanted} bytes of external data;"
            f" got {length} at offset {offset}"
        )
    root = folder.resolve()
    try:
        place = (root / location).resolve(strict=True)
        if not place.is_relative_to(root) or not place.is_file():
            raise ValueError(f"external data {location!r} is no file inside the model's folder")
        with place.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if offset + length > size:
                raise ValueError(
                    f"external data {location!r} has {size} bytes; wanted {offset + length}"
                )
            file.seek(offset)
            data: bytes = file.read(length)
            return data
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"external data {location!r} cannot be read ({reason})") from error
