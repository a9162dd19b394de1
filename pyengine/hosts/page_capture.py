"""Pictures and films of what the page shows, at any size, drawn beside the canvas.

web/capture.mjs makes textures of their size, asks for a frame here, and replays the schedule whose
index it gets, as after `pyengine.hosts.page.Display.frame`. The canvas is drawn anew afterwards.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from pyengine.camera_rig import Rig
from pyengine.errors import ViewError, VitrineError
from pyengine.fields import document
from pyengine.hosts.page import Display
from pyengine.hosts.page_stage import STATUS, Stage
from pyengine.timeline import Timeline

__all__ = ["KINDS", "CaptureHost"]

KINDS = ("turntable", "path", "clip")
_MOVED = 4
"""Place in the status that says whether objects are to be uploaded."""
MAX_FRAMES = 36_000
MIN_FPS, MAX_FPS = 1.0, 240.0


@dataclass(slots=True)
class _Film:
    """How long it is, and how all was before."""

    frames: int
    step_s: float
    before: list[tuple[Rig | Timeline, dict[str, Any]]]

    def put_back(self) -> None:
        """All is as it was before."""
        for thing, kept in self.before:
            for name, value in kept.items():
                setattr(thing, name, value)


class CaptureHost:
    """Pictures and films of what a display shows."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._film: _Film | None = None

    def picture(
        self, width: int, height: int, transparent: int, x: int, y: int, w: int, h: int
    ) -> int:
        """Draw what is shown as an image of ``width`` x ``height``, or a tile of it.

        Parameters
        ----------
        width, height : int
            Pixels of the whole image.
        transparent : int
            1: without the background; only where no filter is on.
        x, y, w, h : int
            Pixels of the tile.

        Returns
        -------
        int
            Index of the schedule to replay; `pyengine.hosts.page.Display.status` has what comes
            before it.
        """
        return _drawn(self._display.stage, width, height, bool(transparent), (x, y, w, h))

    def begin_film(self, text: str) -> str:
        """Begin to film.

        Parameters
        ----------
        text : str
            JSON: ``what`` is one of `KINDS`; ``fps``; ``seconds``, of all of it, or its own length.

        Returns
        -------
        str
            JSON: ``frames``, to ask for in order; or ``error``.
        """
        try:
            asked = document(text, "film", "an object")
            stage = self._display.stage
            if not isinstance(asked, dict):
                raise ViewError("film: wanted an object")
            fps = _number(asked, "fps", 30.0, MIN_FPS, MAX_FPS)
            film = _begun(stage, str(asked.get("what")), fps, asked)
        except VitrineError as error:
            return json.dumps({"error": str(error)})
        self._film = film
        return json.dumps({"frames": film.frames})

    def film_frame(self, index: int, width: int, height: int) -> int:
        """Draw a frame of the film that was begun; as `picture`."""
        stage, film = self._display.stage, self._film
        if film is None:
            raise ViewError("film: none was begun")
        if index:
            stage.camera.advance(film.step_s)
            stage.engine.advance(film.step_s)
        return _drawn(stage, width, height, False, (0, 0, width, height))

    def end_film(self) -> None:
        """All is as it was before; a generator's state goes on from where it is."""
        if self._film is None:
            return
        self._film.put_back()
        self._film = None
        self._display.stage.engine.redraw()


def _begun(stage: Stage, kind: str, fps: float, asked: dict[str, Any]) -> _Film:
    if kind not in KINDS:
        raise ViewError(f"film: wanted one of {', '.join(KINDS)}, got {kind!r}")
    rig, timeline = stage.camera, stage.engine.timeline
    film = _Film(0, 0.0, [(rig, _kept(rig)), (timeline, _kept(timeline))])
    try:
        if kind == "turntable":
            length = 360 / abs(rig.turn_deg_s)
        elif kind == "path":
            length = rig.path_s
        else:
            length = _clip_s(stage, asked)
        seconds = _number(asked, "seconds", length, 1e-3, 3600.0)
        # what comes back to its beginning does not show it twice
        closed = kind == "turntable" or (rig.loop if kind == "path" else timeline.loop)
        film.frames = max(1, round(seconds * fps)) + (not closed)
        film.step_s = seconds / max(1, film.frames - (not closed))
        if film.frames > MAX_FRAMES:
            raise ViewError(f"film: wanted {MAX_FRAMES} frames at most, got {film.frames}")
        _start(stage, kind, seconds)
    except VitrineError:
        film.put_back()
        stage.engine.redraw()
        raise
    return film


def _start(stage: Stage, kind: str, seconds: float) -> None:
    """Go to the beginning."""
    rig, timeline, generator = stage.camera, stage.engine.timeline, stage.engine.generator
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


def _clip_s(stage: Stage, asked: dict[str, Any]) -> float:
    """Seconds of the clip, or those that are asked for."""
    if stage.engine.generator is None:
        raise ViewError("film: this scene has no clip; film the turntable or the path")
    length = stage.engine.timeline.duration_s
    if length is None and asked.get("seconds") is None:
        raise ViewError("film: this scene has no end; say how many seconds")
    return length or 1.0


def _drawn(
    stage: Stage, width: int, height: int, transparent: bool, tile: tuple[int, int, int, int]
) -> int:
    engine, host = stage.engine, stage.host
    view = stage.camera.view(width, height)
    shown, every = engine.filter, 1
    engine.redraw()
    engine.opaque = not transparent
    if shown is None:
        engine.whole = (width, height)
    else:
        every, shown.every = shown.every, 1
    host.rest()
    try:
        engine.draw(view if tile[2:] == (width, height) else view.tile(*tile))
    finally:
        engine.opaque, engine.whole = True, None
        if shown is not None:
            shown.every = every
    status = list(STATUS.unpack_from(stage.status))
    status[0], status[_MOVED] = host.before, host.moved
    STATUS.pack_into(stage.status, 0, *status)
    engine.redraw()
    return host.pending


def _kept(thing: Rig | Timeline) -> dict[str, Any]:
    """All that a rig or a timeline remembers, to be put back."""
    return {name: value for name, value in vars(thing).items() if name != "bookmarks"}


def _number(asked: dict[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = asked.get(name)
    if value is None:
        return default
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise ViewError(f"film {name}: wanted a number from {low:g} to {high:g}, got {value!r}")
    return float(value)
