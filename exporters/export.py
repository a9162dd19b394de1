"""A PyTorch module to an ONNX file that Vitrine takes as a generator or a filter.

The file holds standard operators of one opset, static shapes and the contract's metadata
(docs/contract.md), and nothing of the machine it was made on: the same module gives the same bytes.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxscript.optimizer import optimize_ir
from torch import Tensor, nn

__all__ = ["ACTIVATIONS", "ExportError", "Exported", "export", "to_model"]

INPUT_ROLES = frozenset(
    {
        *("camera.view", "camera.projection", "camera.position", "viewport"),
        *("time", "phase", "frame", "joints", "weights", "audio.mel", "pointer", "latent"),
        *("image", "depth", "previous", "control"),
    }
)
OUTPUT_ROLES = frozenset(
    {
        *("gaussian.position", "gaussian.scale", "gaussian.rotation", "gaussian.covariance"),
        *("gaussian.opacity", "gaussian.color", "gaussian.sh", "gaussian.packed"),
        *("gaussian.count", "state", "image"),
    }
)
ACTIVATIONS = ("none", "exp", "sigmoid", "normalize")
LARGE = 1024
"""Elements: what ``half`` takes, and what is not computed from other constants beforehand."""


class ExportError(ValueError):
    """The module cannot be exported as asked: the message says what to change."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    errors : name -> float
        Of each output, onnxruntime's largest difference from PyTorch on the example inputs, as a
        share of the output's largest magnitude.
    """

    path: Path
    size_bytes: int
    nodes: int
    errors: dict[str, float]

    def __str__(self) -> str:
        worst = max(self.errors, key=lambda name: self.errors[name])
        return (
            f"{self.path}: {self.size_bytes:,} bytes, {self.nodes} nodes; onnxruntime differs "
            f"from PyTorch by {self.errors[worst]:.1e} ({worst})"
        )


def export(
    module: nn.Module,
    inputs: Mapping[str, tuple[str, Tensor]],
    outputs: Mapping[str, str],
    path: str | Path,
    *,
    tolerance: float = 1e-3,
    **options: Any,
) -> Exported:
    """Write a module as a generator, and compare onnxruntime with PyTorch on the examples.

    Parameters
    ----------
    module : nn.Module
        ``forward`` takes the inputs in their order and gives a tensor or a tuple of them.
    inputs : name -> (role, example)
        Roles without ``vitrine.input.``; ``state:<output>`` for one that is fed back. The examples
        give shapes and types.
    outputs : name -> role
        In the order of what ``forward`` gives.
    path : path-like
        The .onnx file; its folder is made.
    tolerance : float
        The largest error that is let through.
    options
        As `to_model` has them.

    Raises
    ------
    ExportError
        A role, an option or a shape is none of the contract's, or the file computes something else.
    """
    model = to_model(module, inputs, outputs, **options)
    examples = {name: example for name, (_, example) in inputs.items()}
    errors = _compared(model, module, examples, tuple(outputs))
    worst = max(errors, key=lambda name: errors[name])
    if not errors[worst] <= tolerance:
        raise ExportError(
            f"output '{worst}': onnxruntime differs from PyTorch by {errors[worst]:.1e} of its "
            f"largest magnitude, more than {tolerance:.0e}. Export in eval mode, and look for "
            "operators that behave differently in ONNX (integer division, rounding)."
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = model.SerializeToString(deterministic=True)
    path.write_bytes(written)
    return Exported(path, len(written), len(model.graph.node), errors)


def to_model(
    module: nn.Module,
    inputs: Mapping[str, tuple[str, Tensor]],
    outputs: Mapping[str, str],
    *,
    kind: str = "generator",
    activations: Mapping[str, str] | None = None,
    quantization: Mapping[str, tuple[float, int]] | None = None,
    controls: Mapping[str, Mapping[str, Any]] | None = None,
    defaults: Mapping[str, Sequence[float]] | None = None,
    images: Mapping[str, Mapping[str, Any]] | None = None,
    clip: tuple[float, bool] | None = None,
    rate: float | None = None,
    bounds: Sequence[Sequence[float]] | None = None,
    pose: Mapping[str, Any] | None = None,
    background: Sequence[float] | None = None,
    antialiased: bool = False,
    half: bool | Sequence[str] = False,
    symbols: Mapping[str, Sequence[str]] | None = None,
    opset: int = 18,
) -> onnx.ModelProto:
    """The ONNX model of a module, checked.

    Parameters
    ----------
    module, inputs, outputs
        As in `export`.
    activations : output -> none | exp | sigmoid | normalize
        What Vitrine has still to apply.
    quantization : output -> (scale, zero point)
        Of int8 and uint8 outputs.
    controls : input -> {"label", "min", "max", "default"}
        The sliders of inputs whose role is ``control``.
    defaults : input -> numbers
        A rest pose, a latent code: in C order, as many as the input has elements.
    images : input -> {"range", "mean", "std", "channels"}
        How an image's pixels become numbers.
    clip : (seconds, loop)
    rate : float
        Steps a second of a model with state.
    bounds : ((x, y, z), (x, y, z))
        Of all centres at all times.
    pose : {"eye", "target", "fov"}
        Where the camera starts; the field of view is vertical, in degrees.
    background : (3,)
        Display-referred, 0 to 1.
    antialiased : bool
        Made for the mip filter.
    half : bool or names
        Parameters and buffers that are rounded to float16, in the module too, and stored so; True
        takes all of 1,024 elements and more.
    symbols : input -> names
        Of its last axes, which may then be of any length: a filter that is fully convolutional.
    """
    metadata: dict[str, Any] = {"contract": 1, "kind": kind}
    for name, (role, _) in inputs.items():
        _expect(role, INPUT_ROLES, outputs, f"input '{name}'")
        metadata[f"input.{name}"] = role
    for name, role in outputs.items():
        _expect(role, OUTPUT_ROLES, {}, f"output '{name}'")
        metadata[f"output.{name}"] = role
    for name, activation in (activations or {}).items():
        _expect(activation, frozenset(ACTIVATIONS), {}, f"activation of '{name}'")
    for key, values, known in (
        ("activation", activations, outputs),
        ("quantization", quantization, outputs),
        ("control", controls, inputs),
        ("default", defaults, inputs),
        ("image", images, {**inputs, **outputs}),
    ):
        for name, value in (values or {}).items():
            if name not in known:
                raise ExportError(f"{key} of '{name}': there is no such tensor, only {[*known]}.")
            metadata[f"{key}.{name}"] = value
    for name, pair in (quantization or {}).items():
        metadata[f"quantization.{name}"] = {"scale": pair[0], "zero_point": pair[1]}
    for name, (role, example) in inputs.items():
        if role == "control" and (name not in (controls or {}) or example.numel() != 1):
            raise ExportError(f"input '{name}': a control has one element and a row in controls.")
        given = (defaults or {}).get(name)
        if given is not None and len(given) != example.numel():
            raise ExportError(f"default of '{name}': {example.numel()} numbers, got {len(given)}.")
    if clip is not None:
        metadata["clip"] = {"duration": clip[0], "loop": bool(clip[1])}
    metadata |= {
        key: value
        for key, value in (
            ("rate", rate),
            ("bounds", bounds),
            ("pose", pose),
            ("background", background),
            ("antialiased", 1 if antialiased else None),
        )
        if value is not None
    }
    for name in symbols or {}:
        if name not in inputs:
            raise ExportError(f"symbols of '{name}': there is no such input, only {[*inputs]}.")
    halved = _rounded_to_half(module, half)
    examples = {name: example for name, (_, example) in inputs.items()}
    model = _traced(module, examples, tuple(outputs), symbols or {}, opset)
    _strip(model)
    _store_as_half(model, halved)
    for key, value in metadata.items():
        text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        model.metadata_props.add(key=f"vitrine.{key}", value=text)
    _check(model, bool(symbols))
    return model


def _expect(value: str, known: frozenset[str], states: Mapping[str, str], where: str) -> None:
    if value.startswith("state:") and states:
        if states.get(value.removeprefix("state:")) != "state":
            raise ExportError(f"{where}: '{value}' needs an output of that name and role state.")
    elif value not in known:
        raise ExportError(f"{where}: '{value}' is none of {', '.join(sorted(known))}.")


def _traced(
    module: nn.Module,
    examples: Mapping[str, Tensor],
    outputs: Sequence[str],
    symbols: Mapping[str, Sequence[str]],
    opset: int,
) -> onnx.ModelProto:
    """PyTorch's own export, silently; it needs the onnxscript package."""
    free = {name: torch.export.Dim(name, min=8) for names in symbols.values() for name in names}
    shapes = [
        {example.ndim - len(own) + k: free[symbol] for k, symbol in enumerate(own)} or None
        for example, own in ((x, symbols.get(name, ())) for name, x in examples.items())
    ]
    was = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module.eval(),
                tuple(examples.values()),
                input_names=list(examples),
                output_names=list(outputs),
                dynamic_shapes=shapes if symbols else None,
                opset_version=opset,
                dynamo=True,
                optimize=False,
                verbose=False,
            )
            assert program is not None
            # What folds into a large constant is left to the build, which need not download it.
            optimize_ir(program.model, input_size_limit=LARGE, output_size_limit=LARGE)
    finally:
        logging.disable(was)
    model = onnx.ModelProto()
    model.CopyFrom(program.model_proto)
    return model


def _strip(model: onnx.ModelProto) -> None:
    """Take out what tells of the machine, and give values names that count from 0."""
    graph = model.graph
    model.producer_name, model.producer_version, model.doc_string = "vitrine", "", ""
    del model.metadata_props[:]
    graph.name, graph.doc_string = "generator", ""
    del graph.metadata_props[:]
    del graph.value_info[:]
    fixed = {value.name for value in (*graph.input, *graph.output)}
    names: dict[str, str] = {name: name for name in (*fixed, "")}
    for tensor in graph.initializer:
        tensor.doc_string = ""
        del tensor.metadata_props[:]
        # A parameter keeps its name; what the exporter numbered is numbered anew.
        generic = re.fullmatch(r"(val|scalar_tensor_default|_tensor|arange|lift).*", tensor.name)
        names[tensor.name] = f"c{len(names)}" if generic else tensor.name
        tensor.name = names[tensor.name]
    for value in (*graph.input, *graph.output):
        value.doc_string = ""
        del value.metadata_props[:]
    for index, node in enumerate(graph.node):
        node.name, node.doc_string = f"{node.op_type}_{index}", ""
        del node.metadata_props[:]
        if any(attribute.HasField("g") for attribute in node.attribute):
            raise ExportError(f"node {node.op_type}: has a graph of its own; write it without.")
        node.input[:] = [names[name] for name in node.input]
        for position, name in enumerate(node.output):
            names.setdefault(name, f"v{index}" + (f"_{position}" if position else ""))
        node.output[:] = [names[name] for name in node.output]


def _rounded_to_half(module: nn.Module, half: bool | Sequence[str]) -> list[str]:
    """Round what ``half`` names, in place, and tell its names."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    names = [] if isinstance(half, bool) else list(half)
    if half is True:
        names = [
            name
            for name, tensor in tensors.items()
            if tensor.dtype == torch.float32 and tensor.numel() >= LARGE
        ]
    for name in names:
        if name not in tensors:
            raise ExportError(f"half: there is no '{name}', only {[*tensors]}.")
        with torch.no_grad():
            tensors[name].copy_(tensors[name].half().float())
    return names


def _store_as_half(model: onnx.ModelProto, names: Sequence[str]) -> None:
    """The constants of these names become float16 and a Cast, which loses nothing."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.name not in names:
            continue
        halves = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(halves, f"{name}.half"))
        casts.append(
            onnx.helper.make_node(
                "Cast", [f"{name}.half"], [name], f"Cast_{name}", to=onnx.TensorProto.FLOAT
            )
        )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _check(model: onnx.ModelProto, free: bool) -> None:
    onnx.checker.check_model(model, full_check=True)
    if model.functions or any(node.domain not in ("", "ai.onnx") for node in model.graph.node):
        raise ExportError("the model has operators that are not ONNX's own; write it without.")
    for value in () if free else (*model.graph.input, *model.graph.output):
        if any(not dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim):
            raise ExportError(f"'{value.name}': its shape must be known; pad to the capacity N.")


def _compared(
    model: onnx.ModelProto,
    module: nn.Module,
    examples: Mapping[str, Tensor],
    outputs: Sequence[str],
) -> dict[str, float]:
    """Largest relative difference of each output between onnxruntime and PyTorch."""
    import onnxruntime

    with torch.no_grad():
        wanted = module(*(example.clone() for example in examples.values()))
    wanted = wanted if isinstance(wanted, tuple | list) else (wanted,)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    used = {value.name for value in session.get_inputs()}
    got = session.run(
        list(outputs), {name: t.numpy() for name, t in examples.items() if name in used}
    )
    errors = {}
    for name, a, b in zip(outputs, got, wanted, strict=True):
        x, y = np.asarray(a, np.float64), b.detach().double().numpy()
        if x.shape != y.shape:
            raise ExportError(f"output '{name}': shape {y.shape} in PyTorch, {x.shape} in ONNX.")
        scale = max(float(np.abs(y).max(initial=0)), 1e-30)
        errors[name] = float(np.abs(x - y).max(initial=0)) / scale
    return errors
