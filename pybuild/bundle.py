"""The bundle folder: packed buffers named by their content, and the scene.json that lists them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from pybuild.atomic import unwritable, write_bytes
from pybuild.framing import default_pose
from pybuild.gaussians import Gaussians
from pybuild.pack import Packed, Report, pack
from pyengine.bundle import BufferFile, Pose, Scene
from pyengine.errors import BundleError

__all__ = [
    "BUFFER_NAME",
    "SCENE_FILE",
    "buffer_files",
    "bundle_folder",
    "describe",
    "read_bundle",
    "remove_stale",
    "write_buffers",
    "write_bundle",
    "write_description",
]

SCENE_FILE = "scene.json"
BUFFER_NAME = re.compile(r"[a-z_]+-[0-9a-f]{12}\.bin")
"""A buffer's file: its name, and the first 12 hex digits of its SHA-256."""

Loader = Callable[[str], bytes]
Vector = tuple[float, float, float]


def describe(
    packed: Packed,
    gaussians: Gaussians,
    buffers: Mapping[str, bytes],
    pose: Pose | None = None,
    background: Vector = (0, 0, 0),
) -> Scene:
    """The scene.json of a packed cloud.

    Parameters
    ----------
    packed : Packed
    gaussians : Gaussians
        What was packed: gives the bounds, and the pose where none is given.
    buffers : mapping
        `Packed.buffers`.
    pose : Pose, optional
        Where the camera starts; `framing.default_pose` unless given.
    background : (3,) float
        Display-referred, 0 to 1.
    """
    low, high = np.zeros(3), np.zeros(3)
    if gaussians.count:
        low, high = gaussians.positions.min(axis=0), gaussians.positions.max(axis=0)
    return Scene(
        count=packed.count,
        sh_degree=packed.sh_degree,
        antialiased=packed.antialiased,
        bounds=(_vector(low), _vector(high)),
        pose=pose or default_pose(gaussians),
        background=background,
        buffers=buffer_files(buffers),
    )


def buffer_files(buffers: Mapping[str, bytes]) -> dict[str, BufferFile]:
    """The files of a bundle's buffers, which are named by their content."""
    return {name: BufferFile(_file(name, data), len(data)) for name, data in buffers.items()}


def write_bundle(
    gaussians: Gaussians,
    folder: Path,
    *,
    pose: Pose | None = None,
    background: Vector = (0, 0, 0),
    report: Report | None = None,
) -> Scene:
    """Pack a cloud into a folder, made if it is missing; buffers of an older build are removed.

    The description is written after the buffers that it names, so a folder that is read while it
    is written holds the old scene or the new one.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    packed = pack(gaussians, report)
    buffers = packed.buffers()
    scene = describe(packed, gaussians, buffers, pose, background)
    with unwritable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_buffers(folder, scene, buffers)
    write_description(folder, scene)
    remove_stale(folder, scene)
    return scene


def write_buffers(folder: Path, scene: Scene, buffers: Mapping[str, bytes]) -> None:
    """Write the files of a scene's buffers."""
    for name, data in buffers.items():
        write_bytes(folder / scene.buffers[name].file, data)


def write_description(folder: Path, scene: Scene) -> None:
    """Write scene.json."""
    write_bytes(folder / SCENE_FILE, (scene.to_json() + "\n").encode())


def remove_stale(folder: Path, scene: Scene) -> None:
    """Remove buffers that only a scene before this one needed."""
    kept = {buffer.file for buffer in scene.buffers.values()}
    if scene.generator is not None:  # its tracks have names of the same kind
        kept |= {feed.track.file for feed in scene.generator.feeds if feed.track is not None}
    for file in folder.iterdir():
        if BUFFER_NAME.fullmatch(file.name) and file.name not in kept:
            file.unlink()


def bundle_folder(folder: Path) -> Path:
    """Where the scene.json of a bundle or of a site is."""
    return folder / "scene" if (folder / "scene" / SCENE_FILE).is_file() else folder


def read_bundle(folder: Path) -> tuple[Scene, Loader]:
    """Open a bundle, or the bundle of a site.

    Returns
    -------
    scene : Scene
    load : callable
        Bytes of a buffer by its name, checked against its size and its hash.

    Raises
    ------
    BundleError
        No bundle, or a damaged one; ``load`` raises it for a damaged buffer.
    """
    inside = bundle_folder(folder)
    path = inside / SCENE_FILE
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{folder}: no Vitrine bundle: {path.name}: {error.strerror}; make one with: "
            "vitrine build SCENE -o DIR"
        ) from None
    scene = Scene.from_json(text, str(path))

    def load(name: str) -> bytes:
        return _checked(inside, scene.buffers[name])

    return scene, load


def _checked(folder: Path, buffer: BufferFile) -> bytes:
    path = folder / buffer.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}; build the scene again") from None
    if len(data) != buffer.size_bytes:
        raise BundleError(
            f"{path}: wanted {buffer.size_bytes} bytes, got {len(data)}; build the scene again"
        )
    digest = _digest(data)
    if f"-{digest}." not in buffer.file:
        raise BundleError(
            f"{path}: damaged: its content has the hash {digest}, unlike its name; "
            "build the scene again"
        )
    return data


def _file(name: str, data: bytes) -> str:
    return f"{name}-{_digest(data)}.bin"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _vector(point: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Vector:
    x, y, z = (float(v) for v in point)
    return x, y, z
