"""The objects of a scene in the page: what was asked of them since the last frame.

JavaScript gathers what is asked of objects and hands it to the frame's own call as one text, so
that a frame in which an object moves is one call still. What could not be done it asks for
afterwards when the frame's status says that there is something.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pyengine.engine import Engine
from pyengine.errors import InputError, VitrineError
from pyengine.fields import document
from pyengine.gizmo import drag, nudge
from pyengine.object_spec import UNMOVED
from pyengine.structs import Frame
from pyengine.view import View

__all__ = ["dragged", "move"]

DRAGGED = ("position", "rotation", "scale")
"""What a handle may change."""

_MAX_ASKED = 1 << 16


def move(engine: Engine, text: str) -> list[tuple[int, str]]:
    """Do what was asked.

    Parameters
    ----------
    text : str
        JSON: a list of ``[id, name, changes]``; see `pyengine.objects.Objects.set`.

    Returns
    -------
    list of (int, str)
        Of each that could not be done its id, and why.
    """
    faults: list[tuple[int, str]] = []
    for row in _rows(text):
        number, name, changes = row
        try:
            if engine.objects is None:
                raise InputError(f"object {name!r}: the scene has no objects; build one of several")
            engine.objects.set(name, changes)
        except VitrineError as error:
            faults.append((number, str(error)))
    return faults


def _rows(text: str) -> list[tuple[int, str, object]]:
    asked = document(text, "objects", "a list of changes")
    if not isinstance(asked, list) or len(asked) > _MAX_ASKED:
        raise InputError("objects: wanted a list of changes")
    return [(int(number), str(name), changes) for number, name, changes in asked]


def dragged(engine: Engine, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Drag a handle of an object's gizmo, or nudge it by keys, seen as the last frame was drawn.

    Parameters
    ----------
    asked : mapping
        ``name``; ``handle``, one of `pyengine.gizmo.HANDLES`. Of a drag ``start``, the position,
        rotation and scale before it, and ``from`` and ``to``, places on the canvas, 0 to 1 from the
        top left corner; of keys ``steps``, to the right and up, from where the object is.

    Returns
    -------
    dict
        The object's placement now.

    Raises
    ------
    InputError
        No such object or handle, or values that cannot be.
    """
    objects, name = engine.objects, str(asked.get("name"))
    if objects is None:
        raise InputError(f"object {name!r}: the scene has no objects; build one of several")
    handle, view = str(asked.get("handle")), _view_of(engine)
    if "steps" in asked:
        steps = _pair(asked["steps"], "steps")
        objects.set(name, nudge(handle, objects.get(name), view, steps))
        return objects.get(name).to_dict()
    before = UNMOVED.changed(asked.get("start"), f"object {name!r}")
    begun, now = (_pair(asked.get(key), key) for key in ("from", "to"))
    changes = drag(handle, before, view, begun, now)
    told = before.to_dict()
    objects.set(name, {key: changes.get(key, told[key]) for key in DRAGGED})
    return objects.get(name).to_dict()


def _pair(value: object, name: str) -> tuple[float, float]:
    numbers = value if isinstance(value, list) else []
    fine = [v for v in numbers if isinstance(v, int | float) and math.isfinite(v)]
    if len(numbers) != 2 or len(fine) != 2:
        raise InputError(f"{name}: wanted two numbers, x and y, got {value!r}")
    return float(fine[0]), float(fine[1])


def _view_of(engine: Engine) -> View:
    """The camera of the frame that is shown."""
    frame = engine.drawn_frame
    width, height = (max(int(size), 1) for size in Frame.unpack(frame, "viewport_px"))
    (fx, fy), (cx, cy) = Frame.unpack(frame, "focal_px"), Frame.unpack(frame, "principal_px")
    return View(width, height, fx, fy, cx, cy, Frame.unpack(frame, "view"))
