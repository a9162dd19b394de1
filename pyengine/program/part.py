"""The part of a plan that runs a program: a kernel chosen for each dispatch, one compute pass."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyengine.errors import DeviceError
from pyengine.plan import (
    DEFAULT_LIMITS,
    Adapter,
    Buffer,
    BufferUsage,
    ComputePass,
    ComputePipeline,
    Dispatch,
    Indirect,
    Part,
    Plan,
    Range,
)
from pyengine.program.model import Program

__all__ = ["defaults", "eligible", "program_part", "required_limits"]

_HALF = re.compile(r"^\s*enable\s[^;]*\bf16\b", re.MULTILINE)


def eligible(
    program: Program, index: int, shaders: Mapping[str, str], adapter: Adapter
) -> tuple[int, ...]:
    """Candidates of a dispatch that an adapter can run, best first when nothing was tuned.

    Parameters
    ----------
    program : Program
    index : int
        Of the dispatch.
    shaders : mapping
        Text of each shader by its name.
    adapter : Adapter

    Raises
    ------
    DeviceError
        It can run none.
    """
    kind = "software" if adapter.software else "gpu"
    pipelines = {pipeline.name: pipeline for pipeline in program.pipelines}
    dispatch = program.dispatches[index]
    usable = []
    for number, candidate in enumerate(dispatch.candidates):
        shader = pipelines[candidate.pipeline].shader
        lacks_subgroups = shader in program.subgroups and not adapter.subgroup_size
        lacks_half = not adapter.shader_f16 and _HALF.search(shaders[shader])
        if not lacks_subgroups and not lacks_half:
            usable.append(number)
    if not usable:
        raise DeviceError(
            f"program {program.name!r}: {dispatch.label!r} has only kernels with subgroups or "
            "shader-f16, which this adapter lacks; compile the model without them"
        )
    preferred = [i for i in usable if dispatch.candidates[i].prefer in ("any", kind)]
    return tuple(preferred + [i for i in usable if i not in preferred])


def defaults(program: Program, shaders: Mapping[str, str], adapter: Adapter) -> tuple[int, ...]:
    """The candidate of each dispatch when nothing was tuned."""
    count = len(program.dispatches)
    return tuple(eligible(program, index, shaders, adapter)[0] for index in range(count))


def program_part(
    program: Program,
    shaders: Mapping[str, str],
    adapter: Adapter,
    prefix: str = "",
    chosen: Mapping[int, int] | None = None,
    aliases: Mapping[str, Range] | None = None,
    textures: Mapping[str, str] | None = None,
) -> Part:
    """The whole program as one compute pass.

    Parameters
    ----------
    program : Program
    shaders : mapping
        Text of each shader by its name.
    adapter : Adapter
    prefix : str
        Begins every name, so that several programs fit into one plan. A buffer's ``source`` is its
        file's name and has none.
    chosen : mapping, optional
        Index of a dispatch to index of its candidate, where tuning chose; a candidate that the
        adapter cannot run is passed over.
    aliases : mapping, optional
        Buffers of the program that are parts of other buffers of the plan, as large or larger; the
        part leaves them to whoever makes those.
    textures : mapping, optional
        Textures of the program by those of the plan that they are; one that is not named is the
        plan's ``prefix + name``. The part makes none. They have usage sample, and the program's
        size: kernels know no other.

    Raises
    ------
    DeviceError
        A dispatch has no candidate that the adapter can run.
    """
    placed, drawn = aliases or {}, textures or {}

    def bound(part: Range) -> Range:
        other = placed.get(part.buffer)
        if other is None:
            return Range(prefix + part.buffer, part.offset_bytes, part.size_bytes)
        return Range(other.buffer, other.offset_bytes + part.offset_bytes, part.size_bytes)

    pipelines = {pipeline.name: pipeline for pipeline in program.pipelines}
    made: dict[object, ComputePipeline] = {}
    dispatches = []
    for index, dispatch in enumerate(program.dispatches):
        usable = eligible(program, index, shaders, adapter)
        wanted = (chosen or {}).get(index, usable[0])
        candidate = dispatch.candidates[wanted if wanted in usable else usable[0]]
        pipeline = pipelines[candidate.pipeline]
        same = (pipeline.shader, pipeline.layout, tuple(pipeline.constants.items()), pipeline.entry)
        used = made.setdefault(
            same,
            ComputePipeline(
                prefix + pipeline.name,
                prefix + pipeline.shader,
                pipeline.layout,
                pipeline.constants,
                pipeline.entry,
            ),
        )
        workgroups = candidate.workgroups
        if isinstance(workgroups, Indirect):
            arguments = bound(Range(workgroups.buffer, workgroups.offset_bytes, 12))
            workgroups = Indirect(arguments.buffer, arguments.offset_bytes)
        bindings = tuple(
            bound(part) if isinstance(part, Range) else drawn.get(part, prefix + part)
            for part in dispatch.bindings
        )
        dispatches.append(Dispatch(used.name, bindings, workgroups))
    names = {pipeline.shader for pipeline in made.values()}
    texts = {prefix + name: text for name, text in shaders.items() if prefix + name in names}
    return Part(
        steps=(ComputePass(prefix + program.name, tuple(dispatches)),),
        buffers=tuple(
            planned
            for buffer, planned in zip(program.buffers, _planned(program, prefix), strict=True)
            if buffer.name not in placed
        ),
        shaders=texts,
        compute=tuple(made.values()),
        subgroups=tuple(sorted(names & {prefix + name for name in program.subgroups})),
        needs=("shader-f16",) * any(_HALF.search(text) for text in texts.values()),
    )


def required_limits(
    plan: Plan, adapter: Adapter, what: str = "the program", instead: str = "a smaller model"
) -> dict[str, int]:
    """Limits to ask of the adapter for a plan that binds buffers in parts, by WebGPU's names.

    ``what`` begins an error, ``instead`` is what it advises to use.

    Raises
    ------
    DeviceError
        A buffer or a binding is beyond what the adapter offers.
    """
    sizes = {buffer.name: buffer.size_bytes for buffer in plan.buffers}
    bound = {"": 0}
    for _, step in plan.passes():
        for item in step.dispatches if isinstance(step, ComputePass) else step.draws:
            for binding in item.bindings:
                part = (
                    binding
                    if isinstance(binding, Range)
                    else Range(binding, 0, sizes.get(binding, 0))
                )
                bound[part.buffer] = max(bound.get(part.buffer, 0), part.size_bytes)
    required = {}
    for limit, found in (("maxBufferSize", sizes), ("maxStorageBufferBindingSize", bound)):
        name, size = max(found.items(), key=lambda item: item[1], default=("", 0))
        if size > adapter.limits[limit]:
            raise DeviceError(
                f"{what} needs a GPU buffer of {size >> 20} MiB ({name!r}); this adapter offers "
                f"{adapter.limits[limit] >> 20} MiB ({limit}). Use {instead}, or another GPU."
            )
        required[limit] = max(size, DEFAULT_LIMITS[limit])
    return required


def _planned(program: Program, prefix: str) -> tuple[Buffer, ...]:
    """A program's buffers as the plan has them, with the usages that they need."""
    candidates = [c for dispatch in program.dispatches for c in dispatch.candidates]
    counts = set(program.counts.values())
    indirect = {c.workgroups.buffer for c in candidates if isinstance(c.workgroups, Indirect)}
    users: dict[BufferUsage, set[str]] = {
        "indirect": indirect,
        "upload": {b.name for b in program.buffers if b.file}
        | counts
        | {tensor.buffer for tensor in program.inputs},
        "readback": {tensor.buffer for tensor in program.outputs} | counts | indirect,
    }
    return tuple(
        Buffer(
            prefix + buffer.name,
            buffer.size_bytes,
            ("storage", *(usage for usage, names in users.items() if buffer.name in names)),
            buffer.file,
        )
        for buffer in program.buffers
    )
