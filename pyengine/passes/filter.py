"""A filter's programs as stages of a plan, and the pass that shows what they made.

The first program reads the splats' image as a texture, each other one the buffer that the one
before wrote; `present` takes the place of `pyengine.passes.composite`. All share one arena, for no
two run at the same time. The shaders of this file are shaders/filter/{present,faults}.wgsl.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pyengine.errors import BundleError
from pyengine.filter_spec import FILTER_INPUTS, FilterSpec, Rung, StageSpec
from pyengine.passes.exchange import both_ways, cleared, exchanged, readable
from pyengine.passes.ports import fault, fed_input, named_input, named_output, state_pairs
from pyengine.passes.similar import FRAME as FILTER
from pyengine.passes.similar import argument, similar
from pyengine.passes.splat import DEPTH_IMAGE, IMAGE
from pyengine.plan import (
    CANVAS,
    Adapter,
    Buffer,
    ComputePass,
    ComputePipeline,
    Dispatch,
    Draw,
    Part,
    Range,
    RenderPass,
    RenderPipeline,
)
from pyengine.program import Program, Tensor, program_part
from pyengine.shaders import assemble
from pyengine.structs import FilterFrame

__all__ = ["ARENA", "FAULTS", "Filtered", "Filtering", "filtered", "stage_prefix"]

ARENA = "filter.arena"
"""Buffer: what lives between the kernels of any of a filter's programs."""
FAULTS = "filter.faults"
"""Buffer: a u32, pixels of the filter's image that were not finite when they were counted."""

_GROUPS = 64
_TEXTURES = {"render": IMAGE, "depth": DEPTH_IMAGE}


@dataclass(frozen=True, slots=True)
class Filtering:
    """A filter of a scene at one of its sizes, with its programs.

    Attributes
    ----------
    programs : tuple of Program
        One a stage.
    shaders : tuple of mappings
        Of each program, text of its shaders by name.
    rests : bool
        Let the GPU skip the networks while the image stays as it is; never done with states.
    """

    spec: FilterSpec
    rung: Rung
    programs: tuple[Program, ...]
    shaders: tuple[Mapping[str, str], ...]
    rests: bool = True


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a filter adds to a plan.

    Attributes
    ----------
    runs : tuple of Part
        The networks; two that take turns where there is a state.
    shows : tuple of Part
        What draws the canvas after each of them.
    counts : tuple of Part
        What adds the faults of the image of each to `FAULTS`.
    clear : Part, optional
        Makes the first of ``runs`` begin with states of zero.
    """

    runs: tuple[Part, ...]
    shows: tuple[Part, ...]
    counts: tuple[Part, ...]
    clear: Part | None = None


def stage_prefix(index: int) -> str:
    """Begins the names of all that the program of a stage brings."""
    return f"filter.{index}."


def filtered(filtering: Filtering, adapter: Adapter) -> Filtered:
    """Fit a filter's programs to what the scene says of it.

    Raises
    ------
    BundleError
        An input, an output or a size that the scene describes otherwise.
    DeviceError
        A kernel that the adapter cannot run.
    """
    spec, rung = filtering.spec, filtering.rung
    places = spec.stage_ranges()
    pairs: list[tuple[str, str]] = []
    parts: list[Part] = []
    image: Range | None = None
    size = rung.render
    for index, program in enumerate(filtering.programs):
        stage = spec.stages[index]
        given = _fed(stage, program, places[index])
        if image is not None:
            given |= _image_before(program, image, size)
        size = _output_size(program)
        _check_textures(program, index, rung, spec.depth)
        arena = {b.name: Range(ARENA, 0, b.size_bytes) for b in program.buffers if _is_arena(b)}
        _check_inputs(program, {*given, *(named_input(program, n).buffer for n in stage.states)})
        part = program_part(
            program,
            filtering.shaders[index],
            adapter,
            stage_prefix(index),
            aliases=given | arena,
            textures=_TEXTURES,
        )
        parts.append(_labelled(part, f"filter:{index}"))
        pairs += _states(stage, program, stage_prefix(index))
        made = named_output(program, "image")
        image = Range(stage_prefix(index) + made.buffer, 0, made.size_bytes)
    if size != rung.output or image is None:
        raise BundleError(f"filter {spec.name!r}: makes {size}, the scene says {rung.output}")
    whole = _joined(filtering, parts, {name for pair in pairs for name in pair}, image.buffer)
    if filtering.rests and not spec.stateful:
        whole = _resting(whole)
    packed = _is_packed(named_output(filtering.programs[-1], "image"))
    show, count = _present(image, packed), _count(image, rung.pixels, packed)
    if not pairs:
        return Filtered((whole,), (show,), (count,))
    names = both_ways(pairs)
    sizes = {buffer.name: buffer.size_bytes for buffer in whole.buffers}
    return Filtered(
        (whole, exchanged(whole, names)),
        (show, exchanged(show, names)),
        (count, exchanged(count, names)),
        cleared("filter.clear", {a: sizes[a] for a, _ in pairs}),
    )


def _joined(filtering: Filtering, parts: Sequence[Part], states: set[str], image: str) -> Part:
    """All stages as one part, with the buffers that they share."""
    kept = states | {image}
    buffers = [b for part in parts for b in part.buffers]
    arenas = [b.size_bytes for p in filtering.programs for b in p.buffers if _is_arena(b)]
    shared = [
        Buffer(FILTER, FilterFrame.size_bytes, ("uniform", "upload")),
        Buffer(FILTER_INPUTS, filtering.spec.input_bytes, ("storage", "upload")),
        *(Buffer(ARENA, size, ("storage",)) for size in sorted(arenas)[-1:]),
    ]
    return Part(
        steps=tuple(step for part in parts for step in part.steps),
        buffers=(*shared, *(readable(b) if b.name in kept else b for b in buffers)),
        shaders={name: text for part in parts for name, text in part.shaders.items()},
        compute=tuple(pipeline for part in parts for pipeline in part.compute),
        subgroups=tuple(name for part in parts for name in part.subgroups),
        needs=tuple(sorted({name for part in parts for name in part.needs})),
    )


def _resting(part: Part) -> Part:
    """The same, whose dispatches run where the GPU finds that the image changed."""
    sizes: list[tuple[int, int, int]] = []
    steps = []
    for step in part.steps:
        assert isinstance(step, ComputePass)
        dispatches = []
        for dispatch in step.dispatches:
            assert isinstance(dispatch.workgroups, tuple)
            dispatches.append(replace(dispatch, workgroups=argument(len(sizes))))
            sizes.append(dispatch.workgroups)
        steps.append(ComputePass(step.label, tuple(dispatches)))
    test = similar(IMAGE, tuple(sizes))
    return Part(
        steps=(*test.steps, *steps),
        buffers=(*part.buffers, *test.buffers),
        shaders={**part.shaders, **test.shaders},
        compute=(*part.compute, *test.compute),
        subgroups=part.subgroups,
        needs=part.needs,
    )


def _present(image: Range, packed: bool) -> Part:
    """Two draws, of which one is empty unless the canvas is split."""
    parts = {"present.alone": True, "present.mixed": False}
    bindings = (FILTER, IMAGE, image.buffer)
    return Part(
        shaders={
            name: assemble("filter/present.wgsl", {"ALONE": alone, "PACKED": packed})
            for name, alone in parts.items()
        },
        render=tuple(
            RenderPipeline(name, name, ("uniform", "texture", "read"), CANVAS) for name in parts
        ),
        steps=(
            RenderPass("present", CANVAS, tuple(Draw(name, bindings, (6, 1)) for name in parts)),
        ),
    )


def _count(image: Range, pixels: int, packed: bool) -> Part:
    constants = {"GROUPS": _GROUPS, "PIXELS": pixels, "PACKED": packed}
    bindings = (image.buffer, FAULTS)
    return Part(
        buffers=(Buffer(FAULTS, 4, ("storage", "upload", "readback")),),
        shaders={"filter.count": assemble("filter/faults.wgsl", constants)},
        compute=(ComputePipeline("filter.count", "filter.count", ("read", "read_write")),),
        steps=(ComputePass("faults", (Dispatch("filter.count", bindings, (_GROUPS, 1, 1)),)),),
    )


def _labelled(part: Part, label: str) -> Part:
    """Timed under a name that says which stage it is."""
    steps = tuple(replace(step, label=label) for step in part.steps)
    return replace(part, steps=steps)


def _is_arena(buffer: object) -> bool:
    return getattr(buffer, "name", "") == "arena"


def _fed(stage: StageSpec, program: Program, places: Mapping[str, Range]) -> dict[str, Range]:
    """Buffers of the program that are parts of what the host fills."""
    return {fed_input(program, feed).buffer: places[feed.name] for feed in stage.feeds}


def _image_before(program: Program, image: Range, size: tuple[int, int]) -> dict[str, Range]:
    """What a later stage reads instead of the splats: the image of the stage before."""
    tensor = named_input(program, "image")
    if tensor.shape != (size[1], size[0], 3) or tensor.storage != "f32":
        raise fault(program, f"reads an image {list(tensor.shape)}, the one before is {size}")
    return {tensor.buffer: image}


def _check_inputs(program: Program, fed: set[str]) -> None:
    for tensor in program.inputs:
        if tensor.buffer not in fed:
            raise fault(program, f"nothing feeds the input {tensor.name!r}")


def _check_textures(program: Program, index: int, rung: Rung, depth: bool) -> None:
    wanted = {"render"} | ({"depth"} if depth else set())
    for name, size in program.textures.items():
        if index or name not in wanted:
            raise fault(program, f"nothing gives the texture {name!r}")
        if size != (rung.render[1], rung.render[0]):
            raise fault(program, f"texture {name!r} is {size}, the scene says {rung.render}")


def _output_size(program: Program) -> tuple[int, int]:
    """Width and height of the image that a program makes."""
    image = named_output(program, "image")
    if not _is_packed(image) and (len(image.shape) != 3 or image.shape[2] != 3):
        raise fault(program, f"output 'image' must be (H, W, 3), got {list(image.shape)}")
    if image.storage != ("u32" if _is_packed(image) else "f32"):
        raise fault(program, f"output 'image' holds {image.storage}")
    return image.shape[1], image.shape[0]


def _is_packed(image: Tensor) -> bool:
    """Whether a pixel is one word, (H, W): see shaders/filter/filtered.wgsl."""
    return len(image.shape) == 2


def _states(stage: StageSpec, program: Program, prefix: str) -> list[tuple[str, str]]:
    """Buffers of the plan that each state goes between: the input's, the output's."""
    states = stage.states.items()
    return state_pairs(
        program, [(named_input(program, a), named_output(program, b)) for a, b in states], prefix
    )
