"""The contract of a small generator, as it should be, and with some of it changed."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pyengine.contract import Contract, Port, read_contract

__all__ = ["COLOR", "LIFT", "PLAIN", "ROLES", "N", "read", "swapped"]

N = 32
POSITION = Port("xyz", (N, 3), "float32")
SCALE = Port("size", (N, 3), "float32")
ROTATION = Port("turn", (N, 4), "float32")
OPACITY = Port("alpha", (N, 1), "float32")
COLOR = Port("rgb", (N, 3), "float32")
PLAIN = (POSITION, SCALE, ROTATION, OPACITY, COLOR)
ROLES = {
    "vitrine.contract": "1",
    "vitrine.output.xyz": "gaussian.position",
    "vitrine.output.size": "gaussian.scale",
    "vitrine.activation.size": "exp",
    "vitrine.output.turn": "gaussian.rotation",
    "vitrine.activation.turn": "normalize",
    "vitrine.output.alpha": "gaussian.opacity",
    "vitrine.activation.alpha": "sigmoid",
    "vitrine.output.rgb": "gaussian.color",
}
LIFT = {"label": "Lift", "min": 0, "max": 2, "default": 0.5}


def read(
    inputs: tuple[Port, ...] = (),
    outputs: tuple[Port, ...] = PLAIN,
    change: Mapping[str, object | None] | None = None,
    roles: Mapping[str, str] = ROLES,
) -> Contract:
    """The contract of a small model; ``change`` adds entries, or takes them away with None."""
    entries: dict[str, str] = dict(roles)
    for key, value in (change or {}).items():
        entries.pop(key, None)
        if value is not None:
            entries[key] = value if isinstance(value, str) else json.dumps(value)
    return read_contract(entries, inputs, outputs, "m.onnx")


def swapped(name: str, shape: tuple[int | str, ...], dtype: str = "float32") -> tuple[Port, ...]:
    """The plain outputs with one of another shape."""
    return tuple(Port(name, shape, dtype) if port.name == name else port for port in PLAIN)
