"""The host without a GPU: checks every rule that a plan must keep, and executes nothing.

It is the written specification of what a host is owed: names that resolve, layouts that match the
shaders, usages that allow what is done, sizes within limits, and no buffer both read and written at
once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from pyengine.errors import PlanError
from pyengine.plan import (
    CANVAS,
    DEFAULT_LIMITS,
    OFFSET_ALIGNMENT,
    Binding,
    Buffer,
    ComputePass,
    ComputePipeline,
    Dispatch,
    Draw,
    Indirect,
    Plan,
    Range,
    RenderPass,
    RenderPipeline,
)
from pyengine.structs import STRUCTS

__all__ = ["NullHost"]

_USAGE_OF_ACCESS = {"uniform": "uniform", "read": "storage", "read_write": "storage"}
_LIMIT_OF_ACCESS = {
    "uniform": "maxUniformBufferBindingSize",
    "read": "maxStorageBufferBindingSize",
    "read_write": "maxStorageBufferBindingSize",
}
_ARGUMENT_BYTES = {"dispatch": 12, "draw": 16}
_DEPTH_FORMAT = "depth32float"
_BINDING = re.compile(
    r"@group\((\d+)\)\s*@binding\((\d+)\)\s*var(?:<([\w, ]+)>)?\s*\w+\s*:\s*([^;]+);"
)
_ACCESS_OF_SPACE = {
    "": "texture",
    "uniform": "uniform",
    "storage": "read",
    "storage,read": "read",
    "storage,read_write": "read_write",
}
_P = TypeVar("_P", ComputePipeline, RenderPipeline)


class NullHost:
    """Takes a plan, checks it, and records what a frame would do."""

    def __init__(self, limits: Mapping[str, int] = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.ran: list[str] = []
        self.written: list[tuple[str, int, int]] = []
        self._plan: Plan | None = None

    def build(self, plan: Plan) -> None:
        """Check the plan.

        Raises
        ------
        PlanError
            With the pass, the pipeline and the binding that break a rule.
        """
        check(plan, self.limits)
        self._plan = plan

    def write(
        self, buffer: str, data: bytes | bytearray | memoryview, offset_bytes: int = 0
    ) -> None:
        """Check and record an upload."""
        target = self._buffers().get(buffer)
        if target is None:
            raise PlanError(f"buffer {buffer!r} is not in the plan")
        if "upload" not in target.usage:
            raise PlanError(f"buffer {buffer!r} is written but lacks usage upload")
        if offset_bytes + len(data) > target.size_bytes:
            raise PlanError(f"buffer {buffer!r}: {len(data)} bytes at {offset_bytes} do not fit")
        self.written.append((buffer, offset_bytes, len(data)))

    def run(self, schedule: str) -> None:
        """Record that a schedule ran."""
        if self._plan is None or schedule not in self._plan.schedules:
            raise PlanError(f"schedule {schedule!r} is not in the plan")
        self.ran.append(schedule)

    def _buffers(self) -> dict[str, Buffer]:
        if self._plan is None:
            raise PlanError("no plan was built")
        return {buffer.name: buffer for buffer in self._plan.buffers}


def check(plan: Plan, limits: Mapping[str, int]) -> None:
    """Raise `PlanError` at the first rule that ``plan`` breaks."""
    names = [b.name for b in plan.buffers] + [t.name for t in plan.textures]
    names += [p.name for p in plan.compute] + [p.name for p in plan.render]
    for name in names:
        if names.count(name) > 1:
            raise PlanError(f"the name {name!r} is used twice")
    whole = {item for _, step in plan.passes() for item in _bound(step)}
    for buffer in plan.buffers:
        _check_buffer(buffer, limits, buffer.name in whole)
    pipelines: list[ComputePipeline | RenderPipeline] = [*plan.compute, *plan.render]
    for pipeline in pipelines:
        _check_pipeline(pipeline, plan, limits)
    for schedule, step in plan.passes():
        where = f"{schedule}/{step.label}"
        if isinstance(step, ComputePass):
            for dispatch in step.dispatches:
                _check_dispatch(dispatch, plan, limits, where)
        else:
            for target in (step.target, step.depth, step.extra):
                _check_target(target, plan, where)
            for draw in step.draws:
                _check_draw(draw, plan, limits, step, where)


def _bound(step: ComputePass | RenderPass) -> list[Binding]:
    """Everything that the dispatches or draws of a pass bind."""
    items = step.dispatches if isinstance(step, ComputePass) else step.draws
    return [binding for item in items for binding in item.bindings]


def _check_buffer(buffer: Buffer, limits: Mapping[str, int], whole: bool) -> None:
    if buffer.size_bytes <= 0 or buffer.size_bytes % 4:
        raise PlanError(f"buffer {buffer.name!r}: {buffer.size_bytes} bytes is not a multiple of 4")
    bounds = [("maxBufferSize", True)]
    bounds.append(("maxStorageBufferBindingSize", whole and "storage" in buffer.usage))
    bounds.append(("maxUniformBufferBindingSize", whole and "uniform" in buffer.usage))
    for limit, applies in bounds:
        if applies and buffer.size_bytes > limits[limit]:
            raise PlanError(
                f"buffer {buffer.name!r} has {buffer.size_bytes} bytes; {limit} is {limits[limit]}"
            )
    if buffer.source is not None and "upload" not in buffer.usage:
        raise PlanError(f"buffer {buffer.name!r} has a source but lacks usage upload")


def _check_pipeline(
    pipeline: ComputePipeline | RenderPipeline, plan: Plan, limits: Mapping[str, int]
) -> None:
    if pipeline.shader not in plan.shaders:
        raise PlanError(
            f"pipeline {pipeline.name!r}: shader {pipeline.shader!r} is not in the plan"
        )
    text = plan.shaders[pipeline.shader]
    storage = sum(access in ("read", "read_write") for access in pipeline.layout)
    if storage > limits["maxStorageBuffersPerShaderStage"]:
        raise PlanError(f"pipeline {pipeline.name!r} binds {storage} storage buffers")
    if isinstance(pipeline, RenderPipeline):
        entries: tuple[str, ...] = (pipeline.vertex, pipeline.fragment)
        if "read_write" in pipeline.layout:
            raise PlanError(f"pipeline {pipeline.name!r}: a vertex stage cannot write storage")
        if pipeline.blend != "none" and pipeline.target is None:
            raise PlanError(f"pipeline {pipeline.name!r} blends without a target")
    else:
        entries = (pipeline.entry,)
    for entry in entries:
        if f"fn {entry}(" not in text:
            raise PlanError(f"pipeline {pipeline.name!r}: no entry point {entry!r}")
    for name in pipeline.constants:
        if f"override {name}" not in text:
            raise PlanError(f"pipeline {pipeline.name!r}: no override {name!r} in its shader")
    _check_layout(pipeline, text)


def _declared(text: str) -> dict[int, tuple[str, str]]:
    """Access and type of each binding that a shader declares, by its number."""
    found: dict[int, tuple[str, str]] = {}
    for group, binding, space, kind in _BINDING.findall(re.sub("//.*", "", text)):
        if group != "0" or int(binding) in found:
            raise PlanError(
                f"@group({group}) @binding({binding}) is declared twice or not in group 0"
            )
        found[int(binding)] = _ACCESS_OF_SPACE[space.replace(" ", "")], kind.strip()
    return found


def _check_layout(pipeline: ComputePipeline | RenderPipeline, text: str) -> None:
    declared = _declared(text)
    wanted = list(range(len(pipeline.layout)))
    if sorted(declared) != wanted:
        raise PlanError(
            f"pipeline {pipeline.name!r} has bindings {wanted}, its shader {sorted(declared)}"
        )
    for index, access in enumerate(pipeline.layout):
        if declared[index][0] != access:
            raise PlanError(
                f"pipeline {pipeline.name!r}: binding {index} is {access!r}, "
                f"in its shader {declared[index][0]!r}"
            )


def _smallest_bytes(kind: str) -> int:
    """Bytes that a binding of a WGSL type has at least; one element of a runtime-sized array."""
    element = re.sub(r"^array<(.*)>$", r"\1", kind)
    return STRUCTS[element].size_bytes if element in STRUCTS else 4


def _check_bindings(
    pipeline: ComputePipeline | RenderPipeline,
    bindings: tuple[Binding, ...],
    plan: Plan,
    limits: Mapping[str, int],
    where: str,
) -> None:
    place = f"{where}: {pipeline.name!r}"
    if len(bindings) != len(pipeline.layout):
        raise PlanError(f"{place} takes {len(pipeline.layout)} bindings, got {len(bindings)}")
    buffers = {b.name: b for b in plan.buffers}
    textures = {t.name: t for t in plan.textures}
    uses: list[tuple[str, Range]] = []
    declared = _declared(plan.shaders[pipeline.shader])
    for index, (access, binding) in enumerate(zip(pipeline.layout, bindings, strict=True)):
        name = binding.buffer if isinstance(binding, Range) else binding
        if access == "texture":
            if binding not in textures or "sample" not in textures[name].usage:
                raise PlanError(f"{place}: {name!r} is not a texture with usage sample")
            continue
        if name not in buffers:
            raise PlanError(f"{place}: buffer {name!r} is not in the plan")
        if _USAGE_OF_ACCESS[access] not in buffers[name].usage:
            raise PlanError(f"{place}: buffer {name!r} lacks usage {_USAGE_OF_ACCESS[access]}")
        part = binding if isinstance(binding, Range) else Range(name, 0, buffers[name].size_bytes)
        if part is binding:
            _check_range(part, buffers[name], limits[_LIMIT_OF_ACCESS[access]], place)
        kind = declared[index][1]
        if part.size_bytes < _smallest_bytes(kind):
            raise PlanError(
                f"{place}: buffer {name!r} has {part.size_bytes} bytes, "
                f"{kind} takes {_smallest_bytes(kind)}"
            )
        uses.append((access, part))
    _check_aliases(uses, place)


def _check_range(part: Range, buffer: Buffer, limit: int, place: str) -> None:
    """A part lies inside its buffer, on WebGPU's grid, and is no larger than a binding may be."""
    start, size = part.offset_bytes, part.size_bytes
    told = f"{place}: bytes {start} to {start + size} of buffer {buffer.name!r}"
    if start < 0 or size <= 0 or start + size > buffer.size_bytes:
        raise PlanError(f"{told}: it has {buffer.size_bytes}")
    if start % OFFSET_ALIGNMENT or size % 4:
        raise PlanError(f"{told}: the first is a multiple of {OFFSET_ALIGNMENT}, the size of 4")
    if size > limit:
        raise PlanError(f"{told}: a binding takes {limit} bytes at most")


def _check_aliases(uses: list[tuple[str, Range]], place: str) -> None:
    """No buffer is read and written in one dispatch, and what is written is bound once.

    Disjoint read_write ranges of one buffer may stand together (WebGPU §14.1 compares the ranges
    of writable bindings; the read-only ones clash with them by the whole buffer, §3.4.2).
    """
    for index, (access, part) in enumerate(uses):
        for other_access, other in uses[index + 1 :]:
            if part.buffer != other.buffer or "read_write" not in (access, other_access):
                continue
            if part.overlaps(other):
                raise PlanError(f"{place}: buffer {part.buffer!r} is written and bound twice")
            if access != other_access:
                raise PlanError(
                    f"{place}: buffer {part.buffer!r} is bound {access} and {other_access}; "
                    "ranges do not part the two, make both read_write"
                )


def _check_indirect(indirect: Indirect, kind: str, plan: Plan, where: str) -> None:
    buffer = next((b for b in plan.buffers if b.name == indirect.buffer), None)
    if buffer is None or "indirect" not in buffer.usage:
        raise PlanError(f"{where}: {indirect.buffer!r} is not a buffer with usage indirect")
    end = indirect.offset_bytes + _ARGUMENT_BYTES[kind]
    if indirect.offset_bytes % 4 or end > buffer.size_bytes:
        raise PlanError(f"{where}: {kind} arguments at {indirect.offset_bytes} do not fit")


def _check_dispatch(dispatch: Dispatch, plan: Plan, limits: Mapping[str, int], where: str) -> None:
    pipeline = _find(plan.compute, dispatch.pipeline, where)
    _check_bindings(pipeline, dispatch.bindings, plan, limits, where)
    if isinstance(dispatch.workgroups, Indirect):
        _check_indirect(dispatch.workgroups, "dispatch", plan, where)
        for access, binding in zip(pipeline.layout, dispatch.bindings, strict=True):
            name = binding.buffer if isinstance(binding, Range) else binding
            if name == dispatch.workgroups.buffer and access == "read_write":
                raise PlanError(f"{where}: {name!r} is written and holds the dispatch's arguments")
        return
    limit = limits["maxComputeWorkgroupsPerDimension"]
    if any(not 0 <= n <= limit for n in dispatch.workgroups):
        raise PlanError(f"{where}: {dispatch.workgroups} workgroups; at most {limit} a dimension")


def _check_draw(
    draw: Draw, plan: Plan, limits: Mapping[str, int], step: RenderPass, where: str
) -> None:
    pipeline = _find(plan.render, draw.pipeline, where)
    _check_bindings(pipeline, draw.bindings, plan, limits, where)
    for target in (step.target, step.depth, step.extra):
        if target in draw.bindings:
            raise PlanError(f"{where}: {target!r} is sampled while it is drawn to")
    formats: dict[str | None, str | None] = {t.name: t.format for t in plan.textures}
    formats |= {CANVAS: CANVAS, None: None}
    if pipeline.target != formats[step.target]:
        raise PlanError(
            f"{where}: {pipeline.name!r} draws to {pipeline.target}, not {step.target!r}"
        )
    if pipeline.extra != formats[step.extra]:
        raise PlanError(
            f"{where}: {pipeline.name!r} draws to {pipeline.extra} too, not {step.extra!r}"
        )
    sizes = {t.name: t.size for t in plan.textures}
    drawn = {sizes.get(name) for name in (step.target, step.depth, step.extra) if name}
    if len(drawn) > 1:
        raise PlanError(f"{where}: draws to textures of several sizes")
    if (pipeline.depth == "none") != (step.depth is None):
        raise PlanError(
            f"{where}: {pipeline.name!r} has depth {pipeline.depth!r}, the pass differs"
        )
    if formats[step.depth] not in (None, _DEPTH_FORMAT):
        raise PlanError(f"{where}: {step.depth!r} is no texture of {_DEPTH_FORMAT}")
    if isinstance(draw.count, Indirect):
        _check_indirect(draw.count, "draw", plan, where)


def _check_target(target: str | None, plan: Plan, where: str) -> None:
    if target is None or target == CANVAS:
        return
    texture = next((t for t in plan.textures if t.name == target), None)
    if texture is None or "render" not in texture.usage:
        raise PlanError(f"{where}: {target!r} is not a texture with usage render")


def _find(pipelines: tuple[_P, ...], name: str, where: str) -> _P:
    for pipeline in pipelines:
        if pipeline.name == name:
            return pipeline
    raise PlanError(f"{where}: pipeline {name!r} is not in the plan")
