"""What scene.json says of a scene's objects: the key ``objects``, and where each of them stands.

An object is what one scene file, or the generator, brought to the scene: a range of its chunks and
a `Placement`. A scene of one file alone has none of this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pyengine.errors import BundleError, InputError
from pyengine.fields import Fields

__all__ = [
    "MAX_OBJECTS",
    "PLACEMENT_KEYS",
    "UNMOVED",
    "Box",
    "ObjectSpec",
    "Placement",
    "Quaternion",
    "Vector",
    "nearest",
    "read_objects",
]

MAX_OBJECTS = 1024
PLACEMENT_KEYS = ("position", "rotation", "scale", "visible", "opacity", "tint")

_MAX_POSITION = 1e9
_SCALES = (1e-6, 1e6)
_MAX_TINT = 100.0
_MAX_CHUNKS = 1 << 20
_MAX_NAME = 100
_MAX_FILE = 1000
_UNIT = 1e-12
"""How far the square of a length may be from 1 for a quaternion to be left as it is."""

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
Box = tuple[Vector, Vector]
Matrix = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an object stands, and how it is drawn: all that may change while it is shown.

    A point of the object is scaled along the object's own axes, then turned, then moved.

    Attributes
    ----------
    position : (3,) float
        Of the object's origin; world units.
    rotation : (4,) float
        A unit quaternion x, y, z, w, as glTF and three.js have it.
    scale : (3,) float
        Above 0.
    visible : bool
        A hidden object costs a look at each of its chunks.
    opacity : float
        0 to 1; multiplies that of every Gaussian.
    tint : (3,) float
        Multiplies the colours; 1 leaves them.
    """

    position: Vector = (0.0, 0.0, 0.0)
    rotation: Quaternion = (0.0, 0.0, 0.0, 1.0)
    scale: Vector = (1.0, 1.0, 1.0)
    visible: bool = True
    opacity: float = 1.0
    tint: Vector = (1.0, 1.0, 1.0)

    def changed(self, changes: object, where: str) -> Placement:
        """The same with some values in the place of others.

        Parameters
        ----------
        changes : mapping
            Of attributes to values; a ``scale`` may be one number, a ``rotation`` of any length
            but 0.
        where : str
            Begins every message.

        Raises
        ------
        InputError
            No mapping, a key that is none, or a value that cannot be.
        """
        if not isinstance(changes, Mapping):
            raise InputError(f"{where}: wanted an object of {_KEYS}, got {_shown(changes)}")
        made: dict[str, Any] = {}
        for key, value in changes.items():
            if key not in PLACEMENT_KEYS:
                raise InputError(
                    f"{where}: unknown key {_shown(key)}{nearest(key, PLACEMENT_KEYS)}"
                )
            made[key] = _READERS[key](value, f"{where}: {key!r}")
        return replace(self, **made)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "position": list(self.position),
            "rotation": list(self.rotation),
            "scale": list(self.scale),
            "visible": self.visible,
            "opacity": self.opacity,
            "tint": list(self.tint),
        }

    @property
    def to_world(self) -> Matrix:
        """The object's space to the world's; 16 numbers, column-major."""
        columns = [
            value * size
            for column, size in zip(_axes(self.rotation), self.scale, strict=True)
            for value in (*column, 0.0)
        ]
        return (*columns, *self.position, 1.0)

    @property
    def to_object(self) -> Matrix:
        """Back; 16 numbers, column-major."""
        axes = _axes(self.rotation)
        rows = [
            [value / size for value in axis] for axis, size in zip(axes, self.scale, strict=True)
        ]
        moved = [-sum(a * b for a, b in zip(row, self.position, strict=True)) for row in rows]
        columns = [value for axis in range(3) for value in (*(row[axis] for row in rows), 0.0)]
        return (*columns, *moved, 1.0)

    def box(self, bounds: Box) -> Box:
        """The box in the world around a box of the object's space."""
        m = self.to_world
        low, high = list(self.position), list(self.position)
        for column in range(3):
            for row in range(3):
                ends = [m[4 * column + row] * bounds[end][column] for end in (0, 1)]
                low[row] += min(ends)
                high[row] += max(ends)
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])


UNMOVED = Placement()
"""At the origin, as it was made."""


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """An object as it was built.

    Attributes
    ----------
    name : str
        Another for each.
    file : str
        What it was made of, as its author named it: a path relative to the scene's file.
    count : int
        Gaussians; of a generator the most that it makes.
    chunks : (first, number)
        Its part of the scene's chunks. The objects' parts follow each other without a gap, the
        generator's last.
    data : int
        Chunk of the packed buffers at which its Gaussians begin; several objects of one file have
        the same. 0 of a generator.
    sh_degree : int
        0 to 3.
    bounds : two points
        Smallest and largest coordinates of its centres, in its own space.
    placement : Placement
        Where it stands at first.
    is_generator : bool
        The scene's generator makes its Gaussians.
    up : str, optional
        The axis of the file that was said to point up.
    antialiased : bool
        It was trained with the mip filter, and the scene says that others were not.
    """

    name: str
    file: str
    count: int
    chunks: tuple[int, int]
    data: int
    sh_degree: int
    bounds: Box
    placement: Placement = UNMOVED
    is_generator: bool = False
    up: str | None = None
    antialiased: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As scene.json has it."""
        return {
            "name": self.name,
            "file": self.file,
            **({"up": self.up} if self.up else {}),
            "count": self.count,
            "chunks": list(self.chunks),
            "data": self.data,
            "sh_degree": self.sh_degree,
            "bounds": [list(point) for point in self.bounds],
            "generator": self.is_generator,
            **({"antialiased": True} if self.antialiased else {}),
            **self.placement.to_dict(),
        }

    @classmethod
    def parse(cls, value: object, where: str) -> ObjectSpec:
        """Read and check.

        Raises
        ------
        BundleError
            A key that is missing or unknown, a value of the wrong type or range.
        """
        names = ("name", "file", "count", "chunks", "data", "sh_degree", "bounds", "generator")
        fields = Fields(value, where, (*names, *PLACEMENT_KEYS), ("up", "antialiased"))
        chunks = fields.integers("chunks", 2, 0, _MAX_CHUNKS)
        points = [fields_point(point, f"{where}: bounds") for point in fields.list("bounds", 2)]
        if len(chunks) != 2 or len(points) != 2:
            raise BundleError(f"{where}: 'chunks' and 'bounds' must be of two; build it again")
        try:
            placement = UNMOVED.changed({key: fields[key] for key in PLACEMENT_KEYS}, where)
        except InputError as error:
            raise BundleError(str(error)) from None
        return cls(
            name=fields.text("name", _MAX_NAME),
            file=fields.text("file", _MAX_FILE),
            count=fields.integer("count", 0, _MAX_CHUNKS << 8),
            chunks=(chunks[0], chunks[1]),
            data=fields.integer("data", 0, _MAX_CHUNKS),
            sh_degree=fields.integer("sh_degree", 0, 3),
            bounds=(points[0], points[1]),
            placement=placement,
            is_generator=fields.flag("generator"),
            up=None if fields["up"] is None else fields.text("up", 10),
            antialiased=fields["antialiased"] is not None and fields.flag("antialiased"),
        )


def read_objects(value: object, where: str) -> tuple[ObjectSpec, ...]:
    """The key ``objects``.

    Raises
    ------
    BundleError
        No list of objects with names of their own, whose chunks follow each other, of which at
        most the last is a generator.
    """
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_OBJECTS:
        raise BundleError(f"{where}: wanted a list of 1 to {MAX_OBJECTS} objects")
    objects = tuple(ObjectSpec.parse(item, f"{where}[{i}]") for i, item in enumerate(value))
    at, names, known = 0, set[str](), dict[int, ObjectSpec]()
    for index, item in enumerate(objects):
        if item.name in names:
            raise BundleError(f"{where}: the name {item.name!r} is there twice")
        names.add(item.name)
        if item.chunks[0] != at:
            raise BundleError(
                f"{where}[{index}]: its chunks must begin at {at}, got {item.chunks[0]}; "
                "build it again"
            )
        at += item.chunks[1]
        if not item.is_generator:
            _check_data(item, known, f"{where}[{index}]")
        if item.is_generator and index + 1 < len(objects):
            raise BundleError(f"{where}[{index}]: a generator must be the last; build it again")
    return objects


def _check_data(item: ObjectSpec, known: dict[int, ObjectSpec], where: str) -> None:
    """Raise BundleError where an object's Gaussians are neither the next ones nor another's."""
    first = known.setdefault(item.data, item)
    if first is item:
        before = sum(other.chunks[1] for other in known.values()) - item.chunks[1]
        if item.data != before:
            raise BundleError(f"{where}: its 'data' must begin at {before}; build it again")
    elif (first.count, first.sh_degree) != (item.count, item.sh_degree):
        raise BundleError(
            f"{where}: has the 'data' of {first.name!r}, but other Gaussians; build it again"
        )


def nearest(key: object, known: Sequence[str]) -> str:
    """What may have been meant, and what there is: ends a message about an unknown key."""
    import difflib  # only for those who misspell: a page need not wait for it

    close = difflib.get_close_matches(str(key), known, 1, 0.5)
    meant = f"; did you mean {close[0]!r}? There are: " if close else "; there are: "
    return meant + ", ".join(known)


def fields_point(value: object, where: str) -> Vector:
    """Three finite numbers of scene.json."""
    numbers = _numbers(value, 3)
    if numbers is None:
        raise BundleError(f"{where}: wanted points of three finite numbers, got {_shown(value)}")
    return numbers[0], numbers[1], numbers[2]


def _axes(rotation: Quaternion) -> tuple[Vector, Vector, Vector]:
    """Columns of the rotation's matrix."""
    x, y, z, w = rotation
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)),
        (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)),
        (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)),
    )


def _numbers(value: object, count: int) -> list[float] | None:
    """So many finite numbers, or None."""
    if not isinstance(value, list | tuple) or len(value) != count:
        return None
    return [float(v) for v in value] if all(map(_is_number, value)) else None


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= 1e300 if isinstance(value, int) else math.isfinite(value)


def _position(value: object, where: str) -> Vector:
    numbers = _numbers(value, 3)
    if numbers is None or max(map(abs, numbers)) > _MAX_POSITION:
        raise InputError(
            f"{where} must be three numbers x, y, z of at most {_MAX_POSITION:g}, "
            f"got {_shown(value)}"
        )
    return numbers[0], numbers[1], numbers[2]


def _rotation(value: object, where: str) -> Quaternion:
    numbers = _numbers(value, 4)
    length = math.hypot(*numbers) if numbers else 0.0
    if numbers is None or not 1e-9 < length < 1e9:
        raise InputError(
            f"{where} must be a quaternion x, y, z, w that is not zero, got {_shown(value)}"
        )
    if abs(sum(v * v for v in numbers) - 1) > _UNIT:
        numbers = [v / length for v in numbers]
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _scale(value: object, where: str) -> Vector:
    numbers = _numbers([value] * 3 if _is_number(value) else value, 3)
    low, high = _SCALES
    if numbers is None or not all(low <= v <= high for v in numbers):
        raise InputError(
            f"{where} must be a number from {low:g} to {high:g}, or three of them, "
            f"got {_shown(value)}"
        )
    return numbers[0], numbers[1], numbers[2]


def _visible(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{where} must be true or false, got {_shown(value)}")
    return value


def _opacity(value: object, where: str) -> float:
    numbers = _numbers([value], 1)
    if numbers is None or not 0 <= numbers[0] <= 1:
        raise InputError(f"{where} must be a number from 0 to 1, got {_shown(value)}")
    return numbers[0]


def _tint(value: object, where: str) -> Vector:
    numbers = _numbers(value, 3)
    if numbers is None or not all(0 <= v <= _MAX_TINT for v in numbers):
        raise InputError(
            f"{where} must be red, green and blue from 0 to {_MAX_TINT:g} (1 leaves a colour as "
            f"it is), got {_shown(value)}"
        )
    return numbers[0], numbers[1], numbers[2]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


_KEYS = ", ".join(PLACEMENT_KEYS)
_READERS = {
    "position": _position,
    "rotation": _rotation,
    "scale": _scale,
    "visible": _visible,
    "opacity": _opacity,
    "tint": _tint,
}
