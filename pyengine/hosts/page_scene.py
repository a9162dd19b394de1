"""What JavaScript is told of a scene: its plan, what to ask of the adapter, what to download."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pyengine.bundle import Scene
from pyengine.filter_spec import FilterSpec
from pyengine.passes.network import PREFIX
from pyengine.plan import Plan
from pyengine.program import Program
from pyengine.scene_plan import uploads
from pyengine.structs import STRUCTS

__all__ = ["told"]


def told(
    scene: Scene,
    plan: Plan,
    program: Program | None = None,
    others: Mapping[str, str] | None = None,
    cut: Mapping[str, tuple[int, int]] | None = None,
) -> str:
    """What JavaScript needs to know of a scene, as JSON; ``others`` are files of a filter, ``cut``
    is that of `pyengine.hosts.page_budget.Fitted`.
    """
    files = {name: buffer.file for name, buffer in scene.buffers.items()} | dict(others or {})
    more: dict[str, object] = {}
    spec = scene.generator
    if spec is not None and program is not None:
        named = [buffer for buffer in program.buffers if buffer.file]
        files |= {PREFIX + buffer.name: f"{spec.program}/{buffer.file}" for buffer in named}
        told = spec.to_dict()
        places = {
            name: {"offset_bytes": part.offset_bytes, "size_bytes": part.size_bytes}
            for name, part in spec.layout().items()
        }
        feeds = [feed | places.get(feed["name"], {}) for feed in told["feeds"]]
        more["generator"] = {"feeds": feeds, "clip": told["clip"], "rate": told["rate"]}
    if cut:
        more["cut"] = dict(cut)
    return json.dumps(
        {
            "plan": plan.to_dict(),
            "files": files,
            "uploads": uploads(plan),
            **more,
            "structs": {name: struct.offsets for name, struct in STRUCTS.items()},
            "info": {
                "count": scene.count,
                "shDegree": scene.sh_degree,
                "gpuBytes": sum(buffer.size_bytes for buffer in plan.buffers),
                **({"objects": [o.to_dict() for o in scene.objects]} if scene.objects else {}),
                **({"filters": [_choice(item) for item in scene.filters]} if scene.filters else {}),
            },
        }
    )


def _choice(spec: FilterSpec) -> dict[str, object]:
    """What a visitor may know of a filter."""
    return {
        "name": spec.name,
        "strength": spec.strength,
        "stages": [stage.label for stage in spec.stages],
        "inputs": [feed.to_dict() for feed, _ in spec.inputs() if feed.control is not None],
        "first": spec.first,
    }
