"""A generator's program as stages of a plan: its inputs in one buffer, its states fed back.

States go to and fro between two buffers, the input's and the output's: `pyengine.passes.exchange`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyengine.bundle import Scene
from pyengine.errors import BundleError
from pyengine.generator_spec import INPUTS, GeneratorSpec
from pyengine.passes.exchange import both_ways, cleared, exchanged, readable
from pyengine.passes.generated import Outputs
from pyengine.passes.ports import fault, fed_input, named_output, state_pairs
from pyengine.plan import Adapter, Buffer, Part, Range
from pyengine.program import Program, program_part

__all__ = ["PREFIX", "Network", "network"]

PREFIX = "generator."
"""Begins the names of all that the program brings."""


@dataclass(frozen=True, slots=True)
class Network:
    """The stages, and where the Gaussians are when they have run.

    Attributes
    ----------
    runs : tuple of Part
        One; or two that take turns, where there is a state.
    clear : Part, optional
        Makes the first of ``runs`` begin with states of zero.
    """

    outputs: Outputs
    runs: tuple[Part, ...]
    clear: Part | None = None


def network(
    scene: Scene, program: Program, shaders: Mapping[str, str], adapter: Adapter
) -> Network:
    """Fit a program to what its scene says of it.

    Parameters
    ----------
    shaders : mapping
        Text of each of the program's shaders by its name.

    Raises
    ------
    BundleError
        An input or an output that the scene describes otherwise.
    DeviceError
        A kernel that the adapter cannot run.
    """
    spec = scene.generator
    if spec is None:
        raise BundleError("scene.json: a program without the key 'generator'; build it again")
    pairs = _states(spec, program)
    ranges = spec.layout()
    aliases = {
        fed_input(program, feed).buffer: ranges[feed.name]
        for feed in spec.feeds
        if feed.role != "state"
    }
    unfed = {tensor.name for tensor in program.inputs} - {feed.name for feed in spec.feeds}
    if unfed:
        raise fault(program, f"nothing feeds the input {min(unfed)!r}")
    part = program_part(program, shaders, adapter, PREFIX, aliases=aliases)
    inputs = Buffer(INPUTS, spec.input_bytes, ("storage", "upload"))
    states = {name for pair in pairs for name in pair}
    buffers = [readable(b) if b.name in states else b for b in part.buffers]
    first = replace(part, buffers=(inputs, *buffers))
    outputs = _outputs(scene, spec, program)
    if not pairs:
        return Network(outputs, (first,))
    second = exchanged(part, both_ways(pairs))
    sizes = {buffer.name: buffer.size_bytes for buffer in part.buffers}
    clear = cleared(PREFIX + "clear", {a: sizes[a] for a, _ in pairs})
    return Network(outputs, (first, second), clear)


def _states(spec: GeneratorSpec, program: Program) -> list[tuple[str, str]]:
    """Buffers of the plan that each state goes between: the input's, the output's."""
    return state_pairs(
        program,
        [
            (fed_input(program, feed), named_output(program, f"state.{feed.state}"))
            for feed in spec.feeds
            if feed.role == "state"
        ],
        PREFIX,
    )


def _outputs(scene: Scene, spec: GeneratorSpec, program: Program) -> Outputs:
    rows = spec.instances * spec.capacity
    tensors = {tensor.name: tensor for tensor in program.outputs}

    def found(name: str, elements: int, storage: str = "f32") -> Range:
        tensor = tensors[name]
        if math.prod(tensor.shape) != elements or tensor.storage != storage:
            raise fault(
                program,
                f"output {name!r} must have {elements} {storage} elements, got "
                f"{tensor.storage} {list(tensor.shape)}",
            )
        return Range(PREFIX + tensor.buffer, 0, max(tensor.size_bytes, 4))

    has_sh = "gaussian.sh" in tensors
    shade = "gaussian.sh" if has_sh else "gaussian.color"
    for name in ("gaussian.packed", shade):
        if name not in tensors:
            raise fault(program, f"there is no output {name!r}")
    if spec.counted != ("gaussian.count" in tensors):
        raise fault(program, "the scene and the program disagree about 'gaussian.count'")
    if scene.sh_degree and not has_sh:
        raise fault(program, f"the scene has SH of degree {scene.sh_degree}, the program colours")
    columns = 3 * (scene.sh_degree + 1) ** 2 if has_sh else 3
    is_shared = spec.instances > 1 and math.prod(tensors[shade].shape) == spec.capacity * columns
    return Outputs(
        packed=found("gaussian.packed", rows * 10),
        shade=found(shade, (spec.capacity if is_shared else rows) * columns),
        has_sh=has_sh,
        is_shared=is_shared,
        count=found("gaussian.count", spec.instances, "i32") if spec.counted else None,
    )
