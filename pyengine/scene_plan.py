"""The plan of a scene: which parts stand in which schedule."""

from __future__ import annotations

from collections.abc import Mapping

from pyengine.bundle import Scene
from pyengine.errors import BundleError
from pyengine.filter_spec import FILTER_INPUTS
from pyengine.generator import CLEAR, GENERATE, RESTART, RUNS, STEPS
from pyengine.generator_spec import INPUTS
from pyengine.passes.composite import composite
from pyengine.passes.filter import Filtering, filtered
from pyengine.passes.generated import SORT_ARGUMENTS, generated, generated_object, live
from pyengine.passes.modes import DEEP, mode_parts
from pyengine.passes.network import network
from pyengine.passes.objects import packed_objects, shared_buffers
from pyengine.passes.project import project
from pyengine.passes.similar import FRAME as FILTER_FRAME
from pyengine.passes.sort import Sort, passes_for, variant_for
from pyengine.passes.splat import splat, vertices_for
from pyengine.plan import Adapter, Part, Plan
from pyengine.program import Program
from pyengine.program import required_limits as limits_of

__all__ = [
    "CHECK",
    "FILTER",
    "FRAME",
    "FRESH",
    "OTHER",
    "PRESENT",
    "required_limits",
    "scene_plan",
    "uploads",
]

FRAME = "frame"
"""The schedule that draws the scene."""
FILTER, PRESENT = "filter", "present"
"""Those that run a filter on the image that is there, and that show again what it made."""
FRESH = "fresh"
"""The one that puts zeros into the states of a filter."""
CHECK = "check"
"""The one that counts the numbers of the filter's image that are not finite."""
OTHER = "/1"
"""Ends the names of the schedules of a filter with state when its second run is due."""


def scene_plan(
    scene: Scene,
    adapter: Adapter,
    program: Program | None = None,
    shaders: Mapping[str, str] | None = None,
    filtering: Filtering | None = None,
    mode: str = "",
) -> Plan:
    """The plan that draws a packed scene, one that a generator makes, or one of several objects.

    Parameters
    ----------
    program : Program, optional
        The generator's.
    shaders : mapping, optional
        Text of each of the program's shaders by its name.
    filtering : Filtering, optional
        The filter that is on.
    mode : str
        One of `pyengine.passes.modes.MODES`, without a filter; empty for colours.

    Raises
    ------
    BundleError
        The scene and a program do not fit together.
    DeviceError
        A kernel of a program that the adapter cannot run.
    """
    spec = scene.generator
    variant = variant_for(adapter)
    deep = mode in DEEP if mode else filtering is not None and filtering.spec.depth
    sort = Sort(
        chunks=max(scene.chunk_count, 1),
        passes=passes_for(scene.count),
        splat_vertices=vertices_for(adapter),
        variant=variant,
        arguments=SORT_ARGUMENTS if _is_ruled_by_counts(scene) else None,
        keep_keys=deep,
    )
    size = filtering.rung.render if filtering is not None else None
    keys = sort.sorted_keys if deep else None
    if mode:
        seen, last = mode_parts(mode, sort, adapter, scene.pose)
    else:
        seen, last = splat(sort.order, adapter, size, keys), composite()
    after = (sort.part(), seen)
    if spec is None:
        first = _of_objects(scene) if scene.objects else (project(scene),)
        return _ended({FRAME: (*first, *after)}, filtering, adapter, last)
    if program is None:
        raise BundleError("scene.json: its Gaussians come of a generator, whose program is missing")
    made = network(scene.generated(), program, shaders or {}, adapter)
    if scene.objects:
        drawn = (*_of_objects(scene), generated_object(scene, spec, made.outputs), *after)
    else:
        drawn = (generated(scene, spec, made.outputs), *after)
    counts: tuple[Part, ...] = ()
    if made.outputs.count is not None:
        counts = (live(spec, made.outputs.count, variant),)
    schedules: dict[str, tuple[Part, ...]] = {FRAME: drawn}
    if made.clear is None:
        schedules[GENERATE] = (*made.runs, *counts, *drawn)
        return _ended(schedules, filtering, adapter, last)
    for name, run in zip(RUNS, made.runs, strict=True):
        schedules[name] = (run, *counts, *drawn)
    schedules[RESTART] = (made.clear, *schedules[RUNS[0]])
    alone = {name: (run,) for name, run in zip(STEPS, made.runs, strict=True)}
    return _ended(schedules, filtering, adapter, last, alone | {CLEAR: (made.clear,)})


def _is_ruled_by_counts(scene: Scene) -> bool:
    """Whether the sort works on as many chunks as the generator's count makes live."""
    return scene.generator is not None and scene.generator.counted and not scene.objects


def _of_objects(scene: Scene) -> tuple[Part, ...]:
    """What the objects share, and the stage of those that are packed."""
    packed = (packed_objects(scene),) if scene.packed_objects else ()
    return (shared_buffers(scene), *packed)


def _ended(
    schedules: Mapping[str, tuple[Part, ...]],
    filtering: Filtering | None,
    adapter: Adapter,
    last: Part,
    others: Mapping[str, tuple[Part, ...]] | None = None,
) -> Plan:
    """Schedules that draw the splats' image, made to draw the canvas; and others as they are."""
    if filtering is None:
        shown = {name: (*parts, last) for name, parts in schedules.items()}
        return Plan.of({**shown, **(others or {})})
    made = filtered(filtering, adapter)
    found: dict[str, tuple[Part, ...]] = {}
    for end, run, show, count in zip(("", OTHER), made.runs, made.shows, made.counts, strict=False):
        clear = (made.clear,) if made.clear is not None and not end else ()
        for name, parts in schedules.items():
            found[name + end] = (*parts, run, show)
        found[FILTER + end] = (run, show)
        found[PRESENT + end] = (show,)
        found[CHECK + end] = (count,)
        if clear:
            found[FRESH] = clear
    return Plan.of({**found, **(others or {})})


def required_limits(plan: Plan, adapter: Adapter) -> dict[str, int]:
    """Limits to ask of the adapter for a plan, by WebGPU's names.

    Raises
    ------
    DeviceError
        A buffer is beyond what the adapter offers.
    """
    if any(buffer.name == INPUTS for buffer in plan.buffers):
        return limits_of(plan, adapter, "the generator")
    return limits_of(
        plan, adapter, "the scene", "a scene with fewer Gaussians or a lower SH degree"
    )


def uploads(plan: Plan) -> list[list[str]]:
    """Names of the buffers that the host writes before it replays each of a plan's schedules."""
    generator = (*RUNS, *STEPS, GENERATE, RESTART)
    has_filter = PRESENT in plan.schedules
    found = []
    for name in plan.schedules:
        base = name.removesuffix(OTHER)
        is_drawn = base not in (*STEPS, CLEAR, FILTER, PRESENT, CHECK, FRESH)
        named = ["frame"] * is_drawn + [INPUTS] * (base in generator)
        if has_filter and (is_drawn or base in (FILTER, PRESENT)):
            named += [FILTER_FRAME] + [FILTER_INPUTS] * (base != PRESENT)
        found.append(named)
    return found
