"""Row groups as WGSL: a thread for each row, or a workgroup for each row.

A thread a row keeps what its stages hand on in variables. Where all of a group's loops are short
they are written out, and constants stand in the text as literals: on processors a load costs as
much as ten multiplications (docs/decisions/0005). A workgroup a row keeps it in workgroup memory,
with a barrier after each stage; its lanes share long reductions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pybuild.onnx.expr import Expr, as_expr, clamp_index, variable
from pybuild.onnx.ir import Constant, Tensor, neutral
from pybuild.onnx.kernels import Bundles, Variant, thread_axes
from pybuild.onnx.live import Live, leave_early, live_threads, rows_live
from pybuild.onnx.loops import Store, Tile, expand, write_nest
from pybuild.onnx.nest import accumulator, extent
from pybuild.onnx.rows import Group, Stage, contracts, invert
from pybuild.onnx.slots import Slots
from pybuild.onnx.substitution import substitute, walk
from pybuild.onnx.wgsl import Writer, combine_text

__all__ = ["LANES", "layouts", "spilled", "thread_variant", "total_terms", "workgroup_variant"]

UNROLLED_TERMS = 26000
"""Products written out in one kernel at most, where rows are many."""
MANY_ROWS = 1024
ROWS_EACH = 4
SPILLED_WIDTH = 8
MOST_THREADS = 1 << 16
"""Rows from which on a thread takes four light ones: a thread alone costs some adapters 8 ns."""
FEW_TERMS = 2048
STAGE_TERMS = 512
LITERALS = 1 << 14
LANES = 128


@dataclass(slots=True)
class _Plan:
    """How a stage is cut: its tile, and the axes that a loop runs over."""

    tile: Tile
    looped: tuple[Expr, ...]


@dataclass(slots=True)
class _Locals:
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


def total_terms(group: Group) -> int:
    """Products that a row's stages have together."""
    return sum(stage.width * stage.nest.depth for stage in group.stages)


def _is_unrolled(group: Group) -> bool:
    """All loops are written out, so that weights are literals; what has none gains nothing."""
    most = UNROLLED_TERMS if group.count >= MANY_ROWS else FEW_TERMS
    if not any(contracts(stage.nest) for stage in group.stages):
        most = STAGE_TERMS
    return total_terms(group) <= most


def spilled(group: Group) -> frozenset[Tensor]:
    """Layers of a network too large to be written out, which a thread keeps in its buffers.

    A private array that a loop fills becomes a tree of branches at each store on some drivers
    (Mesa compiles such a kernel for a minute), and lies in memory on all others.
    """
    if _is_unrolled(group) or not any(
        contracts(s.nest) and _rows_each(group) > 1 for s in group.stages
    ):
        return frozenset()
    plans = [_plan(stage, False, _rows_each(group)) for stage in group.stages]
    local = _Locals(_is_local(group))
    return frozenset(
        tensor
        for tensor in _dynamic(group, plans, local)
        if local.stages[tensor].width >= SPILLED_WIDTH
    )


def _is_local(group: Group) -> dict[Tensor, Stage]:
    read = {e.attr for s in group.stages for e in walk(*s.nest.roots) if e.op == "load"}
    return {s.nest.tensor: s for s in group.stages if s.nest.tensor in read}


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
    unrolled = _is_unrolled(group)
    each = _rows_each(group)
    threads = group.count // each
    thread = variable("thread", threads)
    row_axes = [variable(f"row{k}", n) for k, n in enumerate(group.extents)]
    factors = {row_axes[-1]: each} if each > 1 else {}
    digits = thread_axes(row_axes, factors, thread) if group.count > 1 else {}
    inside = {t: s for t, s in _is_local(group).items() if t not in spilled(group)}
    local = _Locals(inside, each, digits[row_axes[-1]] * each if each > 1 else None)
    plans = [_plan(stage, unrolled, each) for stage in group.stages]
    fixed = [_origin(stage, row_axes, digits) for stage in group.stages]
    dynamic = _dynamic(group, plans, local)

    slots = Slots(bundles=bundles or {}, orders=dict(orders or {}))
    slots.literals = _literals(group) if unrolled else frozenset()
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
    leave_early(writer, slots, _conditions(group, outside, firsts))
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
        live=_live(group, outside, each),
    )


def _conditions(
    group: Group, outside: frozenset[Tensor], firsts: Sequence[Mapping[Expr, Expr]]
) -> list[Expr]:
    """For each tensor that is written whether a thread's first row is within its limits."""
    return [
        rows_live(stage.nest, stage.rows, first)
        for stage, first in zip(group.stages, firsts, strict=True)
        if stage.nest.tensor in outside
    ]


def _live(group: Group, outside: frozenset[Tensor], each: int) -> Live | None:
    """Rows that have work, where all that is written follows the same count."""
    found = {
        live_threads(stage.nest, stage.rows, {stage.rows[-1]: each} if stage.rows else {})
        for stage in group.stages
        if stage.nest.tensor in outside
    }
    return found.pop() if len(found) == 1 else None


def _origin(
    stage: Stage, row_axes: Sequence[Expr], digits: Mapping[Expr, Expr]
) -> dict[Expr, Expr]:
    origin = {
        axis: digits.get(row, as_expr(0, "i32")) if row.op == "var" else row
        for axis, row in zip(stage.rows, row_axes, strict=True)
    }
    return origin | {axis: as_expr(0, "i32") for axis in stage.rest}


def _rows_each(group: Group) -> int:
    """Rows of one thread: weights read from memory serve all of them."""
    heavy = not _is_unrolled(group) and any(
        contracts(s.nest) and s.width * s.nest.depth >= STAGE_TERMS for s in group.stages
    )
    many = group.count >= MANY_ROWS and bool(group.extents) and group.extents[-1] % ROWS_EACH == 0
    light = total_terms(group) <= STAGE_TERMS // 8 and group.count >= MOST_THREADS
    return ROWS_EACH if many and (heavy or light) else 1


def layouts(group: Group) -> dict[Tensor, tuple[int, ...]]:
    """Constants of a group that lie better in another order: what is read together, together."""
    unrolled = _is_unrolled(group)
    if unrolled:
        return {}
    found: dict[Tensor, int | None] = {}
    for stage in group.stages:
        steps = _plan(stage, unrolled, 1).tile.steps
        for node in walk(*stage.nest.roots):
            if node.op != "load" or not isinstance(node.attr.source, Constant):
                continue
            best = max(
                (
                    (steps.get(part, 1), k)
                    for k, part in enumerate(node.args)
                    if part not in stage.rows
                ),
                default=(1, 0),
            )
            place = best[1] if best[0] >= 4 else None
            if found.setdefault(node.attr, place) != place:
                found[node.attr] = None
    orders: dict[Tensor, tuple[int, ...]] = {}
    for tensor, place in found.items():
        last = len(tensor.shape) - 1
        if place is not None and place != last:
            orders[tensor] = (*(a for a in range(last + 1) if a != place), place)
    return orders


def _plan(stage: Stage, unrolled: bool, each: int) -> _Plan:
    nest = stage.nest
    depth, width = nest.depth, stage.width
    rows = {stage.rows[-1]: each} if each > 1 else {}
    if unrolled or width * depth * each <= STAGE_TERMS:
        return _Plan(
            Tile({**rows, **{a: extent(a) for a in stage.rest}}, {v: extent(v) for v in nest.over}),
            (),
        )
    unroll: dict[Expr, int] = {}
    # of several rows a tile of outputs shares a few inputs at a time: with all inputs at hand,
    # hundreds of values live through the loop, and some compilers take a minute to place them
    room = (8 if each > 1 else 128) if nest.combine else 1
    for var in reversed(nest.over):
        if extent(var) <= room:
            unroll[var] = extent(var)
            room //= extent(var)
            continue
        unroll[var] = max(
            (d for d in (16, 8, 4, 2) if extent(var) % d == 0 and d <= room), default=1
        )
        break
    inner = math.prod(unroll.values())
    factors: dict[Expr, int] = {}
    looped: list[Expr] = []
    room = min(16, max(1, STAGE_TERMS // (inner * each)))
    for axis in reversed(stage.rest):
        if extent(axis) <= room:
            factors[axis] = extent(axis)
            room //= extent(axis)
            continue
        step = max((d for d in (16, 8, 4, 2, 1) if d <= room and extent(axis) % d == 0), default=1)
        factors[axis] = step
        looped.append(axis)
        room //= max(step, 1)
    return _Plan(Tile({**rows, **factors}, unroll), tuple(reversed(looped)))


def _dynamic(group: Group, plans: Sequence[_Plan], local: _Locals) -> set[Tensor]:
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


def _literals(group: Group) -> frozenset[Tensor]:
    """Constants of an unrolled group whose places do not depend on the row."""
    found: set[Tensor] = set()
    moved: set[Tensor] = set()
    for stage in group.stages:
        rows = set(stage.rows)
        for node in walk(*stage.nest.roots):
            if node.op == "load" and isinstance(node.attr.source, Constant):
                inside = set(walk(*node.args))
                still = not inside & rows and not any(e.op == "load" for e in inside)
                (found if still else moved).add(node.attr)
    return frozenset(t for t in found - moved if t.size <= LITERALS)


def _write_stage(
    writer: Writer, stage: Stage, plan: _Plan, origin: Mapping[Expr, Expr], store: Store
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


# ------------------------------------------------------------------------------ a workgroup a row


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
    local = _Locals(_is_local(group))
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
    firsts = [_origin(stage, row_axes, digits) for stage in group.stages]
    leave_early(writer, slots, _conditions(group, outside, firsts))
    scratch: set[str] = set()

    for stage in group.stages:
        nest, tensor = stage.nest, stage.nest.tensor
        origin = _origin(stage, row_axes, digits)
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
        live=_live(group, outside, 1),
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
