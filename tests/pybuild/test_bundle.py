"""The bundle folder: what is written is read back, and damage is told."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from pybuild.bundle import BUFFER_NAME, read_bundle, write_bundle
from pybuild.gaussians import Gaussians
from pybuild.pack import pack
from pyengine.errors import BundleError, InputError


def test_reads_back_what_was_packed(cloud: Gaussians, tmp_path: Path) -> None:
    """Every buffer, byte for byte, under a name that holds its hash."""
    written = write_bundle(cloud, tmp_path, background=(0.1, 0.2, 0.3))
    scene, load = read_bundle(tmp_path)
    assert scene == written
    assert scene.background == (0.1, 0.2, 0.3)
    for name, data in pack(cloud).buffers().items():
        assert load(name) == data
        digest = hashlib.sha256(data).hexdigest()[:12]
        assert scene.buffers[name].file == f"{name}-{digest}.bin"
    low, high = np.array(scene.bounds)
    np.testing.assert_array_equal(low, cloud.positions.min(axis=0))
    np.testing.assert_array_equal(high, cloud.positions.max(axis=0))


def test_the_same_cloud_gives_the_same_files(cloud: Gaussians, tmp_path: Path) -> None:
    """Nothing of the clock or the machine is in a bundle."""
    for name in ("a", "b"):
        write_bundle(cloud, tmp_path / name)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "ab"
    )
    assert first == second


def test_an_empty_cloud_makes_a_bundle(cloud: Gaussians, tmp_path: Path) -> None:
    """Zero Gaussians still have buffers to bind."""
    write_bundle(cloud.take(np.arange(0)), tmp_path)
    scene, load = read_bundle(tmp_path)
    assert scene.count == 0
    assert all(len(load(name)) == size for name, size in scene.expected_sizes().items())


def test_buffers_of_the_older_build_are_removed(cloud: Gaussians, tmp_path: Path) -> None:
    """And nothing else: a user's file stays."""
    (tmp_path / "notes.bin").write_bytes(b"mine")
    write_bundle(cloud, tmp_path)
    write_bundle(cloud.take(np.arange(10)), tmp_path)
    scene, _ = read_bundle(tmp_path)
    found = {path.name for path in tmp_path.iterdir() if BUFFER_NAME.fullmatch(path.name)}
    assert found == {buffer.file for buffer in scene.buffers.values()}
    assert (tmp_path / "notes.bin").exists()


@pytest.mark.parametrize("name", ["chunks", "geometry", "color", "sh"])
def test_damaged_buffers_are_told(cloud: Gaussians, tmp_path: Path, name: str) -> None:
    """A flipped bit, a cut file and a missing one; the message names the file."""
    write_bundle(cloud, tmp_path)
    scene, load = read_bundle(tmp_path)
    path = tmp_path / scene.buffers[name].file
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(BundleError, match=rf"{path.name}: damaged"):
        load(name)
    path.write_bytes(data[:-1])
    with pytest.raises(BundleError, match=rf"wanted {len(data)} bytes, got {len(data) - 1}"):
        load(name)
    path.unlink()
    with pytest.raises(BundleError, match=path.name):
        load(name)


def test_a_buffer_outside_the_folder_is_refused(cloud: Gaussians, tmp_path: Path) -> None:
    """scene.json may come from anyone."""
    write_bundle(cloud, tmp_path)
    path = tmp_path / "scene.json"
    data = json.loads(path.read_text())
    data["buffers"]["color"]["file"] = "../secret.bin"
    path.write_text(json.dumps(data))
    with pytest.raises(BundleError, match="not a plain file name"):
        read_bundle(tmp_path)


def test_no_bundle_is_told(tmp_path: Path) -> None:
    """With the command that makes one."""
    with pytest.raises(BundleError, match="vitrine build"):
        read_bundle(tmp_path)


def test_a_place_that_cannot_be_written_is_told(cloud: Gaussians, tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_bundle(cloud, tmp_path / "file" / "bundle")
