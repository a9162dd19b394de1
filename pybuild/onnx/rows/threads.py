"""A thread for each row, or for each four: what its stages hand on it keeps in variables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pybuild.onnx.expr import Expr, variable
from pybuild.onnx.ir import Tensor
from pybuild.onnx.kernels import Bundles, Variant, thread_axes
from pybuild.onnx.live import leave_early
from pybuild.onnx.loops import Store, expand, write_nest
from pybuild.onnx.nest import extent
from pybuild.onnx.rows.begin import conditions, live_rows, origin_of
from pybuild.onnx.rows.group import Group, Stage
from pybuild.onnx.rows.kept import Kept, kept_stages, moving, spilled
from pybuild.onnx.rows.plans import Plan, is_unrolled, literals_of, plan_of, rows_each
from pybuild.onnx.slots import Slots
from pybuild.onnx.substitution import substitute
from pybuild.onnx.wgsl import Writer

__all__ = ["thread_variant"]


def thread_variant(
    group: Group,
    outside: frozenset[Tensor],
    workgroup: int,
    prefer: str = "any",
    bundles: Bundles | None = None,
    orders: Mapping[Tensor, tuple[int, ...]] | None = None,
) -> Variant:
    """A thread for each row, or for each four where their weights are many.

    Parameters
    ----------
    outside : frozenset of Tensor
        Those that other kernels or the caller read: they are written to their buffers.
    """
    unrolled = is_unrolled(group)
    each = rows_each(group)
    threads = group.count // each
    thread = variable("thread", threads)
    row_axes = [variable(f"row{k}", n) for k, n in enumerate(group.extents)]
    factors = {row_axes[-1]: each} if each > 1 else {}
    digits = thread_axes(row_axes, factors, thread) if group.count > 1 else {}
    inside = {t: s for t, s in kept_stages(group).items() if t not in spilled(group)}
    local = Kept(inside, each, digits[row_axes[-1]] * each if each > 1 else None)
    plans = [plan_of(stage, unrolled, each) for stage in group.stages]
    fixed = [origin_of(stage, row_axes, digits) for stage in group.stages]
    dynamic = moving(group, plans, local)

    slots = Slots(bundles=bundles or {}, orders=dict(orders or {}))
    slots.literals = literals_of(group) if unrolled else frozenset()
    stores = {
        stage.nest.tensor: slots.places(
            stage.nest.tensor,
            [
                tuple(substitute(i, mapping) for i in stage.nest.index)
                for mapping in expand(
                    stage.nest,
                    plan.tile,
                    {**origin, **{a: variable("e", 1 << 20) for a in plan.looped}},
                )
            ],
        )
        for stage, plan, origin in zip(group.stages, plans, fixed, strict=True)
        if stage.nest.tensor in outside
    }
    bodies = [
        ((stage.nest.body, stage.nest.finish), plan.tile.steps)
        for stage, plan in zip(group.stages, plans, strict=True)
    ]
    slots.choose_vectors(bodies, stores, frozenset(local.stages))

    def load(expr: Expr, writer: Writer) -> str:
        if expr.op == "load" and expr.attr in local.stages:
            if expr.attr in local.arrays:
                return local.element(expr.attr, expr.args, writer)
            return local.scalars[expr.attr, int(local.place(expr.attr, expr.args).attr)]
        return slots.load(expr, writer)

    writer = Writer(load)
    if thread.op == "var":
        writer.define(thread, "thread")
    firsts = [
        expand(stage.nest, plan.tile, origin)[0]
        for stage, plan, origin in zip(group.stages, plans, fixed, strict=True)
    ]
    leave_early(writer, slots, conditions(group, outside, firsts))
    for tensor in local.stages:
        if tensor in dynamic:
            name = local.arrays[tensor] = writer.fresh("p")
            writer.pinned.add(tensor)
            held = tensor.type if each == 1 else f"vec{each}<{tensor.type}>"
            writer.line(f"var {name}: array<{held}, {local.stages[tensor].width}>;")

    def store(w: Writer, tensor: Tensor, values: Sequence[tuple[tuple[Expr, ...], str]]) -> None:
        if tensor in local.arrays:
            local.fill(tensor, values, w)
        elif tensor in local.stages:
            for index, text in values:
                name = w.fresh("s")
                local.scalars[tensor, int(local.place(tensor, index).attr)] = name
                w.line(f"let {name} = {text};")
        if tensor in outside:
            slots.write(w, tensor, values)

    for stage, plan, origin in zip(group.stages, plans, fixed, strict=True):
        _write_stage(writer, stage, plan, origin, store)
    return Variant(
        writer.text(),
        tuple(writer.functions),
        tuple(slots.slots.values()),
        threads,
        workgroup,
        prefer,
        live=live_rows(group, outside, each),
    )


def _write_stage(
    writer: Writer, stage: Stage, plan: Plan, origin: Mapping[Expr, Expr], store: Store
) -> None:
    if not plan.looped:
        write_nest(writer, stage.nest, plan.tile, origin, store)
        return
    counts = [extent(a) // plan.tile.factors.get(a, 1) for a in plan.looped]
    turns = math.prod(counts)
    loop = variable("e", turns)
    name = writer.fresh("e")
    writer.open(
        # groups.z is 1: Mesa writes out any loop of known length whose counter indexes an array,
        # and then takes a minute to compile what is left
        f"for (var {name} = 0i; {name} < {turns}i * i32(groups.z); {name}++)",
        {loop: name} if loop.op == "var" else {},
    )
    inner = dict(origin)
    stride = turns
    for axis, count in zip(plan.looped, counts, strict=True):
        stride //= count
        inner[axis] = (loop // stride) % count
    write_nest(writer, stage.nest, plan.tile, inner, store)
    writer.close()
