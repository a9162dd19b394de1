"""Networks to measure: the files of ../shared/models, and one of them with 100,000 anchors."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from bench.measured import ROOT
from pyengine.errors import InputError

__all__ = ["FAMILIES", "Net", "find_nets", "tile_anchors", "with_shapes"]

Array = NDArray[Any]

FAMILIES = {
    "candy_256_op17": "conv",
    "espcn_x3_224": "conv",
    "synth/synth_unet_post_f32": "conv",
    "mlsd_320x320_tiny": "conv",
    "blazeface_front_128": "conv",
    "SqueezeNet_fp16": "conv",
    "mnist": "conv",
    "synth/synth_ffsplat_vit_f32": "generator",
    "synth/synth_scaffold_gs_f32": "generator",
    "synth/synth_hexplane_4dgs_f32": "generator",
    "synth/synth_avatar_lbs_f32": "generator",
}
"""Files without ``.onnx``, in the order of the table, and what they do: images or Gaussians."""

BYTE_RANGE = ("candy_256_op17", "mlsd_320x320_tiny", "mnist")
"""Networks that want images of 0 to 255, not 0 to 1."""
TILED = "scaffold_100k"
ANCHORS, GAUSSIANS_AN_ANCHOR = 100_000, 10


@dataclass(frozen=True, slots=True)
class Net:
    """A model and what it is run on.

    Attributes
    ----------
    name : str
    family : str
        ``conv``, ``generator`` or ``other``.
    model : bytes
    inputs : dict of str to ndarray
    """

    name: str
    family: str
    model: bytes
    inputs: dict[str, Array]


def find_nets(
    wanted: Sequence[str], shapes: Mapping[str, Sequence[int]] | None = None
) -> list[Net]:
    """Networks by their names or parts of them, or by their files.

    Parameters
    ----------
    wanted : sequence of str
        Such as ``candy`` or ``some/model.onnx``; nothing stands for all of ../shared/models
        (VITRINE_SHARED names that folder).
    shapes : mapping of str to sequence of int, optional
        Of inputs whose sizes the models leave open.

    Raises
    ------
    InputError
        There is none of that name, the file is missing, or a shape is not one of its inputs'.
    """
    folder = Path(os.environ.get("VITRINE_SHARED", ROOT.parent / "shared")) / "models"
    known = {re.sub("^synth/synth_", "", name): name for name in FAMILIES}
    names = [*known, TILED]
    found = []
    for item in wanted or [name for name in names if _path(folder, known, name).is_file()]:
        if item.endswith(".onnx"):
            found.append(_read(Path(item), Path(item).stem, "other", shapes))
            continue
        hits = [name for name in names if item == name] or [n for n in names if item in n]
        if not hits:
            raise InputError(f"--models {item}: none of {', '.join(names)}, nor a .onnx file")
        for name in hits:
            family = "generator" if name == TILED else FAMILIES[known[name]]
            found.append(_read(_path(folder, known, name), name, family, shapes))
    if not found:
        raise InputError(f"{folder}: no models there; name .onnx files: --models net.onnx")
    return found


def _path(folder: Path, known: dict[str, str], name: str) -> Path:
    return folder / f"{known['scaffold_gs_f32' if name == TILED else name]}.onnx"


def _read(path: Path, name: str, family: str, shapes: Mapping[str, Sequence[int]] | None) -> Net:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    data = path.read_bytes()
    if name == TILED:
        data = tile_anchors(data, ANCHORS, GAUSSIANS_AN_ANCHOR)
    if shapes:
        data = with_shapes(data, shapes, f"{path}: ")
    return Net(name, family, data, _inputs(onnx.load_from_string(data), path))


def _inputs(model: onnx.ModelProto, path: Path) -> dict[str, Array]:
    """What the exporter recorded beside the file, else noise in an image's range; seeded."""
    constants = {item.name for item in model.graph.initializer}
    ports = [port for port in model.graph.input if port.name not in constants]
    recorded = path.with_name(f"{path.stem}_torch.npz")
    if recorded.is_file():
        arrays = np.load(recorded)
        return {port.name: arrays[f"in{k}"] for k, port in enumerate(ports)}
    random = np.random.default_rng(3)
    inputs = {}
    for port in ports:
        kind = port.type.tensor_type
        shape = [d.dim_value or 1 for d in kind.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        high = 255 if path.stem in BYTE_RANGE else 1
        inputs[port.name] = (high * random.random(shape)).astype(dtype)
    return inputs


def with_shapes(data: bytes, shapes: Mapping[str, Sequence[int]], where: str = "") -> bytes:
    """A model whose inputs have sizes that it left open.

    Parameters
    ----------
    data : bytes
    shapes : mapping of str to sequence of int
        Of inputs by their names.
    where : str
        Begins the messages.

    Raises
    ------
    InputError
        There is no such input, or it declares another shape.
    """
    model = onnx.load_from_string(data)
    ports = {port.name: port.type.tensor_type.shape.dim for port in model.graph.input}
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        if name not in ports:
            raise InputError(f"{where}there is no input {name!r}; there are: {', '.join(ports)}")
        declared = [dim.dim_value or dim.dim_param or "?" for dim in ports[name]]
        fits = len(shape) == len(declared) and all(
            not isinstance(old, int) or old == new for old, new in zip(declared, shape, strict=True)
        )
        if not fits:
            raise InputError(
                f"{where}input {name!r} is declared {declared}; got the shape {list(shape)}"
            )
        for dim, new in zip(ports[name], shape, strict=True):
            if dim.dim_param:
                sizes[dim.dim_param] = new
            dim.dim_value = new
    for port in (*model.graph.input, *model.graph.output):
        for dim in port.type.tensor_type.shape.dim:
            if dim.dim_param in sizes:
                dim.dim_value = sizes[dim.dim_param]
    del model.graph.value_info[:]
    result: bytes = model.SerializeToString()
    return result


def tile_anchors(data: bytes, anchors: int, gaussians: int) -> bytes:
    """A Scaffold decode of more anchors: every constant with a row an anchor or Gaussian repeated.

    Parameters
    ----------
    data : bytes
        A model with an initialiser ``anchor`` (n, 3).
    anchors : int
        Of the result.
    gaussians : int
        An anchor.
    """
    model = onnx.load_from_string(data)
    graph = model.graph
    old = next(item.dims[0] for item in graph.initializer if item.name == "anchor")
    rows = {old: anchors, old * gaussians: anchors * gaussians}
    for item in graph.initializer:
        if item.dims and item.dims[0] in rows:
            array = numpy_helper.to_array(item)
            count = rows[item.dims[0]]
            repeats = -(-count // len(array))
            tiled = np.tile(array, (repeats, *(1,) * (array.ndim - 1)))[:count]
            item.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(tiled), item.name))
    for node in graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            array = numpy_helper.to_array(attribute.t)
            if array.dtype.kind == "i" and np.isin(array, list(rows)).any():
                scaled = np.array([rows.get(int(v), int(v)) for v in array.ravel()], array.dtype)
                attribute.t.CopyFrom(numpy_helper.from_array(scaled.reshape(array.shape)))
    for port in graph.output:
        for dim in port.type.tensor_type.shape.dim:
            if dim.dim_value in rows:
                dim.dim_value = rows[dim.dim_value]
    del graph.value_info[:]
    result: bytes = model.SerializeToString()
    return result
