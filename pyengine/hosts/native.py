"""The host under CPython: executes plans through wgpu-py, off screen.

The only module that imports wgpu. Reads back on request, which a steady frame never does.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import wgpu

from pyengine.errors import DeviceError, PlanError
from pyengine.plan import (
    CANVAS,
    Adapter,
    Binding,
    ComputePass,
    ComputePipeline,
    Dispatch,
    Draw,
    Indirect,
    Plan,
    Range,
    RenderPass,
    RenderPipeline,
)

__all__ = ["CANVAS_FORMAT", "NativeDevice", "NativeHost", "open_adapter"]

CANVAS_FORMAT = "rgba8unorm"
_ROW_ALIGNMENT = 256

_BUFFER_USAGE = {
    "uniform": wgpu.BufferUsage.UNIFORM,
    "storage": wgpu.BufferUsage.STORAGE,
    "indirect": wgpu.BufferUsage.INDIRECT,
    "upload": wgpu.BufferUsage.COPY_DST,
    "readback": wgpu.BufferUsage.COPY_SRC,
}
_TEXTURE_USAGE = {
    "render": wgpu.TextureUsage.RENDER_ATTACHMENT,
    "sample": wgpu.TextureUsage.TEXTURE_BINDING,
    "readback": wgpu.TextureUsage.COPY_SRC,
}
_BINDING = {"uniform": "uniform", "read": "read-only-storage", "read_write": "storage"}
_UNDER = {"src_factor": "one-minus-dst-alpha", "dst_factor": "one", "operation": "add"}
_OPTIONAL = ("float32-blendable", "shader-f16", "subgroup")
"""Features to ask for where they are; the last is what wgpu-native 29 calls "subgroups"."""
_KEPT_PIPELINES = 256
_WRAPPING = re.compile(r"\A\s*Validation Error\s+Caused by:\s+(In wgpu.*\n\s*)?")
_TEXEL_BYTES = {"rgba8unorm": 4, "rgba16float": 8, "rgba32float": 16}


def open_adapter() -> Any:
    """The system's fastest adapter.

    Raises
    ------
    DeviceError
        None is there; names the packages of a software one.
    """
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())  # Mesa warns without it
    try:
        return wgpu.gpu.request_adapter_sync(power_preference="high-performance")
    except RuntimeError as error:
        raise DeviceError(
            f"no WebGPU adapter ({str(error).splitlines()[0]}). Install a GPU driver, or the "
            "software one: apt-get install mesa-vulkan-drivers libvulkan1."
        ) from None


class NativeDevice:
    """A device that several hosts may share, with the compute pipelines compiled on it.

    Parameters
    ----------
    adapter : wgpu adapter, optional
        `open_adapter` unless given.
    limits : mapping, optional
        Limits by WebGPU's names to ask of the adapter (``maxBufferSize``: bytes).
    timed : bool
        Ask for timestamps where the adapter has them.
    """

    def __init__(
        self, adapter: Any = None, limits: Mapping[str, int] | None = None, timed: bool = False
    ) -> None:
        self.adapter = adapter or open_adapter()
        self.timed = timed and "timestamp-query" in self.adapter.features
        wanted = [name for name in _OPTIONAL if name in self.adapter.features]
        self.device = self.adapter.request_device_sync(
            label="vitrine",
            required_features=wanted + ["timestamp-query"] * self.timed,
            required_limits={_kebab(name): value for name, value in (limits or {}).items()},
        )
        self._pipelines: dict[tuple[object, ...], tuple[Any, Any]] = {}

    @property
    def name(self) -> str:
        """The adapter, its driver and what drives it, to remember things by."""
        info = self.adapter.info
        parts = (info["vendor"], info["device"], info["description"], info["backend_type"])
        return " | ".join(part for part in parts if part)

    def compute(self, pipeline: ComputePipeline, module: Callable[[], Any], text: str) -> Any:
        """A compute pipeline and its bind group layout; a recent equal one is given again."""
        constants = tuple(sorted(pipeline.constants.items()))
        key = (text, pipeline.layout, constants, pipeline.entry)
        made = self._pipelines.pop(key, None)
        if made is None:
            group = self.layout(pipeline.layout, wgpu.ShaderStage.COMPUTE)
            with _told(f"pipeline {pipeline.name!r}"):
                made = (
                    group,
                    self.device.create_compute_pipeline(
                        label=pipeline.name,
                        layout=self.device.create_pipeline_layout(bind_group_layouts=[group]),
                        compute={
                            "module": module(),
                            "entry_point": pipeline.entry,
                            "constants": dict(pipeline.constants),
                        },
                    ),
                )
        self._pipelines[key] = made
        if len(self._pipelines) > _KEPT_PIPELINES:
            del self._pipelines[next(iter(self._pipelines))]
        return made

    def layout(self, layout: tuple[str, ...], visibility: int) -> Any:
        """A bind group layout from the access of its bindings."""
        entries: list[dict[str, Any]] = []
        for index, access in enumerate(layout):
            kind: dict[str, Any] = {"buffer": {"type": _BINDING.get(access)}}
            if access == "texture":
                kind = {"texture": {"sample_type": "unfilterable-float"}}
            entries.append({"binding": index, "visibility": visibility, **kind})
        return self.device.create_bind_group_layout(entries=entries)

    def close(self) -> None:
        """Free the device and all that it holds."""
        self._pipelines.clear()
        self.device.destroy()


class NativeHost:
    """A device that has taken a plan.

    Parameters
    ----------
    width, height : int
        Size of the canvas in pixels.
    adapter : wgpu adapter, optional
        `open_adapter` unless given.
    limits : mapping, optional
        Limits by WebGPU's names to ask of the adapter (``maxBufferSize``: bytes).
    timed : bool
        Time each pass where the adapter can; see `timings_ms`.
    shared : NativeDevice, optional
        A device to share with other hosts, instead of one of its own from ``adapter`` and
        ``limits``; that of ``adopted`` where that is given.
    adopted : NativeHost, optional
        A host of the same device, whose buffers stand in for those of the same names, where they
        have the size and the usages that are wanted; they stay its own.
    """

    def __init__(
        self,
        width: int,
        height: int,
        adapter: Any = None,
        limits: Mapping[str, int] | None = None,
        timed: bool = False,
        shared: NativeDevice | None = None,
        adopted: NativeHost | None = None,
    ) -> None:
        self.width, self.height = width, height
        if shared is None and adopted is not None:
            shared = adopted._shared
        self._shared: NativeDevice = shared or NativeDevice(adapter, limits, timed)
        self._owns = shared is None
        self.adapter, self.device = self._shared.adapter, self._shared.device
        self.timed = timed and self._shared.timed
        self._plan: Plan | None = None
        self._labels: list[str] = []
        self._ran: list[str] = []
        self._buffers: dict[str, Any] = {}
        self._lender = adopted
        self._adopted: dict[str, Any] = {}
        self._textures: dict[str, Any] = {}
        self._copies: dict[str, Any] = {}
        self._queries: Any = None
        self._fence: Any = None
        self._query_bytes: Any = None

    @staticmethod
    def describe(adapter: Any) -> Adapter:
        """What a plan depends on of an adapter."""
        info = adapter.info
        return Adapter(
            limits={_camel(name): value for name, value in adapter.limits.items()},
            # wgpu-py 0.32 spells it so
            subgroup_size=info.get("stackgroup_min_size", info.get("subgroup_min_size", 0))
            if "subgroup" in adapter.features
            else 0,
            software=info["adapter_type"] == "CPU",
            float32_blendable="float32-blendable" in adapter.features,
            shader_f16="shader-f16" in adapter.features,
        )

    def build(self, plan: Plan, load: Callable[[str], bytes] | None = None) -> None:
        """Make every resource, pipeline and bind group.

        Parameters
        ----------
        plan : Plan
        load : callable, optional
            Bytes of a buffer's ``source``.

        Raises
        ------
        DeviceError
            A buffer that does not fit, or a shader or pipeline that does not compile: its name and
            what the compiler says.
        """
        self._plan = plan
        self._adopted = self._lent(plan)
        device = self.device
        for buffer in plan.buffers:
            if buffer.name in self._adopted:
                self._buffers[buffer.name] = self._adopted[buffer.name]
                continue
            with _told(f"buffer {buffer.name!r} of {buffer.size_bytes} bytes"):
                self._buffers[buffer.name] = device.create_buffer(
                    label=buffer.name,
                    size=buffer.size_bytes,
                    usage=_flags(_BUFFER_USAGE, buffer.usage),
                )
        for buffer in plan.buffers:
            if buffer.source is not None and load is not None and buffer.name not in self._adopted:
                self.write(buffer.name, load(buffer.source))
        self._modules: dict[str, Any] = {}
        self._pipelines: dict[str, tuple[Any, Any]] = {
            p.name: self._shared.compute(p, partial(self._module, p.shader), plan.shaders[p.shader])
            for p in plan.compute
        }
        self._pipelines |= {p.name: self._render(p) for p in plan.render}
        count = 2 * max((len(schedule) for schedule in plan.schedules.values()), default=1)
        if self.timed:
            self._queries = device.create_query_set(type="timestamp", count=count)
            self._query_bytes = device.create_buffer(
                size=8 * count,
                usage=wgpu.BufferUsage.QUERY_RESOLVE | wgpu.BufferUsage.COPY_SRC,
            )
        self.resize(self.width, self.height)

    def resize(self, width: int, height: int) -> None:
        """Make the textures of the canvas's size anew, and the bind groups that hold them."""
        self._free_textures()
        self.width = self.height = 0  # until they are there: memory may run out
        self._make_textures(width, height)
        self.width, self.height = width, height

    def _make_textures(self, width: int, height: int) -> None:
        plan = self._taken()
        usage = _flags(_TEXTURE_USAGE, ("render", "readback"))
        size = (width, height)
        if plan.render:
            self._textures[CANVAS] = self._texture(CANVAS, CANVAS_FORMAT, usage, size)
        for texture in plan.textures:
            usage = _flags(_TEXTURE_USAGE, texture.usage)
            self._textures[texture.name] = self._texture(
                texture.name, texture.format, usage, texture.size or size
            )
        self._groups: dict[tuple[str, tuple[Binding, ...]], Any] = {}
        for _, step in plan.passes():
            for item in step.dispatches if isinstance(step, ComputePass) else step.draws:
                self._groups[item.pipeline, item.bindings] = self._group(item)

    def write(
        self, buffer: str, data: bytes | bytearray | memoryview, offset_bytes: int = 0
    ) -> None:
        """Upload bytes into a buffer with usage upload."""
        self.device.queue.write_buffer(self._buffers[buffer], offset_bytes, data)

    def run(self, schedule: str) -> None:
        """Replay a schedule: one submission.

        Raises
        ------
        DeviceError
            The device was lost, or refuses what the plan asks.
        """
        with _told(f"schedule {schedule!r}"):
            self._run(schedule)

    def _run(self, schedule: str) -> None:
        plan = self._taken()
        encoder = self.device.create_command_encoder(label=schedule)
        self._ran = []
        for step in plan.schedules[schedule]:
            if isinstance(step, ComputePass):
                self._run_compute(encoder, step)
            else:
                self._run_render(encoder, step)
        if self.timed:
            encoder.resolve_query_set(self._queries, 0, 2 * len(self._ran), self._query_bytes, 0)
        self.device.queue.submit([encoder.finish()])

    def wait(self) -> None:
        """Until the device has done all that was submitted."""
        if self._fence is None:  # wgpu-py 0.32's on_submitted_work_done raises a TypeError
            self._fence = self.device.create_buffer(size=4, usage=wgpu.BufferUsage.COPY_SRC)
        self.device.queue.read_buffer(self._fence)

    def read(self, buffer: str) -> memoryview:
        """Copy a buffer with usage readback to memory: for tests and tools."""
        view: memoryview = self.device.queue.read_buffer(self._buffers[buffer])
        return view

    def read_texture(self, name: str = CANVAS) -> bytes:
        """Texels of a texture in rows from the top, without padding."""
        texture = self._textures[name]
        width, height = texture.size[:2]
        row = width * _TEXEL_BYTES[texture.format]
        pitch = -(-row // _ROW_ALIGNMENT) * _ROW_ALIGNMENT
        copy = self._copies.get(name)
        if copy is None:  # kept, so that the frames of a film allocate nothing
            usage = wgpu.BufferUsage.COPY_DST | wgpu.BufferUsage.MAP_READ
            copy = self.device.create_buffer(label=f"{name} read", size=pitch * height, usage=usage)
            self._copies[name] = copy
        encoder = self.device.create_command_encoder(label="read")
        encoder.copy_texture_to_buffer(
            {"texture": texture},
            {"buffer": copy, "bytes_per_row": pitch, "rows_per_image": height},
            (width, height, 1),
        )
        self.device.queue.submit([encoder.finish()])
        copy.map_sync("READ")
        try:
            data = copy.read_mapped(copy=False)
            return b"".join(bytes(data[y * pitch : y * pitch + row]) for y in range(height))
        finally:
            copy.unmap()

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds of each pass of the last run; empty when the host is not timed."""
        if not self.timed:
            return {}
        data = self.device.queue.read_buffer(self._query_bytes)
        stamps = memoryview(data).cast("B").cast("Q")
        return {
            label: (stamps[2 * i + 1] - stamps[2 * i]) / 1e6 for i, label in enumerate(self._ran)
        }

    def close(self) -> None:
        """Free the device and all that it holds; of a shared one only what this host made."""
        if self._owns:
            self._shared.close()
            return
        for name, buffer in self._buffers.items():
            if name not in self._adopted:
                buffer.destroy()
        self._free_textures()
        if self._query_bytes is not None:
            self._query_bytes.destroy()
            self._queries.destroy()

    def _lent(self, plan: Plan) -> dict[str, Any]:
        """Buffers of the other host that will do for a plan."""
        lender = self._lender
        if lender is None:
            return {}
        there = {buffer.name: buffer for buffer in lender._taken().buffers}
        return {
            buffer.name: lender._buffers[buffer.name]
            for buffer in plan.buffers
            if (other := there.get(buffer.name)) is not None
            and other.size_bytes == buffer.size_bytes
            and other.source == buffer.source
            and set(buffer.usage) <= set(other.usage)
        }

    def _free_textures(self) -> None:
        """Of a size that is no longer wanted, with what they are read through."""
        for resource in (*self._textures.values(), *self._copies.values()):
            resource.destroy()
        self._textures, self._copies = {}, {}

    def _taken(self) -> Plan:
        if self._plan is None:
            raise PlanError("the host has taken no plan")
        return self._plan

    def _texture(self, label: str, texture_format: str, usage: int, size: tuple[int, int]) -> Any:
        return self.device.create_texture(
            label=label,
            size=(*size, 1),
            format=texture_format,
            usage=usage,
        )

    def _module(self, name: str) -> Any:
        if name not in self._modules:
            text = self._taken().shaders[name]
            with _told(f"shader {name!r} does not compile"):
                self._modules[name] = self.device.create_shader_module(label=name, code=text)
        return self._modules[name]

    def _render(self, pipeline: RenderPipeline) -> Any:
        visibility = wgpu.ShaderStage.VERTEX | wgpu.ShaderStage.FRAGMENT
        group = self._shared.layout(pipeline.layout, visibility)
        targets: list[dict[str, Any]] = []
        if pipeline.target is not None:
            target_format = CANVAS_FORMAT if pipeline.target == CANVAS else pipeline.target
            targets = [{"format": target_format}]
        if pipeline.extra is not None:
            targets.append({"format": pipeline.extra})
        if pipeline.blend == "under":
            targets = [{**item, "blend": {"color": _UNDER, "alpha": _UNDER}} for item in targets]
        depth = None
        if pipeline.depth != "none":
            depth = {
                "format": "depth32float",
                "depth_write_enabled": pipeline.depth == "write",
                "depth_compare": "less",
            }
        stage = {
            "module": self._module(pipeline.shader),
            "constants": dict(pipeline.constants),
        }
        return group, self.device.create_render_pipeline(
            label=pipeline.name,
            layout=self.device.create_pipeline_layout(bind_group_layouts=[group]),
            vertex={**stage, "entry_point": pipeline.vertex},
            fragment={**stage, "entry_point": pipeline.fragment, "targets": targets},
            primitive={"topology": "triangle-list"},
            depth_stencil=depth,
        )

    def _group(self, item: Dispatch | Draw) -> Any:
        entries = []
        for index, binding in enumerate(item.bindings):
            resource: Any
            if isinstance(binding, Range):
                resource = {
                    "buffer": self._buffers[binding.buffer],
                    "offset": binding.offset_bytes,
                    "size": binding.size_bytes,
                }
            elif binding in self._textures:
                resource = self._textures[binding].create_view()
            else:
                resource = {"buffer": self._buffers.get(binding)}
            entries.append({"binding": index, "resource": resource})
        return self.device.create_bind_group(
            label=item.pipeline, layout=self._pipelines[item.pipeline][0], entries=entries
        )

    def _stamps(self, label: str) -> dict[str, Any]:
        if not self.timed:
            return {}
        index = 2 * len(self._ran)
        self._ran.append(label)
        return {
            "timestamp_writes": {
                "query_set": self._queries,
                "beginning_of_pass_write_index": index,
                "end_of_pass_write_index": index + 1,
            }
        }

    def _run_compute(self, encoder: Any, step: ComputePass) -> None:
        work = encoder.begin_compute_pass(label=step.label, **self._stamps(step.label))
        for dispatch in step.dispatches:
            work.set_pipeline(self._pipelines[dispatch.pipeline][1])
            work.set_bind_group(0, self._groups[dispatch.pipeline, dispatch.bindings])
            if isinstance(dispatch.workgroups, Indirect):
                indirect = dispatch.workgroups
                work.dispatch_workgroups_indirect(
                    self._buffers[indirect.buffer], indirect.offset_bytes
                )
            else:
                work.dispatch_workgroups(*dispatch.workgroups)
        work.end()

    def _run_render(self, encoder: Any, step: RenderPass) -> None:
        load_op = "clear" if step.clear else "load"
        color: list[dict[str, Any]] = [
            {
                "view": self._textures[name].create_view(),
                "load_op": load_op,
                "store_op": "store",
                "clear_value": (0, 0, 0, 0),
            }
            for name in (step.target, step.extra)
            if name is not None
        ]
        depth = None
        if step.depth is not None:
            depth = {
                "view": self._textures[step.depth].create_view(),
                "depth_load_op": load_op,
                "depth_store_op": "store",
                "depth_clear_value": 1.0,
            }
        work = encoder.begin_render_pass(
            label=step.label,
            color_attachments=color,
            depth_stencil_attachment=depth,
            **self._stamps(step.label),
        )
        for draw in step.draws:
            work.set_pipeline(self._pipelines[draw.pipeline][1])
            work.set_bind_group(0, self._groups[draw.pipeline, draw.bindings])
            if isinstance(draw.count, Indirect):
                work.draw_indirect(self._buffers[draw.count.buffer], draw.count.offset_bytes)
            else:
                work.draw(*draw.count)
        work.end()


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn wgpu's errors into ours, with what was being made and without what wraps the message."""
    try:
        yield
    except wgpu.GPUError as error:
        raise DeviceError(f"{what}: {_WRAPPING.sub('', str(error)).strip()}") from None


def _flags(table: Mapping[str, int], names: tuple[str, ...]) -> int:
    flags = 0
    for name in names:
        flags |= table[name]
    return flags


def _kebab(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name)


def _camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(word.capitalize() for word in rest)
