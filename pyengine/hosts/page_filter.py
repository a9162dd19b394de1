"""Filters in the page: which sizes there are, their plans, and putting one on while frames go on.

web/filters.mjs asks `FilterHost.choose_filter` what to download, hands it to `open_filter`, builds
that plan beside the one that is shown, and calls `show_filter` between two frames. What is shown
stays as it is until then. The bytes of `filter_bytes` and `filter_inputs` lie in wasm memory, as
those of `pyengine.hosts.page.Display.uniforms` do.
"""

from __future__ import annotations

import json

from pyengine.errors import BundleError, InputError, ViewError, VitrineError
from pyengine.fields import document
from pyengine.filter import Filter, ladder
from pyengine.filter_spec import FilterSpec
from pyengine.governor import Governor
from pyengine.hosts.page import Display
from pyengine.hosts.page_plan import open_plan
from pyengine.hosts.page_stage import IDLE, Stage
from pyengine.passes.filter import Filtering
from pyengine.program import Program

__all__ = ["FilterHost"]

TARGET_FPS = 30.0
"""Frames a second for which a filter gives up size, and then being renewed in each frame."""


class FilterHost:
    """The filters of what a display shows."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._ladder: list[int] = []  # rungs that suit the canvas, of the last `choose_filter`

    def choose_filter(self, name: str, width: int, height: int, level: int = 0) -> str:
        """The size at which a filter is to be shown.

        Parameters
        ----------
        name : str
            Empty: none, which always is there.
        width, height : int
            Canvas, device pixels.
        level : int
            How many steps down the ladder of sizes that suit the canvas.

        Returns
        -------
        str
            JSON: ``rung``, an index, -1 for none; ``programs``, folders beside scene.json;
            ``levels``, how many sizes suit the canvas; ``render`` and ``output``, (width, height).
            Or ``error``.
        """
        if not name:
            return json.dumps({"rung": -1, "programs": [], "levels": 0})
        try:
            spec = self._spec(name)
        except VitrineError as error:
            return json.dumps({"error": str(error)})
        rungs = ladder(spec, max(width, 1), max(height, 1))
        self._ladder = rungs
        rung = rungs[min(max(level, 0), len(rungs) - 1)]
        chosen = spec.rungs[rung]
        return json.dumps(
            {
                "rung": rung,
                "programs": chosen.programs,
                "levels": len(rungs),
                "render": chosen.render,
                "output": chosen.output,
            }
        )

    def open_filter(
        self, name: str, rung: int, programs_text: str, shaders_text: str, adapter_text: str
    ) -> str:
        """Plan the scene that is shown with a filter, or with none; what is shown stays.

        Parameters
        ----------
        name, rung
            As `choose_filter` gave them.
        programs_text : str
            JSON: the text of each stage's program.json.
        shaders_text : str
            JSON: of each stage, text of its program's shaders by name.
        adapter_text : str
            JSON of `pyengine.plan.Adapter`.

        Returns
        -------
        str
            As `pyengine.hosts.page.Display.open_scene`.
        """
        filtering = None
        try:
            if name:
                spec = self._spec(name)
                filtering = _filtering(spec, rung, programs_text, shaders_text)
        except VitrineError as error:
            return json.dumps({"error": str(error)})
        return open_plan(self._display, adapter_text, filtering)

    def show_filter(self) -> None:
        """From now on frames show the plan of the last `open_filter`, whose buffers are filled."""
        display = self._display
        made, before = display.opened, display.stage
        if made is None:
            raise ViewError("no plan was opened")
        shown = made.engine.filter
        made.engine.go_on(before.engine)
        made.governor = None
        if shown is not None:
            known = made.filters.get(shown.spec.name)
            if known is not None:
                shown.take_over(known)
            made.filters[shown.spec.name] = shown
            made.governor = self._governor(shown, before)
            made.ladder = list(self._ladder)
            shown.every = made.governor.every
        made.camera = before.camera
        display.shown, display.opened = made, None

    def set_filter(self, name: str, strength: float, split: float) -> str:
        """How a filter is shown, 0 to 1 both; less than 0 leaves it as it is.

        Returns
        -------
        str
            Empty, or what is wrong.
        """
        stage = self._display.stage
        try:
            shown = stage.filters.get(name)
            if shown is None:
                raise InputError(f"filter {name!r}: it is not on")
            shown.set_shown(strength if strength >= 0 else None, split if split >= 0 else None)
        except VitrineError as error:
            return str(error)
        return ""

    def filter_bytes(self) -> bytearray:
        """The bytes of the filter's struct; empty where none is on."""
        shown = self._display.stage.engine.filter
        return bytearray() if shown is None else shown.frame_bytes

    def filter_inputs(self) -> bytearray:
        """The bytes of the filter's inputs; empty where none is on."""
        shown = self._display.stage.engine.filter
        return bytearray() if shown is None else shown.input_bytes

    def check_filter(self) -> int:
        """Index of the schedule that counts numbers that are not finite, or `IDLE`.

        Its count is added to the buffer `pyengine.passes.filter.FAULTS`, which JavaScript clears.
        """
        stage = self._display.stage
        if stage.engine.filter is None:
            return IDLE
        stage.host.rest()
        stage.engine.check_filter()
        return stage.host.pending

    def _governor(self, shown: Filter, before: Stage) -> Governor:
        """The one that is there, if the same filter was on with the same sizes to choose from."""
        costs = [float(shown.spec.rungs[rung].pixels) for rung in self._ladder]
        last = before.engine.filter
        same = last is not None and last.spec is shown.spec and before.ladder == self._ladder
        if before.governor is not None and same:
            return before.governor
        return Governor(TARGET_FPS, len(costs), costs=costs)

    def _spec(self, name: str) -> FilterSpec:
        filters = self._display.stage.engine.scene.filters
        for spec in filters:
            if spec.name == name:
                return spec
        names = ", ".join(spec.name for spec in filters) or "none"
        raise InputError(f"This scene has no filter {name!r}; there are: {names}.")


def _filtering(spec: FilterSpec, rung: int, programs_text: str, shaders_text: str) -> Filtering:
    """The programs that JavaScript has downloaded."""
    chosen = spec.rungs[rung]
    texts = document(programs_text, "programs", "a list of texts")
    shaders = document(shaders_text, "shaders", "a list of objects of texts")
    where = f"filter {spec.name!r}: wanted"
    if not (isinstance(texts, list) and isinstance(shaders, list)):
        raise BundleError(f"{where} lists of programs and shaders")
    if not all(isinstance(text, str) for text in texts):
        raise BundleError(f"{where} the texts of programs")
    if not len(texts) == len(shaders) == len(chosen.programs):
        raise BundleError(
            f"{where} {len(chosen.programs)} programs with their shaders, "
            f"got {len(texts)} and {len(shaders)}"
        )
    programs = tuple(
        Program.parse(text, f"{folder}/program.json")
        for text, folder in zip(texts, chosen.programs, strict=True)
    )
    for program, given in zip(programs, shaders, strict=True):
        if not isinstance(given, dict) or not given.keys() >= program.shaders.keys():
            raise BundleError(f"filter {spec.name!r}: shaders of {program.name!r} are missing")
    return Filtering(spec, chosen, programs, tuple(shaders))
