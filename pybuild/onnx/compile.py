"""A graph to a program: lowering, rewriting, scheduling, placing, writing down.

Graph -> tensors -> (fold, inline, epilogues, rows) -> kernels -> arena -> Program + files
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pybuild.onnx.arena import Life, Placement, place
from pybuild.onnx.dynamic import lower_counted
from pybuild.onnx.fuse import readers
from pybuild.onnx.graph import Graph, TensorInfo, operator_name
from pybuild.onnx.indirect import arguments_of
from pybuild.onnx.ir import (
    Constant,
    Input,
    Packing,
    Scan,
    Scatter,
    Tensor,
    is_texture,
    map_tensor,
)
from pybuild.onnx.kernels import Kernel
from pybuild.onnx.partition import partition
from pybuild.onnx.words import is_pixels, packing_of, word_count, words_of
from pyengine.program import Program

__all__ = ["Compiled", "compile_graph", "compile_tensors"]

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.:/ -]")
_STORAGE = {"f32": "f32", "i32": "i32", "u32": "u32", "bool": "u32"}
_DTYPE = {"f32": "float32", "i32": "int32", "u32": "uint32", "bool": "bool"}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program and the content of its files.

    Attributes
    ----------
    program : Program
    files : dict
        Name to content.
    kernels : tuple of Kernel
        What each dispatch computes.
    placement : Placement
        Of the arena.
    """

    program: Program
    files: dict[str, bytes]
    kernels: tuple[Kernel, ...]
    placement: Placement


def compile_graph(graph: Graph, weights: Packing = "f32", half: bool = False) -> Compiled:
    """Compile a checked graph.

    Parameters
    ----------
    graph : Graph
    weights : {'f32', 'f16', 'i8', 'i4'}
        How large constants are stored; see `packing`. Those that are 16-bit floats already are
        stored so in any case.
    half : bool
        Let adapters with shader-f16 multiply with 16-bit floats, which changes results a little.

    Raises
    ------
    GraphError
        Nodes that cannot be compiled, each with its reason.
    """
    counted = lower_counted(graph)
    owned = _owned(counted.outputs, graph.outputs)
    outputs, kernels = partition(owned, weights, half)
    return _assemble(graph, outputs, kernels, counted.counts)


def compile_tensors(
    name: str,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    weights: Packing = "f32",
    half: bool = False,
    counts: Mapping[str, Tensor] | None = None,
) -> Compiled:
    """Compile a graph of tensors, which need not come from a model.

    Parameters
    ----------
    inputs : sequence of Tensor
        Their sources are `Input`; names differ, as do those of the outputs. Textures become
        ``textures`` of the program, all others its ``inputs``.
    weights, half
        See `compile_graph`.
    counts : mapping, optional
        Symbol of an open axis to the input of one u32 that its limits are made of.
    """
    given, wanted = (
        tuple(_info(t) for t in tensors)
        for tensors in ([t for t in inputs if not is_texture(t)], outputs)
    )
    graph = Graph(name, 0, given, wanted, (), {}, {i.name: i for i in (*given, *wanted)}, {})
    owned = _owned(outputs, wanted)
    textures = {t.name: t.shape[:2] for t in inputs if is_texture(t)}
    return _assemble(graph, *partition(owned, weights, half), counts, textures)


def _info(tensor: Tensor) -> TensorInfo:
    """What the caller gives or gets; pixels are words."""
    dtype, shape = _DTYPE[tensor.type], tensor.shape
    if is_pixels(tensor):
        dtype, shape = "uint32", shape[:-1]
    return TensorInfo(tensor.name, dtype, shape, (None,) * len(shape))


def _owned(outputs: Sequence[Tensor], infos: Sequence[TensorInfo]) -> list[Tensor]:
    """Each output with a buffer of its own: never an input's, a constant's or another output's."""
    read = readers(outputs)
    return [
        _own(tensor, info, not read[tensor] and outputs.count(tensor) == 1)
        for tensor, info in zip(outputs, infos, strict=True)
    ]


def _own(tensor: Tensor, info: TensorInfo, last: bool) -> Tensor:
    if isinstance(tensor.source, Constant):
        return Tensor(tensor.name, tensor.shape, tensor.type, Constant(tensor.source.array))
    if last and isinstance(tensor.source, Scan | Scatter):  # no kernel can end with a copy of it
        return Tensor(info.name, tensor.shape, tensor.type, tensor.source, tensor.limits)
    if is_pixels(tensor):  # which nobody reads
        return tensor
    copy = map_tensor(info.name, tensor.shape, lambda *i: tensor[i])
    return Tensor(copy.name, copy.shape, copy.type, copy.source, tensor.limits)


def _assemble(
    graph: Graph,
    outputs: list[Tensor],
    kernels: list[Kernel],
    counts: Mapping[str, Tensor] | None = None,
    textures: Mapping[str, tuple[int, ...]] | None = None,
) -> Compiled:
    arguments = arguments_of(kernels)
    if arguments is not None:
        kernels = [arguments.kernel, *kernels]
    written = {tensor for kernel in kernels for tensor in kernel.writes}
    read = list(dict.fromkeys(tensor for kernel in kernels for tensor in kernel.reads))
    buffers: list[dict[str, Any]] = []
    files: dict[str, bytes] = {}
    where: dict[Tensor, dict[str, Any]] = {}
    access: dict[Tensor, str] = {}

    symbols: dict[str, str] = {}
    for symbol, tensor in (counts or {}).items():
        buffer = f"count.{_NOT_IN_NAMES.sub('_', symbol)}"
        if buffer in symbols.values():
            buffer += f".{len(symbols)}"
        symbols[symbol] = buffer
        file = None
        if symbol in graph.sizes:
            file = _store(files, "count", graph.sizes[symbol].to_bytes(4, "little"), 4)
        buffers.append({"name": buffer, "size_bytes": 4, "file": file})
        where[tensor], access[tensor] = _range(buffer, 0, 4), "read"
    if arguments is not None:
        size = _bytes(arguments.tensor.size)
        buffers.append({"name": "arguments", "size_bytes": size, "file": None})
        where[arguments.tensor] = _range("arguments", 0, size)
        access[arguments.tensor] = "read_write"

    inputs: list[dict[str, Any]] = []
    for tensor in read:
        if is_texture(tensor):
            where[tensor] = {"texture": tensor.name}
            access[tensor] = "texture"
    by_name = {t.name: t for t in read if isinstance(t.source, Input) and t not in where}
    for k, info in enumerate(graph.inputs):
        size = _bytes(math.prod(info.shape))
        buffers.append({"name": f"in{k}", "size_bytes": size, "file": None})
        inputs.append(_port(info, f"in{k}"))
        if info.name in by_name:
            where[by_name[info.name]] = _range(f"in{k}", 0, size)
            access[by_name[info.name]] = "read"

    ports: list[dict[str, Any]] = []
    for k, (tensor, info) in enumerate(zip(outputs, graph.outputs, strict=True)):
        size = _bytes(word_count(tensor))
        name = None
        if isinstance(tensor.source, Constant):
            name = _store(files, f"out{k}", _packed(tensor, None), size)
        buffers.append({"name": f"out{k}", "size_bytes": size, "file": name})
        ports.append(_port(info, f"out{k}"))
        if tensor in written:
            where[tensor] = _range(f"out{k}", 0, size)
            access[tensor] = "read_write"

    blob = bytearray()
    packed: Counter[str] = Counter()
    fixed: dict[tuple[Tensor, tuple[int, ...] | None], dict[str, Any]] = {}
    for kernel in kernels:
        for tensor in kernel.reads:
            laid = tensor, kernel.orders.get(tensor)
            if isinstance(tensor.source, Constant) and laid not in fixed and tensor.size:
                data = _packed(tensor, kernel.orders.get(tensor))
                fixed[laid] = _range("weights", len(blob), _bytes(word_count(tensor)))
                access[tensor] = "read"
                packed[packing_of(tensor)] += len(data)
                blob += data
                blob += b"\0" * (-len(blob) % 256)
    if blob:
        name = _store(files, "weights", bytes(blob), len(blob))
        buffers.append({"name": "weights", "size_bytes": len(blob), "file": name})

    inner = [t for t in dict.fromkeys(t for k in kernels for t in k.writes) if t not in where]
    placement = _place(inner, kernels)
    if inner:
        buffers.append({"name": "arena", "size_bytes": placement.size_bytes, "file": None})
    for tensor, offset in zip(inner, placement.offsets, strict=True):
        where[tensor] = _range("arena", offset, _bytes(tensor.size))
        access[tensor] = "read_write"

    shaders: dict[str, str] = {}
    pipelines: dict[str, dict[str, Any]] = {}
    dispatches: list[dict[str, Any]] = []
    for kernel in kernels:
        order = list(dict.fromkeys((*kernel.writes, *kernel.reads)))
        candidates = []
        for variant in kernel.variants:
            text = variant.text(order, access)
            key = hashlib.sha256(text.encode()).hexdigest()[:12]
            file = f"kernels/{key}.wgsl"
            shaders[key] = file
            files[file] = text.encode()
            layout = [access[t] for t in order]
            digest = f"{key}-{variant.workgroup}-{''.join(a[-1] for a in layout)}"
            pipelines[digest] = {
                "name": digest,
                "shader": key,
                "layout": layout,
                "constants": {} if variant.by_group else {"WORKGROUP": variant.workgroup},
                "entry": "main",
            }
            workgroups: Any = list(variant.workgroups)
            counted = arguments.offset_bytes(variant) if arguments is not None else None
            if counted is not None:
                workgroups = {"buffer": "arguments", "offset_bytes": counted}
            candidates.append(
                {"pipeline": digest, "workgroups": workgroups, "prefer": variant.prefer}
            )
        dispatches.append(
            {
                "label": kernel.label,
                "bindings": [
                    where[t] if t in where else fixed[t, kernel.orders.get(t)] for t in order
                ],
                "candidates": candidates,
            }
        )
    report = {
        "dispatches": len(dispatches),
        "arena_bytes": placement.size_bytes,
        "arena_bound_bytes": placement.bound_bytes,
        "arena_total_bytes": placement.total_bytes,
        "weight_bytes": len(blob),
        "packed_bytes": dict(packed),
        "flops": sum(kernel.flops for kernel in kernels),
        "dispatch_flops": [kernel.flops for kernel in kernels],
        "nodes": len(graph.nodes),
        "operators": dict(Counter(operator_name(node.domain, node.op) for node in graph.nodes)),
    }
    program = Program.parse(
        json.dumps(
            {
                "vitrine_program": 1,
                "name": graph.name or "program",
                "inputs": inputs,
                "outputs": ports,
                "textures": {name: list(size) for name, size in (textures or {}).items()},
                "counts": symbols,
                "buffers": buffers,
                "shaders": shaders,
                "pipelines": list(pipelines.values()),
                "dispatches": dispatches,
                "subgroups": [],
                "features": ["shader-f16"] * any(v.half for k in kernels for v in k.variants),
                "metadata": dict(graph.metadata),
                "report": report,
            }
        ),
        f"program {graph.name!r}",
    )
    return Compiled(program, files, tuple(kernels), placement)


def _bytes(elements: int) -> int:
    """Size of a buffer or range: whole vec4s, and never nothing."""
    return max(16, -(-4 * elements // 16) * 16)


def _range(buffer: str, offset: int, size: int) -> dict[str, Any]:
    return {"buffer": buffer, "offset_bytes": offset, "size_bytes": size}


def _port(info: TensorInfo, buffer: str) -> dict[str, Any]:
    from pybuild.onnx.lower import ir_type

    return {
        "name": info.name,
        "shape": list(info.shape),
        "dtype": info.dtype,
        "storage": _STORAGE[ir_type(info.dtype)],
        "buffer": buffer,
    }


def _store(files: dict[str, bytes], stem: str, data: bytes, size: int) -> str:
    data = data.ljust(size, b"\0")
    name = f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
    files[name] = data
    return name


def _packed(tensor: Tensor, order: tuple[int, ...] | None) -> bytes:
    """Elements in memory order, 32 bits each but for packed floats."""
    assert isinstance(tensor.source, Constant)
    array = tensor.source.array
    if order is not None:
        array = np.transpose(array, order)
    if tensor.type == "bool":
        array = array.astype(np.uint32)
    if tensor.type == "f32":
        return words_of(array, packing_of(tensor)).tobytes()
    return np.ascontiguousarray(array).tobytes()


def _place(tensors: Sequence[Tensor], kernels: Sequence[Kernel]) -> Placement:
    first: dict[Tensor, int] = {}
    last: dict[Tensor, int] = {}
    for step, kernel in enumerate(kernels):
        for tensor in (*kernel.writes, *kernel.reads):
            first.setdefault(tensor, step)
            last[tensor] = step
    return place([Life(_bytes(t.size), first[t], last[t]) for t in tensors])
