"""Draw the sorted splats as instanced quads, nearest first, into a half-float image.

The shader is shaders/splat/splat.wgsl; its oracle pybuild/reference.py.
"""

from __future__ import annotations

from pyengine.plan import Draw, Indirect, Part, RenderPass, RenderPipeline, Texture
from pyengine.shaders import assemble
from pyengine.structs import DrawArgs

__all__ = ["IMAGE", "IMAGE_FORMAT", "splat"]

IMAGE = "image"
IMAGE_FORMAT = "rgba16float"
"""Half floats: with 8 bits, hundreds of blended layers round to visible bands."""


def splat(order: str) -> Part:
    """The stage that draws ``splats`` in the order of the buffer ``order`` into `IMAGE`."""
    return Part(
        textures=(Texture(IMAGE, IMAGE_FORMAT, ("render", "sample", "readback")),),
        shaders={"splat": assemble("splat/splat.wgsl")},
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
