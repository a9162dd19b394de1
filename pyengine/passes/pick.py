"""Pick pixels: the nearest splat with which the coverage of each passes half, in four bytes.

Another plan of the same scene, made at the first click beside the one that is drawn, and replayed
at each: it projects once more, for the sort leaves no key where its row is, reads the sorted order
that the frame left, and writes a word. It draws nothing and takes part in no frame. Labels are
looked at many at a time, by a schedule that picks `POINTS` pixels. The shaders are
shaders/pick/{blocks,first}.wgsl; their oracle is pybuild/picking.py.

A word is the splat's sort key, which says its depth to 1 part in 5,000 or better, and its object.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pyengine.bundle import CHUNK_SIZE, OBJECTS, Scene
from pyengine.errors import PlanError
from pyengine.passes.project import grid
from pyengine.plan import Buffer, ComputePass, ComputePipeline, Dispatch, Plan, Range, RenderPass
from pyengine.shaders import assemble
from pyengine.structs import Frame

__all__ = ["AT", "FOUND", "NOTHING", "PICK", "POINTS", "PROBE", "Picked", "Ray", "pick_plan"]

PICK = "pick"
"""The schedule that picks at the first place."""
PROBE = "probe"
"""The schedule that picks at all of them."""
POINTS = 16
"""Places that are picked at once."""
AT = "pick.at"
"""Buffer, four f32 a place: x and y, 0 to 1 from the canvas's top left corner; under 0: none."""
FOUND = "pick.found"
"""Buffer, one u32 a place: what was found there."""
NOTHING = 0xFFFFFFFF
"""The word where the coverage stays under half."""

_KEY_BITS = 24
_BLOCK = 256
"""Places of the order that a workgroup looks at."""
_SHARES = "pick.shares"

Point = tuple[float, float, float]


def pick_plan(plan: Plan, scene: Scene) -> Plan:
    """The plan that picks in what another plan of the scene draws.

    Buffers that both name are the same: a host takes them over from the one that draws.

    Parameters
    ----------
    plan : Plan
        `pyengine.scene_plan.scene_plan` of the scene.
    """
    steps, order = _before_the_sort(plan)
    pipelines = {dispatch.pipeline for step in steps for dispatch in step.dispatches}
    kept = tuple(pipeline for pipeline in plan.compute if pipeline.name in pipelines)
    texts = {pipeline.shader for pipeline in kept}
    chunks = max(scene.chunk_count, 1)
    sorted_by = ("frame", AT, "splats", order, "sort_state", _SHARES)
    objects = OBJECTS if scene.objects else order
    across, down, _ = grid(chunks)

    def found(label: str, places: int) -> ComputePass:
        first = (*sorted_by, "keys", objects, FOUND)
        return ComputePass(
            label,
            (
                Dispatch("pick.blocks", sorted_by, (across, down, places)),
                Dispatch("pick.first", first, (1, 1, places)),
            ),
        )

    schedule = (*steps, found(PICK, 1))
    constants = {"BLOCKS": chunks * CHUNK_SIZE // _BLOCK, "POINTS": POINTS}
    named = {_buffer(b) for step in schedule for d in step.dispatches for b in d.bindings}
    named |= {
        d.workgroups.buffer
        for step in steps
        for d in step.dispatches
        if not isinstance(d.workgroups, tuple)
    }
    return Plan(
        buffers=(
            *(buffer for buffer in plan.buffers if buffer.name in named),
            Buffer(AT, 16 * POINTS, ("uniform", "upload")),
            Buffer(_SHARES, constants["BLOCKS"] * 4 * POINTS, ("storage",)),
            Buffer(FOUND, 4 * POINTS, ("storage", "readback")),
        ),
        textures=(),
        shaders={
            **{name: text for name, text in plan.shaders.items() if name in texts},
            "pick.blocks": assemble("pick/blocks.wgsl", constants),
            "pick.first": assemble("pick/first.wgsl", {**constants, "OBJECTS": len(scene.objects)}),
        },
        compute=(
            *kept,
            ComputePipeline(
                "pick.blocks", "pick.blocks", ("uniform",) * 2 + ("read",) * 3 + ("read_write",)
            ),
            ComputePipeline(
                "pick.first", "pick.first", ("uniform",) * 2 + ("read",) * 6 + ("read_write",)
            ),
        ),
        render=(),
        schedules={PICK: schedule, PROBE: (*steps, found(PROBE, POINTS))},
        subgroups=tuple(name for name in plan.subgroups if name in texts),
        needs=plan.needs,
    )


def _before_the_sort(plan: Plan) -> tuple[tuple[ComputePass, ...], str]:
    """The passes that make splats and keys, and the buffer that the sort leaves the order in."""
    steps: list[ComputePass] = []
    for step in next(iter(plan.schedules.values())):  # which draws the scene
        if isinstance(step, RenderPass):
            draws = [draw for draw in step.draws if draw.pipeline == "splat"]
            if draws:
                return tuple(steps), draws[0].bindings[2]
        elif step.label != "sort":
            steps.append(step)
    raise PlanError("the plan draws no splats to pick")


def _buffer(binding: str | Range) -> str:
    return binding if isinstance(binding, str) else binding.buffer


@dataclass(frozen=True, slots=True)
class Picked:
    """What was found at a pixel.

    Attributes
    ----------
    position : (x, y, z)
        World: where the ray through the pixel has the depth of the splat's centre.
    distance : float
        From the camera, world units.
    depth : float
        Along the camera's axis, world units.
    object : int or None
        Index of the scene's object; None in a scene of one file.
    """

    position: Point
    distance: float
    depth: float
    object: int | None


class Ray:
    """The ray through a pixel, as the camera was when the frame was drawn.

    Parameters
    ----------
    frame : bytes
        `pyengine.structs.Frame` of the frame in which is picked.
    x, y : float
        Place on the canvas, 0 to 1 from the top left corner.
    """

    def __init__(self, frame: bytes | bytearray, x: float, y: float) -> None:
        self._frame = bytes(frame)
        width, height = self._get("viewport_px")
        fx, fy = self._get("focal_px")
        cx, cy = self._get("principal_px")
        self._slope = (
            (min(math.floor(x * width), width - 1) + 0.5 - cx) / fx,
            (min(math.floor(y * height), height - 1) + 0.5 - cy) / fy,
        )

    def found(self, word: int, objects: int = 0) -> Picked | None:
        """What a word of `FOUND` says; None for nothing.

        Parameters
        ----------
        word : int
        objects : int
            How many the scene has; 0 in a scene of one file.
        """
        if word == NOTHING:
            return None
        (scale,), (near,) = self._get("key_scale"), self._get("key_near")
        key = (word & ((1 << _KEY_BITS) - 1)) + 0.5
        depth = near * 2.0 ** (key / scale)
        index = word >> _KEY_BITS
        return Picked(
            self.at(depth),
            depth * math.hypot(*self._slope, 1.0),
            depth,
            index if index < objects else None,
        )

    def at(self, depth: float) -> Point:
        """The point of the ray at a depth along the camera's axis, world units."""
        m = self._get("view")
        seen = (self._slope[0] * depth, self._slope[1] * depth, depth)
        away = [seen[row] - m[12 + row] for row in range(3)]
        x, y, z = (sum(m[4 * axis + row] * away[row] for row in range(3)) for axis in range(3))
        return (x, y, z)

    def _get(self, name: str) -> Sequence[float]:
        return Frame.unpack(self._frame, name)
