"""States of a network on the GPU: two buffers that change places, and zeros at the start.

One stage runs the program as it was compiled, the other with the two exchanged. Nothing is copied,
and both share kernels, weights and arena.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyengine.passes.project import grid
from pyengine.plan import (
    Binding,
    Buffer,
    BufferUsage,
    ComputePass,
    ComputePipeline,
    Dispatch,
    Part,
    Range,
    RenderPass,
)
from pyengine.shaders import assemble

__all__ = ["both_ways", "cleared", "exchanged", "readable"]

_CLEAR_WORDS = 64


def both_ways(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What stands for each buffer of some pairs in the other stage."""
    return dict(pairs) | {b: a for a, b in pairs}


def exchanged(part: Part, names: Mapping[str, str]) -> Part:
    """The steps of a part with some buffers in the place of others; it brings no resources."""
    return Part(steps=tuple(_renamed(step, names) for step in part.steps))


def _renamed(step: ComputePass | RenderPass, names: Mapping[str, str]) -> ComputePass | RenderPass:
    if isinstance(step, RenderPass):
        return replace(
            step,
            draws=tuple(
                replace(draw, bindings=tuple(names.get(b, b) for b in draw.bindings))
                for draw in step.draws
            ),
        )

    def other(binding: Binding) -> Binding:
        if isinstance(binding, Range):
            return replace(binding, buffer=names.get(binding.buffer, binding.buffer))
        return names.get(binding, binding)

    return ComputePass(
        step.label,
        tuple(replace(d, bindings=tuple(map(other, d.bindings))) for d in step.dispatches),
    )


def readable(buffer: Buffer) -> Buffer:
    """A buffer with usage readback beside its own."""
    usage: tuple[BufferUsage, ...] = buffer.usage
    return buffer if "readback" in usage else replace(buffer, usage=(*usage, "readback"))


def cleared(name: str, sizes: Mapping[str, int]) -> Part:
    """Zeros into buffers of so many bytes; ``name`` is the pipeline's and the shader's."""
    return Part(
        shaders={name: assemble("generator/clear.wgsl")},
        compute=(ComputePipeline(name, name, ("read_write",)),),
        steps=(
            ComputePass(
                "clear",
                tuple(
                    Dispatch(name, (buffer,), grid(-(-size // (4 * _CLEAR_WORDS))))
                    for buffer, size in sizes.items()
                ),
            ),
        ),
    )
