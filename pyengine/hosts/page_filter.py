"""Filters in the page: which sizes there are, their plans, and putting one on while frames go on.

web/filters.mjs asks `choose_filter` what to download, hands it to `open_filter`, builds that plan
beside the one that is shown, and calls `show_filter` between two frames. What is shown stays as it
is until then. The bytes of `filter_bytes` and `filter_inputs` lie in wasm memory, as those of
`pyengine.hosts.page.uniforms` do.
"""

from __future__ import annotations

import json
from dataclasses import replace

from pyengine.engine import Engine
from pyengine.errors import BundleError, InputError, VitrineError
from pyengine.fields import document
from pyengine.filter import Filter, ladder
from pyengine.filter_spec import FilterSpec
from pyengine.governor import Governor
from pyengine.hosts import page
from pyengine.hosts.page import IDLE, PageHost, Stage
from pyengine.hosts.page_scene import told
from pyengine.passes.filter import Filtering
from pyengine.plan import Adapter
from pyengine.program import Program
from pyengine.scene_plan import required_limits, scene_plan

__all__ = [
    "check_filter",
    "choose_filter",
    "filter_bytes",
    "filter_inputs",
    "open_filter",
    "set_filter",
    "show_filter",
]

TARGET_FPS = 30.0
"""Frames a second for which a filter gives up size, and then being renewed in each frame."""

_opened: list[Stage] = []
_ladder: list[int] = []
"""Rungs that suit the canvas, of the last `choose_filter`."""


def choose_filter(name: str, width: int, height: int, level: int = 0) -> str:
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
        spec = _spec(name)
    except VitrineError as error:
        return json.dumps({"error": str(error)})
    rungs = ladder(spec, max(width, 1), max(height, 1))
    _ladder[:] = rungs
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
    name: str, rung: int, programs_text: str, shaders_text: str, adapter_text: str
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
        As `pyengine.hosts.page.open_scene`.
    """
    _opened.clear()
    stage = page._stage[0]
    scene = stage.engine.scene
    try:
        adapter = Adapter(**json.loads(adapter_text))
        filtering = None
        if name:
            filtering = _filtering(_spec(name), rung, programs_text, shaders_text)
        plan = scene_plan(scene, adapter, stage.program, stage.shaders, filtering)
        needed = required_limits(plan, adapter)
    except VitrineError as error:
        return json.dumps({"error": str(error)})
    host, shown = PageHost(plan), None
    if filtering is not None:
        shown = Filter(filtering.spec, filtering.rung, filtering.rests)
    _opened[:] = [replace(stage, host=host, engine=Engine(scene, host, shown))]
    return told(scene, plan, needed, stage.program, _files(stage, filtering))


def show_filter() -> None:
    """From now on frames show the plan of the last `open_filter`, whose buffers are filled."""
    made, before = _opened.pop(), page._stage[0]
    shown = made.engine.filter
    made.engine.go_on(before.engine)
    made.governor = None
    if shown is not None:
        known = made.filters.get(shown.spec.name)
        if known is not None:
            shown.take_over(known)
        made.filters[shown.spec.name] = shown
        made.governor = _governor(shown, before)
        made.ladder = list(_ladder)
        shown.every = made.governor.every
    made.camera = before.camera
    page._stage[:] = [made]


def _governor(shown: Filter, before: Stage) -> Governor:
    """The one that is there, if the same filter was on with the same sizes to choose from."""
    costs = [float(shown.spec.rungs[rung].pixels) for rung in _ladder]
    last = before.engine.filter
    same = last is not None and last.spec is shown.spec and before.ladder == _ladder
    if before.governor is not None and same:
        return before.governor
    return Governor(TARGET_FPS, len(costs), costs=costs)


def set_filter(name: str, strength: float, split: float) -> str:
    """How a filter is shown, 0 to 1 both; less than 0 leaves it as it is.

    Returns
    -------
    str
        Empty, or what is wrong.
    """
    stage = page._stage[0]
    try:
        shown = stage.filters.get(name)
        if shown is None:
            raise InputError(f"filter {name!r}: it is not on")
        shown.set_shown(strength if strength >= 0 else None, split if split >= 0 else None)
    except VitrineError as error:
        return str(error)
    return ""


def filter_bytes() -> bytearray:
    """The bytes of the filter's struct; empty where none is on."""
    shown = page._stage[0].engine.filter
    return bytearray() if shown is None else shown.frame_bytes


def filter_inputs() -> bytearray:
    """The bytes of the filter's inputs; empty where none is on."""
    shown = page._stage[0].engine.filter
    return bytearray() if shown is None else shown.input_bytes


def check_filter() -> int:
    """Index of the schedule that counts numbers that are not finite, or `IDLE`.

    Its count is added to the buffer `pyengine.passes.filter.FAULTS`, which JavaScript clears.
    """
    stage = page._stage[0]
    if stage.engine.filter is None:
        return IDLE
    stage.host.rest()
    stage.engine.check_filter()
    return stage.host.pending


def _spec(name: str) -> FilterSpec:
    filters = page._stage[0].engine.scene.filters
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


def _files(stage: Stage, filtering: Filtering | None) -> dict[str, str]:
    """Where the content of networks' buffers is, by the plan's ``source``."""
    found: list[tuple[str, Program]] = []
    spec = stage.engine.scene.generator
    if spec is not None and stage.program is not None:
        found.append((spec.program, stage.program))
    if filtering is not None:
        folders = filtering.rung.programs
        shared = filtering.spec.buffers
        found += [
            (shared or folder, program)
            for folder, program in zip(folders, filtering.programs, strict=True)
        ]
    return {
        buffer.file: f"{folder}/{buffer.file}"
        for folder, program in found
        for buffer in program.buffers
        if buffer.file
    }
