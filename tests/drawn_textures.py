"""Textures with given texels, drawn by a pass of the plan that reads them: for any host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.runner import NativeRunner, shader_texts
from pybuild.tensors import Array, from_storage, to_storage
from pyengine.hosts.native import NativeHost
from pyengine.hosts.null import NullHost
from pyengine.plan import (
    Adapter,
    Buffer,
    Draw,
    Part,
    Plan,
    RenderPass,
    RenderPipeline,
    Texture,
)
from pyengine.program import Program, program_part

__all__ = ["drawn", "drawn_plan", "run_drawn"]

SHADER = """
override WIDTH: u32 = 1u;
@group(0) @binding(0) var<storage, read> texels: array<vec4f>;
@vertex
fn vertex_main(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4f {
  return vec4f(f32(vertex & 1u) * 4.0 - 1.0, f32(vertex >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}
@fragment
fn fragment_main(@builtin(position) position: vec4f) -> @location(0) vec4f {
  return texels[u32(position.y) * WIDTH + u32(position.x)];
}
"""


def drawn(name: str, height: int, width: int, texture_format: str = "rgba32float") -> Part:
    """A texture and the pass that draws the texels in the buffer ``name.texels`` into it."""
    texels, pipeline = f"{name}.texels", f"{name}.draw"
    return Part(
        buffers=(Buffer(texels, 16 * height * width, ("storage", "upload")),),
        textures=(Texture(name, texture_format, ("render", "sample"), (width, height)),),
        shaders={pipeline: SHADER},
        render=(
            RenderPipeline(
                pipeline, pipeline, ("read",), texture_format, constants={"WIDTH": float(width)}
            ),
        ),
        steps=(RenderPass(pipeline, name, (Draw(pipeline, (texels,), (3, 1)),)),),
    )


def drawn_plan(
    program: Program,
    files: Mapping[str, bytes],
    feeds: Mapping[str, NDArray[Any]],
    adapter: Adapter,
    chosen: Mapping[int, int] | None = None,
) -> tuple[Plan, list[tuple[str, bytes]]]:
    """A plan that draws a program's textures and runs it, and what to write into its buffers.

    Parameters
    ----------
    feeds : mapping
        Inputs by name, and textures: (height, width, 4).
    """
    part = program_part(
        program,
        shader_texts(program, files),
        adapter,
        chosen=chosen,
        textures={name: f"drawn.{name}" for name in program.textures},
    )
    parts = [drawn(f"drawn.{name}", *size) for name, size in program.textures.items()]
    writes = [(b.name, files[b.file]) for b in program.buffers if b.file is not None]
    writes += [(t.buffer, to_storage(feeds[t.name], t)) for t in program.inputs]
    for name in program.textures:
        texels: Array = np.ascontiguousarray(feeds[name], np.float32)
        writes.append((f"drawn.{name}.texels", texels.tobytes()))
    return Plan.of({"program": (*parts, part)}), writes


def run_drawn(
    runner: NativeRunner,
    program: Program,
    files: Mapping[str, bytes],
    feeds: Mapping[str, NDArray[Any]],
    chosen: Mapping[int, int] | None = None,
) -> dict[str, Array]:
    """Outputs by name of a program that `drawn_plan` draws the textures of, on an adapter."""
    plan, writes = drawn_plan(program, files, feeds, runner.adapter, chosen)
    NullHost(runner.limits).build(plan)
    host = NativeHost(1, 1, shared=runner.device)
    try:
        host.build(plan)
        for name, data in writes:
            host.write(name, data)
        host.run("program")
        return {t.name: from_storage(host.read(t.buffer), t) for t in program.outputs}
    finally:
        host.close()
