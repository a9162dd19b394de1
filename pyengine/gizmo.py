"""What dragging a handle of an object's gizmo does to the object: pure geometry, no state.

A handle is ``move`` (in the plane that faces the camera), ``scale`` (alike along all axes), or
``move.x``, ``turn.x`` and so on: along and about an axis of the world through the object's origin.
Places are those of the canvas, 0 to 1 from its top left corner. A drag is told from where it began,
with the placement that the object had then, so that steps of it do not add up errors. A key that
is pressed on a handle takes a step from where the object is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pyengine.errors import ViewError
from pyengine.object_spec import Placement, Quaternion, Vector
from pyengine.view import View

__all__ = ["HANDLES", "RADIUS_SHARE", "drag", "nudge"]

AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
HANDLES = ("move", "scale", *(f"{what}.{axis}" for what in ("move", "turn") for axis in AXES))
RADIUS_SHARE = 0.14
"""Radius of the rings on the canvas, a share of its shorter side: where one is seen edge-on, so
much of a drag is one radian."""

_EDGE_ON = 0.2
"""Cosine between the ray and a ring's axis below which the ring is taken for a line."""
_ALONG = 1e-3
"""Square of the sine between the ray and an axis below which a drag says nothing of it."""
_STEP_SHARE = 0.2
"""A key moves an object by this share of the rings' radius, or less: by 1, 2 or 5 of a decimal."""
_STEP_TURN = math.radians(5)
_STEP_GROWTH = 1.05
_ASIDE = 0.35
"""Cosine between a key's arrow and the way a handle goes below which the key says nothing of it."""
_NEAR = 1e-6
_LARGEST = 1e9
_SCALES = (1e-6, 1e6)

Place = Sequence[float]


def drag(
    handle: str, start: Placement, view: View, begun: Place, now: Place
) -> dict[str, list[float]]:
    """What changes of a placement; empty where the drag says nothing.

    Parameters
    ----------
    handle : str
        One of `HANDLES`.
    start : Placement
        Before the drag.
    view : View
        The camera.
    begun, now : (x, y)
        Places on the canvas.

    Raises
    ------
    ViewError
        No such handle.
    """
    what, letter = _parted(handle)
    rays = _ray(view, begun), _ray(view, now)
    if what == "scale":
        return _scaled(start, view, begun, now)
    if what == "move":
        position = (
            _along(start.position, AXES[letter], view, rays)
            if letter
            else _across(start.position, view, rays)
        )
        return {} if position is None else {"position": list(position)}
    angle = _angle(start.position, AXES[letter], view, begun, now)
    if angle is None:
        return {}
    return {"rotation": list(_turned(start.rotation, AXES[letter], angle))}


def nudge(
    handle: str, start: Placement, view: View, steps: Sequence[float]
) -> dict[str, list[float]]:
    """What changes of a placement by arrow keys on a handle; empty behind the camera.

    A key takes a handle the way that its arrow points on the canvas; where the handle goes across
    that way, right and up are forward.

    Parameters
    ----------
    handle : str
        One of `HANDLES`.
    start : Placement
        As it is.
    view : View
        The camera.
    steps : (right, up)
        How often which key was pressed, left and down being negative; a tenth of one is fine.

    Raises
    ------
    ViewError
        No such handle.
    """
    what, letter = _parted(handle)
    right, up = steps
    if what == "scale":
        growth = _STEP_GROWTH ** max(-100.0, min(right + up, 100.0))
        return {"scale": _grown(start, growth)}
    depth = _in_view(start.position, view)[2]
    if depth <= _NEAR:
        return {}
    m = view.view
    if what == "turn":
        to_eye = _unit([e - o for e, o in zip(view.position, start.position, strict=True)])
        near_side = _cross(AXES[letter], to_eye)
        angle = _STEP_TURN * _forward(near_side, start.position, view, right, up)
        return {"rotation": list(_turned(start.rotation, AXES[letter], angle))}
    radius_px = RADIUS_SHARE * min(view.width, view.height)
    step = _round_step(_STEP_SHARE * radius_px * depth / view.fx)
    if letter:
        away = step * _forward(AXES[letter], start.position, view, right, up)
        moved = [away * part for part in AXES[letter]]
    else:
        moved = [step * (right * m[4 * k] - up * m[4 * k + 1]) for k in range(3)]
    position = _within(o + part for o, part in zip(start.position, moved, strict=True))
    return {} if position is None else {"position": list(position)}


def _parted(handle: str) -> tuple[str, str]:
    """What a handle does, and the letter of its axis, if it has one."""
    if handle not in HANDLES:
        raise ViewError(f"handle: wanted one of {', '.join(HANDLES)}, got {handle!r}")
    what, _, letter = handle.partition(".")
    return what, letter


def _forward(way: Sequence[float], origin: Vector, view: View, right: float, up: float) -> float:
    """Steps along a way through a point of which keys say how it goes on the canvas."""
    m = view.view
    x, y, z = _in_view(origin, view)
    seen = [sum(m[4 * k + row] * way[k] for k in range(3)) for row in range(3)]
    across, rising = seen[0] - x / z * seen[2], y / z * seen[2] - seen[1]
    length = max(math.hypot(across, rising), _NEAR)
    signs = [-1.0 if part < -_ASIDE * length else 1.0 for part in (across, rising)]
    return signs[0] * right + signs[1] * up


def _round_step(length: float) -> float:
    """The largest of 1, 2 and 5 of a decimal that is not longer."""
    decimal = 10.0 ** math.floor(math.log10(max(length, 1e-300)))
    return decimal * max(part for part in (1, 2, 5) if part == 1 or part * decimal <= length)


def _scaled(start: Placement, view: View, begun: Place, now: Place) -> dict[str, list[float]]:
    """By how many times farther from the object's origin the pointer is than at first."""
    origin = _seen(start.position, view)
    if origin is None:
        return {}
    before, after = (math.dist(_pixel(view, place), origin) for place in (begun, now))
    return {} if before < 1 else {"scale": _grown(start, after / before)}


def _grown(start: Placement, growth: float) -> list[float]:
    low, high = _SCALES
    return [min(max(value * growth, low), high) for value in start.scale]


def _turned(rotation: Quaternion, axis: Vector, angle: float) -> Quaternion:
    """Turned about an axis of the world, too."""
    x, y, z = (math.sin(angle / 2) * part for part in axis)
    return _product((x, y, z, math.cos(angle / 2)), rotation)


def _along(origin: Vector, axis: Vector, view: View, rays: tuple[Vector, Vector]) -> Vector | None:
    """Where the axis comes nearest to the ray now, from where it came nearest at first."""
    eye = view.position
    places = []
    for ray in rays:
        between = _dot(ray, axis)
        sine2 = 1 - between * between
        if sine2 < _ALONG:
            return None
        to_eye = [e - o for e, o in zip(eye, origin, strict=True)]
        places.append((_dot(to_eye, axis) - _dot(to_eye, ray) * between) / sine2)
    step = places[1] - places[0]
    return _within(o + step * a for o, a in zip(origin, axis, strict=True))


def _across(origin: Vector, view: View, rays: tuple[Vector, Vector]) -> Vector | None:
    """In the plane through the origin that faces the camera."""
    forward = (view.view[2], view.view[6], view.view[10])
    hits = [_hit(view, ray, origin, forward) for ray in rays]
    first, second = hits
    if first is None or second is None:
        return None
    return _within(o + b - a for o, a, b in zip(origin, first, second, strict=True))


def _angle(origin: Vector, axis: Vector, view: View, begun: Place, now: Place) -> float | None:
    """Radians about an axis: between where the rays meet the ring's plane, or along a ring that is
    seen edge-on.
    """
    centre = _seen(origin, view)
    if centre is None:
        return None
    towards = _unit([o - e for o, e in zip(origin, view.position, strict=True)])
    if abs(_dot(towards, axis)) < _EDGE_ON:
        return _angle_edge_on(axis, towards, view, begun, now)
    arms = []
    for place in (begun, now):
        hit = _hit(view, _ray(view, place), origin, axis)
        if hit is None:
            return None
        arms.append([h - o for h, o in zip(hit, origin, strict=True)])
    first, second = arms
    return math.atan2(_dot(_cross(first, second), axis), _dot(first, second))


def _angle_edge_on(axis: Vector, towards: Vector, view: View, begun: Place, now: Place) -> float:
    """The near side of the ring goes with the pointer."""
    side = _cross(axis, [-part for part in towards])  # how the near side moves
    m = view.view
    right, down = (sum(m[4 * k + row] * side[k] for k in range(3)) for row in (0, 1))
    length = math.hypot(right, down)
    if length < _NEAR:
        return 0.0
    (x0, y0), (x1, y1) = _pixel(view, begun), _pixel(view, now)
    moved_px = ((x1 - x0) * right + (y1 - y0) * down) / length
    return moved_px / (RADIUS_SHARE * min(view.width, view.height))


def _ray(view: View, place: Place) -> Vector:
    """Unit vector through a place of the canvas, in the world."""
    x, y = _pixel(view, place)
    seen = ((x - view.cx) / view.fx, (y - view.cy) / view.fy, 1.0)
    m = view.view
    return _unit([sum(m[4 * axis + row] * seen[row] for row in range(3)) for axis in range(3)])


def _hit(view: View, ray: Vector, origin: Vector, normal: Vector) -> Vector | None:
    """Where a ray meets a plane before the camera."""
    eye = view.position
    slope = _dot(ray, normal)
    if abs(slope) < _NEAR:
        return None
    away = _dot([o - e for o, e in zip(origin, eye, strict=True)], normal) / slope
    if away <= 0:
        return None
    x, y, z = (e + away * part for e, part in zip(eye, ray, strict=True))
    return (x, y, z)


def _seen(point: Vector, view: View) -> tuple[float, float] | None:
    """Pixels of a point; None behind the camera."""
    x, y, z = _in_view(point, view)
    if z <= _NEAR:
        return None
    return view.fx * x / z + view.cx, view.fy * y / z + view.cy


def _in_view(point: Vector, view: View) -> Vector:
    """In the camera's space: x right, y down, z forward."""
    m = view.view
    x, y, z = (sum(m[4 * k + row] * point[k] for k in range(3)) + m[12 + row] for row in range(3))
    return (x, y, z)


def _pixel(view: View, place: Place) -> tuple[float, float]:
    return place[0] * view.width, place[1] * view.height


def _within(values: Iterable[float]) -> Vector | None:
    x, y, z = values
    fine = all(math.isfinite(v) and abs(v) <= _LARGEST for v in (x, y, z))
    return (x, y, z) if fine else None


def _product(a: Quaternion, b: Quaternion) -> Quaternion:
    """First ``b``, then ``a``; x, y, z, w."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: Sequence[float], b: Sequence[float]) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _unit(a: Sequence[float]) -> Vector:
    length = max(math.hypot(*a), 1e-300)
    return (a[0] / length, a[1] / length, a[2] / length)
