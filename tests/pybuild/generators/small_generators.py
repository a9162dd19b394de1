"""Generators made by hand, with positions that are easily told: a row of dots that wanders."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper

from tests.pybuild.onnx.small_models import model

__all__ = ["DOTS", "PICTURE", "foreign", "pictured", "row", "stepping"]

DOTS = 20
PICTURE = (4, 5)
"""Height and width of the image that colours the dots, row after row."""
SIGMA = 0.05
SPEED = (0.5, 0.0, 0.0)
"""World units a second of the whole row."""


def base() -> NDArray[np.float32]:
    """Positions at time zero: from (-1, 0, 0) to (1, 0, 0)."""
    return np.stack([np.linspace(-1, 1, DOTS), np.zeros(DOTS), np.zeros(DOTS)], 1).astype(
        np.float32
    )


def colors() -> NDArray[np.float32]:
    """From red on the left to blue on the right."""
    share = np.linspace(0, 1, DOTS)
    return np.stack([1 - share, np.full(DOTS, 0.2), share], 1).astype(np.float32)


def _constants() -> dict[str, Any]:
    turn = np.tile(np.array([1, 0, 0, 0], np.float32), (DOTS, 1))
    return {
        "base": base(),
        "speed": np.array([SPEED], np.float32),
        "up": np.array([[0, -1, 0]], np.float32),
        "sizes": np.full((DOTS, 3), np.log(SIGMA), np.float32),
        "turns": turn,
        "alphas": np.full((DOTS, 1), 4, np.float32),
        "colors": colors(),
    }


def _outputs() -> tuple[list[NodeProto], dict[str, str]]:
    """Nodes of the outputs that are the same at all times, and what they are."""
    nodes = [
        helper.make_node("Identity", [source], [name])
        for source, name in (("sizes", "size"), ("turns", "turn"), ("alphas", "alpha"))
    ]
    nodes.append(helper.make_node("Identity", ["colors"], ["rgb"]))
    return nodes, {
        "vitrine.contract": "1",
        "vitrine.output.xyz": "gaussian.position",
        "vitrine.output.size": "gaussian.scale",
        "vitrine.activation.size": "exp",
        "vitrine.output.turn": "gaussian.rotation",
        "vitrine.output.alpha": "gaussian.opacity",
        "vitrine.activation.alpha": "sigmoid",
        "vitrine.output.rgb": "gaussian.color",
    }


OUTPUTS = ["xyz", "size", "turn", "alpha", "rgb"]


def row(**metadata: object) -> ModelProto:
    """Moves right with ``time``, up with the slider ``lift``, and by the latent ``shift``."""
    nodes, said = _outputs()
    nodes += [
        helper.make_node("Mul", ["time", "speed"], ["gone"]),
        helper.make_node("Mul", ["lift", "up"], ["risen"]),
        helper.make_node("Add", ["base", "gone"], ["a"]),
        helper.make_node("Add", ["a", "risen"], ["b"]),
        helper.make_node("Add", ["b", "shift"], ["xyz"]),
    ]
    said |= {
        "vitrine.input.time": "time",
        "vitrine.control.lift": json.dumps({"label": "Lift", "min": 0, "max": 2, "default": 0}),
        "vitrine.input.shift": "latent",
        "vitrine.clip": json.dumps({"duration": 2, "loop": True}),
    }
    for key, value in metadata.items():
        said[f"vitrine.{key}"] = value if isinstance(value, str) else json.dumps(value)
    inputs = {"time": [1], "lift": [1], "shift": [1, 3]}
    return model(nodes, inputs, OUTPUTS, _constants(), **said)


def stepping() -> ModelProto:
    """Moves to the right by a sixtieth of the speed each step."""
    nodes, said = _outputs()
    constants = _constants() | {"step": np.array([SPEED], np.float32) / 60}
    nodes += [
        helper.make_node("Add", ["moved", "step"], ["moves"]),
        helper.make_node("Add", ["base", "moves"], ["xyz"]),
    ]
    said |= {"vitrine.input.moved": "state:moves", "vitrine.output.moves": "state"}
    return model(nodes, {"moved": [1, 3]}, [*OUTPUTS, "moves"], constants, **said)


def pictured() -> ModelProto:
    """Takes the colours of its dots from an image."""
    nodes, said = _outputs()
    nodes = [node for node in nodes if node.output[0] != "rgb"]
    nodes += [
        helper.make_node("Identity", ["base"], ["xyz"]),
        helper.make_node("Reshape", ["picture", "flat"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["rgb"], perm=[1, 0]),
    ]
    said |= {"vitrine.input.picture": "image", "vitrine.bounds": "[[-1, -1, -1], [1, 1, 1]]"}
    constants = _constants() | {"flat": np.array([3, DOTS], np.int64)}
    return model(nodes, {"picture": [1, 3, *PICTURE]}, OUTPUTS, constants, **said)


def foreign() -> ModelProto:
    """The row as other tools name it: no metadata, packed rows, a colour of four."""
    still = np.concatenate(
        [
            np.full((DOTS, 1), 0.98),
            np.tile(np.array([1, 0, 0, 1, 0, 1]) * SIGMA**2, (DOTS, 1)),
        ],
        1,
    ).astype(np.float32)
    four = np.concatenate([colors(), np.ones((DOTS, 1), np.float32)], 1)
    nodes = [
        helper.make_node("Mul", ["time", "speed"], ["gone"]),
        helper.make_node("Add", ["base", "gone"], ["xyz"]),
        helper.make_node("Concat", ["xyz", "still"], ["gaussians"], axis=1),
        helper.make_node("Identity", ["four"], ["color"]),
    ]
    constants = {"base": base(), "speed": np.array([SPEED], np.float32)}
    return model(
        nodes,
        {"time": [1]},
        ["gaussians", "color"],
        constants | {"still": still, "four": four},
    )
