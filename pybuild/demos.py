"""The table of demos, as data: a TOML file with a ``[[demo]]`` for each.

::

    [[demo]]
    name = "walkers"                        # its folder in the gallery
    title = "Ten walkers"
    family = "Skinned avatar"               # what kind of scene or network
    text = "One sentence."
    source = "generators/avatar.onnx"       # paths are relative to the table
    track = ["joints=generators/walk.npy@30"]
    places = [[0, 0, 0, 0], [1, 0, 0, 90]]  # instances: x, y, z, degrees about the vertical axis

The other keys are options of ``vitrine build``: ``eye``, ``target``, ``fov``, ``background``,
``input``, ``set``, ``time`` (of the poster), ``filter``.
"""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pybuild.filters.given import parse_filter, rebased
from pybuild.options import BuildOptions, GeneratorOptions
from pybuild.scene_file import files_of, is_scene_file
from pyengine.errors import InputError
from pyengine.generator_spec import MAX_INSTANCES

__all__ = ["Demo", "read_demos"]

Vector = tuple[float, float, float]
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_TAKEN = ("vitrine",)
_TEXTS = ("name", "title", "text", "family", "source")
_OTHERS = (
    "family",
    "eye",
    "target",
    "fov",
    "background",
    "track",
    "input",
    "set",
    "time",
    "places",
    "filter",
)
_KEYS = (*_TEXTS, *_OTHERS)


@dataclass(frozen=True, slots=True)
class Demo:
    """A row of the table.

    Attributes
    ----------
    family : str
        What kind of scene or network it is.
    source : Path
        A scene file, a generator's model, or a scene.toml of several.
    places : tuple of (x, y, z, degrees)
        Where instances stand, and how they are turned about the vertical axis; empty for one.
    """

    name: str
    title: str
    text: str
    family: str
    source: Path
    options: BuildOptions = field(default_factory=BuildOptions)
    places: tuple[tuple[float, float, float, float], ...] = ()

    def files(self) -> list[Path]:
        """Everything that it is made of."""
        given = self.options.generator
        paths = [text.partition("=")[2] for text in (*given.inputs, *given.tracks)]
        filters = [stage.path for text in self.options.filters for stage in parse_filter(text)]
        tracks = [Path(text.rpartition("@")[0] or text) for text in paths]
        is_objects = is_scene_file(self.source) and self.source.is_file()
        objects = files_of(self.source) if is_objects else []
        return [self.source, *objects, *tracks, *filters]

    def lacking(self) -> str | None:
        """What keeps it from being built: a file that is not there; None where all is."""
        try:
            missing = [path for path in self.files() if not path.is_file()]
        except InputError as error:  # of a filter's file, or of a scene.toml
            return str(error)
        return f"{missing[0]} is missing" if missing else None


def read_demos(table: Path) -> tuple[Demo, ...]:
    """Read a table.

    Raises
    ------
    InputError
        It cannot be read, or a row says what it must not; with the row and the key.
    """
    try:
        rows = tomllib.loads(table.read_text(encoding="utf-8")).get("demo")
    except OSError as error:
        raise InputError(f"{table}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{table}: no TOML: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{table}: wants a [[demo]] for each demo")
    demos = tuple(_Row(table, index, row).demo() for index, row in enumerate(rows))
    names = [demo.name for demo in demos]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{table}: two demos are named {name!r}")
    return demos


@dataclass(frozen=True, slots=True)
class _Row:
    table: Path
    index: int
    row: dict[str, Any]

    def demo(self) -> Demo:
        unknown = sorted(set(self.row) - set(_KEYS))
        if unknown:
            raise self._fault(unknown[0], f"is unknown; there are {', '.join(_KEYS)}")
        name, title, text, family, source = (self._text(key) for key in _TEXTS)
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise self._fault("name", f"must be of a-z, 0-9 and -, and not 'vitrine'; got {name!r}")
        places = tuple(
            (x, y, z, turn)
            for x, y, z, turn in (self._numbers(row, "places", 4) for row in self._list("places"))
        )
        if len(places) > MAX_INSTANCES:
            raise self._fault("places", f"has {len(places)}; {MAX_INSTANCES} at most")
        fov, time_s = (self._number(key) for key in ("fov", "time"))
        options = BuildOptions(
            None,
            self._vector("eye"),
            self._vector("target"),
            fov,
            self._vector("background"),
            title,
            GeneratorOptions(
                time_s, self._files("input"), tuple(self._texts("set")), self._files("track")
            ),
            tuple(rebased(text, self.table.parent) for text in self._texts("filter")),
        )
        folder = self.table.parent
        return Demo(name, title, text, family, folder / source, options, places)

    def _fault(self, key: str, what: str) -> InputError:
        return InputError(f"{self.table}: demo {self.index + 1}: {key!r} {what}")

    def _text(self, key: str) -> str:
        value = self.row.get(key)
        if not isinstance(value, str) or not value:
            raise self._fault(key, f"must be a text, got {value!r}")
        return value

    def _list(self, key: str) -> list[Any]:
        value = self.row.get(key, [])
        if not isinstance(value, list):
            raise self._fault(key, f"must be a list, got {value!r}")
        return value

    def _texts(self, key: str) -> list[str]:
        texts = self._list(key)
        if not all(isinstance(text, str) for text in texts):
            raise self._fault(key, f"must be a list of texts, got {texts!r}")
        return texts

    def _files(self, key: str) -> tuple[str, ...]:
        """NAME=FILE, with the file beside the table."""
        parts = [text.partition("=") for text in self._texts(key)]
        return tuple(f"{name}={self.table.parent / file}" for name, _, file in parts)

    def _number(self, key: str) -> float | None:
        return self._numbers([self.row[key]], key, 1)[0] if key in self.row else None

    def _vector(self, key: str) -> Vector | None:
        if key not in self.row:
            return None
        x, y, z = self._numbers(self.row[key], key, 3)
        return x, y, z

    def _numbers(self, value: Any, key: str, count: int) -> list[float]:
        items = value if isinstance(value, list) else []
        numbers = [float(item) for item in items if type(item) in (int, float)]
        if not len(items) == len(numbers) == count or not all(map(math.isfinite, numbers)):
            raise self._fault(key, f"must be {count} numbers, got {value!r}")
        return numbers
