"""Let a filter rest while its image stays as it is: the GPU decides, the host's list is the same.

The shader is shaders/filter/similar.wgsl; its oracle is in tests/pyengine/passes/test_similar.py.
Why so: docs/decisions/0010-a-filter-rests-by-the-gpus-own-judgement.md.
"""

from __future__ import annotations

from pyengine.errors import PlanError
from pyengine.plan import Access, Buffer, ComputePass, ComputePipeline, Dispatch, Indirect, Part
from pyengine.shaders import assemble

__all__ = [
    "ARGUMENTS",
    "CELLS_X",
    "CELLS_Y",
    "COUNTS",
    "FRAME",
    "KEPT",
    "LOCAL",
    "SIDE",
    "argument",
    "similar",
]

FRAME = "filter"
"""Uniform buffer: `FilterFrame`; whoever fills it makes it."""
KEPT = "filter.kept"
ARGUMENTS = "filter.arguments"
COUNTS = "filter.counts"
"""Buffer: two u32, how often the network ran and how often it rested since the plan was taken."""

CELLS_X, CELLS_Y = 32, 18
SIDE = 4
"""Points a cell, along x and along y. 128 x 72 points in all, whatever the image's size: of an
image of 640 x 360 every fifth texel of every fifth row. A square of 1.6 distances holds a point
wherever it is, one of half a distance in a quarter of the places; a line of one texel and more than
5 distances, which is a fifth of a distance wide here, crosses one too."""

LOCAL = 16.0
"""Tolerances that a cell may differ by. Where the camera moves in a captured scene, the cell that
differs most differs by 17 to 50 times the mean: so either test answers to about the same movement.
A thing of contrast c is seen if it covers more than 256 tolerance / c points of a cell: at 0.01,
white on black, 3 of the 16, about 9 x 9 texels of 640 x 360; the mean would take 48 x 48."""

_LANES = 64
_POINT_BYTES = 16
_ARGUMENT_BYTES = 16
_LAYOUT: tuple[Access, ...] = ("uniform", "texture", "read_write", "read_write", "read_write")


def similar(
    image: str,
    workgroups: tuple[tuple[int, int, int], ...],
    kept: str = KEPT,
    arguments: str = ARGUMENTS,
    counts: str = COUNTS,
) -> Part:
    """The stage that decides whether a filter's network runs; `FRAME` is there already.

    The network runs if ``force`` is set, if the tolerance is 0, or if of the points of the image
    over its background the mean difference from what they were when the network last ran is larger
    than the tolerance, or that of a cell than `LOCAL` times it. A point differs by the largest of
    its channels, of 0 to 1; one that is not a number always differs.

    Parameters
    ----------
    image : str
        Texture of any size: premultiplied colour and coverage.
    workgroups : tuple of (x, y, z)
        Of the network's dispatches, as they are when it runs; `argument` is where each finds them.
    kept, arguments, counts : str
        Names of the buffers that it makes.

    Raises
    ------
    PlanError
        There is no dispatch.
    """
    if not workgroups:
        raise PlanError("filter.similar: a network without dispatches has nothing to decide on")
    constants = {
        "CELLS_X": CELLS_X,
        "CELLS_Y": CELLS_Y,
        "DISPATCHES": len(workgroups),
        "LANES": _LANES,
        "LOCAL": LOCAL,
        "SIDE": SIDE,
    }
    kept_bytes = CELLS_X * CELLS_Y * SIDE * SIDE * _POINT_BYTES
    arguments_bytes = len(workgroups) * _ARGUMENT_BYTES
    name = "filter.similar"
    text = _after_name(assemble("filter/similar.wgsl", constants), _table(workgroups))
    bindings = (FRAME, image, kept, arguments, counts)
    return Part(
        buffers=(
            Buffer(kept, kept_bytes, ("storage", "readback")),
            Buffer(arguments, arguments_bytes, ("storage", "indirect", "readback")),
            Buffer(counts, 8, ("storage", "readback")),
        ),
        shaders={name: text},
        compute=(ComputePipeline(name, name, _LAYOUT),),
        steps=(ComputePass("similar", (Dispatch(name, bindings, (1, 1, 1)),)),),
    )


def argument(index: int, arguments: str = ARGUMENTS) -> Indirect:
    """Where dispatch ``index`` of the network finds its workgroups, or none."""
    return Indirect(arguments, index * _ARGUMENT_BYTES)


def _table(workgroups: tuple[tuple[int, int, int], ...]) -> str:
    """The workgroups as a constant, which `assemble` has for single numbers only."""
    rows = ", ".join(f"vec4u({x}u, {y}u, {z}u, 0u)" for x, y, z in workgroups)
    return f"const WORKGROUPS = array<vec4u, {len(workgroups)}>({rows});\n"


def _after_name(text: str, more: str) -> str:
    """A shader's text with more behind its first line, which names its file."""
    name, rest = text.split("\n", 1)
    return f"{name}\n{more}{rest}"
