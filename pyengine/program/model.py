"""What a program is, as data, and its JSON: `Program.parse` trusts nothing in it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyengine.errors import BundleError
from pyengine.fields import Fields, document
from pyengine.plan import (
    DEFAULT_LIMITS,
    OFFSET_ALIGNMENT,
    Access,
    ComputePipeline,
    Indirect,
    Range,
)
from pyengine.program.checks import check

__all__ = [
    "STORAGE",
    "VERSION",
    "Candidate",
    "Program",
    "ProgramBuffer",
    "ProgramDispatch",
    "Tensor",
]

VERSION = 1

STORAGE: Mapping[str, str] = {
    **dict.fromkeys(("float32", "float16", "bfloat16", "float64"), "f32"),
    **dict.fromkeys(("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"), "f32"),
    **dict.fromkeys(("float8_e8m0fnu", "float4_e2m1fn"), "f32"),
    **dict.fromkeys(("int64", "int32", "int16", "int8", "int4", "int2"), "i32"),
    **dict.fromkeys(("uint64", "uint32", "uint16", "uint8", "uint4", "uint2", "bool"), "u32"),
}
"""The 32-bit element in a buffer of each of ONNX's types that a program may have."""

MAX_DISPATCHES = 1 << 16
MAX_CANDIDATES = 32
MAX_TENSORS = 1 << 12
MAX_BUFFERS = 1 << 12
MAX_RANK = 64
MAX_BUFFER_BYTES = 1 << 34
MAX_TEXTURES = 16
"""WebGPU's default maxSampledTexturesPerShaderStage: a kernel may read all of a program's."""
MAX_TEXTURE_SIZE = 8192
"""Texels along an axis: WebGPU's default maxTextureDimension2D."""
_MAX_BUFFERS_BOUND = DEFAULT_LIMITS["maxStorageBuffersPerShaderStage"]
_MAX_BINDINGS = _MAX_BUFFERS_BOUND + MAX_TEXTURES
_MAX_WORKGROUPS = DEFAULT_LIMITS["maxComputeWorkgroupsPerDimension"]
_MAX_NAME = 1000

_PREFERENCES = ("any", "gpu", "software")
_ACCESSES: Mapping[str, Access] = {
    "read": "read",
    "read_write": "read_write",
    "texture": "texture",
}
_OPTIONAL = ("textures",)
"""Keys that programs of before lack."""
_ID = re.compile(r"[A-Za-z0-9_.:/ -]+")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_KERNEL = re.compile(r"kernels/[A-Za-z0-9_-][A-Za-z0-9_.-]*\.wgsl")


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or an output: a buffer of 32-bit elements in C order, which the host converts.

    Attributes
    ----------
    shape : tuple of int
        The largest, where an axis is dynamic.
    dtype : str
        ONNX's type, a key of `STORAGE`.
    storage : str
        f32, i32 or u32; bool is u32 0 or 1.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    storage: str
    buffer: str

    @property
    def size_bytes(self) -> int:
        """Bytes of its elements in the buffer; 0 for an empty tensor."""
        return 4 * math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class ProgramBuffer:
    """A buffer, zero at the start or what its file holds, which has the same size."""

    name: str
    size_bytes: int
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to do a dispatch; all of its dispatch give the same result.

    ``prefer`` says which adapters choose it when nothing was tuned: any, gpu or software.
    """

    pipeline: str
    workgroups: tuple[int, int, int] | Indirect
    prefer: str = "any"


@dataclass(frozen=True, slots=True)
class ProgramDispatch:
    """A step of a program: what it binds, and the kernels to choose from.

    A binding is a part of a buffer, or a texture of the program by its name.
    """

    label: str
    bindings: tuple[Range | str, ...]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """One compiled graph; see the module's first lines.

    Attributes
    ----------
    counts : mapping
        Symbol of a dynamic axis to the buffer that holds its live count, one u32.
    textures : mapping
        Name to (height, width) in texels: inputs that are no buffers but ``texture_2d<f32>``, which
        whoever runs the program has made or drawn. Kernels load from them, mip 0.
    shaders : mapping
        Name of a shader to its file in the folder.
    subgroups : tuple of str
        Shaders that use subgroup operations.
    features : tuple of str
        WebGPU features that a candidate may use; not chosen where the adapter lacks them.
    metadata : mapping
        The model's ``metadata_props``.
    report : mapping
        Free-form numbers of the compiler.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    buffers: tuple[ProgramBuffer, ...]
    shaders: Mapping[str, str]
    pipelines: tuple[ComputePipeline, ...]
    dispatches: tuple[ProgramDispatch, ...]
    counts: Mapping[str, str] = field(default_factory=dict)
    textures: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    subgroups: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, int]:
        """Files of buffers, with their sizes in bytes."""
        return {b.file: b.size_bytes for b in self.buffers if b.file is not None}

    def to_dict(self) -> dict[str, Any]:
        """The content of program.json."""
        return {
            "vitrine_program": VERSION,
            "name": self.name,
            "inputs": [_tensor_dict(tensor) for tensor in self.inputs],
            "outputs": [_tensor_dict(tensor) for tensor in self.outputs],
            "counts": dict(self.counts),
            "textures": {name: list(size) for name, size in self.textures.items()},
            "buffers": [
                {"name": b.name, "size_bytes": b.size_bytes, "file": b.file} for b in self.buffers
            ],
            "shaders": dict(self.shaders),
            "pipelines": [
                {
                    "name": p.name,
                    "shader": p.shader,
                    "layout": list(p.layout),
                    "constants": dict(p.constants),
                    "entry": p.entry,
                }
                for p in self.pipelines
            ],
            "dispatches": [_dispatch_dict(dispatch) for dispatch in self.dispatches],
            "subgroups": list(self.subgroups),
            "features": list(self.features),
            "metadata": dict(self.metadata),
            "report": dict(self.report),
        }

    def to_json(self) -> str:
        """Text of program.json, a line for each item of a list."""
        lines = []
        for name, value in self.to_dict().items():
            text = json.dumps(value)
            if isinstance(value, list) and value:
                text = "[\n  " + ",\n  ".join(json.dumps(item) for item in value) + "\n ]"
            lines.append(f" {json.dumps(name)}: {text}")
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def parse(cls, text: str | bytes, where: str = "program.json") -> Program:
        """Read and check.

        Raises
        ------
        BundleError
            Not JSON, another version, an unknown key, a value of the wrong type or range, a file
            that leaves the folder, a name that nothing has, a range or a tensor that does not fit
            its buffer, or a dispatch that breaks a rule of WebGPU.
        """
        data = document(text, where, "a Vitrine program")
        found = data.get("vitrine_program") if isinstance(data, dict) else None
        if found != VERSION or isinstance(found, bool):
            raise BundleError(
                f"{where}: wanted a Vitrine program of version {VERSION}, got {found!r}; "
                "compile the model again"
            )
        names = tuple(name for name in cls.__dataclass_fields__ if name not in _OPTIONAL)
        fields = Fields(data, where, ("vitrine_program", *names), _OPTIONAL)
        program = cls(
            name=fields.text("name", _MAX_NAME),
            inputs=fields.each("inputs", MAX_TENSORS, _tensor),
            outputs=fields.each("outputs", MAX_TENSORS, _tensor),
            counts=fields.mapping("counts", MAX_TENSORS, _MAX_NAME),
            textures=_textures(fields) if "textures" in fields.data else {},
            buffers=fields.each("buffers", MAX_BUFFERS, _buffer),
            shaders=_shaders(fields),
            pipelines=fields.each("pipelines", MAX_DISPATCHES, _pipeline),
            dispatches=fields.each("dispatches", MAX_DISPATCHES, _dispatch),
            subgroups=fields.strings("subgroups", MAX_DISPATCHES, _MAX_NAME),
            features=fields.strings("features", 8, _MAX_NAME),
            metadata=fields.mapping("metadata", MAX_TENSORS, _MAX_NAME),
            report=fields.mapping("report", MAX_TENSORS, _MAX_NAME),
        )
        check(program, where)
        return program


def _tensor_dict(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "storage": tensor.storage,
        "buffer": tensor.buffer,
    }


def _binding_dict(part: Range | str) -> dict[str, Any]:
    if isinstance(part, str):
        return {"texture": part}
    return {
        "buffer": part.buffer,
        "offset_bytes": part.offset_bytes,
        "size_bytes": part.size_bytes,
    }


def _dispatch_dict(dispatch: ProgramDispatch) -> dict[str, Any]:
    candidates = []
    for candidate in dispatch.candidates:
        groups: Any = candidate.workgroups
        if isinstance(groups, Indirect):
            groups = {"buffer": groups.buffer, "offset_bytes": groups.offset_bytes}
        candidates.append(
            {
                "pipeline": candidate.pipeline,
                "workgroups": list(groups) if isinstance(groups, tuple) else groups,
                "prefer": candidate.prefer,
            }
        )
    return {
        "label": dispatch.label,
        "bindings": [_binding_dict(part) for part in dispatch.bindings],
        "candidates": candidates,
    }


def _tensor(value: object, where: str) -> Tensor:
    fields = Fields(value, where, ("name", "shape", "dtype", "storage", "buffer"))
    dtype = fields.choice("dtype", tuple(STORAGE))
    return Tensor(
        name=fields.text("name", _MAX_NAME),
        shape=fields.integers("shape", MAX_RANK, 0, MAX_BUFFER_BYTES),
        dtype=dtype,
        storage=fields.choice("storage", (STORAGE[dtype],)),
        buffer=fields.text("buffer", _MAX_NAME, _ID),
    )


def _buffer(value: object, where: str) -> ProgramBuffer:
    fields = Fields(value, where, ("name", "size_bytes", "file"))
    size = fields.integer("size_bytes", 4, MAX_BUFFER_BYTES)
    if size % 4:
        raise fields.fault("size_bytes", "a multiple of 4")
    file = None if fields["file"] is None else fields.text("file", _MAX_NAME, _FILE)
    return ProgramBuffer(fields.text("name", _MAX_NAME, _ID), size, file)


def _textures(fields: Fields) -> dict[str, tuple[int, int]]:
    found = fields.mapping("textures", MAX_TEXTURES, _MAX_NAME)
    where = f"{fields.where}: textures"
    sizes = Fields(found, where, tuple(found))
    for name in found:
        if not _ID.fullmatch(name):
            raise BundleError(f"{where}: the name {name!r} must be like {_ID.pattern}")
        if len(sizes.integers(name, 2, 1, MAX_TEXTURE_SIZE)) != 2:
            raise sizes.fault(name, "[height, width]")
    return {name: (size[0], size[1]) for name, size in found.items()}


def _shaders(fields: Fields) -> dict[str, str]:
    found = fields.mapping("shaders", MAX_DISPATCHES, _MAX_NAME)
    for name, file in found.items():
        if not _ID.fullmatch(name) or not isinstance(file, str) or not _KERNEL.fullmatch(file):
            raise BundleError(
                f"{fields.where}: shader {name!r} must be a file like kernels/name.wgsl, "
                f"got {file!r}"
            )
    return found


def _pipeline(value: object, where: str) -> ComputePipeline:
    fields = Fields(value, where, ("name", "shader", "layout", "constants", "entry"))
    layout: list[Access] = []
    for access in fields.strings("layout", _MAX_BINDINGS, _MAX_NAME):
        if access not in _ACCESSES:
            raise fields.fault("layout", f"a list of {', '.join(_ACCESSES)}")
        layout.append(_ACCESSES[access])
    if len(layout) - layout.count("texture") > _MAX_BUFFERS_BOUND:
        raise fields.fault("layout", f"at most {_MAX_BUFFERS_BOUND} buffers, and textures")
    return ComputePipeline(
        name=fields.text("name", _MAX_NAME, _ID),
        shader=fields.text("shader", _MAX_NAME, _ID),
        layout=tuple(layout),
        constants=fields.numbers("constants", 64, _IDENTIFIER),
        entry=fields.text("entry", _MAX_NAME, _IDENTIFIER),
    )


def _dispatch(value: object, where: str) -> ProgramDispatch:
    fields = Fields(value, where, ("label", "bindings", "candidates"))
    dispatch = ProgramDispatch(
        label=fields.text("label", _MAX_NAME),
        bindings=fields.each("bindings", _MAX_BINDINGS, _binding),
        candidates=fields.each("candidates", MAX_CANDIDATES, _candidate),
    )
    if not dispatch.candidates:
        raise fields.fault("candidates", "a list of at least one")
    return dispatch


def _binding(value: object, where: str) -> Range | str:
    if isinstance(value, dict) and "texture" in value:
        return Fields(value, where, ("texture",)).text("texture", _MAX_NAME, _ID)
    fields = Fields(value, where, ("buffer", "offset_bytes", "size_bytes"))
    offset = fields.integer("offset_bytes", 0, MAX_BUFFER_BYTES)
    size = fields.integer("size_bytes", 4, MAX_BUFFER_BYTES)
    if offset % OFFSET_ALIGNMENT:
        raise fields.fault("offset_bytes", f"a multiple of {OFFSET_ALIGNMENT}")
    if size % 4:
        raise fields.fault("size_bytes", "a multiple of 4")
    return Range(fields.text("buffer", _MAX_NAME, _ID), offset, size)


def _candidate(value: object, where: str) -> Candidate:
    fields = Fields(value, where, ("pipeline", "workgroups", "prefer"))
    workgroups: tuple[int, int, int] | Indirect
    if isinstance(fields["workgroups"], dict):
        told = f"{where}: workgroups"
        arguments = Fields(fields["workgroups"], told, ("buffer", "offset_bytes"))
        offset = arguments.integer("offset_bytes", 0, MAX_BUFFER_BYTES)
        if offset % 4:
            raise arguments.fault("offset_bytes", "a multiple of 4")
        workgroups = Indirect(arguments.text("buffer", _MAX_NAME, _ID), offset)
    else:
        counts = fields.integers("workgroups", 3, 0, _MAX_WORKGROUPS)
        if len(counts) != 3:
            raise fields.fault("workgroups", "three integers")
        workgroups = counts[0], counts[1], counts[2]
    prefer = fields.choice("prefer", _PREFERENCES)
    return Candidate(fields.text("pipeline", _MAX_NAME, _ID), workgroups, prefer)
