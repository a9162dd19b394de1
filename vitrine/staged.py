"""What the parts of a scene share: what is shown, questions to it, and who hears what happens.

Questions are those that the page's element asks (`pyengine.hosts.page_view`), so that both mean the
same by the same names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pybuild.opening import Opened
from pyengine.camera_rig import Rig
from pyengine.engine import Engine
from pyengine.errors import InputError, ViewError
from pyengine.hosts.page import Display
from pyengine.hosts.page_stage import PageHost, Stage
from pyengine.hosts.page_view import ViewHost
from vitrine.renderers import Renderers
from vitrine.values import plain, size_px

__all__ = ["EVENTS", "Staged"]

Hear = Callable[[dict[str, Any]], None]

EVENTS = ("play", "pause", "timeupdate", "filter", "camera", "mode", "object")
"""What `Staged.on` may hear of."""


class Staged:
    """A scene on the GPU, the camera before it, and its clock."""

    def __init__(self, opened: Opened, size: tuple[int, int], filters: Mapping[str, str]) -> None:
        """See `vitrine.load`."""
        self._opened = opened
        self.size = size
        self._renderers = Renderers(opened, self._size, filters)
        made = self._renderers.colours
        self._stage = Stage(PageHost(made.plan), made.engine, Rig(opened.scene.pose))
        self._closed = False
        self._hearing: list[tuple[str, Hear]] = []
        self._told = self._now()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of an image in pixels, where nothing else is said; may be set."""
        return self._size

    @size.setter
    def size(self, size: tuple[int, int]) -> None:
        try:
            width, height = size
        except (TypeError, ValueError):
            raise ViewError(f"size: wanted (width, height) in pixels, got {size!r}") from None
        self._size = (size_px(width, "width"), size_px(height, "height"))

    def on(self, name: str, hear: Hear) -> Callable[[], None]:
        """Call a function with the detail of each event of a name.

        Parameters
        ----------
        name : str
            ``play``, ``pause``, ``timeupdate`` (``{"time", "phase"}``), ``filter`` (``{"name"}``),
            ``camera`` (``{"moving"}``), ``mode`` (``{"mode"}``) or ``object`` (``{"name"}``).
        hear : callable
            Takes a dictionary.

        Returns
        -------
        callable
            Ends it.

        Raises
        ------
        InputError
            There is no such event.
        """
        if name not in EVENTS:
            raise InputError(f"event {name!r}: wanted one of {', '.join(EVENTS)}")
        entry = (name, hear)
        self._hearing.append(entry)

        def off() -> None:
            self._hearing = [item for item in self._hearing if item is not entry]

        return off

    def dispose(self) -> None:
        """Free the GPU; a scene that was disposed of does nothing any more. May be called twice."""
        if not self._closed:
            self._closed = True
            self._renderers.close()

    @property
    def _engine(self) -> Engine:
        """What is told of changes; that of the colours."""
        self._live()
        return self._stage.engine

    @property
    def _rig(self) -> Rig:
        self._live()
        return self._stage.camera

    def _live(self) -> None:
        if self._closed:
            raise InputError("the scene was disposed of; load it again with vitrine.load")

    def _ask(
        self, do: str, /, engine: Engine | None = None, rig: Rig | None = None, **asked: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Do something to the view, as the element of a page does.

        Parameters
        ----------
        do : str
            See `pyengine.hosts.page_view`.
        engine, rig
            In the place of the scene's own.

        Returns
        -------
        value
            The answer.
        state : dict
            As the element's ``getState`` has it.

        Raises
        ------
        ViewError
            It cannot be done.
        """
        self._live()
        display = Display()
        display.shown = replace(
            self._stage, engine=engine or self._stage.engine, camera=rig or self._stage.camera
        )
        given = plain(asked)
        try:
            text = json.dumps({"do": do, **given}, allow_nan=False)
        except (TypeError, ValueError):
            raise ViewError(f"{do}: wanted texts and finite numbers, got {given}") from None
        answer = json.loads(ViewHost(display).ask(text))
        if "error" in answer:
            raise ViewError(answer["error"])
        self._tell_news()
        return answer["value"], answer["state"]

    def _tell(self, name: str, detail: dict[str, Any]) -> None:
        for wanted, hear in self._hearing:
            if wanted == name:
                hear(detail)

    def _now(self) -> tuple[str, bool, float]:
        timeline = self._stage.engine.timeline
        return self._stage.camera.moving, timeline.playing, timeline.time_s

    def _tell_news(self) -> None:
        """Tell what has changed of the camera's movement and of the clock since the last time."""
        (moving, playing, time_s), self._told = self._told, self._now()
        timeline = self._stage.engine.timeline
        clock = {"time": timeline.time_s, "phase": timeline.phase}
        if timeline.time_s != time_s:
            self._tell("timeupdate", dict(clock))
        if timeline.playing != playing:
            self._tell("play" if timeline.playing else "pause", dict(clock))
        if self._stage.camera.moving != moving:
            self._tell("camera", {"moving": self._stage.camera.moving})
