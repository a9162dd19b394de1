"""Project what a network made, and let its counts rule the work: `pyengine.passes.project`'s twin.

The shaders are shaders/project/generated.wgsl, its twin generated_object.wgsl for a generator among
other objects, and shaders/generator/live.wgsl; their oracle is pybuild/reference.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyengine.bundle import CHUNK_SIZE, OBJECTS, Scene
from pyengine.generator_spec import GeneratorSpec
from pyengine.passes.project import grid
from pyengine.passes.sort import Variant
from pyengine.plan import (
    Binding,
    Buffer,
    ComputePass,
    ComputePipeline,
    Dispatch,
    Indirect,
    Part,
    Range,
)
from pyengine.shaders import assemble
from pyengine.structs import Frame, LiveArgs, Splat

__all__ = ["LIVE", "SORT_ARGUMENTS", "Outputs", "generated", "generated_object", "live"]

LIVE = "live"
"""Buffer: `LiveArgs`, then a row an instance."""

SORT_ARGUMENTS = Indirect(LIVE, LiveArgs.offsets["sort_x"])
_PROJECT_ARGUMENTS = Indirect(LIVE, LiveArgs.offsets["project_x"])


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where a program leaves its Gaussians.

    Attributes
    ----------
    packed : Range
        (instances * capacity, 10) f32: position, opacity, covariance xx xy xz yy yz zz.
    shade : Range
        (instances * capacity, 3) f32 colours, or (..., SH coefficients, 3).
    is_shared : bool
        ``shade`` has the rows of one instance, which all have.
    has_sh : bool
    count : Range, optional
        (instances,) i32.
    """

    packed: Range
    shade: Range
    has_sh: bool
    is_shared: bool = False
    count: Range | None = None


def generated(scene: Scene, spec: GeneratorSpec, outputs: Outputs) -> Part:
    """The stage that reads a generator's Gaussians and writes splats and keys."""
    chunks = max(scene.chunk_count, 1)
    rows = chunks * CHUNK_SIZE
    counted = outputs.count is not None
    constants = _constants(scene, spec, outputs)
    bindings: tuple[Binding, ...] = (
        "frame",
        outputs.packed,
        outputs.shade,
        LIVE if counted else spec.transforms_range,  # never read without counts
        spec.transforms_range,
        "splats",
        "keys",
        "chunk_live",
    )
    return Part(
        buffers=(
            Buffer("frame", Frame.size_bytes, ("uniform", "upload")),
            Buffer("splats", rows * Splat.size_bytes, ("storage", "readback")),
            Buffer("keys", rows * 4, ("storage", "readback")),
            Buffer("chunk_live", chunks * 4, ("storage", "readback")),
        ),
        shaders={"generated": assemble("project/generated.wgsl", constants)},
        compute=(
            ComputePipeline(
                "generated", "generated", ("uniform", *("read",) * 4, *("read_write",) * 3)
            ),
        ),
        steps=(
            ComputePass(
                "project",
                (Dispatch("generated", bindings, _PROJECT_ARGUMENTS if counted else grid(chunks)),),
            ),
        ),
    )


def generated_object(scene: Scene, spec: GeneratorSpec, outputs: Outputs) -> Part:
    """As `generated`, of the last object of a scene: its chunks follow those of the others.

    Its dispatch is over the capacity, whatever a count says: it marks the chunks behind the live
    rows as dead, since the sort of all objects cannot follow the count of one.
    """
    index = len(scene.objects) - 1
    first, chunks = scene.objects[index].chunks
    constants = _constants(scene.generated(), spec, outputs)
    counted = outputs.count is not None
    bindings: tuple[Binding, ...] = (
        "frame",
        outputs.packed,
        outputs.shade,
        LIVE if counted else spec.transforms_range,  # never read without counts
        spec.transforms_range,
        OBJECTS,
        "splats",
        "keys",
        "chunk_live",
    )
    return Part(
        shaders={
            "generated": assemble(
                "project/generated_object.wgsl",
                constants | {"FIRST_CHUNK": first, "OBJECT": index},
            )
        },
        compute=(
            ComputePipeline(
                "generated", "generated", ("uniform", *("read",) * 5, *("read_write",) * 3)
            ),
        ),
        steps=(ComputePass("project", (Dispatch("generated", bindings, grid(chunks)),)),),
    )


def _constants(scene: Scene, spec: GeneratorSpec, outputs: Outputs) -> dict[str, int | bool]:
    """Of both shaders; ``scene`` is of the generator alone."""
    return {
        "CAPACITY": spec.capacity,
        "CHUNK_SIZE": CHUNK_SIZE,
        "COUNTED": outputs.count is not None,
        "HAS_SH": outputs.has_sh,
        "INSTANCES": spec.instances,
        "SHADE_SHARED": outputs.is_shared,
        "SH_COEFFICIENTS": (scene.sh_degree + 1) ** 2,
        "SH_DEGREE": scene.sh_degree,
    }


def live(spec: GeneratorSpec, count: Range, variant: Variant) -> Part:
    """The stage that turns counts into chunks and indirect arguments; reads ``sort_state``.

    Parameters
    ----------
    count : Range
        (instances,) i32.
    variant : Variant
        Of the sort that follows.
    """
    constants = {
        "CAPACITY": spec.capacity,
        "CHUNK_SIZE": CHUNK_SIZE,
        "INSTANCES": spec.instances,
        "TILES_A_WORKGROUP": variant.tiles_a_workgroup,
        "TILE_ROUNDS": variant.tile_rounds,
    }
    size = LiveArgs.size_bytes + 8 * spec.instances
    return Part(
        buffers=(Buffer(LIVE, size, ("storage", "indirect", "readback")),),
        shaders={"generator.live": assemble("generator/live.wgsl", constants)},
        compute=(
            ComputePipeline(
                "generator.live", "generator.live", ("read", "read_write", "read_write")
            ),
        ),
        steps=(
            ComputePass(
                "live", (Dispatch("generator.live", (count, LIVE, "sort_state"), (1, 1, 1)),)
            ),
        ),
    )
