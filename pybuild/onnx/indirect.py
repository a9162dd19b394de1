"""A kernel before all others that makes workgroups of the counts, so that work follows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pybuild.onnx.expr import Expr, binary, const, floordiv, maximum
from pybuild.onnx.ir import Input, Tensor
from pybuild.onnx.kernels import MAX_GROUPS, Kernel, Variant
from pybuild.onnx.live import Live
from pybuild.onnx.slots import Slots
from pybuild.onnx.wgsl import Writer

__all__ = ["Arguments", "arguments_of"]

_BYTES = 12
"""Of the arguments of one dispatch: three u32."""


@dataclass(slots=True)
class Arguments:
    """Workgroups of the dispatches that follow counts.

    Attributes
    ----------
    tensor : Tensor
        Three u32 for each.
    kernel : Kernel
        Computes them.
    """

    tensor: Tensor
    kernel: Kernel
    places: dict[tuple[Live, int], int] = field(default_factory=dict)

    def offset_bytes(self, variant: Variant) -> int | None:
        """Where the arguments of a variant lie; None for one that follows no count."""
        if variant.live is None:
            return None
        return _BYTES * self.places[variant.live, _size(variant)]


def arguments_of(kernels: Sequence[Kernel]) -> Arguments | None:
    """The arguments that the variants of some kernels need; None for none."""
    places: dict[tuple[Live, int], int] = {}
    for kernel in kernels:
        for variant in kernel.variants:
            if variant.live is not None:
                places.setdefault((variant.live, _size(variant)), len(places))
    if not places:
        return None
    tensor = Tensor("arguments", (3 * len(places),), "u32", Input())
    slots = Slots()
    slots.slot(tensor).writes = True
    writer = Writer(slots.load)
    for (live, size), place in places.items():
        for axis, count in enumerate(_groups(live, size)):
            value = f"u32({writer.value(count)})"
            slots.store(writer, tensor, [(const(3 * place + axis, "i32"), value)])
        slots.store(writer, tensor, [(const(3 * place + 2, "i32"), "1u")])
    used = tuple(slots.slots.values())
    variant = Variant(writer.text(), tuple(writer.functions), used, 1, 1)
    counts = tuple(slot.tensor for slot in used if slot.tensor is not tensor)
    kernel = Kernel("workgroups of the counts", (tensor,), counts, [variant])
    return Arguments(tensor, kernel, places)


def _size(variant: Variant) -> int:
    """Threads that one workgroup takes off the number."""
    return 1 if variant.by_group else variant.workgroup


def _groups(live: Live, size: int) -> tuple[Expr, Expr]:
    """Workgroups along x and y, as `Variant.workgroups` divides them."""
    steps = maximum(floordiv(live.limit + (live.step - 1), live.step), const(0, "i32"))
    groups = floordiv(steps * live.each + (size - 1), size)
    if groups.high <= MAX_GROUPS:
        return groups, const(1, "i32")
    rows = maximum(floordiv(groups + (MAX_GROUPS - 1), MAX_GROUPS), const(1, "i32"))
    return binary("div", groups + rows - 1, rows), rows
