"""Films of a view: how long they are, what moves in them, and that all is afterwards as it was.

The page films into textures (`pyengine.hosts.page_capture`), a script into arrays
(`vitrine.Scene.frames`).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyengine.camera_rig import Rig
from pyengine.engine import Engine
from pyengine.errors import ViewError, VitrineError
from pyengine.timeline import Timeline
from pyengine.view import View

__all__ = ["KINDS", "Film", "begin_film", "passing"]

KINDS = ("turntable", "path", "clip")
MAX_FRAMES = 36_000
MIN_FPS, MAX_FPS = 1.0, 240.0
SAME_STEP = 1e-6
"""Share of a state's step by which sums of frames' times may differ from it."""


@dataclass(slots=True)
class Film:
    """A film that was begun.

    Attributes
    ----------
    frames : int
        How many there are.
    step_s : float
        Seconds from one to the next.
    """

    frames: int
    step_s: float
    _before: list[tuple[Rig | Timeline, dict[str, Any]]] = field(default_factory=list)

    def put_back(self) -> None:
        """All is as it was before; a generator's state goes on from where it is."""
        for thing, kept in self._before:
            for name, value in kept.items():
                setattr(thing, name, value)


def begin_film(rig: Rig, engine: Engine, asked: Mapping[str, Any]) -> Film:
    """Go to the beginning of a film.

    Parameters
    ----------
    rig, engine
        Of what is filmed.
    asked : mapping
        ``what`` is one of `KINDS`; ``fps``; ``seconds``, of all of it, or its own length.

    Raises
    ------
    ViewError
        There is nothing of the kind to film, or a value that cannot be; nothing has changed.
    """
    kind, fps = str(asked.get("what")), _number(asked, "fps", 30.0, MIN_FPS, MAX_FPS)
    if kind not in KINDS:
        raise ViewError(f"film: wanted one of {', '.join(KINDS)}, got {kind!r}")
    timeline = engine.timeline
    film = Film(0, 0.0, [(rig, _kept(rig)), (timeline, _kept(timeline))])
    try:
        if kind == "turntable":
            length = 360 / abs(rig.turn_deg_s)
        elif kind == "path":
            length = rig.path_s
        else:
            length = _clip_s(engine, asked)
        seconds = _number(asked, "seconds", length, 1e-3, 3600.0)
        # what comes back to its beginning does not show it twice
        closed = kind == "turntable" or (rig.loop if kind == "path" else timeline.loop)
        film.frames = max(1, round(seconds * fps)) + (not closed)
        film.step_s = seconds / max(1, film.frames - (not closed))
        if film.frames > MAX_FRAMES:
            raise ViewError(f"film: wanted {MAX_FRAMES} frames at most, got {film.frames}")
        _start(rig, engine, kind, seconds)
    except VitrineError:
        film.put_back()
        raise
    return film


def passing(engine: Engine, view: View, seconds: float) -> Generator[None]:
    """Let time pass, as between two frames of a film; a state does all its steps.

    Parameters
    ----------
    engine : Engine
    view : View
        The camera meanwhile, for a generator that looks at it.
    seconds : float
        Of the one who looks; the timeline goes so many times its speed, if it plays.

    Yields
    ------
    None
        After each step but the last, which the frame that is drawn next does: the host has been
        told of its schedules.
    """
    timeline, generator = engine.timeline, engine.generator
    if generator is None or not generator.spec.stateful or not timeline.playing:
        engine.advance(seconds)
        return
    speed, left = timeline.speed, seconds * abs(timeline.speed)
    timeline.speed = math.copysign(1.0, speed)
    try:
        while left > generator.step_s * (1 + SAME_STEP) and timeline.playing:
            engine.skip(view, generator.step_s)
            left -= generator.step_s
            yield
        engine.advance(left)
    finally:
        timeline.speed = speed


def _start(rig: Rig, engine: Engine, kind: str, seconds: float) -> None:
    """Go to the beginning."""
    timeline, generator = engine.timeline, engine.generator
    if kind == "turntable":
        rig.turn_deg_s = math.copysign(360 / seconds, rig.turn_deg_s)
        rig.set_mode("turntable")
    elif kind == "path":
        rig.play(seconds)
    else:
        timeline.seek(0.0)
        timeline.speed = 1.0
        timeline.play()
        if generator is not None:
            generator.reset_state()


def _clip_s(engine: Engine, asked: Mapping[str, Any]) -> float:
    """Seconds of the clip, or those that are asked for."""
    if engine.generator is None:
        raise ViewError("film: this scene has no clip; film the turntable or the path")
    length = engine.timeline.duration_s
    if length is None and asked.get("seconds") is None:
        raise ViewError("film: this scene has no end; say how many seconds")
    return length or 1.0


def _kept(thing: Rig | Timeline) -> dict[str, Any]:
    """All that a rig or a timeline remembers, to be put back."""
    return {name: value for name, value in vars(thing).items() if name != "bookmarks"}


def _number(asked: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = asked.get(name)
    if value is None:
        return default
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise ViewError(f"film {name}: wanted a number from {low:g} to {high:g}, got {value!r}")
    return float(value)
