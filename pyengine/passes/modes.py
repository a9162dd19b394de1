"""Render modes: what is drawn of the splats instead of their colours.

Each takes the place of the stages `splat` and `composite` in a plan of its own, which is made when
the mode is chosen; a plan that draws colours knows nothing of them. The shaders are shaders/mode;
their oracle is pybuild/modes.py.

    depth      expected depth along the camera's axis through a perceptual map, near ones bright
    normals    of the surface of that depth, in the camera's axes: it needs no orientation of
               splats, which those of a network may not have, and shows what is seen, not what
               each splat would have it
    outlines   a ring along the edge of each splat
    overdraw   how many splats are blended into a pixel, as heat
"""

from __future__ import annotations

import math

from pyengine.bundle import Pose
from pyengine.errors import InputError
from pyengine.passes.composite import composite
from pyengine.passes.sort import Sort
from pyengine.passes.splat import DEPTH_IMAGE, image_format, splat, vertices_for
from pyengine.plan import CANVAS, Access, Adapter, Draw, Part, RenderPass, RenderPipeline
from pyengine.shaders import assemble

__all__ = ["DEEP", "MODES", "MOST", "RING_PX", "checked_mode", "half_depth", "mode_parts", "reach"]

MODES = ("depth", "normals", "outlines", "overdraw")
DEEP = ("depth", "normals")
"""Those that need the sort's keys."""
RING_PX = 1.5
"""Width of an outline."""
MOST = 255.0
"""Splats a pixel from which on overdraw is white."""

_COUNTS = "count_image"


def checked_mode(name: str) -> str:
    """A mode, or empty for ``colour``.

    Raises
    ------
    InputError
        There is none of that name.
    """
    if name in ("", "colour", "color"):
        return ""
    if name not in MODES:
        raise InputError(f"mode: wanted one of colour, {', '.join(MODES)}, got {name!r}")
    return name


def half_depth(pose: Pose) -> float:
    """World units that have the middle of the map of depth: the first camera's distance."""
    return max(math.dist(pose.eye, pose.target), 1e-6)


def reach(adapter: Adapter) -> int:
    """Pixels to the neighbours that normals compare: half floats have few digits of a slope."""
    return 2 if adapter.float32_blendable else 5


def mode_parts(mode: str, sort: Sort, adapter: Adapter, pose: Pose) -> tuple[Part, Part]:
    """The stages that draw a mode: its images, and the canvas.

    Parameters
    ----------
    mode : str
        One of `MODES`.
    sort : Sort
        For `DEEP` one that keeps its keys.
    pose : Pose
        The scene's first camera.
    """
    usual, order = image_format(adapter), sort.order
    if mode == "outlines":
        ring = _splat_text(adapter, "mode/outlines_splat.wgsl", {"RING_PX": RING_PX})
        return splat(order, adapter, text=ring), composite()
    if mode == "overdraw":
        counted = _splat_text(adapter, "mode/overdraw_splat.wgsl", {})
        drawn = splat(order, adapter, text=counted, second=(_COUNTS, usual))
        return drawn, _screen(mode, {"MOST": MOST}, ("texture",), (_COUNTS,))
    deep = "rgba32float" if adapter.float32_blendable else usual
    drawn = splat(order, adapter, None, sort.sorted_keys, second=(DEPTH_IMAGE, deep))
    constants: dict[str, int | float] = (
        {"HALF_DEPTH": half_depth(pose)} if mode == "depth" else {"REACH": reach(adapter)}
    )
    return drawn, _screen(mode, constants, ("uniform", "texture"), ("frame", DEPTH_IMAGE))


def _splat_text(adapter: Adapter, path: str, constants: dict[str, float]) -> str:
    """Text of a shader that draws splats."""
    return assemble(path, {"SPLAT_VERTICES": vertices_for(adapter), **constants})


def _screen(
    mode: str,
    constants: dict[str, int | float] | dict[str, float],
    layout: tuple[Access, ...],
    bindings: tuple[str, ...],
) -> Part:
    name = f"mode.{mode}"
    return Part(
        shaders={name: assemble(f"mode/{mode}.wgsl", constants)},
        render=(RenderPipeline(name, name, layout, CANVAS),),
        steps=(RenderPass("composite", CANVAS, (Draw(name, bindings, (3, 1)),)),),
    )
