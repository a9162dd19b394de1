"""Project the objects of a scene of several: `pyengine.passes.project`'s twin, and what they share.

Packed objects lie one after the other in the same buffers, chunk by chunk, and take one dispatch
together; a generator's rows follow them. All write `splats`, `keys` and `chunk_live`, which one
sort reads. The shader is shaders/project/objects.wgsl; its oracle pybuild/reference.py.
"""

from __future__ import annotations

from pyengine.bundle import CHUNK_SIZE, OBJECTS, Scene
from pyengine.passes.project import grid
from pyengine.plan import Buffer, ComputePass, ComputePipeline, Dispatch, Part
from pyengine.shaders import assemble
from pyengine.structs import Frame, SceneObject, Splat

__all__ = ["packed_objects", "shared_buffers"]


def shared_buffers(scene: Scene) -> Part:
    """What every object's stage reads or writes."""
    chunks = max(scene.chunk_count, 1)
    rows = chunks * CHUNK_SIZE
    objects = len(scene.objects) * SceneObject.size_bytes
    return Part(
        steps=(),
        buffers=(
            Buffer("frame", Frame.size_bytes, ("uniform", "upload")),
            Buffer(OBJECTS, objects, ("storage", "upload")),
            Buffer("splats", rows * Splat.size_bytes, ("storage", "readback")),
            Buffer("keys", rows * 4, ("storage", "readback")),
            Buffer("chunk_live", chunks * 4, ("storage", "readback")),
        ),
    )


def packed_objects(scene: Scene) -> Part:
    """The stage that reads the packed objects and writes splats and keys: one dispatch."""
    sizes = scene.expected_sizes()
    chunks = sum(item.chunks[1] for item in scene.packed_objects)
    constants = {
        "CHUNKS": chunks,
        "CHUNK_SIZE": CHUNK_SIZE,
        "SH_DEGREE": max(item.sh_degree for item in scene.packed_objects),
    }
    sh = "sh" if "sh" in sizes else "color"  # never read at degree 0
    read = ("frame", "chunks", "geometry", "color", sh, OBJECTS)
    return Part(
        buffers=tuple(
            Buffer(name, size, ("storage", "upload"), name) for name, size in sizes.items()
        ),
        shaders={"project": assemble("project/objects.wgsl", constants)},
        compute=(
            ComputePipeline(
                "project", "project", ("uniform", *("read",) * 5, *("read_write",) * 3)
            ),
        ),
        steps=(
            ComputePass(
                "project",
                (Dispatch("project", (*read, "splats", "keys", "chunk_live"), grid(chunks)),),
            ),
        ),
    )
