"""Draw the sorted splats, nearest first, into a half-float image.

The shader is shaders/splat/splat.wgsl; its oracle pybuild/reference.py.
"""

from __future__ import annotations

from pyengine.plan import Draw, Indirect, Part, RenderPass, RenderPipeline, Texture
from pyengine.shaders import assemble
from pyengine.structs import DrawArgs

__all__ = ["IMAGE", "IMAGE_FORMAT", "QUAD", "TRIANGLE", "splat"]

IMAGE = "image"
IMAGE_FORMAT = "rgba16float"
"""Half floats: with 8 bits, hundreds of blended layers round to visible bands."""


QUAD, TRIANGLE = 6, 3
"""Vertices a splat: two triangles that touch the ellipse, or one around it."""


def splat(order: str, vertices: int = QUAD) -> Part:
    """The stage that draws ``splats`` in the order of the buffer ``order`` into `IMAGE`.

    Not instanced: an instance of four vertices leaves most of a GPU's wave idle, and SwiftShader
    draws each instance as a call of its own (8 µs measured).

    Parameters
    ----------
    order : str
        Buffer of rows, nearest first.
    vertices : int
        `QUAD`, or `TRIANGLE` for a software adapter.
    """
    return Part(
        textures=(Texture(IMAGE, IMAGE_FORMAT, ("render", "sample", "readback")),),
        shaders={"splat": assemble("splat/splat.wgsl", {"SPLAT_VERTICES": vertices})},
        render=(
            RenderPipeline("splat", "splat", ("uniform", "read", "read"), IMAGE_FORMAT, "under"),
        ),
        steps=(
            RenderPass(
                "splat",
                IMAGE,
                (
                    Draw(
                        "splat",
                        ("frame", "splats", order),
                        Indirect("draw_args", DrawArgs.offsets["vertex_count"]),
                    ),
                ),
            ),
        ),
    )
