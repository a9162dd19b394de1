"""What a row keeps of its earlier stages: in variables, in arrays, or in its buffers after all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pybuild.onnx.expr import Expr, as_expr, clamp_index
from pybuild.onnx.ir import Tensor
from pybuild.onnx.nest import extent
from pybuild.onnx.rows.group import Group, Stage, invert
from pybuild.onnx.rows.plans import Plan, is_unrolled, plan_of, rows_each
from pybuild.onnx.rows.worth import contracts
from pybuild.onnx.substitution import walk
from pybuild.onnx.wgsl import Writer

__all__ = ["Kept", "kept_stages", "moving", "spilled"]

SPILLED_WIDTH = 8


@dataclass(slots=True)
class Kept:
    """Tensors that live inside a row.

    A thread of several rows (``each``) keeps them one after the other; ``base`` is the value of the
    last row axis in its first.
    """

    stages: dict[Tensor, Stage]
    each: int = 1
    base: Expr | None = None
    arrays: dict[Tensor, str] = field(default_factory=dict)
    scalars: dict[tuple[Tensor, int], str] = field(default_factory=dict)

    def within(self, tensor: Tensor, index: Sequence[Expr]) -> Expr:
        """Number within its row of an element."""
        stage = self.stages[tensor]
        values = invert(stage.nest, index)
        assert values is not None
        flat = as_expr(0, "i32")
        for axis in stage.rest:
            flat = flat * extent(axis) + values[axis]
        if flat.low < 0 or flat.high >= stage.width:
            # a read behind a select that is false: compilers refuse a place that is not there
            flat = clamp_index(flat, stage.width)
        return flat

    def split(self, tensor: Tensor, index: Sequence[Expr]) -> tuple[Expr, int]:
        """Number within the row of an element, and which of the thread's rows it is in."""
        flat = self.within(tensor, index)
        if self.base is None:
            return flat, 0
        stage = self.stages[tensor]
        values = invert(stage.nest, index)
        assert values is not None
        return flat, int((values[stage.rows[-1]] - self.base).attr)

    def place(self, tensor: Tensor, index: Sequence[Expr]) -> Expr:
        """Number of an element within the thread's rows."""
        flat, row = self.split(tensor, index)
        return flat + row * self.stages[tensor].width

    def element(self, tensor: Tensor, index: Sequence[Expr], writer: Writer) -> str:
        """Text of an element of an array: of four rows they lie together, as a vector."""
        flat, row = self.split(tensor, index)
        text = f"{self.arrays[tensor]}[{writer.value(flat)}]"
        return text if self.each == 1 else f"{text}.{'xyzw'[row]}"

    def fill(
        self, tensor: Tensor, values: Sequence[tuple[tuple[Expr, ...], str]], writer: Writer
    ) -> None:
        """Write elements of an array; where all rows come, each vector at once.

        Mesa makes a store at a computed index a tree of branches over the whole array: four times
        fewer stores into an array four times shorter compile in a sixteenth of the time.
        """
        if self.each == 1:
            for index, text in values:
                writer.line(f"{self.element(tensor, index, writer)} = {text};")
            return
        together: dict[Expr, dict[int, str]] = {}
        for index, text in values:
            flat, row = self.split(tensor, index)
            together.setdefault(flat, {})[row] = text
        for flat, rows in together.items():
            name = f"{self.arrays[tensor]}[{writer.value(flat)}]"
            if len(rows) == self.each:
                inner = ", ".join(rows[row] for row in range(self.each))
                writer.line(f"{name} = vec{self.each}<{tensor.type}>({inner});")
            else:
                for row, text in rows.items():
                    writer.line(f"{name}.{'xyzw'[row]} = {text};")


def kept_stages(group: Group) -> dict[Tensor, Stage]:
    """Stages that others of the group read."""
    read = {e.attr for s in group.stages for e in walk(*s.nest.roots) if e.op == "load"}
    return {s.nest.tensor: s for s in group.stages if s.nest.tensor in read}


def moving(group: Group, plans: Sequence[Plan], local: Kept) -> set[Tensor]:
    """Locals written or read at an index that a loop or the row moves: they need an array."""
    found: set[Tensor] = set()
    for stage, plan in zip(group.stages, plans, strict=True):
        tensor = stage.nest.tensor
        if tensor in local.stages and plan.looped:
            found.add(tensor)
        still = set(stage.rest) - set(plan.looped) | {
            v for v in stage.nest.over if plan.tile.unroll.get(v, 1) == extent(v)
        }
        for node in walk(*stage.nest.roots):
            if node.op == "load" and node.attr in local.stages:
                place = local.within(node.attr, node.args)
                if any(
                    e.op in ("load", "acc") or (e.op == "var" and e not in still)
                    for e in walk(place)
                ):
                    found.add(node.attr)
    return found


def spilled(group: Group) -> frozenset[Tensor]:
    """Layers of a network too large to be written out, which a thread keeps in its buffers.

    A private array that a loop fills becomes a tree of branches at each store on some drivers
    (Mesa compiles such a kernel for a minute), and lies in memory on all others.
    """
    if is_unrolled(group) or not any(
        contracts(s.nest) and rows_each(group) > 1 for s in group.stages
    ):
        return frozenset()
    plans = [plan_of(stage, False, rows_each(group)) for stage in group.stages]
    local = Kept(kept_stages(group))
    return frozenset(
        tensor
        for tensor in moving(group, plans, local)
        if local.stages[tensor].width >= SPILLED_WIDTH
    )
