"""Skinned meshes with morph targets out of .glb files, and files that are none."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest

from pybuild.formats.glb import read_skinned
from pyengine.errors import FormatError
from tests.skinned_models import COUNT, Glb, deltas, positions, shares

EXACT = 1e-6


def test_a_skinned_mesh() -> None:
    """Positions at rest, targets by name, joints that carry something, parents before children."""
    mesh = read_skinned(Glb().bytes(), "strip.glb")
    assert np.abs(mesh.position - positions()).max() < EXACT
    assert mesh.targets == ("browUp", "cheekPuff", "jawOpen")
    for name, delta in zip(mesh.targets, mesh.deltas, strict=True):
        assert np.abs(delta - deltas()[name]).max() < EXACT
    assert mesh.joints == ("lower", "upper")
    assert mesh.parents == (-1, 0)
    assert np.abs(mesh.pivots - [[0, 0, 0], [0, 0.5, 0]]).max() < EXACT
    assert np.abs(mesh.weights - shares()[1][:, :2]).max() < EXACT


def test_weights_as_bytes() -> None:
    """Normalised integers are shares of 255."""
    glb = Glb()
    bytes_ = np.round(shares()[1] * 255).astype(np.uint8)
    attributes = glb.document["meshes"][0]["primitives"][0]["attributes"]
    attributes["WEIGHTS_0"] = glb.accessor(bytes_)
    mesh = read_skinned(glb.bytes(), "strip.glb")
    assert np.abs(mesh.weights - shares()[1][:, :2]).max() < 1 / 255


def _no_skin(glb: Glb) -> None:
    del glb.document["nodes"][4]["skin"]


def _unnamed(glb: Glb) -> None:
    del glb.document["meshes"][0]["extras"]


def _same_names(glb: Glb) -> None:
    glb.document["meshes"][0]["extras"]["targetNames"] = ["a", "a", "b"]


def _moved(glb: Glb) -> None:
    glb.document["nodes"][3]["translation"] = [0, 0.3, 0]


def _unknown_joint(glb: Glb) -> None:
    attributes = glb.document["meshes"][0]["primitives"][0]["attributes"]
    attributes["JOINTS_0"] = glb.accessor(np.full((COUNT, 4), 3, np.uint8))


def _far_view(glb: Glb) -> None:
    glb.document["bufferViews"][0]["byteOffset"] = 1 << 30


def _huge(glb: Glb) -> None:
    glb.document["accessors"][0]["count"] = 1 << 40


def _nan(glb: Glb) -> None:
    attributes = glb.document["meshes"][0]["primitives"][0]["attributes"]
    attributes["POSITION"] = glb.accessor(np.full((COUNT, 3), np.nan, np.float32))


def _far_row(glb: Glb) -> None:
    sparse = next(a["sparse"] for a in glb.document["accessors"] if "sparse" in a)
    sparse["indices"]["bufferView"] = glb.view(np.array([2, COUNT], np.uint16))


def _ring(glb: Glb) -> None:
    glb.document["nodes"][3]["children"] = [0]


def _two_parents(glb: Glb) -> None:
    glb.document["nodes"][0]["children"] = [1, 3]


def _negative(glb: Glb) -> None:
    glb.document["accessors"][0]["bufferView"] = -1


def _shorter_target(glb: Glb) -> None:
    target = glb.document["meshes"][0]["primitives"][0]["targets"][0]
    target["POSITION"] = glb.accessor(np.zeros((COUNT - 1, 3), np.float32))


def _list(glb: Glb) -> None:
    glb.document["meshes"] = {"0": []}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_no_skin, "no node has both a mesh and a skin"),
        (_unnamed, "wanted as many names"),
        (_same_names, "or share them"),
        (_moved, "not bound in the pose"),
        (_unknown_joint, "names a joint that the skin has not"),
        (_far_view, "lies outside the file"),
        (_huge, "would need"),
        (_nan, "not finite"),
        (_far_row, "a sparse index is out of range"),
        (_ring, "does not describe a skinned mesh"),
        (_two_parents, "has two parents"),
        (_negative, "wanted an index, got -1"),
        (_shorter_target, "'jawOpen' has 6 vertices"),
        (_list, "does not describe a skinned mesh"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_wrong_is_named(change: Callable[[Glb], None], told: str) -> None:
    """With the file, and without a traceback of numpy's."""
    glb = Glb()
    change(glb)
    with pytest.raises(FormatError, match=told) as caught:
        read_skinned(glb.bytes(), "strip.glb")
    assert str(caught.value).startswith("strip.glb: ")


@pytest.mark.parametrize("size", [0, 11, 12, 20, 200, -1])
def test_truncated_files(size: int) -> None:
    """None is read in part."""
    with pytest.raises(FormatError):
        read_skinned(Glb().bytes()[:size], "strip.glb")


def test_other_versions() -> None:
    """Version 1 is another format."""
    data = bytearray(Glb().bytes())
    struct.pack_into("<I", data, 4, 1)
    with pytest.raises(FormatError, match=r"no binary glTF 2\.0"):
        read_skinned(bytes(data), "strip.glb")
