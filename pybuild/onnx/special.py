"""Kernels that are no loop nests: running reductions, and writes at computed places."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pybuild.onnx.expr import Expr, variable
from pybuild.onnx.ir import Scan, Scatter, Tensor, bind, flatten_index, neutral
from pybuild.onnx.kernels import Bundles, Variant, thread_axes
from pybuild.onnx.nest import extent
from pybuild.onnx.slots import Slots
from pybuild.onnx.substitution import substitute
from pybuild.onnx.wgsl import Writer, combine_text

__all__ = ["scan_variant", "scatter_variant"]


def scan_variant(tensor: Tensor, workgroup: int, bundles: Bundles | None = None) -> Variant:
    """A thread for each line along the axis, which it walks."""
    source = tensor.source
    assert isinstance(source, Scan)
    length = tensor.shape[source.axis]
    across = [a for k, a in enumerate(source.axes) if k != source.axis and a.op == "var"]
    threads = math.prod(extent(a) for a in across)
    thread = variable("thread", threads)
    origin: dict[Expr, Expr] = thread_axes(across, {}, thread) if threads > 1 else {}
    slots = Slots(bundles=bundles or {})
    writer = Writer(slots.load)
    if thread.op == "var":
        writer.define(thread, "thread")
    acc = writer.fresh("a")
    writer.line(f"var {acc}: {tensor.type} = {writer.value(neutral(source.combine, tensor.type))};")
    step = variable("k", length)
    name = writer.fresh("k")
    writer.open(
        f"for (var {name} = 0i; {name} < {length}i; {name}++)",
        {step: name} if step.op == "var" else {},
    )
    mapping = {**origin, **bind([source.axes[source.axis]], [step])}
    body = substitute(source.body, mapping)
    index = tuple(substitute(a, mapping) for a in source.axes)
    writer.count_uses([body])
    if source.exclusive:
        slots.write(writer, tensor, [(index, acc)])
    writer.line(combine_text(source.combine, tensor.type, acc, writer.value(body)))
    if not source.exclusive:
        slots.write(writer, tensor, [(index, acc)])
    writer.close()
    return Variant(
        writer.text(), tuple(writer.functions), tuple(slots.slots.values()), threads, workgroup
    )


def scatter_variant(tensor: Tensor, workgroup: int, bundles: Bundles | None = None) -> Variant:
    """A thread for each write, into a tensor that already holds the data.

    Combining writes goes through compare-and-exchange, so that no order loses one. Of plain writes
    to one place any may win, as ONNX leaves it open.
    """
    source = tensor.source
    assert isinstance(source, Scatter)
    over = [v for v in source.over if v.op == "var"]
    threads = math.prod(extent(v) for v in over)
    thread = variable("thread", threads)
    origin: Mapping[Expr, Expr] = thread_axes(over, {}, thread) if threads > 1 else {}
    slots = Slots(bundles=bundles or {})
    slot = slots.slot(tensor)
    writer = Writer(slots.load)
    if thread.op == "var":
        writer.define(thread, "thread")
    where = substitute(source.where, origin)
    index = tuple(substitute(part, origin) for part in source.index)
    value = substitute(source.value, origin)
    writer.count_uses([where, value, *index])
    inside = where
    if inside.op != "const" or not inside.attr:
        writer.open(f"if ({writer.value(inside)})", {})
    text, place = writer.value(value), writer.value(flatten_index(index, tensor.shape))
    if source.combine is None:
        slots.store(writer, tensor, [(flatten_index(index, tensor.shape), text)])
    else:
        slot.atomic = slot.writes = True
        old, acc, done = writer.fresh("o"), writer.fresh("a"), writer.fresh("d")
        bits = f"bitcast<u32>({acc})" if tensor.type != "bool" else f"u32({acc})"
        held = f"bitcast<{tensor.type}>({old})" if tensor.type != "bool" else f"({old} != 0u)"
        writer.line(f"var {old} = atomicLoad(&{slot.name}[{place}]);")
        writer.line("loop {")
        writer.line(f"  var {acc}: {tensor.type} = {held};")
        writer.line(f"  {combine_text(source.combine, tensor.type, acc, text)}")
        writer.line(
            f"  let {done} = atomicCompareExchangeWeak(&{slot.name}[{place}], {old}, {bits});"
        )
        writer.line(f"  if ({done}.exchanged) {{ break; }}")
        writer.line(f"  {old} = {done}.old_value;")
        writer.line("}")
    if inside.op != "const" or not inside.attr:
        writer.close()
    return Variant(
        writer.text(), tuple(writer.functions), tuple(slots.slots.values()), threads, workgroup
    )
