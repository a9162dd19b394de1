"""A workgroup for each row: what its stages hand on lies in workgroup memory.

A barrier follows each stage that others read, and the lanes share long reductions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pybuild.onnx.expr import Expr, variable
from pybuild.onnx.ir import Tensor, neutral
from pybuild.onnx.kernels import Bundles, Variant, thread_axes
from pybuild.onnx.live import leave_early
from pybuild.onnx.loops import Store, Tile, write_nest
from pybuild.onnx.nest import accumulator, extent
from pybuild.onnx.rows.begin import conditions, live_rows, origin_of
from pybuild.onnx.rows.group import Group, Stage
from pybuild.onnx.rows.kept import Kept, kept_stages
from pybuild.onnx.slots import Slots
from pybuild.onnx.substitution import substitute
from pybuild.onnx.wgsl import Writer, combine_text

__all__ = ["LANES", "workgroup_variant"]

LANES = 128


def workgroup_variant(
    group: Group,
    outside: frozenset[Tensor],
    prefer: str = "gpu",
    lanes: int = LANES,
    bundles: Bundles | None = None,
    orders: Mapping[Tensor, tuple[int, ...]] | None = None,
) -> Variant:
    """A workgroup for each row; see `thread_variant`."""
    thread = variable("thread", group.count)
    lane = variable("lane", lanes)
    row_axes = [variable(f"row{k}", n) for k, n in enumerate(group.extents)]
    digits = thread_axes(row_axes, {}, thread) if group.count > 1 else {}
    local = Kept(kept_stages(group))
    slots = Slots(bundles=bundles or {}, orders=dict(orders or {}))
    shared: list[str] = [f"const LANES: i32 = {lanes}i;"]

    def load(expr: Expr, writer: Writer) -> str:
        if expr.op == "load" and expr.attr in local.stages:
            if expr.attr not in local.arrays:
                return local.scalars[expr.attr, 0]
            place = local.place(expr.attr, expr.args)
            text = f"{local.arrays[expr.attr]}[{writer.value(place)}]"
            return f"({text} != 0u)" if expr.type == "bool" else text
        return slots.load(expr, writer)

    writer = Writer(load)
    if thread.op == "var":
        writer.define(thread, "thread")
    writer.define(lane, "lane")
    firsts = [origin_of(stage, row_axes, digits) for stage in group.stages]
    leave_early(writer, slots, conditions(group, outside, firsts))
    scratch: set[str] = set()

    for stage in group.stages:
        nest, tensor = stage.nest, stage.nest.tensor
        origin = origin_of(stage, row_axes, digits)
        if stage.width == 1:
            if nest.combine is not None and nest.depth >= 64:
                text = _lane_reduce(writer, stage, origin, scratch)
            else:
                text = ""

            def keep(w: Writer, t: Tensor, values: Sequence[tuple[tuple[Expr, ...], str]]) -> None:
                ((index, value),) = values
                name = w.fresh("s")
                w.line(f"let {name} = {value};")
                local.scalars[t, 0] = name
                if t in outside:
                    w.open("if (lane == 0i)", {})
                    slots.write(w, t, [(index, name)])
                    w.close()

            if text:
                _finish(writer, stage, origin, text, keep)
            else:
                write_nest(writer, nest, Tile({}, {}), origin, keep)
            continue
        if tensor in local.stages:
            element = "u32" if tensor.type == "bool" else tensor.type
            name = local.arrays[tensor] = writer.fresh("w")
            shared.append(f"var<workgroup> {name}: array<{element}, {stage.width}>;")

        def put(w: Writer, t: Tensor, values: Sequence[tuple[tuple[Expr, ...], str]]) -> None:
            for index, value in values:
                kept = f"u32({value})" if t.type == "bool" else value
                if t in local.stages:
                    w.line(f"{local.arrays[t]}[{w.value(local.place(t, index))}] = {kept};")
                if t in outside:
                    slots.write(w, t, [(index, value)])

        _lane_loop(writer, stage, origin, put)
        if tensor in local.stages:
            writer.line("workgroupBarrier();")
    for type_ in sorted(scratch):
        shared.append(f"var<workgroup> scratch_{type_}: array<{type_}, {lanes}>;")
    return Variant(
        writer.text(),
        tuple(writer.functions),
        tuple(slots.slots.values()),
        group.count,
        lanes,
        prefer,
        "\n".join(shared),
        True,
        live=live_rows(group, outside, 1),
    )


def _lane_loop(writer: Writer, stage: Stage, origin: Mapping[Expr, Expr], store: Store) -> None:
    """The elements of a row, dealt to the lanes in turn."""
    width = stage.width
    element = variable("e", width)
    name = writer.fresh("e")
    writer.open(f"for (var {name} = lane; {name} < {width}i; {name} += LANES)", {element: name})
    inner = dict(origin)
    stride = width
    for axis in stage.rest:
        stride //= extent(axis)
        inner[axis] = (element // stride) % extent(axis)
    unroll: dict[Expr, int] = {}
    for var in reversed(stage.nest.over):
        n = extent(var)
        unroll[var] = n if n <= 16 else next((d for d in (8, 4, 2) if n % d == 0), 1)
        break
    write_nest(writer, stage.nest, Tile({}, unroll), inner, store)
    writer.close()


def _lane_reduce(
    writer: Writer, stage: Stage, origin: Mapping[Expr, Expr], scratch: set[str]
) -> str:
    """Each lane reduces its share, then a tree the shares; the text of the result."""
    nest = stage.nest
    assert nest.combine is not None
    type_ = nest.body.type
    held = "u32" if type_ == "bool" else type_
    scratch.add(held)
    acc, name = writer.fresh("a"), writer.fresh("k")
    start = neutral(nest.combine, type_)
    writer.line(f"var {acc}: {type_} = {writer.value(start)};")
    step = variable("k", nest.depth)
    writer.open(f"for (var {name} = lane; {name} < {nest.depth}i; {name} += LANES)", {step: name})
    mapping = dict(origin)
    stride = nest.depth
    for var in nest.over:
        stride //= extent(var)
        mapping[var] = (step // stride) % extent(var)
    body = substitute(nest.body, mapping)
    writer.count_uses([body])
    writer.line(combine_text(nest.combine, type_, acc, writer.value(body)))
    writer.close()
    array = f"scratch_{held}"
    kept = f"u32({acc})" if type_ == "bool" else acc
    writer.line(f"{array}[lane] = {kept};")
    writer.line("workgroupBarrier();")
    half = writer.fresh("h")
    writer.line(f"for (var {half} = LANES / 2i; {half} > 0i; {half} = {half} / 2i) {{")
    partner = f"{array}[lane + {half}]"
    if type_ == "bool":
        sign = "|" if nest.combine in ("or", "max") else "&"
        merge = f"{array}[lane] = {array}[lane] {sign} {partner};"
    else:
        merge = combine_text(nest.combine, type_, f"{array}[lane]", partner)
    writer.line(f"  if (lane < {half}) {{ {merge} }}")
    writer.line("  workgroupBarrier();")
    writer.line("}")
    result = writer.fresh("r")
    first = f"({array}[0] != 0u)" if type_ == "bool" else f"{array}[0]"
    writer.line(f"let {result} = {first};")
    writer.line("workgroupBarrier();")
    return result


def _finish(
    writer: Writer, stage: Stage, origin: Mapping[Expr, Expr], text: str, store: Store
) -> None:
    nest = stage.nest
    mapping = dict(origin)
    assert nest.acc is not None
    mapping[nest.acc] = accumulator(nest.acc.type)
    writer.define(mapping[nest.acc], text)
    value = substitute(nest.finish, mapping)
    writer.count_uses([value])
    index = tuple(substitute(part, mapping) for part in nest.index)
    store(writer, nest.tensor, [(index, writer.value(value))])
