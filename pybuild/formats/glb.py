"""Binary glTF 2.0, as far as a skinned mesh with morph targets needs it.

Read are one mesh's first primitive with its morph targets (sparse accessors too), its skin, and the
tree of nodes: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html. Materials, images and
animations are passed over. Axes stay glTF's: y up, metres.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.formats.bounds import Buffer, check_budget
from pyengine.errors import malformed

__all__ = ["SkinnedMesh", "read_skinned"]

Floats = NDArray[np.float32]
Array = NDArray[Any]

MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
LEAST_WEIGHT = 1e-6
"""A joint that carries no vertex by more than this is left out."""
BOUND_WITHIN = 1e-4
"""How far the skin matrices at rest may be from one another, as glTF's numbers are rounded."""


@dataclass(frozen=True, slots=True)
class SkinnedMesh:
    """n vertices at rest, k morph targets, j joints that carry them.

    Attributes
    ----------
    position : (n, 3) float32
        As the skin places them at rest.
    joints : tuple of str
        Names; a joint's parent stands before it.
    parents : tuple of int
        The nearest joint above that carries something; -1 for none.
    pivots : (j, 3) float32
        Where each joint is at rest.
    weights : (n, j) float32
        How much each joint carries; rows sum to 1.
    targets : tuple of str
        Names of the morph targets, in alphabetical order.
    deltas : (k, n, 3) float32
        What a target at weight 1 adds to the positions.
    """

    position: Floats
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    pivots: Floats
    weights: Floats
    targets: tuple[str, ...]
    deltas: Floats


def read_skinned(data: Buffer, name: str) -> SkinnedMesh:
    """The first skinned mesh of a .glb.

    Parameters
    ----------
    data : bytes or memoryview
        The whole file.
    name : str
        What messages call it.

    Raises
    ------
    FormatError
        The file is damaged, has no skinned mesh with morph targets, or was not bound at rest.
    """
    try:
        return _Reader(data, name).skinned()
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RecursionError) as error:
        told = f"{type(error).__name__}: {error}"
        raise malformed(name, f"its JSON does not describe a skinned mesh ({told})") from None


class _Reader:
    def __init__(self, data: Buffer, name: str) -> None:
        self.name = name
        self.size = len(data)
        chunks = self._chunks(data)
        try:
            self.document: dict[str, Any] = json.loads(bytes(chunks[JSON_CHUNK]))
        except (KeyError, ValueError, RecursionError):
            raise malformed(name, "has no JSON chunk", wanted="a binary glTF 2.0") from None
        self.binary = chunks.get(BINARY_CHUNK, b"")
        self.allocated = 0

    def _chunks(self, data: Buffer) -> dict[int, Buffer]:
        if len(data) < 12 or struct.unpack_from("<II", data) != (MAGIC, 2):
            raise malformed(self.name, "is no binary glTF 2.0", wanted="a .glb")
        chunks: dict[int, Buffer] = {}
        at = 12
        while at + 8 <= len(data):
            size, kind = struct.unpack_from("<II", data, at)
            if at + 8 + size > len(data):
                raise malformed(
                    self.name, f"the chunk at byte {at} ends behind the file's end", got=size
                )
            chunks.setdefault(kind, data[at + 8 : at + 8 + size])
            at += 8 + size
        return chunks

    def skinned(self) -> SkinnedMesh:
        nodes = self.document["nodes"]
        holder = next((n for n in nodes if "skin" in n and "mesh" in n), None)
        if holder is None:
            raise malformed(self.name, "no node has both a mesh and a skin")
        mesh = self.document["meshes"][_index(holder["mesh"])]
        primitive = mesh["primitives"][0]
        attributes = primitive["attributes"]
        position = self.accessor(attributes["POSITION"], 3).astype(np.float32)
        count = len(position)
        indices = self.accessor(attributes["JOINTS_0"], 4)
        shares = _shares(self.accessor(attributes["WEIGHTS_0"], 4))
        given = self.document["skins"][_index(holder["skin"])]
        joints = [_index(node) for node in given["joints"]]
        if indices.dtype.kind != "u" or len(indices) != count or len(shares) != count:
            raise malformed(self.name, "JOINTS_0 and WEIGHTS_0 do not fit POSITION")
        if int(indices.max(initial=0)) >= len(joints):
            raise malformed(self.name, "JOINTS_0 names a joint that the skin has not")
        bind = self.accessor(given["inverseBindMatrices"], 16).reshape(-1, 4, 4)
        if len(bind) != len(joints):
            raise malformed(self.name, "has not one inverse bind matrix for each joint")

        parents = _parents(nodes)
        used = np.flatnonzero(np.bincount(indices.ravel(), shares.ravel()) > LEAST_WEIGHT * count)
        used = np.array(sorted(used, key=lambda slot: len(_above(joints[slot], parents))))
        places = [_world(joints[slot], nodes, parents) for slot in used]
        skins = [m @ bind[slot].T for m, slot in zip(places, used, strict=True)]
        if any(np.abs(skin - skins[0]).max() > BOUND_WITHIN for skin in skins):
            raise malformed(
                self.name,
                "the mesh was not bound in the pose in which its nodes rest",
                hint="Export it in its rest pose.",
            )
        slots = np.full(len(joints), -1)
        slots[used] = np.arange(len(used))
        dense = np.zeros((count, len(used)), np.float32)
        for column in range(4):
            slot = slots[indices[:, column]]
            kept = np.flatnonzero(slot >= 0)
            np.add.at(dense, (kept, slot[kept]), shares[kept, column])
        total = dense.sum(axis=1, keepdims=True)
        if not (total > 0).all():
            raise malformed(self.name, "a vertex is carried by no joint")

        names, deltas = self._targets(mesh, primitive, count)
        turn, move = skins[0][:3, :3], skins[0][:3, 3]
        order = [joints[slot] for slot in used]
        return SkinnedMesh(
            (position @ turn.T + move).astype(np.float32),
            tuple(str(nodes[node].get("name", f"joint {node}")) for node in order),
            tuple(
                next((order.index(a) for a in _above(node, parents)[1:] if a in order), -1)
                for node in order
            ),
            np.array([place[:3, 3] for place in places], np.float32),
            dense / total,
            names,
            (deltas @ turn.T).astype(np.float32),
        )

    def _targets(
        self, mesh: dict[str, Any], primitive: dict[str, Any], count: int
    ) -> tuple[tuple[str, ...], Floats]:
        given = primitive.get("targets", [])
        names = [str(n) for n in mesh.get("extras", {}).get("targetNames", [])]
        if not given or len(set(names)) != len(given):
            raise malformed(
                self.name,
                "its morph targets have no names, or share them",
                wanted="as many names in extras.targetNames as targets",
                got=f"{len(names)} names, {len(given)} targets",
            )
        check_budget(self.name, self.size, 24 * count * len(given), f"{len(given)} morph targets")
        deltas = np.zeros((len(given), count, 3), np.float32)
        order = sorted(range(len(names)), key=lambda k: names[k])
        for row, k in enumerate(order):
            delta = self.accessor(given[k]["POSITION"], 3)
            if len(delta) != count:
                raise malformed(self.name, f"morph target '{names[k]}' has {len(delta)} vertices")
            deltas[row] = delta
        return tuple(names[k] for k in order), deltas

    def accessor(self, index: object, width: int) -> Array:
        """An accessor's rows (count, width), finite."""
        accessor = self.document["accessors"][_index(index)]
        count, kind = _index(accessor["count"]), COMPONENTS[accessor["componentType"]]
        if WIDTHS[accessor["type"]] != width:
            raise malformed(
                self.name, f"accessor {index}", wanted=f"{width} wide", got=accessor["type"]
            )
        needed = count * width * np.dtype(kind).itemsize
        check_budget(self.name, self.size, needed, f"accessor {index}")
        if "bufferView" in accessor:
            rows = self._rows(accessor, kind, count, width).copy()
        else:
            rows = np.zeros((count, width), kind)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            some = _index(sparse["count"])
            at = self._rows(
                sparse["indices"], COMPONENTS[sparse["indices"]["componentType"]], some, 1
            )[:, 0]
            if at.dtype.kind != "u" or int(at.max(initial=0)) >= max(count, 1):
                raise malformed(self.name, f"accessor {index}: a sparse index is out of range")
            rows[at] = self._rows(sparse["values"], kind, some, width)
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise malformed(self.name, f"accessor {index} has numbers that are not finite")
        return rows

    def _rows(self, part: dict[str, Any], kind: str, count: int, width: int) -> Array:
        view = self.document["bufferViews"][_index(part["bufferView"])]
        size = np.dtype(kind).itemsize * width
        start = _index(view.get("byteOffset", 0)) + _index(part.get("byteOffset", 0))
        stride = _index(view.get("byteStride", size))
        end = start + stride * (count - 1) + size if count else start
        if stride < size or end > len(self.binary) or _index(view.get("buffer", 0)) != 0:
            raise malformed(self.name, f"buffer view {part['bufferView']} lies outside the file")
        rows: Array = np.ndarray(
            (count, width), kind, self.binary, start, (stride, np.dtype(kind).itemsize)
        )
        return rows


def _index(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"wanted an index, got {str(value)[:40]}")
    return value


def _shares(weights: Array) -> Floats:
    """Weights as floats: glTF also stores them as normalised integers."""
    scale = {"u1": 255.0, "u2": 65535.0}.get(weights.dtype.str[1:], 1.0)
    shares: Floats = (weights / np.float32(scale)).astype(np.float32)
    if (shares < 0).any():
        raise ValueError("negative weights")
    return shares


def _parents(nodes: list[dict[str, Any]]) -> dict[int, int]:
    parents: dict[int, int] = {}
    for index, node in enumerate(nodes):
        for child in node.get("children", []):
            if parents.setdefault(_index(child), index) != index:
                raise ValueError(f"node {child} has two parents")
    return parents


def _above(node: int, parents: dict[int, int]) -> list[int]:
    """The node and all above it, upwards."""
    chain = [node]
    while chain[-1] in parents:
        chain.append(parents[chain[-1]])
        if len(chain) > len(parents) + 1:
            raise ValueError("the nodes form a ring")
    return chain


def _world(node: int, nodes: list[dict[str, Any]], parents: dict[int, int]) -> NDArray[np.float64]:
    """A node's transform at rest: (4, 4)."""
    total = np.eye(4)
    for index in _above(node, parents):
        total = _local(nodes[index]) @ total
    return total


def _local(node: dict[str, Any]) -> NDArray[np.float64]:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), np.float64)
    local = np.eye(4)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    local[:3, :3] = turn * np.array(node.get("scale", (1, 1, 1)), np.float64)
    local[:3, 3] = np.array(node.get("translation", (0, 0, 0)), np.float64)
    if not np.isfinite(local).all():
        raise ValueError("a node's transform is not finite")
    return local
