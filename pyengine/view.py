"""The camera of one image: its size, its pinhole, and where it stands.

Pixels have their centres at half-integers, so the image spans [0, width] x [0, height] and a point
(x, y, z) in camera space (x right, y down, z forward) falls on (fx * x / z + cx, fy * y / z + cy).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from pyengine.errors import ViewError

__all__ = ["MAX_SIZE_PX", "WORLD_UP", "View"]

MAX_SIZE_PX = 16384
WORLD_UP = (0.0, -1.0, 0.0)
"""Up in PLY axes."""

ORTHONORMAL_TOLERANCE = 1e-3
"""Views are written by hand and by other tools with few digits; more than this is no rotation."""
LAST_ROW_TOLERANCE = 1e-6

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class View:
    """A pinhole camera and the pixels that it fills. Standard library only.

    Attributes
    ----------
    width, height : int
        Size of the image in pixels, 1 to 16384.
    fx, fy : float
        Focal lengths in pixels.
    cx, cy : float
        Principal point in pixels; (width / 2, height / 2) is the middle of the image.
    view : tuple of 16 floats
        World to camera, column-major; camera axes x right, y down, z forward.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    view: tuple[float, ...]

    @classmethod
    def from_json(cls, text_or_dict: str | bytes | Mapping[str, object], where: str) -> View:
        """Read a view and check all of it; keys that it does not know are ignored.

        Parameters
        ----------
        text_or_dict : str, bytes or mapping
            JSON text of an object, or the object: the attributes of this class by name.
        where : str
            Begins every message; a file name usually.

        Raises
        ------
        ViewError
            Something is missing, of the wrong type, not finite or no rigid camera.
        """
        fields = _parsed(text_or_dict, where)
        names = list(cls.__dataclass_fields__)
        missing = [repr(name) for name in names if name not in fields]
        if missing:
            raise ViewError(
                f"{where}: {', '.join(missing)} missing; a view has {', '.join(names)}."
            )
        return cls(
            width=_size_px(fields["width"], "width", where),
            height=_size_px(fields["height"], "height", where),
            fx=_positive(fields["fx"], "fx", where),
            fy=_positive(fields["fy"], "fy", where),
            cx=_number(fields["cx"], "cx", where),
            cy=_number(fields["cy"], "cy", where),
            view=_rigid(fields["view"], where),
        )

    def to_json(self) -> str:
        """JSON text that `from_json` reads back to an equal view."""
        return json.dumps(asdict(self))

    @classmethod
    def look_at(
        cls,
        eye: Sequence[float],
        target: Sequence[float],
        up: Sequence[float],
        fov_deg: float,
        width: int,
        height: int,
    ) -> View:
        """Camera at ``eye`` that has ``target`` in the middle of its image.

        Parameters
        ----------
        eye, target, up : (3,) float
            In world space. An ``up`` parallel to the line of sight (or zero) is replaced by the
            world axis that is furthest from it.
        fov_deg : float
            Vertical field of view in degrees, between 0 and 180.

        Raises
        ------
        ViewError
            ``eye`` equals ``target``, or a number is not finite or out of range.
        """
        eye_world, target_world, up_world = (
            _vector(value, name) for value, name in ((eye, "eye"), (target, "target"), (up, "up"))
        )
        _size_px(width, "width", "look_at")
        _size_px(height, "height", "look_at")
        if not 0 < _number(fov_deg, "fov_deg", "look_at") < 180:
            raise ViewError(f"look_at: 'fov_deg' must be between 0 and 180, got {fov_deg}")
        away = _minus(target_world, eye_world)
        if math.hypot(*away) <= 1e-12 * max(1.0, math.hypot(*eye_world)):
            raise ViewError(
                f"look_at: eye and target are the same point {eye_world}; move one of them."
            )
        forward = _unit(away)
        right = _right_of(forward, up_world)
        down = _cross(forward, right)
        rows = (right, down, forward)
        columns = [value for axis in range(3) for value in (*(row[axis] for row in rows), 0.0)]
        focal_px = height / 2 / math.tan(math.radians(fov_deg) / 2)
        translation = [-_dot(row, eye_world) for row in rows]
        matrix = (*columns, *translation, 1.0)
        return cls(width, height, focal_px, focal_px, width / 2, height / 2, matrix)

    @property
    def position(self) -> Vector:
        """Camera centre in world space: the point that the view maps to the origin."""
        m = self.view
        columns = [(m[4 * c], m[4 * c + 1], m[4 * c + 2]) for c in range(4)]
        across = (
            _cross(columns[1], columns[2]),
            _cross(columns[2], columns[0]),
            _cross(columns[0], columns[1]),
        )
        determinant = _dot(columns[0], across[0])
        x, y, z = (-_dot(row, columns[3]) / determinant + 0.0 for row in across)
        return (x, y, z)

    def tile(self, x: int, y: int, width: int, height: int) -> View:
        """A part of the same camera's image: ``width`` x ``height`` pixels from (x, y) on."""
        _size_px(width, "width", "tile")
        _size_px(height, "height", "tile")
        return View(width, height, self.fx, self.fy, self.cx - x, self.cy - y, self.view)

    def stretched(self, width: int, height: int) -> View:
        """The same camera's image in other pixels, which need not be square."""
        _size_px(width, "width", "stretched")
        _size_px(height, "height", "stretched")
        x, y = width / self.width, height / self.height
        return View(width, height, self.fx * x, self.fy * y, self.cx * x, self.cy * y, self.view)

    def scaled(self, width: int, height: int) -> View:
        """The same camera for an image of another size.

        Keeps the vertical field of view and the shape of a pixel: both focal lengths follow the
        height. The principal point keeps its place relative to the image.
        """
        _size_px(width, "width", "scaled")
        _size_px(height, "height", "scaled")
        ratio = height / self.height
        return View(
            width,
            height,
            self.fx * ratio,
            self.fy * ratio,
            self.cx * (width / self.width),
            self.cy * ratio,
            self.view,
        )


def _parsed(source: str | bytes | Mapping[str, object], where: str) -> Mapping[str, object]:
    value: object = source
    if isinstance(source, str | bytes):
        try:
            value = json.loads(source)
        except (ValueError, RecursionError) as error:
            raise ViewError(f"{where}: not JSON: {error}") from None
    if not isinstance(value, Mapping):
        raise ViewError(f"{where}: must be a JSON object, got {_shown(value)}")
    return value


def _shown(value: object) -> str:
    """The value for a message, cut to a length that fits a line."""
    try:
        text = repr(value)
    except ValueError:  # CPython refuses to print integers of more than 4300 digits.
        return "a huge integer"
    return text if len(text) <= 60 else text[:57] + "..."


def _number(value: object, name: str, where: str, wanted: str = "a finite number") -> float:
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not math.isfinite(number):
        raise ViewError(f"{where}: '{name}' must be {wanted}, got {_shown(value)}")
    return number


def _positive(value: object, name: str, where: str) -> float:
    number = _number(value, name, where, "a positive number")
    if number <= 0:
        raise ViewError(f"{where}: '{name}' must be a positive number, got {_shown(value)}")
    return number


def _size_px(value: object, name: str, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SIZE_PX:
        raise ViewError(
            f"{where}: '{name}' must be an integer from 1 to {MAX_SIZE_PX}, got {_shown(value)}"
        )
    return value


def _rigid(value: object, where: str) -> tuple[float, ...]:
    """The 16 numbers, after checking that they are a rotation and a translation."""
    if not isinstance(value, list | tuple) or len(value) != 16:
        got = f"{len(value)}" if isinstance(value, list | tuple) else _shown(value)
        raise ViewError(f"{where}: 'view' must be 16 numbers, column-major, got {got}")
    m = tuple(_number(item, f"view[{i}]", where) for i, item in enumerate(value))
    last_row = (m[3], m[7], m[11], m[15])
    if max(abs(a - b) for a, b in zip(last_row, (0, 0, 0, 1), strict=True)) > LAST_ROW_TOLERANCE:
        hint = "; is it row-major? 'view' is column-major" if m[12:15] == (0, 0, 0) else ""
        raise ViewError(
            f"{where}: the last row of 'view' must be 0 0 0 1, got "
            + " ".join(f"{item:g}" for item in last_row)
            + hint
        )
    columns = [(m[4 * c], m[4 * c + 1], m[4 * c + 2]) for c in range(3)]
    for i in range(3):
        for j in range(i, 3):
            error = abs(_dot(columns[i], columns[j]) - float(i == j))
            if not error <= ORTHONORMAL_TOLERANCE:
                raise ViewError(
                    f"{where}: the rotation in 'view' must be orthonormal to "
                    f"{ORTHONORMAL_TOLERANCE:g}; columns {i} and {j} are off by {error:.3g}"
                )
    if _dot(_cross(columns[0], columns[1]), columns[2]) < 0:
        raise ViewError(
            f"{where}: the rotation in 'view' mirrors (its determinant is -1); the camera axes "
            "are x right, y down, z forward"
        )
    return m


def _vector(value: Sequence[float], name: str) -> Vector:
    if len(value) != 3:
        raise ViewError(f"look_at: '{name}' must be three numbers, got {len(value)}")
    x, y, z = (_number(item, name, "look_at") for item in value)
    return (x, y, z)


def _right_of(forward: Vector, up: Vector) -> Vector:
    length = math.hypot(*up)
    if length > 0 and math.isfinite(length):
        right = _cross(forward, (up[0] / length, up[1] / length, up[2] / length))
        if math.hypot(*right) > 1e-6:
            return _unit(right)
    axis = min(range(3), key=lambda i: abs(forward[i]))
    other = (float(axis == 0), float(axis == 1), float(axis == 2))
    return _unit(_cross(forward, other))


def _minus(a: Vector, b: Vector) -> Vector:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _unit(a: Vector) -> Vector:
    length = math.hypot(*a)
    return (a[0] / length, a[1] / length, a[2] / length)
