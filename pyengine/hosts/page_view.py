"""What a visitor does to the view in the page: the camera's modes and bookmarks, the look, links.

One function, `ask`, takes a question as JSON and gives its answer as JSON, between two frames; a
frame itself makes no use of it. Every answer has the state, so that the page can show it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pyengine.bundle import Scene
from pyengine.camera_rig import FLIGHT_S, Rig
from pyengine.camera_shot import Shot
from pyengine.engine import Engine
from pyengine.errors import ViewError, VitrineError
from pyengine.fields import document
from pyengine.hosts import page
from pyengine.hosts.page import Stage
from pyengine.inputs import Inputs
from pyengine.share import Link, colour, from_hash, to_hash

__all__ = ["ask"]

MAX_SPLAT_SCALE = 10.0
MAX_LINKED = 64
"""Numbers of an input that a link takes along."""

_ALIASING = ("classic", "mip")

Asked = Mapping[str, Any]


def ask(text: str) -> str:
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
        if not page._stage:
            raise ViewError("view: the scene is not loaded yet")
        stage = page._stage[0]
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


def _share(stage: Stage, asked: Asked) -> str:
    """The link to what is shown."""
    rig, engine, scene = stage.camera, stage.engine, stage.engine.scene
    timeline, shown = engine.timeline, engine.filter
    link = Link(camera=rig.shot, view=rig.fixed, bookmarks=rig.bookmarks)
    if rig.mode != "orbit":
        link.mode = rig.mode
        link.turn_deg_s = rig.turn_deg_s if rig.mode == "turntable" else None
    if engine.generator is not None:
        link.time_s, link.playing = timeline.time_s, timeline.playing
    for part in _fed(engine):
        link.inputs |= _given(part)
    name = shown.spec.name if shown else ""
    link.filter = None if name == (_first_filter(scene) or "") else name
    if shown is not None:
        link.strength = None if shown.strength == shown.spec.strength else shown.strength
        link.split = shown.split or None
    if tuple(engine.background) != tuple(scene.background):
        r, g, b = engine.background
        link.background = (r, g, b)
    link.sh_degree = None if engine.sh_degree == scene.sh_degree else engine.sh_degree
    link.splat_scale = None if engine.splat_scale == 1.0 else engine.splat_scale
    if engine.antialiased != scene.antialiased:
        link.antialiased = engine.antialiased
    link.path_s, link.path_loop = rig.duration_s, rig.loop
    return to_hash(link)


def _given(inputs: Inputs) -> dict[str, tuple[float, ...]]:
    """Numbers that were given, where they differ from the defaults and are few."""
    return {k: v for k, v in inputs.given().items() if len(v) <= MAX_LINKED}


def _open(stage: Stage, asked: Asked) -> dict[str, object]:
    """Show what a link says; what the page has to do is in the answer: null for what was given
    to an input and is not said, so that it is given back.

    ``rest``: nothing may begin to move by itself.
    """
    link, problems = from_hash(str(asked.get("text") or ""))
    told: dict[str, object] = {"problems": problems, "opened": link is not None}
    if link is None:
        return told
    rig, engine, scene = stage.camera, stage.engine, stage.engine.scene
    rig.bookmarks = list(link.bookmarks)
    rig.duration_s, rig.loop = link.path_s, link.path_loop
    _place(rig, link, bool(asked.get("rest")))
    engine.background = link.background or scene.background
    degree = scene.sh_degree if link.sh_degree is None else link.sh_degree
    engine.sh_degree = min(degree, scene.sh_degree)
    engine.splat_scale = 1.0 if link.splat_scale is None else link.splat_scale
    aa = link.antialiased
    engine.antialiased = scene.antialiased if aa is None else aa
    told |= {
        "time": link.time_s,
        "playing": link.playing,
        "filter": _first_filter(scene) if link.filter is None else link.filter,
        "look": {
            name: value
            for name, value in (("strength", link.strength), ("split", link.split))
            if value is not None
        },
        "inputs": {
            **{name: None for part in _fed(engine) for name in _given(part)},
            **{name: list(values) for name, values in link.inputs.items()},
        },
    }
    return told


def _first_filter(scene: Scene) -> str | None:
    """Name of the filter that is on when a scene opens; None where it has none to pick."""
    if not scene.filters:
        return None
    return next((spec.name for spec in scene.filters if spec.first), "")


def _fed(engine: Engine) -> list[Inputs]:
    """The networks whose inputs a link takes along."""
    return [part for part in (engine.generator, engine.filter) if part is not None]


def _place(rig: Rig, link: Link, rest: bool) -> None:
    if link.view is not None:
        rig.set_view(link.view)
    elif link.camera is not None:
        rig.go(link.camera, 0.0)
    else:
        rig.reset()
    if link.turn_deg_s:
        rig.turn_deg_s = link.turn_deg_s
    if link.mode != "turntable":
        rig.set_mode(link.mode or "orbit")
        if link.view is not None:
            rig.set_view(link.view)
    elif not rest:
        rig.set_mode("turntable")


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
    "share": _share,
    "open": _open,
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
