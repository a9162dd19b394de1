"""The contract of a small filter, as it should be, and with some of it changed."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pyengine.contract import FilterContract, Port, read_filter

__all__ = ["ROLES", "Change", "H", "W", "X", "Y", "bare", "port", "read"]

H, W = 12, 20
X = Port("x", (1, 3, H, W), "float32")
Y = Port("y", (1, 3, H, W), "float32")
ROLES = {
    "vitrine.contract": "1",
    "vitrine.kind": "filter",
    "vitrine.input.x": "image",
    "vitrine.output.y": "image",
}
Change = Mapping[str, object | None]


def read(
    inputs: tuple[Port, ...] = (X,),
    outputs: tuple[Port, ...] = (Y,),
    change: Change | None = None,
    override: Mapping[str, str] | None = None,
) -> FilterContract:
    """The contract of a small model; ``change`` adds entries, or takes them away with None."""
    entries: dict[str, str] = dict(ROLES)
    for key, value in (change or {}).items():
        entries.pop(f"vitrine.{key}", None)
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            entries[f"vitrine.{key}"] = text
    return read_filter(entries, inputs, outputs, "m.onnx", override)


def bare(*inputs: Port, outputs: tuple[Port, ...] = (Y,), **override: str) -> FilterContract:
    """The contract of a model without metadata."""
    return read_filter({}, inputs, outputs, "m.onnx", override)


def port(name: str, *shape: int | str, dtype: str = "float32") -> Port:
    """A tensor."""
    return Port(name, shape, dtype)
