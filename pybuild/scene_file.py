"""What a scene of several objects is made of: a scene.toml, or several files on the command line.

::

    [[object]]                      # once for each
    file = "chair.ply"              # a scene file or a generator's .onnx, relative to this file
    name = "chair"                  # the file's name unless given
    position = [0, 0, 1.5]          # world units: x right, y down, z forward
    rotation_deg = [0, 90, 0]       # about x, then y, then z, the axes of the scene
    quaternion = [0, 0.7, 0, 0.7]   # in its place: x, y, z, w
    scale = 1.5                     # or three, along the object's own axes
    visible = true
    opacity = 1                     # 0 to 1
    tint = [1, 1, 1]                # multiplies the colours
    up = "-y"                       # as --up: the file's axis that points up

An object is scaled, then turned, then moved. `pyengine.scene_toml` writes such a file.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyengine.errors import InputError
from pyengine.object_spec import MAX_OBJECTS, PLACEMENT_KEYS, UNMOVED, Placement, nearest
from pyengine.scene_toml import scene_toml

__all__ = [
    "Entry",
    "SceneFile",
    "files_of",
    "is_scene_file",
    "read_scene_file",
    "source_of",
]

SUFFIX = ".toml"
_TAKEN_AS_THEY_ARE = tuple(key for key in PLACEMENT_KEYS if key != "rotation")
_KEYS = ("file", "name", "rotation_deg", "quaternion", *_TAKEN_AS_THEY_ARE, "up")
_UPS = ("source", "y", "-y", "z", "-z")
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """An object to be made.

    Attributes
    ----------
    file : str
        As its author named it.
    path : Path
        Where it is.
    up : str, optional
        See `pybuild.formats.read`.
    """

    name: str
    file: str
    path: Path
    placement: Placement = UNMOVED
    up: str | None = None

    @property
    def is_model(self) -> bool:
        """Whether it is a generator's ONNX model, by its name alone."""
        return self.path.suffix.lower() == ".onnx"


@dataclass(frozen=True, slots=True)
class SceneFile:
    """Several objects; ``str`` of it is what messages call it.

    Attributes
    ----------
    where : str
        The file, or the first of the files.
    entries : tuple of Entry
        At least one.
    title : str
        Of a page without a better one.
    """

    where: str
    entries: tuple[Entry, ...]
    title: str

    def __str__(self) -> str:
        return self.where

    @property
    def generator(self) -> Entry | None:
        """The one that is a model."""
        return next((entry for entry in self.entries if entry.is_model), None)

    @property
    def files(self) -> list[Path]:
        """Of the objects."""
        return [entry.path for entry in self.entries]

    def to_toml(self) -> str:
        """The text of a scene.toml with these objects."""
        return scene_toml((item.name, item.file, item.up, item.placement) for item in self.entries)


def is_scene_file(path: Path) -> bool:
    """Whether a path is that of a scene.toml, by its name alone."""
    return path.suffix.lower() == SUFFIX


def source_of(paths: Sequence[Path]) -> Path | SceneFile:
    """What one or several arguments of the command line name.

    Raises
    ------
    InputError
        A scene.toml that is wrong or not alone, a folder among files, a file that is missing.
    """
    if len(paths) == 1:
        return read_scene_file(paths[0]) if is_scene_file(paths[0]) else paths[0]
    for path in paths:
        if is_scene_file(path):
            raise InputError(f"{path}: is a whole scene; give it alone, or put the others into it")
        if path.is_dir() and not (path / "meta.json").is_file():
            raise InputError(f"{path}: is a folder; several objects are made of scene files")
    names = _distinct([path.name.split(".")[0] for path in paths])
    entries = [
        Entry(name, path.name if path.is_absolute() else path.as_posix(), path)
        for name, path in zip(names, paths, strict=True)
    ]
    return _checked(", ".join(map(str, paths)), entries, names[0])


def files_of(path: Path) -> list[Path]:
    """Files that a scene.toml names, whether they are there or not.

    Raises
    ------
    InputError
        It cannot be read.
    """
    rows = _tables(path)
    return [
        path.parent / _text(row, "file", f"{path}: object {i + 1}") for i, row in enumerate(rows)
    ]


def read_scene_file(path: Path) -> SceneFile:
    """Read a scene.toml.

    Raises
    ------
    InputError
        It cannot be read, or says what it must not: the file, the object and the key.
    """
    rows = _tables(path)
    files = [_text(row, "file", f"{path}: object {i + 1}") for i, row in enumerate(rows)]
    given = [row.get("name") for row in rows]
    named = _distinct(
        [Path(file).name.split(".")[0] for file in files],
        [name for name in given if isinstance(name, str)],
    )
    entries = []
    for index, (row, file) in enumerate(zip(rows, files, strict=True)):
        where = f"{path}: object {index + 1}"
        name = _text(row, "name", where) if "name" in row else named[index]
        if len(name) > _MAX_NAME:
            raise InputError(f"{where}: 'name' has more than {_MAX_NAME} characters")
        entries.append(_entry(path, row, name, file, f"{where} ({name!r})"))
    return _checked(str(path), entries, path.stem)


def _tables(path: Path) -> list[dict[str, Any]]:
    """The tables of a scene.toml."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: no TOML: {error}") from None
    for key in data:
        if key != "object":
            raise InputError(f"{path}: unknown key {key!r}{nearest(key, ['object'])}")
    rows = data.get("object")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: wants an [[object]] for each object, with a file at least")
    if len(rows) > MAX_OBJECTS:
        raise InputError(f"{path}: has {len(rows)} objects; {MAX_OBJECTS} at most")
    return rows


def _entry(path: Path, row: dict[str, Any], name: str, file: str, where: str) -> Entry:
    for key in row:
        if key not in _KEYS:
            raise InputError(f"{where}: unknown key {key!r}{nearest(key, _KEYS)}")
    changes = {key: row[key] for key in _TAKEN_AS_THEY_ARE if key in row}
    if "quaternion" in row and "rotation_deg" in row:
        raise InputError(f"{where}: has 'quaternion' and 'rotation_deg'; leave one of them out")
    if "rotation_deg" in row:
        changes["rotation"] = _turn(row["rotation_deg"], where)
    if "quaternion" in row:
        changes["rotation"] = row["quaternion"]
    try:
        placement = UNMOVED.changed(changes, where)
    except InputError as error:
        raise InputError(str(error).replace("'rotation' must", "'quaternion' must")) from None
    up = row.get("up")
    if up is not None and up not in _UPS:
        raise InputError(f"{where}: 'up' must be one of {', '.join(_UPS)}, got {up!r}")
    entry = Entry(name, file, path.parent / file, placement, up)
    if up is not None and entry.is_model:
        raise InputError(f"{where}: 'up' is for scene files; a generator says how it stands")
    return entry


def _turn(value: object, where: str) -> list[float]:
    """A quaternion x, y, z, w of three angles: about x, then y, then z."""
    numbers = value if isinstance(value, list) else []
    fine = [v for v in numbers if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) != 3 or len(fine) != 3 or not all(math.isfinite(v) for v in fine):
        raise InputError(f"{where}: 'rotation_deg' must be three numbers of degrees, got {value!r}")
    (sx, cx), (sy, cy), (sz, cz) = (
        (math.sin(half), math.cos(half)) for half in (math.radians(v % 720) / 2 for v in fine)
    )
    return [
        sx * cy * cz - cx * sy * sz,
        cx * sy * cz + sx * cy * sz,
        cx * cy * sz - sx * sy * cz,
        cx * cy * cz + sx * sy * sz,
    ]


def _checked(where: str, entries: Sequence[Entry], title: str) -> SceneFile:
    """Raise InputError where a name is there twice, a file is missing, or two are generators."""
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        if entry.name in seen:
            raise InputError(
                f"{where}: object {index + 1}: the name {entry.name!r} is taken; give it another"
            )
        seen.add(entry.name)
        if not entry.path.exists():
            raise InputError(
                f"{where}: object {index + 1} ({entry.name!r}): 'file' {entry.file!r}: no such "
                f"file: {entry.path}"
            )
    models = [entry.name for entry in entries if entry.is_model]
    if len(models) > 1:
        raise InputError(
            f"{where}: {models[0]!r} and {models[1]!r} are generators (ONNX models); a scene takes "
            "one. Copies of one stand side by side with --instances; leave the others out."
        )
    return SceneFile(where, tuple(entries), title)


def _distinct(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Names of files, with numbers where one is there twice."""
    used, found = set(taken), []
    for name in names:
        number, unique = 1, name or "object"
        while unique in used:
            number += 1
            unique = f"{name}-{number}"
        used.add(unique)
        found.append(unique)
    return found


def _text(row: dict[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if key not in row:
        close = nearest(key, list(row)) if row else ""
        raise InputError(f"{where}: {key!r} is missing{close}")
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}: {key!r} must be a text, got {value!r}")
    return value
