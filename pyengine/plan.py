"""Resources, pipelines, passes and schedules as plain data; knows nothing of who executes them.

A `Plan` is what the engine hands to a host, once. A host makes every resource, pipeline and bind
group when it takes the plan; a frame then replays a schedule by its name and allocates nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = [
    "CANVAS",
    "DEFAULT_LIMITS",
    "OFFSET_ALIGNMENT",
    "Access",
    "Adapter",
    "Binding",
    "Buffer",
    "ComputePass",
    "ComputePipeline",
    "Dispatch",
    "Draw",
    "Indirect",
    "Part",
    "Plan",
    "Range",
    "RenderPass",
    "RenderPipeline",
    "Texture",
]

CANVAS = "canvas"
"""Name of the texture that a host supplies: the page's canvas, or an off-screen image."""

DEFAULT_LIMITS: Mapping[str, int] = {
    "maxStorageBufferBindingSize": 128 << 20,
    "maxBufferSize": 256 << 20,
    "maxUniformBufferBindingSize": 64 << 10,
    "maxStorageBuffersPerShaderStage": 8,
    "maxComputeWorkgroupsPerDimension": 65535,
    "maxComputeInvocationsPerWorkgroup": 256,
    "maxComputeWorkgroupStorageSize": 16384,
}
"""WebGPU's defaults, which every adapter offers (WebGPU §3.6.2)."""

OFFSET_ALIGNMENT = 256
"""Bytes; a binding's offset is a multiple (minStorageBufferOffsetAlignment, the default)."""

Access = Literal["uniform", "read", "read_write", "texture"]
BufferUsage = Literal["uniform", "storage", "indirect", "upload", "readback"]
TextureUsage = Literal["render", "sample", "readback"]
Blend = Literal["none", "under"]
Depth = Literal["none", "test", "write"]


@dataclass(frozen=True, slots=True)
class Adapter:
    """What a plan depends on of the machine.

    Attributes
    ----------
    limits : mapping
        The adapter's limits by WebGPU's names.
    subgroup_size : int
        The smallest that the adapter may use; 0 where it has none or does not say.
    software : bool
        The adapter is a processor's.
    float32_blendable : bool
        WebGPU's feature of that name: rgba32float can be blended into.
    shader_f16 : bool
        WebGPU's feature of that name: shaders may say ``enable f16``.
    """

    limits: Mapping[str, int]
    subgroup_size: int = 0
    software: bool = False
    float32_blendable: bool = False
    shader_f16: bool = False


@dataclass(frozen=True, slots=True)
class Buffer:
    """A GPU buffer; ``source`` names the bundle's buffer that fills it at creation."""

    name: str
    size_bytes: int
    usage: tuple[BufferUsage, ...]
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Texture:
    """A 2-D texture of a size in pixels; or of the canvas's, made anew when that changes."""

    name: str
    format: str
    usage: tuple[TextureUsage, ...]
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ComputePipeline:
    """A compute shader with its explicit bind group layout: the access of bindings 0, 1, ..."""

    name: str
    shader: str
    layout: tuple[Access, ...]
    constants: Mapping[str, float] = field(default_factory=dict)
    entry: str = "main"


@dataclass(frozen=True, slots=True)
class RenderPipeline:
    """A vertex and a fragment stage in one shader; triangle lists without vertex buffers.

    ``target`` is a texture format, `CANVAS` for the canvas's own, or None for depth alone.
    ``depth`` is none, test (less, without writing) or write (less). ``extra`` is the format of a
    second target, blended alike.
    """

    name: str
    shader: str
    layout: tuple[Access, ...]
    target: str | None
    blend: Blend = "none"
    depth: Depth = "none"
    constants: Mapping[str, float] = field(default_factory=dict)
    vertex: str = "vertex_main"
    fragment: str = "fragment_main"
    extra: str | None = None


@dataclass(frozen=True, slots=True)
class Indirect:
    """Arguments that the GPU wrote: a buffer with usage indirect, and a byte offset."""

    buffer: str
    offset_bytes: int


@dataclass(frozen=True, slots=True)
class Range:
    """A part of a buffer as a binding; the offset is a multiple of `OFFSET_ALIGNMENT`.

    WebGPU counts a buffer's use as a whole: ranges of one buffer that are bound together in a
    dispatch are all read or all read_write, and no two read_write ones overlap.
    """

    buffer: str
    offset_bytes: int
    size_bytes: int

    def overlaps(self, other: Range) -> bool:
        """Whether a byte of the buffer lies in both."""
        return (
            self.buffer == other.buffer
            and self.offset_bytes < other.offset_bytes + other.size_bytes
            and other.offset_bytes < self.offset_bytes + self.size_bytes
        )


Binding = str | Range
"""A whole buffer or texture by its name, or a part of a buffer."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One dispatch: the pipeline, its bindings in order, and workgroups or indirect arguments."""

    pipeline: str
    bindings: tuple[Binding, ...]
    workgroups: tuple[int, int, int] | Indirect


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw: the pipeline, its bindings in order, and (vertices, instances) or arguments."""

    pipeline: str
    bindings: tuple[str, ...]
    count: tuple[int, int] | Indirect


@dataclass(frozen=True, slots=True)
class ComputePass:
    """Dispatches in order; timed as one when timing is on."""

    label: str
    dispatches: tuple[Dispatch, ...]


@dataclass(frozen=True, slots=True)
class RenderPass:
    """Draws in order into ``target`` (transparent black first) and ``depth`` (1 first).

    ``clear`` is False where the pass goes on with what the textures hold. ``extra`` is a second
    target, cleared like the first.
    """

    label: str
    target: str | None
    draws: tuple[Draw, ...]
    depth: str | None = None
    clear: bool = True
    extra: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What one stage adds to a plan: its resources, its pipelines and its passes in order.

    ``needs`` names WebGPU features that nothing else in the part tells of: ``shader-f16``.
    """

    steps: tuple[ComputePass | RenderPass, ...]
    buffers: tuple[Buffer, ...] = ()
    textures: tuple[Texture, ...] = ()
    shaders: Mapping[str, str] = field(default_factory=dict)
    compute: tuple[ComputePipeline, ...] = ()
    render: tuple[RenderPipeline, ...] = ()
    subgroups: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a host needs, once.

    ``shaders`` maps a shader's name to its whole text; ``schedules`` a name to passes in order.
    ``subgroups`` lists the shaders that use subgroup operations (Tint wants the directive,
    naga refuses it, so the host adds it).
    """

    buffers: tuple[Buffer, ...]
    textures: tuple[Texture, ...]
    shaders: Mapping[str, str]
    compute: tuple[ComputePipeline, ...]
    render: tuple[RenderPipeline, ...]
    schedules: Mapping[str, tuple[ComputePass | RenderPass, ...]]
    subgroups: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """WebGPU features that the device must have."""
        floats = any(
            "rgba32float" in (p.target, p.extra) and p.blend != "none" for p in self.render
        )
        found = ("float32-blendable",) * floats + ("subgroups",) * bool(self.subgroups)
        return found + self.needs

    @classmethod
    def of(cls, schedules: Mapping[str, tuple[Part, ...]]) -> Plan:
        """Join parts; a part that stands in several schedules is taken once."""
        parts: list[Part] = []
        for members in schedules.values():
            parts += [part for part in members if not any(part is known for known in parts)]
        shaders: dict[str, str] = {}
        for part in parts:
            shaders.update(part.shaders)
        return cls(
            buffers=tuple(buffer for part in parts for buffer in part.buffers),
            textures=tuple(texture for part in parts for texture in part.textures),
            shaders=shaders,
            compute=tuple(pipeline for part in parts for pipeline in part.compute),
            render=tuple(pipeline for part in parts for pipeline in part.render),
            schedules={
                name: tuple(step for part in members for step in part.steps)
                for name, members in schedules.items()
            },
            subgroups=tuple(name for part in parts for name in part.subgroups),
            needs=tuple(sorted({name for part in parts for name in part.needs})),
        )

    def passes(self) -> Iterator[tuple[str, ComputePass | RenderPass]]:
        """Every pass with the name of its schedule."""
        for name, schedule in self.schedules.items():
            for step in schedule:
                yield name, step

    def count_dispatches(self, schedule: str) -> int:
        """Dispatches and draws of a schedule: a number that no machine changes."""
        return sum(
            len(step.dispatches if isinstance(step, ComputePass) else step.draws)
            for step in self.schedules[schedule]
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts, strings and numbers, for a host that is not Python."""
        return asdict(self)
