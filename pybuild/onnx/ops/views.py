"""Operators that only name elements anew: each output element is one input element, unchanged.

Every lowering here is a map whose body is a single load, so its readers read through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pybuild.onnx.expr import Expr, Type, as_expr
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, reshape
from pybuild.onnx.lower import Context, Unsupported, lowers

__all__ = ["axis_of", "empty", "replaced", "reshaped", "sliced", "transposed"]


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front; ONNX counts negative ones from the back."""
    if not -rank <= axis < rank:
        raise Unsupported(f"axis {axis} of a tensor with {rank} axes")
    return axis % rank


def replaced(index: Sequence[Expr], axis: int, part: Expr) -> tuple[Expr, ...]:
    """The index with another part at one axis."""
    return (*index[:axis], part, *index[axis + 1 :])


def empty(name: str, shape: Sequence[int], type_: Type) -> Tensor:
    """A tensor without elements, or all 0."""
    return map_tensor(name, shape, lambda *_: as_expr(0, type_))


def reshaped(name: str, x: Tensor, shape: Sequence[int]) -> Tensor:
    """The same elements in C order under another shape."""
    return reshape(name, x, shape) if x.size else empty(name, shape, x.type)


def transposed(name: str, x: Tensor, order: Sequence[int]) -> Tensor:
    """``out`` whose axis k is axis ``order[k]`` of ``x``."""
    place = {axis: k for k, axis in enumerate(order)}
    shape = tuple(x.shape[axis] for axis in order)
    return map_tensor(name, shape, lambda *i: x[tuple(i[place[a]] for a in range(len(i)))])


def sliced(name: str, x: Tensor, parts: Mapping[int, range]) -> Tensor:
    """The elements of ``x`` whose index along each axis named is in that range, in its order."""
    shape = tuple(len(parts[a]) if a in parts else n for a, n in enumerate(x.shape))

    def part(axis: int, i: Expr) -> Expr:
        kept = parts.get(axis)
        return i if kept is None else i * kept.step + kept.start

    return map_tensor(name, shape, lambda *i: x[tuple(part(a, e) for a, e in enumerate(i))])


@lowers("Identity")
def _identity(context: Context, node: Node) -> Tensor:
    x = context.tensor(node, 0)
    return map_tensor(node.outputs[0], x.shape, lambda *i: x[i])


@lowers("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _reshape(context: Context, node: Node) -> Tensor:
    """All four keep the C order; they differ in how the shape is said, which the graph knows."""
    return reshaped(node.outputs[0], context.tensor(node, 0), context.result(node).shape)


@lowers("Transpose")
def _transpose(context: Context, node: Node) -> Tensor:
    x = context.tensor(node, 0)
    order = node.attributes.get("perm", range(len(x.shape))[::-1])
    return transposed(node.outputs[0], x, [axis_of(int(axis), len(x.shape)) for axis in order])


@lowers("Expand")
def _expand(context: Context, node: Node) -> Tensor:
    x = context.tensor(node, 0)
    shape = context.result(node).shape
    lead = len(shape) - len(x.shape)

    def body(*i: Expr) -> Expr:
        return x[
            tuple(
                as_expr(0, "i32") if n == 1 else e for n, e in zip(x.shape, i[lead:], strict=True)
            )
        ]

    return map_tensor(node.outputs[0], shape, body)


def _part(start: int, end: int, step: int, n: int) -> range:
    """Places that one axis keeps; unlike numpy, a backward start before the axis means its 0."""
    if n == 0:
        return range(0)
    start, end = (place + n if place < 0 else place for place in (start, end))
    low, high = (0, n) if step > 0 else (-1, n - 1)
    return range(min(max(start, 0), high), min(max(end, low), high), step)


@lowers("Slice", limits="starts, ends, axes and steps known at build")
def _slice(context: Context, node: Node) -> Tensor:
    """Attributes before opset 10, inputs from then on; ends beyond the axis are clamped."""
    x = context.tensor(node, 0)
    if node.opset < 10:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes, steps = node.attributes.get("axes"), None
    else:
        starts, ends = context.array(node, 1).tolist(), context.array(node, 2).tolist()
        given = context.optional_array(node, 3)
        axes = None if given is None else given.tolist()
        stride = context.optional_array(node, 4)
        steps = None if stride is None else stride.tolist()
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    parts: dict[int, range] = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        place = axis_of(int(axis), len(x.shape))
        parts[place] = _part(int(start), int(end), int(step), x.shape[place])
    return sliced(node.outputs[0], x, parts)


@lowers("Split", limits="sizes known at build")
def _split(context: Context, node: Node) -> tuple[Tensor, ...]:
    """Sizes are the results' own: given, or equal ones of which the last may be smaller."""
    x = context.tensor(node, 0)
    axis = axis_of(int(node.attributes.get("axis", 0)), len(x.shape))
    n, count = x.shape[axis], int(node.attributes.get("num_outputs", len(node.outputs)))
    given = node.attributes.get("split")
    if given is None:
        sizes = context.optional_array(node, 1)
        given = None if sizes is None else sizes.tolist()
    if given is None:
        most = -(-n // count)
        given = [min(most, n - most * k) for k in range(count)]
    parts: list[Tensor] = []
    start = 0
    for name, size in zip(node.outputs, given, strict=False):
        part = range(start, start + int(size))
        parts.append(sliced(name or f"{node.name}.unread", x, {axis: part}))
        start += int(size)
    return tuple(parts)


def _blocks(node: Node, x: Tensor) -> tuple[int, bool]:
    if len(x.shape) != 4:
        raise Unsupported(f"{len(x.shape)} axes, not 4")
    mode = node.attributes.get("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise Unsupported(f"mode {mode!r}")
    return int(node.attributes["blocksize"]), mode == "DCR"


@lowers("DepthToSpace")
def _depth_to_space(context: Context, node: Node) -> Tensor:
    """DCR: input channel ``(row * block + column) * depth + d``; CRD: d varies slowest."""
    x = context.tensor(node, 0)
    block, depth_last = _blocks(node, x)
    n, channels, rows, columns = x.shape
    depth = channels // block**2

    def body(b: Expr, c: Expr, h: Expr, w: Expr) -> Expr:
        cell = h % block * block + w % block
        channel = cell * depth + c if depth_last else c * block**2 + cell
        return x[b, channel, h // block, w // block]

    return map_tensor(node.outputs[0], (n, depth, rows * block, columns * block), body)


@lowers("SpaceToDepth")
def _space_to_depth(context: Context, node: Node) -> Tensor:
    """The inverse of DepthToSpace; ``mode`` is there from opset 28 on."""
    x = context.tensor(node, 0)
    block, depth_last = _blocks(node, x)
    n, depth, rows, columns = x.shape

    def body(b: Expr, c: Expr, h: Expr, w: Expr) -> Expr:
        cell, d = (
            (c // max(depth, 1), c % max(depth, 1)) if depth_last else (c % block**2, c // block**2)
        )
        return x[b, d, h * block + cell // block, w * block + cell % block]

    shape = (n, depth * block**2, rows // block, columns // block)
    return map_tensor(node.outputs[0], shape, body)
