"""What a visitor does to the view in the page: the camera's modes and bookmarks, the look, links.

`ViewHost.ask` takes a question as JSON and gives its answer as JSON, between two frames; a
frame itself makes no use of it. Every answer has the state, so that the page can show it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pyengine.camera_rig import FLIGHT_S
from pyengine.camera_shot import Shot
from pyengine.engine import Engine
from pyengine.errors import ViewError, VitrineError
from pyengine.fields import document
from pyengine.hosts.page import Display
from pyengine.hosts.page_share import opened, shared
from pyengine.hosts.page_stage import Stage
from pyengine.share_text import colour

__all__ = ["ViewHost"]

MAX_SPLAT_SCALE = 10.0

_ALIASING = ("classic", "mip")

Asked = Mapping[str, Any]


class ViewHost:
    """The view of what a display shows."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def ask(self, text: str) -> str:
        """Do something to the view that is shown.

        Parameters
        ----------
        text : str
            JSON of an object: ``do`` is one of `_ACTS`, the rest is what it takes.

        Returns
        -------
        str
            JSON: ``value``, and ``state`` as `_state` has it; or ``error``, a message.
        """
        try:
            asked = document(text, "view", "an object")
            if not isinstance(asked, dict) or asked.get("do") not in _ACTS:
                raise ViewError(f"view: wanted one of {', '.join(_ACTS)} to do, got {text[:80]}")
            stage = self._display.stage
            value = _ACTS[asked["do"]](stage, asked)
            return json.dumps({"value": value, "state": _state(stage)})
        except VitrineError as error:
            return json.dumps({"error": str(error)})


def _state(stage: Stage) -> dict[str, object]:
    """Where the camera is, what moves it, and how the scene is drawn."""
    rig, shot = stage.camera, stage.camera.shot
    return {
        "camera": {"eye": shot.eye, "target": shot.target, "fov": shot.fov_deg},
        "mode": rig.mode,
        "moving": rig.moving,
        "turn": rig.turn_deg_s,
        "bookmarks": [mark.name for mark in rig.bookmarks],
        "path": {"seconds": rig.path_s, "loop": rig.loop},
        "look": _look_of(stage.engine),
    }


def _look_of(engine: Engine) -> dict[str, object]:
    return {
        "background": list(engine.background),
        "shDegree": engine.sh_degree,
        "splatScale": engine.splat_scale,
        "antialiasing": _ALIASING[engine.antialiased],
    }


def _camera(stage: Stage, asked: Asked) -> None:
    """Go to ``eye``, ``target`` and ``fov`` (degrees), each as it is unless given, in seconds.

    ``first``: that is where the camera begins, and where it is reset to.
    """
    shot = stage.camera.shot
    eye, target = _point(asked, "eye", shot.eye), _point(asked, "target", shot.target)
    fov_deg = _number(asked, "fov", shot.fov_deg, 1.0, 170.0)
    if math.dist(eye, target) <= 1e-9 * max(1.0, math.hypot(*eye)):
        raise ViewError(f"camera: eye and target are the same point {eye}; move one of them")
    seconds = _number(asked, "seconds", 0.0, 0.0, 3600.0)
    there = Shot.of(eye, target, math.radians(fov_deg))
    if asked.get("first"):
        stage.camera.begin_at(there)
    else:
        stage.camera.go(there, seconds)


def _focus(stage: Stage, asked: Asked) -> None:
    """Look at ``position`` along the same direction, from as far as it is now, in seconds."""
    shot = stage.camera.shot
    target = _point(asked, "position", shot.target)
    distance = max(math.dist(shot.eye, target), 1e-6)
    seconds = _number(asked, "seconds", FLIGHT_S, 0.0, 3600.0)
    stage.camera.go(replace(shot, target=target, distance=distance), seconds)


def _mode(stage: Stage, asked: Asked) -> None:
    speed = asked.get("speed")
    turn = None if speed is None else _number(asked, "speed", 0.0, -360.0, 360.0)
    stage.camera.set_mode(str(asked.get("mode")), turn)


def _stop(stage: Stage, asked: Asked) -> None:
    stage.camera.stop()


def _add(stage: Stage, asked: Asked) -> str:
    return stage.camera.add(str(asked.get("name") or "")).name


def _go(stage: Stage, asked: Asked) -> None:
    stage.camera.go_to(_index(asked), _number(asked, "seconds", FLIGHT_S, 0.0, 3600.0))


def _rename(stage: Stage, asked: Asked) -> None:
    stage.camera.rename(_index(asked), str(asked.get("name") or ""))


def _delete(stage: Stage, asked: Asked) -> None:
    stage.camera.delete(_index(asked))


def _path(stage: Stage, asked: Asked) -> None:
    """Set the path's ``seconds`` and ``loop``; where ``play`` is true, go along it."""
    seconds = asked.get("seconds")
    loop = asked.get("loop")
    duration = None if seconds is None else _number(asked, "seconds", 0.0, 0.0, 1e9)
    asked_loop = None if loop is None else bool(loop)
    if asked.get("play"):
        stage.camera.play(duration, asked_loop)
    else:
        stage.camera.set_path(duration, asked_loop)


def _look(stage: Stage, asked: Asked) -> None:
    """How the scene is drawn; null gives back what the scene says."""
    engine, scene = stage.engine, stage.engine.scene
    if "background" in asked:
        told = asked["background"]
        if isinstance(told, str):
            engine.background = colour(told.removeprefix("#"))
        else:
            engine.background = _point(asked, "background", scene.background, 0.0, 1.0)
    if "shDegree" in asked:
        engine.sh_degree = int(_number(asked, "shDegree", scene.sh_degree, 0, 3))
    if "splatScale" in asked:
        engine.splat_scale = _number(asked, "splatScale", 1.0, 0.0, MAX_SPLAT_SCALE)
    if "antialiasing" in asked:
        wanted = asked["antialiasing"] or _ALIASING[scene.antialiased]
        if wanted not in _ALIASING:
            raise ViewError(f"antialiasing: wanted {' or '.join(_ALIASING)}, got {wanted!r}")
        engine.antialiased = wanted == "mip"


def _objects(stage: Stage, asked: Asked) -> list[dict[str, Any]]:
    """The objects as they stand now; none in a scene of one file."""
    objects = stage.engine.objects
    return [] if objects is None else objects.now()


def _drag(stage: Stage, asked: Asked) -> dict[str, Any]:
    """Drag a ``handle`` of an object; see `pyengine.hosts.page_objects.dragged`."""
    from pyengine.hosts.page_objects import dragged  # a scene of one file need not compile it

    return dragged(stage.engine, asked)


def _save(stage: Stage, asked: Asked) -> str:
    """A scene.toml of the objects as they stand now."""
    objects = stage.engine.objects
    if objects is None:
        raise ViewError("save: the scene has no objects; build one of several files")
    return objects.to_toml()


def _nothing(stage: Stage, asked: Asked) -> None:
    """Only the state is wanted."""


_ACTS: Mapping[str, Callable[[Stage, Asked], object]] = {
    "state": _nothing,
    "camera": _camera,
    "focus": _focus,
    "mode": _mode,
    "stop": _stop,
    "add": _add,
    "go": _go,
    "rename": _rename,
    "delete": _delete,
    "path": _path,
    "look": _look,
    "share": shared,
    "open": opened,
    "drag": _drag,
    "objects": _objects,
    "save": _save,
}


def _index(asked: Asked) -> int:
    index = asked.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        raise ViewError(f"bookmark: wanted its number, got {index!r}")
    return index


def _number(asked: Asked, name: str, default: float, low: float, high: float) -> float:
    value = asked.get(name)
    if value is None:
        return default
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise ViewError(f"{name}: wanted a number from {low:g} to {high:g}, got {value!r}")
    return float(value)


def _point(
    asked: Asked,
    name: str,
    default: tuple[float, float, float],
    low: float = -1e9,
    high: float = 1e9,
) -> tuple[float, float, float]:
    value = asked.get(name)
    if value is None:
        return default
    if not isinstance(value, list) or len(value) != 3 or None in value:
        raise ViewError(f"{name}: wanted three numbers, got {value!r}")
    x, y, z = (_number({name: item}, name, math.nan, low, high) for item in value)
    return (x, y, z)
