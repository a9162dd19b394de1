"""Small filters as ONNX models, for tests of the frame that runs them, natively and in the page.

All read an image x of any size and make an image y; each is written to a file of its own name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, helper

from tests.pybuild.filters.small_filters import filter_model, metadata

__all__ = [
    "deep",
    "doubled",
    "gain",
    "halved",
    "inverting",
    "negative",
    "rooted",
    "spoiled",
    "trail",
]

Shape = Sequence[int | str]
RGB: Shape = (1, 3, "h", "w")
node = helper.make_node


def _write(
    folder: Path,
    build: Callable[[Path], Path],
    nodes: Sequence[NodeProto],
    constants: Mapping[str, Any] | None = None,
    inputs: Mapping[str, tuple[str, Shape]] | None = None,
    output: Shape = RGB,
    **more: str,
) -> Path:
    """Inputs beside x have a role and a shape each."""
    others = inputs or {}
    ports = {"x": RGB} | {name: shape for name, (_, shape) in others.items()}
    said = metadata({}, {}) | {f"vitrine.input.{name}": role for name, (role, _) in others.items()}
    made = filter_model(
        nodes,
        {name: ("float32", shape) for name, shape in ports.items()},
        {"y": ("float32", output)},
        {name: np.float32(value) for name, value in (constants or {}).items()},
        said | {f"vitrine.{key}": value for key, value in more.items()},
    )
    path = folder / f"{build.__name__}.onnx"
    onnx.save(made, path)
    return path


def _slider(name: str, most: float, default: float) -> dict[str, Any]:
    """An input that is a slider from 0 on."""
    control = {"label": name.title(), "min": 0, "max": most, "default": default}
    return {"inputs": {name: ("control", (1,))}, f"control.{name}": json.dumps(control)}


def negative(folder: Path) -> Path:
    """1 - image."""
    return _write(folder, negative, [node("Sub", ["one", "x"], ["y"])], {"one": 1})


def inverting(folder: Path) -> Path:
    """The negative times a slider, which is at its end."""
    nodes = [node("Sub", ["one", "x"], ["turned"]), node("Mul", ["turned", "gain"], ["y"])]
    return _write(folder, inverting, nodes, {"one": 1}, **_slider("gain", 1, 1))


def halved(folder: Path) -> Path:
    """Half of the image."""
    return _write(folder, halved, [node("Mul", ["x", "half"], ["y"])], {"half": 0.5})


def gain(folder: Path) -> Path:
    """The image times a slider."""
    nodes = [node("Mul", ["x", "gain"], ["y"])]
    return _write(folder, gain, nodes, **_slider("gain", 2, 0.5))


def trail(folder: Path) -> Path:
    """Half of the image, and half of what was shown before."""
    nodes = [node("Add", ["x", "before"], ["sum"]), node("Mul", ["sum", "half"], ["y"])]
    return _write(folder, trail, nodes, {"half": 0.5}, {"before": ("previous", RGB)})


def deep(folder: Path) -> Path:
    """A tenth of the depth, as grey; it reads the image and leaves it out."""
    nodes = [
        node("Mul", ["x", "none"], ["black"]),
        node("Mul", ["z", "scale"], ["grey"]),
        node("Add", ["black", "grey"], ["y"]),
    ]
    inputs = {"z": ("depth", (1, 1, "h", "w"))}
    return _write(folder, deep, nodes, {"none": 0, "scale": 0.1}, inputs)


def spoiled(folder: Path) -> Path:
    """The root of a number below 0: never finite."""
    nodes = [node("Sub", ["x", "two"], ["below"]), node("Sqrt", ["below"], ["y"])]
    return _write(folder, spoiled, nodes, {"two": 2})


def rooted(folder: Path) -> Path:
    """The root of what is above a slider: finite at first."""
    nodes = [node("Sub", ["x", "least"], ["above"]), node("Sqrt", ["above"], ["y"])]
    return _write(folder, rooted, nodes, **_slider("least", 2, 0))


def doubled(folder: Path) -> Path:
    """Each pixel four times."""
    nodes = [node("Resize", ["x", "", "scales"], ["y"], mode="nearest")]
    return _write(folder, doubled, nodes, {"scales": [1, 1, 2, 2]}, output=(1, 3, "2*h", "2*w"))
