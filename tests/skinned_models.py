"""A small .glb made by hand: a strip of vertices on two joints, with three morph targets."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

COUNT = 7
TARGETS = ("jawOpen", "browUp", "cheekPuff")
"""Not in alphabetical order; the second one is stored sparsely, the third one is empty."""


def positions() -> Floats:
    """The strip at rest: up along y, (7, 3)."""
    at = np.linspace(0, 1, COUNT, dtype=np.float32)
    return np.stack([0.1 * at * at, at, 0 * at], axis=1)


def deltas() -> dict[str, Floats]:
    """What each target adds, (7, 3)."""
    jaw = np.zeros((COUNT, 3), np.float32)
    jaw[:, 2] = np.linspace(0, 0.3, COUNT)
    brow = np.zeros((COUNT, 3), np.float32)
    brow[[2, 5]] = [[0.25, 0, 0], [0, 0.125, 0]]
    return {"jawOpen": jaw, "browUp": brow, "cheekPuff": np.zeros((COUNT, 3), np.float32)}


def shares() -> tuple[NDArray[np.uint8], Floats]:
    """Joints and weights as glTF has them, (7, 4) both; slot 0 carries nothing."""
    upper = np.linspace(0, 1, COUNT, dtype=np.float32)
    weights = np.zeros((COUNT, 4), np.float32)
    weights[:, 0], weights[:, 1] = 1 - upper, upper
    return np.tile(np.array([2, 1, 0, 0], np.uint8), (COUNT, 1)), weights


class Glb:
    """A document and its binary part, to be changed before it is written.

    Nodes: a root turned by a quarter about x and scaled, a joint that carries nothing, ``lower`` at
    the origin, ``upper`` half a unit above it, and the mesh. The skin has as 0 the idle one, as
    1 ``upper``, as 2 ``lower``.
    """

    def __init__(self) -> None:
        self.binary = bytearray()
        self.document: dict[str, Any] = {"asset": {"version": "2.0"}, "accessors": []}
        self.document["bufferViews"] = []
        half = float(np.sqrt(0.5))
        self.document["nodes"] = [
            {"name": "root", "rotation": [half, 0, 0, half], "scale": [2, 2, 2], "children": [1]},
            {"name": "idle", "children": [2]},
            {"name": "lower", "children": [3], "rotation": [-half, 0, 0, half]},
            {"name": "upper", "translation": [0, 0.25, 0]},
            {"name": "mesh", "mesh": 0, "skin": 0},
        ]
        joints, weights = shares()
        made = deltas()
        attributes = {
            "POSITION": self.accessor(positions()),
            "JOINTS_0": self.accessor(joints),
            "WEIGHTS_0": self.accessor(weights),
        }
        targets = [
            {"POSITION": self.accessor(made["jawOpen"])},
            {"POSITION": self.sparse(made["browUp"])},
            {"POSITION": self.sparse(made["cheekPuff"])},
        ]
        primitive = {"attributes": attributes, "targets": targets}
        names = {"targetNames": list(TARGETS)}
        self.document["meshes"] = [{"primitives": [primitive], "extras": names}]
        bind = [np.linalg.inv(self._world(node)).T.reshape(16) for node in (1, 3, 2)]
        self.document["skins"] = [
            {"joints": [1, 3, 2], "inverseBindMatrices": self.accessor(np.float32(bind), "MAT4")}
        ]

    def _world(self, node: int) -> NDArray[np.float64]:
        tilt = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
        root, idle, lower, upper = np.eye(4), np.eye(4), np.eye(4), np.eye(4)
        root[:3, :3], lower[:3, :3], upper[1, 3] = 2 * tilt, tilt.T, 0.25
        worlds = [root, root @ idle, root @ lower, root @ lower @ upper]
        return worlds[node]

    def view(self, array: NDArray[Any]) -> int:
        """A buffer view of the array's bytes."""
        self.binary += bytes(-len(self.binary) % 4)
        at = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": array.nbytes}
        self.document["bufferViews"].append(at)
        self.binary += array.tobytes()
        return len(self.document["bufferViews"]) - 1

    def accessor(self, array: NDArray[Any], kind: str = "") -> int:
        """An accessor of rows."""
        kinds = {3: "VEC3", 4: "VEC4"}
        component = {"|u1": 5121, "<u2": 5123, "<f4": 5126}[array.dtype.str]
        accessor = {"bufferView": self.view(array), "componentType": component}
        accessor |= {"count": len(array), "type": kind or kinds[array.shape[1]]}
        self.document["accessors"].append(accessor)
        return len(self.document["accessors"]) - 1

    def sparse(self, array: Floats) -> int:
        """An accessor of the rows that are not zero."""
        rows = np.flatnonzero(np.abs(array).max(axis=1)).astype(np.uint16)
        accessor: dict[str, Any] = {"componentType": 5126, "count": len(array), "type": "VEC3"}
        if len(rows):
            accessor["sparse"] = {
                "count": len(rows),
                "indices": {"bufferView": self.view(rows), "componentType": 5123},
                "values": {"bufferView": self.view(array[rows])},
            }
        self.document["accessors"].append(accessor)
        return len(self.document["accessors"]) - 1

    def bytes(self) -> bytes:
        """The file."""
        text = json.dumps(self.document).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self.binary) + bytes(-len(self.binary) % 4)
        body = struct.pack("<II", len(text), 0x4E4F534A) + text
        body += struct.pack("<II", len(binary), 0x004E4942) + binary
        return struct.pack("<III", 0x46546C67, 2, 12 + len(body)) + body
