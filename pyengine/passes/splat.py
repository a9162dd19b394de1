"""Draw the sorted splats, nearest first, into a float image.

The splats come in `BATCHES` draws; between two, a mask closes the pixels that are opaque already.
The shaders are shaders/splat/{splat,splat_depth,mask}.wgsl; their oracle is pybuild/reference.py.
"""

from __future__ import annotations

from pyengine.plan import Access, Adapter, Draw, Indirect, Part, RenderPass, RenderPipeline, Texture
from pyengine.shaders import assemble
from pyengine.structs import BATCHES, DrawArgs

__all__ = ["DEPTH", "DEPTH_IMAGE", "IMAGE", "image_format", "splat", "vertices_for"]

IMAGE = "image"
DEPTH = "depth"
DEPTH_IMAGE = "depth_image"
"""Texture: expected depth times coverage in the first channel, coverage in the last."""
QUAD, TRIANGLE = 6, 3


def vertices_for(adapter: Adapter) -> int:
    """Vertices a splat: two triangles that touch the ellipse, or one around it.

    One covers 30 % more pixels but is half the set-up, which a software rasteriser feels more.
    """
    return TRIANGLE if adapter.software else QUAD


def image_format(adapter: Adapter) -> str:
    """Half floats; with 8 bits, hundreds of blended layers would round to visible bands.

    A processor converts half floats in software for each blend, so it gets whole ones (SwiftShader
    draws a captured guitar in 0.57 of the time).
    """
    whole = adapter.software and adapter.float32_blendable
    return "rgba32float" if whole else "rgba16float"


def splat(
    order: str,
    adapter: Adapter,
    size: tuple[int, int] | None = None,
    sorted_keys: str | None = None,
    text: str | None = None,
    second: tuple[str, str] | None = None,
) -> Part:
    """The stage that draws ``splats`` in the order of the buffer ``order`` into `IMAGE`.

    Not instanced: an instance of four vertices leaves most of a GPU's wave idle, and SwiftShader
    draws each instance as a call of its own (8 µs measured).

    Parameters
    ----------
    size : (width, height), optional
        Pixels of the image; the canvas's unless given.
    sorted_keys : str, optional
        Buffer of the sort's keys in the order of ``order``: draw `DEPTH_IMAGE` too.
    text : str, optional
        Of a shader that draws instead of splat.wgsl; see `pyengine.passes.modes`.
    second : (name, format), optional
        The texture that is drawn beside the image, where there is one.
    """
    target = image_format(adapter)
    deep = sorted_keys is not None
    if deep and second is None:
        second = (DEPTH_IMAGE, target)
    extra, extra_format = second or (None, None)
    keys = (sorted_keys,) if sorted_keys is not None else ()
    layout: tuple[Access, ...] = ("uniform", "read", "read", *(("read",) if deep else ()))
    passes = []
    for batch in range(BATCHES):
        if batch:
            mask = Draw("splat.mask", (IMAGE,), (3, 1))
            passes.append(RenderPass(f"splat.mask_{batch}", None, (mask,), DEPTH, clear=False))
        arguments = Indirect("draw_args", DrawArgs.offsets["draws"] + 16 * batch)
        draw = Draw("splat", ("frame", "splats", order, *keys), arguments)
        passes.append(
            RenderPass(f"splat_{batch}", IMAGE, (draw,), DEPTH, clear=batch == 0, extra=extra)
        )
    shader = "splat/splat_depth.wgsl" if deep else "splat/splat.wgsl"
    images = ((IMAGE, target), *((second,) if second else ()))
    return Part(
        textures=(
            *(Texture(name, kind, ("render", "sample", "readback"), size) for name, kind in images),
            Texture(DEPTH, "depth32float", ("render",), size),
        ),
        shaders={
            "splat": text or assemble(shader, {"SPLAT_VERTICES": vertices_for(adapter)}),
            "splat.mask": assemble("splat/mask.wgsl"),
        },
        render=(
            RenderPipeline(
                "splat",
                "splat",
                layout,
                target,
                "under",
                depth="test",
                extra=extra_format,
            ),
            RenderPipeline("splat.mask", "splat.mask", ("texture",), None, depth="write"),
        ),
        steps=tuple(passes),
    )
