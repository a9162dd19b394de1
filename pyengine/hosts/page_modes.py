"""Render modes in the page: the plan of one, to be put in the place of the one that is shown.

A mode takes the road of a filter: web/filters.mjs asks for the plan, builds it beside the one that
goes on meanwhile, and has `pyengine.hosts.page_filter.show_filter` show it between two frames.
"""

from __future__ import annotations

import json
from dataclasses import replace

from pyengine.engine import Engine
from pyengine.errors import VitrineError
from pyengine.hosts import page, page_filter
from pyengine.hosts.page import PageHost
from pyengine.hosts.page_scene import told
from pyengine.passes.modes import checked_mode
from pyengine.plan import Adapter
from pyengine.scene_plan import required_limits, scene_plan

__all__ = ["check_mode", "open_mode"]


def check_mode(name: str) -> str:
    """JSON: ``mode``, empty for colours; or ``error``, where there is none of that name."""
    try:
        return json.dumps({"mode": checked_mode(name)})
    except VitrineError as error:
        return json.dumps({"error": str(error)})


def open_mode(mode: str, adapter_text: str) -> str:
    """Plan the scene that is shown in a mode, without a filter; what is shown stays.

    Parameters
    ----------
    mode : str
        One of `pyengine.passes.modes.MODES`.
    adapter_text : str
        JSON of `pyengine.plan.Adapter`.

    Returns
    -------
    str
        As `pyengine.hosts.page.open_scene`.
    """
    page_filter._opened.clear()
    stage = page._stage[0]
    scene = stage.engine.scene
    try:
        adapter = Adapter(**json.loads(adapter_text))
        plan = scene_plan(scene, adapter, stage.program, stage.shaders, mode=mode)
        needed = required_limits(plan, adapter)
    except VitrineError as error:
        return json.dumps({"error": str(error)})
    host = PageHost(plan)
    page_filter._opened[:] = [replace(stage, host=host, engine=Engine(scene, host))]
    return told(scene, plan, needed, stage.program, page_filter._files(stage, None))
