"""Links in the page: the text that says what is shown, and what a text has shown.

What lives in JavaScript comes and goes with the question: the render mode, the annotations, what is
to be played and fed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyengine.bundle import Scene
from pyengine.camera_rig import Rig
from pyengine.engine import Engine
from pyengine.errors import InputError
from pyengine.hosts.page_stage import Stage
from pyengine.inputs import Inputs
from pyengine.share import Link, Note, from_hash, written

__all__ = ["opened", "shared"]

MAX_LINKED = 64
"""Numbers of an input that a link takes along."""
COLOURS = "colour"
"""The render mode that a link need not say."""

Asked = Mapping[str, Any]


def shared(stage: Stage, asked: Asked) -> dict[str, object]:
    """The link to what is shown.

    Parameters
    ----------
    asked : mapping
        ``show``, the render mode, and ``notes``, the annotations: each ``position`` and ``text``.

    Returns
    -------
    dict
        ``text``; and ``leftOut``, how many objects and annotations had no room in it.
    """
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
    show = str(asked.get("show") or COLOURS)
    link.show = "" if show == COLOURS else show
    link.objects = engine.objects.moved() if engine.objects else {}
    link.notes = [_note(note) for note in asked.get("notes") or []]
    text, left_out = written(link)
    return {"text": text, "leftOut": left_out}


def opened(stage: Stage, asked: Asked) -> dict[str, object]:
    """Show what a link says.

    Parameters
    ----------
    asked : mapping
        ``text``; and ``rest``, whether nothing may begin to move by itself.

    Returns
    -------
    dict
        ``opened``, ``problems``, and what the page has to do; null in ``inputs`` for what was given
        to one and is not said, so that it is given back.
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
        "show": _shown(link, problems),
        "notes": [{"position": note.position, "text": note.text} for note in link.notes],
        "objects": _arranged(engine, link, problems),
    }
    return told


def _note(note: Mapping[str, Any]) -> Note:
    x, y, z = map(float, note["position"])
    return Note((x, y, z), str(note["text"]))


def _shown(link: Link, problems: list[str]) -> str:
    """The render mode of a link, where there is one of that name."""
    if not link.show:
        return COLOURS
    from pyengine.passes.modes import checked_mode  # a page of colours need not compile it

    try:
        return checked_mode(link.show) or COLOURS
    except InputError as error:
        problems.append(f"link: 'show' is passed over: {error}")
        return COLOURS


def _arranged(engine: Engine, link: Link, problems: list[str]) -> list[dict[str, Any]]:
    """Put the objects where a link says, the others where the scene has them; as they stand."""
    if engine.objects is None:
        if link.objects:
            problems.append("link: objects are passed over: the scene has none")
        return []
    problems += [f"link: {fault}; passed over" for fault in engine.objects.arrange(link.objects)]
    return engine.objects.now()


def _given(inputs: Inputs) -> dict[str, tuple[float, ...]]:
    """Numbers that were given, where they differ from the defaults and are few."""
    return {k: v for k, v in inputs.given().items() if len(v) <= MAX_LINKED}


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
