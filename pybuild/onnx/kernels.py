"""Kernels: a WGSL text with its bindings and the number of its workgroups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pybuild.onnx.expr import Expr, as_expr, variable
from pybuild.onnx.ir import Tensor
from pybuild.onnx.live import Live, leave_early, live_threads, rows_live
from pybuild.onnx.loops import Tile, expand, write_nest
from pybuild.onnx.nest import Nest, extent
from pybuild.onnx.slots import Slot, Slots
from pybuild.onnx.substitution import substitute
from pybuild.onnx.wgsl import Writer
from pyengine.shaders import SHADER_FOLDER

__all__ = ["MAX_GROUPS", "Bundles", "Kernel", "Variant", "loop_variant", "thread_axes"]

MAX_GROUPS = 65535
"""Workgroups along one dimension: WebGPU's default limit."""

Bundles = Mapping[Tensor, tuple[Tensor, int]]
"""Tensors that lie in another one, from an element on."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to compute a kernel.

    Attributes
    ----------
    text : str
        WGSL without bindings' access (arena tensors are bound read_write).
    slots : tuple of Slot
        In the order of the bindings.
    workgroups : (int, int, int)
    workgroup : int
        Invocations, the override WORKGROUP.
    prefer : {'any', 'gpu', 'software'}
    half : bool
        Computes with 16-bit floats.
    live : Live or None
        Threads that have work, where that follows a count.
    """

    body: str
    functions: tuple[str, ...]
    slots: tuple[Slot, ...]
    threads: int
    workgroup: int
    prefer: str = "any"
    shared: str = ""
    by_group: bool = False
    half: bool = False
    live: Live | None = None

    @property
    def workgroups(self) -> tuple[int, int, int]:
        """Workgroups to dispatch; a second dimension where one does not suffice."""
        count = self.threads if self.by_group else -(-self.threads // self.workgroup)
        count = max(count, 1)
        if count <= MAX_GROUPS:
            return count, 1, 1
        rows = -(-count // MAX_GROUPS)
        return -(-count // rows), rows, 1

    def text(self, order: Sequence[Tensor], access: Mapping[Tensor, str]) -> str:
        """The whole shader.

        Parameters
        ----------
        order : sequence of Tensor
            Tensor of each binding.
        access : mapping
            How each is bound.
        """
        lines = ["enable f16;"] if self.half else []
        lines += [] if self.by_group else ["override WORKGROUP: u32 = 64u;"]
        by_tensor = {slot.tensor: slot for slot in self.slots}
        lines += [
            by_tensor.get(tensor, Slot(tensor, f"unused{binding}", ())).declaration(
                binding, access[tensor]
            )
            for binding, tensor in enumerate(order)
        ]
        lines += [_function(name) for name in self.functions]
        if self.shared:
            lines.append(self.shared)
        lines += [f"@compute @workgroup_size({'LANES' if self.by_group else 'WORKGROUP'})"]
        if self.by_group:
            lines += [
                "fn main(@builtin(workgroup_id) group: vec3<u32>,",
                "        @builtin(num_workgroups) groups: vec3<u32>,",
                "        @builtin(local_invocation_index) local: u32) {",
                "  let lane = i32(local);",
                "  let thread = i32(group.x + group.y * groups.x);",
                f"  if (thread >= {self.threads}i) {{ return; }}",
            ]
        else:
            lines += [
                "fn main(@builtin(global_invocation_id) id: vec3<u32>,",
                "        @builtin(num_workgroups) groups: vec3<u32>) {",
                "  let thread = i32(id.x + id.y * groups.x * WORKGROUP);",
                f"  if (thread >= {self.threads}i) {{ return; }}",
            ]
        return "\n".join([*lines, self.body, "}"]) + "\n"


@dataclass(slots=True)
class Kernel:
    """One dispatch: what it writes and reads, and the ways to compute it."""

    label: str
    writes: tuple[Tensor, ...]
    reads: tuple[Tensor, ...]
    variants: list[Variant] = field(default_factory=list)
    flops: int = 0
    orders: dict[Tensor, tuple[int, ...]] = field(default_factory=dict)

    def drop_unread(self) -> None:
        """Forget tensors that no variant reaches: constants that stand in the text."""
        used = {slot.tensor for variant in self.variants for slot in variant.slots}
        self.reads = tuple(tensor for tensor in self.reads if tensor in used)


def _function(name: str) -> str:
    path: Path = SHADER_FOLDER / "program" / "functions" / f"{name}.wgsl"
    return path.read_text(encoding="utf-8").strip()


def thread_axes(
    axes: Sequence[Expr], factors: Mapping[Expr, int], thread: Expr
) -> dict[Expr, Expr]:
    """The tile numbers of a thread: the last axis runs fastest."""
    origin: dict[Expr, Expr] = {}
    rest = thread
    counts = [-(-extent(axis) // factors.get(axis, 1)) for axis in axes]
    stride = math.prod(counts)
    for axis, count in zip(axes, counts, strict=True):
        stride //= count
        origin[axis] = as_expr(0, "i32") if count == 1 else (rest // stride) % count
    return origin


def loop_variant(
    nest: Nest,
    tile: Tile,
    workgroup: int,
    prefer: str = "any",
    orders: Mapping[Tensor, tuple[int, ...]] | None = None,
    bundles: Bundles | None = None,
) -> Variant:
    """A thread for each tile of the nest; ``orders`` are memory layouts of constants."""
    factors = tile.factors
    threads = math.prod(-(-extent(axis) // factors.get(axis, 1)) for axis in nest.axes)
    thread = variable("thread", max(threads, 1))
    origin = thread_axes(nest.axes, factors, thread)
    slots = Slots(orders=dict(orders or {}), bundles=bundles or {})
    registers = expand(nest, tile, origin)
    places = slots.places(
        nest.tensor, [tuple(substitute(p, mapping) for p in nest.index) for mapping in registers]
    )
    ragged = any(extent(axis) % factors.get(axis, 1) for axis in nest.axes)
    stores: dict[Tensor, list[Expr]] = {nest.tensor: [] if ragged else places}
    slots.choose_vectors([((nest.body, nest.finish), tile.steps)], stores, frozenset())
    writer = Writer(slots.load)
    if thread.op == "var":
        writer.define(thread, "thread")
    leave_early(writer, slots, [rows_live(nest, nest.axes, registers[0])])
    write_nest(writer, nest, tile, origin, slots.write)
    return Variant(
        writer.text(),
        tuple(writer.functions),
        tuple(slots.slots.values()),
        threads,
        workgroup,
        prefer,
        half=nest.body.op == "widen",
        live=live_threads(nest, nest.axes, factors),
    )
