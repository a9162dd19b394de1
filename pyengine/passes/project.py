"""Cull, colour and project the Gaussians; give each survivor its sort key.

The shader is shaders/project/project.wgsl; its oracle pybuild/reference.py.
"""

from __future__ import annotations

from pyengine.bundle import CHUNK_SIZE, SH_WORDS, Scene
from pyengine.plan import Buffer, ComputePass, ComputePipeline, Dispatch, Part
from pyengine.shaders import assemble
from pyengine.structs import Frame, Splat

__all__ = ["MAX_WORKGROUPS", "grid", "project"]

MAX_WORKGROUPS = 65535
"""Workgroups that every adapter takes in one dimension."""


def grid(workgroups: int) -> tuple[int, int, int]:
    """Spread a count over x and y; shaders drop the surplus of the last row."""
    rows = max(1, -(-workgroups // MAX_WORKGROUPS))
    return -(-workgroups // rows), rows, 1


def project(scene: Scene) -> Part:
    """The stage that reads the packed Gaussians and writes splats and keys."""
    sizes = scene.expected_sizes()
    rows = max(scene.chunk_count, 1) * CHUNK_SIZE
    constants = {
        "CHUNK_SIZE": CHUNK_SIZE,
        "SH_DEGREE": scene.sh_degree,
        "SH_WORDS": SH_WORDS[scene.sh_degree],
    }
    sh = "sh" if scene.sh_degree else "color"  # never read at degree 0
    bindings = ("frame", "chunks", "geometry", "color", sh, "splats", "keys", "chunk_live")
    return Part(
        buffers=(
            Buffer("frame", Frame.size_bytes, ("uniform", "upload")),
            *(Buffer(name, size, ("storage", "upload"), name) for name, size in sizes.items()),
            Buffer("splats", rows * Splat.size_bytes, ("storage", "readback")),
            Buffer("keys", rows * 4, ("storage", "readback")),
            Buffer("chunk_live", rows // CHUNK_SIZE * 4, ("storage", "readback")),
        ),
        shaders={"project": assemble("project/project.wgsl", constants)},
        compute=(
            ComputePipeline(
                "project",
                "project",
                ("uniform", "read", "read", "read", "read") + ("read_write",) * 3,
            ),
        ),
        steps=(
            ComputePass(
                "project",
                (Dispatch("project", bindings, grid(max(scene.chunk_count, 1))),),
            ),
        ),
    )
