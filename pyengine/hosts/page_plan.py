"""Another plan of the scene that is shown, to be put in its place: with a filter, or in a mode.

JavaScript builds it beside the one that goes on meanwhile, and has
`pyengine.hosts.page_filter.FilterHost.show_filter` show it between two frames.
"""

from __future__ import annotations

import json
from dataclasses import replace

from pyengine.engine import Engine
from pyengine.errors import VitrineError
from pyengine.filter import Filter
from pyengine.hosts.page import Display
from pyengine.hosts.page_scene import told
from pyengine.hosts.page_stage import PageHost, Stage
from pyengine.passes.filter import Filtering
from pyengine.plan import Adapter
from pyengine.program import Program
from pyengine.scene_plan import required_limits, scene_plan

__all__ = ["open_plan"]


def open_plan(
    display: Display, adapter_text: str, filtering: Filtering | None = None, mode: str = ""
) -> str:
    """Plan what is shown anew; it stays as it is.

    Parameters
    ----------
    display : Display
        Its ``opened`` is what was planned, or None.
    adapter_text : str
        JSON of `pyengine.plan.Adapter`.
    filtering : Filtering, optional
        What the picture goes through.
    mode : str
        One of `pyengine.passes.modes.MODES`; empty for colours.

    Returns
    -------
    str
        As `pyengine.hosts.page.Display.open_scene`.
    """
    display.opened = None
    try:
        stage = display.stage
        scene = stage.engine.scene
        adapter = Adapter(**json.loads(adapter_text))
        plan = scene_plan(scene, adapter, stage.program, stage.shaders, filtering, mode=mode)
        required_limits(plan, adapter)  # or refuse it
    except VitrineError as error:
        return json.dumps({"error": str(error)})
    host, shown = PageHost(plan), None
    if filtering is not None:
        shown = Filter(filtering.spec, filtering.rung, filtering.rests)
    display.opened = replace(stage, host=host, engine=Engine(scene, host, shown))
    return told(scene, plan, stage.program, _files(stage, filtering))


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
