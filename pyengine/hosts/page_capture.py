"""Pictures and films of what the page shows, at any size, drawn beside the canvas.

web/capture.mjs makes textures of their size, asks for a frame here, and replays the schedule whose
index it gets, as after `pyengine.hosts.page.Display.frame`. The canvas is drawn anew afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass

from pyengine.errors import ViewError, VitrineError
from pyengine.fields import document
from pyengine.film import Film, begin_film, passing
from pyengine.hosts.page import Display
from pyengine.hosts.page_stage import IDLE, STATUS, Stage

__all__ = ["CaptureHost"]

_MOVED = 4
"""Place in the status that says whether objects are to be uploaded."""


@dataclass(slots=True)
class _Filmed:
    """A film, the frame that time has passed for, and what is left of that time."""

    film: Film
    frame: int = 0
    passing: Generator[None] | None = None


class CaptureHost:
    """Pictures and films of what a display shows."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._filmed: _Filmed | None = None

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
            if not isinstance(asked, dict):
                raise ViewError("film: wanted an object")
            stage = self._display.stage
            film = begin_film(stage.camera, stage.engine, asked)
        except VitrineError as error:
            return json.dumps({"error": str(error)})
        self._filmed = _Filmed(film)
        return json.dumps({"frames": film.frames})

    def film_step(self, index: int, width: int, height: int) -> int:
        """Let the time before a frame pass; a generator's state may have several steps in it.

        Returns
        -------
        int
            Index of a schedule to replay, as `picture`'s, before asking again; or `IDLE`: the
            frame can be drawn.
        """
        filmed, stage = self._begun(), self._display.stage
        if index > filmed.frame:
            filmed.frame = index
            stage.camera.advance(filmed.film.step_s)
            view = stage.camera.view(width, height)
            filmed.passing = passing(stage.engine, view, filmed.film.step_s)
        if filmed.passing is None:
            return IDLE
        stage.host.rest()
        try:
            next(filmed.passing)
        except StopIteration:
            filmed.passing = None
            return IDLE
        return _noted(stage)

    def film_frame(self, width: int, height: int) -> int:
        """Draw the frame of the film for which `film_step` has let the time pass; as `picture`."""
        self._begun()
        return _drawn(self._display.stage, width, height, False, (0, 0, width, height))

    def end_film(self) -> None:
        """All is as it was before; a generator's state goes on from where it is."""
        if self._filmed is None:
            return
        if self._filmed.passing is not None:
            self._filmed.passing.close()
        self._filmed.film.put_back()
        self._filmed = None
        self._display.stage.engine.redraw()

    def _begun(self) -> _Filmed:
        if self._filmed is None:
            raise ViewError("film: none was begun")
        return self._filmed


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
    index = _noted(stage)
    engine.redraw()
    return index


def _noted(stage: Stage) -> int:
    """The schedule that the host was told of; what comes before it is in the status."""
    status = list(STATUS.unpack_from(stage.status))
    status[0], status[_MOVED] = stage.host.before, stage.host.moved
    STATUS.pack_into(stage.status, 0, *status)
    return stage.host.pending
